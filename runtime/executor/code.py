"""The LLVM IR of one kernel while it is written: operands, checks and suspensions.

A PTX register is an integer of its width in an `alloca` (LLVM makes values of them); floats are
bit patterns.  What each instruction reads and writes is noted, so that a suspension can save just the
registers that are used after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from spikec.runtime.executor import layout
from spikec.runtime.executor.errors import ExecutionError
from spikec.runtime.executor.module import Array, Entry, Text, error_at
from spikec.runtime.executor.text import Address, Group, Immediate, Instruction, Name, Operand

FLOATS = {32: "float", 64: "double"}

_SPECIAL = {
    **{f"%tid.{c}": ("thread", layout.TID + 8 * i) for i, c in enumerate("xyz")},
    **{f"%ntid.{c}": ("launch", layout.NTID + 8 * i) for i, c in enumerate("xyz")},
    **{f"%ctaid.{c}": ("block", layout.CTAID + 8 * i) for i, c in enumerate("xyz")},
    **{f"%nctaid.{c}": ("launch", layout.NCTAID + 8 * i) for i, c in enumerate("xyz")},
    "%laneid": ("thread", layout.LANE),
    "%warpid": ("thread", layout.WARP),
}
_LANE_MASKS = {"eq": "eq", "le": "ule", "lt": "ult", "ge": "uge", "gt": "ugt"}


@dataclass(slots=True)
class Suspension:
    """A place where a thread stops and is resumed: how it comes back, and what the instruction wrote before.

    With `waits_for`, the thread stops only if that register is used afterwards.
    """

    number: int
    status: int
    index: int
    written: frozenset[str]
    waits_for: str | None


@dataclass(slots=True)
class Effects:
    """Registers an instruction reads and writes."""

    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)


class Code:
    """The function of one entry; `races` adds the calls of the race check."""

    def __init__(self, text: Text, entry: Entry, races: bool) -> None:
        self.text = text
        self.entry = entry
        self.races = races
        self.lines: list[str | Suspension] = []
        self.suspensions: list[Suspension] = []
        self.effects: list[Effects] = [Effects() for _ in entry.body]
        self.shared_arrays = [a for a in (*entry.arrays.values(), *text.arrays.values()) if a.space == "shared"]
        self.module_arrays = [a for a in text.arrays.values() if a.space != "shared"]
        self.index = 0
        self._count = 0

    # Text

    @property
    def instruction(self) -> Instruction:
        """The instruction that is translated."""
        return self.entry.body[self.index]

    def error(self, message: str) -> ExecutionError:
        """An error at the instruction."""
        return error_at(self.text, self.instruction.line, message)

    def emit(self, text: str) -> str:
        """Add an operation; the name of its value."""
        self._count += 1
        self.lines.append(f"  %v{self._count} = {text}")
        return f"%v{self._count}"

    def do(self, text: str) -> None:
        """Add an operation without a value."""
        self.lines.append(f"  {text}")

    def fresh(self, name: str) -> str:
        """A new label."""
        self._count += 1
        return f"{name}{self._count}"

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")

    def field(self, record: str, offset: int) -> str:
        """The pointer to a field of the launch, block or thread."""
        return self.emit(f"getelementptr i8, ptr %{record}, i64 {offset}")

    def get(self, record: str, offset: int, width: int = 64) -> str:
        """A field."""
        return self.emit(f"load i{width}, ptr {self.field(record, offset)}")

    def put(self, record: str, offset: int, value: str) -> None:
        """Set a field."""
        self.do(f"store i64 {value}, ptr {self.field(record, offset)}")

    # Operands

    def operands(self, count: int) -> tuple[Operand, ...]:
        """The operands, which must be `count`."""
        operands = self.instruction.operands
        if len(operands) != count:
            raise self.error(f"{self.instruction.opcode} takes {count} operands, not {len(operands)}")
        return operands

    def width(self, name: Name) -> int:
        """The width of a register; a predicate has 1 bit."""
        kind = self.entry.register(name.text)
        if kind is None:
            raise self.error(f"{name.text} is not a register")
        return 1 if kind == "pred" else int(kind[1:])

    def read(self, operand: Operand, width: int, wider: bool = False) -> str:
        """The bits of an operand; `wider` takes the low bits of a wider register."""
        match operand:
            case Immediate():
                return self._literal(operand, width)
            case Name(text) if self.entry.register(text):
                return self._register(operand, width, wider)
            case Name(text) if text.startswith("%") or text == "WARP_SZ":
                return self._narrow(self._special(text), 32, width, True)
            case Name(text) if not operand.not_:
                return self._narrow(self.symbol(text), 64, width, width == 32)
        raise self.error("this operand is not possible here")

    def _literal(self, number: Immediate, width: int) -> str:
        if number.kind != "integer" and number.kind != f"f{width}":
            raise self.error(f"a number of {number.kind} is not possible here")
        if not -(1 << width) < number.bits < 1 << width:
            raise self.error(f"the number {number.bits} has more than {width} bits")
        value = number.bits % (1 << width)
        return str(value) if width > 1 else ("true" if value else "false")

    def _register(self, name: Name, width: int, wider: bool) -> str:
        own = self.width(name)
        if name.not_ and own != 1:
            raise self.error("only a predicate can be negated")
        self.effects[self.index].reads.add(name.text)
        value = self.emit(f'load i{own}, ptr %"{name.text}"')
        if name.not_:
            value = self.emit(f"xor i1 {value}, true")
        return self._narrow(value, own, width, wider)

    def _narrow(self, value: str, own: int, width: int, wider: bool) -> str:
        if own == width:
            return value
        if own < width or not wider or width == 1:
            raise self.error(f"an operand of {width} bits is needed, not of {own}")
        return self.emit(f"trunc i{own} {value} to i{width}")

    def _special(self, name: str) -> str:
        if name == "WARP_SZ":
            return "32"
        if name in _SPECIAL:
            record, offset = _SPECIAL[name]
            return self.get(record, offset, 32)
        if name.startswith("%lanemask_") and name[10:] in _LANE_MASKS:
            return self._lane_mask(name[10:])
        raise self.error(f"{name} is not a register that is declared, nor a special register that is supported")

    def _lane_mask(self, relation: str) -> str:
        bit = self.emit(f"shl i32 1, {self.get('thread', layout.LANE, 32)}")
        below = self.emit(f"sub i32 {bit}, 1")
        match relation:
            case "eq":
                return bit
            case "lt":
                return below
            case "le":
                return self.emit(f"or i32 {bit}, {below}")
            case "ge":
                return self.emit(f"xor i32 {below}, -1")
        return self.emit(f"xor i32 {self.emit(f'or i32 {bit}, {below}')}, -1")

    def array(self, name: str) -> Array | None:
        """The array of a name, if there is one."""
        return self.entry.arrays.get(name) or self.text.arrays.get(name)

    def symbol(self, name: str) -> str:
        """The address of an array in its own state space, 64 bits."""
        array = self.array(name)
        if array is None:
            raise self.error(f"{name} is not declared")
        if array.space == "shared":
            return str((self.shared_arrays.index(array) + 1) << layout.SHARED_OFFSET_BITS)
        addresses = self.emit(f"load ptr, ptr {self.field('launch', layout.SYMBOLS)}")
        place = self.emit(f"getelementptr i64, ptr {addresses}, i64 {self.module_arrays.index(array)}")
        return self.emit(f"load i64, ptr {place}")

    def write(self, operand: Operand, value: str, width: int, extend: str = "") -> None:
        """Set a register; `extend` (zext, sext) fills a wider one."""
        if not isinstance(operand, Name) or operand.not_:
            raise self.error("the result must be a register")
        if operand.text == "_":
            return
        own = self.width(operand)
        if own > width and extend:
            value = self.emit(f"{extend} i{width} {value} to i{own}")
        elif own != width:
            raise self.error(f"a result of {width} bits does not fit {operand.text}, which has {own}")
        self.effects[self.index].writes.add(operand.text)
        self.do(f'store i{own} {value}, ptr %"{operand.text}"')

    def pair(self, operand: Operand) -> tuple[Operand, Operand | None]:
        """The results `a|b`, or `a` alone."""
        if isinstance(operand, Group) and operand.pair:
            first, second = operand.items
            return first, second
        return operand, None

    # Floats

    def read_float(self, operand: Operand, width: int, ftz: bool) -> str:
        """A float value, subnormals flushed under `ftz`."""
        bits = self.read(operand, width)
        if ftz:
            bits = self.emit(f"call i{width} @flush{width}(i{width} {bits})")
        return self.emit(f"bitcast i{width} {bits} to {FLOATS[width]}")

    def float_bits(self, value: str, width: int, ftz: bool, sat: bool = False) -> str:
        """The bits of a result: one NaN, clamped to 0..1 under `sat`, flushed under `ftz`."""
        finish = "saturate" if sat else "canonical"
        bits = self.emit(f"call i{width} @{finish}{width}({FLOATS[width]} {value})")
        return self.emit(f"call i{width} @flush{width}(i{width} {bits})") if ftz else bits

    # Checks and suspensions

    def fail_if(self, condition: str, kind: int, address: str = "0", size: int = 0) -> None:
        """End the launch with a fault at this line if `condition` holds."""
        bad, good = self.fresh("bad"), self.fresh("good")
        self.do(f"br i1 {condition}, label %{bad}, label %{good}")
        self.label(bad)
        line = self.instruction.line
        self.do(f"call void @fail(ptr %launch, i64 {kind}, i64 {line}, i64 {address}, i64 {size})")
        self.do(f"ret i64 {layout.FAILED}")
        self.label(good)

    def suspend(self, status: int, waits_for: str | None = None) -> None:
        """Stop the thread here; what it wrote before in this instruction is kept."""
        self.put("thread", layout.LINE, str(self.instruction.line))
        written = frozenset(self.effects[self.index].writes)
        suspension = Suspension(len(self.suspensions) + 1, status, self.index, written, waits_for)
        self.suspensions.append(suspension)
        self.lines.append(suspension)

    def call_race_check(self, function: int, *arguments: str) -> None:
        """Call a function of the race check; it records its own fault."""
        pointer = self.emit(f"load ptr, ptr {self.field('launch', function)}")
        records = [f"i64 %{record}.in" for record in ("launch", "block", "thread")]
        values = ", ".join([*records, *(f"i64 {a}" for a in arguments)])
        raced = self.emit(f"call i64 {pointer}({values})")
        bad, good = self.fresh("race"), self.fresh("good")
        self.do(f"br i1 {self.emit(f'icmp ne i64 {raced}, 0')}, label %{bad}, label %{good}")
        self.label(bad)
        self.do(f"ret i64 {layout.FAILED}")
        self.label(good)

    # Memory

    def address(self, operand: Operand, space: str) -> str:
        """The 64-bit address of `[base + offset]` in a state space."""
        if not isinstance(operand, Address):
            raise self.error("an address in brackets is needed")
        if operand.base is None:
            return str(operand.offset % (1 << 64))
        base = self._base(operand.base, space)
        if not operand.offset:
            return base
        if abs(operand.offset) >= 1 << 40:
            raise self.error("the offset of the address is too large")
        return self.emit(f"add i64 {base}, {operand.offset}")

    def _base(self, name: Name, space: str) -> str:
        if self.entry.register(name.text):
            if self.width(name) == 32 and space == "shared":
                return self.emit(f"zext i32 {self.read(name, 32)} to i64")
            return self.read(name, 64)
        array = self.array(name.text)
        if array is None or array.space != space:
            raise self.error(f"{name.text} is not an array in {space or 'generic'} memory")
        return self.symbol(name.text)

    def pointer(self, operand: Operand, space: str, size: int, access: int) -> tuple[str, str]:
        """The checked host pointer of an access of `size` bytes, and its generic address."""
        address = self.address(operand, space)
        write = int(access in (layout.WRITE, layout.ATOMIC))
        match space:
            case "shared":
                arguments = f"ptr %launch, ptr %block, i64 {address}, i64 {size}"
                pointer = self.emit(f"call ptr @shared({arguments})")
                address = self.emit(f"or i64 {address}, {1 << layout.SHARED_BIT}")
            case "":
                arguments = f"ptr %launch, ptr %block, i64 {address}, i64 {size}, i64 {write}"
                pointer = self.emit(f"call ptr @generic({arguments})")
            case _:
                pointer = self.emit(f"call ptr @global(ptr %launch, i64 {address}, i64 {size}, i64 {write})")
        kind = layout.ACCESS_WRITE if write else layout.ACCESS
        self.fail_if(self.emit(f"icmp eq ptr {pointer}, null"), kind, address, size)
        if self.races:
            line = str(self.instruction.line)
            self.call_race_check(layout.RACE_ACCESS, address, str(size), str(access), line)
        return pointer, address

    def changed(self) -> None:
        """Note that memory may have changed."""
        self.put("launch", layout.PROGRESS, "1")
