"""A circuit as LLVM IR: one function that runs any number of clock cycles.

    i64 @run(ptr registers, ptr memories, ptr columns, ptr seen, i64 cycles, i64 stop, i64 rows)

A column is where the values of the reset, of an input or of an output lie, in this order: seven words (`FIELDS`) of
the address, the words from one value to the next (0: one value is enough), the number of values, a gate, address and
distance of words that say which values of an input last one cycle whatever the gate says, and the position, which moves
on after each cycle in which the gate is not 0.  Gates and `stop` are indices of `seen`: the words of the outputs in the
last cycle (1 for wide ones that are not 0), then a 1 and a 0.  The run ends after the first cycle in which `seen[stop]`
is not 0, or in which the positions of outputs have moved `rows` times in all; returned is how many cycles were run.
Values are LLVM's integers of their own width.
"""

from __future__ import annotations

from typing import Any

from spikec.dialects import rtl
from spikec.dialects.netlist import Cell, Netlist, WritePort
from spikec.runtime.rtl.layout import WORD, Layout, stride, words

ENTRY = "run"
FIELDS = ("address", "stride", "count", "gate", "free", "each", "position")
_BINARY: dict[type, str] = {
    rtl.Add: "add",
    rtl.Sub: "sub",
    rtl.Mul: "mul",
    rtl.And: "and",
    rtl.Or: "or",
    rtl.Xor: "xor",
}
_WIDEN: dict[type, str] = {rtl.Zext: "zext", rtl.Sext: "sext"}


def code(netlist: Netlist, layout: Layout) -> str:
    """The text of the LLVM module."""
    return _Code(netlist, layout).text()


def _literal(value: int) -> str:
    """A number as LLVM reads it."""
    return str(value) if value < 1 << WORD else f"u0x{value:X}"


class _Code:
    def __init__(self, netlist: Netlist, layout: Layout) -> None:
        self._netlist, self._layout = netlist, layout
        self._head: list[str] = []
        self._lines: list[str] = []
        self._columns = 0
        self._names: dict[int, str] = {}
        self._count = 0
        self._declared: dict[str, None] = {}
        self._left = "%left"

    def text(self) -> str:
        pointers = ", ".join(f"ptr noalias %{name}" for name in ("registers", "memories", "columns", "seen"))
        self._body()
        return "\n".join(
            [
                f"define i64 @{ENTRY}({pointers}, i64 %cycles, i64 %stop, i64 %rows) {{",
                "entry:",
                *self._head,
                "  %stop.at = getelementptr i64, ptr %seen, i64 %stop",
                "  br label %cycle",
                "cycle:",
                "  %t = phi i64 [0, %entry], [%next, %cycle]",
                f"  %left = phi i64 [%rows, %entry], [{self._left}, %cycle]",
                *(f"  {line}" for line in self._lines),
                "  %next = add i64 %t, 1",
                "  %stop.word = load i64, ptr %stop.at",
                "  %stopped = icmp ne i64 %stop.word, 0",
                "  %all = icmp eq i64 %next, %cycles",
                f"  %full = icmp eq i64 {self._left}, 0",
                "  %ended = or i1 %stopped, %full",
                "  %end = or i1 %ended, %all",
                "  br i1 %end, label %done, label %cycle",
                "done:",
                "  ret i64 %next",
                "}",
                *self._declared,
                "",
            ]
        )

    # ------------------------------------------------------------ one cycle

    def _body(self) -> None:
        netlist = self._netlist
        given = 1 + len(netlist.inputs)
        reset = self._load(self._column(), 1, WORD)
        for net in netlist.inputs.values():
            width = self._width(net)
            self._names[net] = self._load(self._column(), width, WORD * words(width))
        for net, offset in self._layout.registers.items():
            width = self._width(net)
            self._names[net] = self._load(self._register(offset), width, WORD * words(width))
        for cell in netlist.cells:
            self._names[cell.output] = self._cell(cell)
        for index, net in enumerate(netlist.outputs.values()):
            value, width = self._names[net], self._width(net)
            self._store(value, self._column(), width, WORD * words(width))
            seen = (value, width) if width <= WORD else (self._reduce("or", value, width), 1)
            self._store(seen[0], self._emit(f"getelementptr i64, ptr %seen, i64 {index}"), seen[1], WORD)
        after = {one.output: self._next(one, reset) for one in netlist.registers}
        for port in netlist.reads:
            word = self._read(port.memory, port.address)
            after[port.output] = self._kept(port.enable, word, port.output)
        for write in netlist.writes:
            self._write(write)
        for net, value in after.items():
            width = self._width(net)
            self._store(value, self._register(self._layout.registers[net]), width, WORD * words(width))
        for column in range(given):
            self._move(column, self._emit(f"or i1 {self._gate(column)}, {self._free(column)}"))
        for column in range(given, self._columns):
            moved = self._emit(f"zext i1 {self._move(column, self._gate(column))} to i64")
            self._left = self._emit(f"sub i64 {self._left}, {moved}")

    def _column(self) -> str:
        """The place of the next column's value in this cycle."""
        column = self._columns
        self._columns += 1
        for field, name in enumerate(FIELDS):
            at, value = f"%at.{name}{column}", f"%{name}{column}"
            self._head.append(f"  {at} = getelementptr i64, ptr %columns, i64 {len(FIELDS) * column + field}")
            if name != "position":
                self._head.append(f"  {value} = load {'ptr' if name in ('address', 'free') else 'i64'}, ptr {at}")
        self._head.append(f"  %at.seen{column} = getelementptr i64, ptr %seen, i64 %gate{column}")
        self._lines.append(f"%position{column} = load i64, ptr %at.position{column}")
        offset = self._emit(f"mul i64 %position{column}, %stride{column}")
        return self._emit(f"getelementptr i64, ptr %address{column}, i64 {offset}")

    def _gate(self, column: int) -> str:
        """Whether the gate of a column is not 0."""
        gate = self._emit(f"load i64, ptr %at.seen{column}")
        return self._emit(f"icmp ne i64 {gate}, 0")

    def _free(self, column: int) -> str:
        """Whether the value of an input lasts one cycle alone."""
        offset = self._emit(f"mul i64 %position{column}, %each{column}")
        place = self._emit(f"getelementptr i64, ptr %free{column}, i64 {offset}")
        word = self._emit(f"load i64, ptr {place}")
        return self._emit(f"icmp ne i64 {word}, 0")

    def _move(self, column: int, wanted: str) -> str:
        """Moves on where that is wanted, but not beyond the last value; whether it did."""
        after = self._emit(f"add i64 %position{column}, 1")
        more = self._emit(f"icmp ult i64 {after}, %count{column}")
        both = self._emit(f"and i1 {wanted}, {more}")
        position = self._emit(f"select i1 {both}, i64 {after}, i64 %position{column}")
        self._store(position, f"%at.position{column}", WORD, WORD)
        return both

    def _next(self, register: Any, reset: str) -> str:
        value = self._kept(register.enable, self._names[register.value], register.output)
        if not register.resets:
            return value
        width = self._width(register.output)
        return self._emit(f"select i1 {reset}, i{width} {_literal(register.init)}, i{width} {value}")

    def _kept(self, enable: int | None, value: str, net: int) -> str:
        """A new value where it is enabled, else the old one."""
        if enable is None:
            return value
        width = self._width(net)
        return self._emit(f"select i1 {self._names[enable]}, i{width} {value}, i{width} {self._names[net]}")

    def _cell(self, cell: Cell) -> str:
        view, width = cell.view, self._width(cell.output)
        inputs = [self._names[net] for net in cell.inputs]
        widths = [self._width(net) for net in cell.inputs]
        match view:
            case rtl.Constant():
                return _literal(view.value)
            case rtl.Wire():
                return inputs[0]
            case rtl.Not():
                return self._emit(f"xor i{width} {inputs[0]}, -1")
            case rtl.Reduce():
                return self._reduce(view.kind, inputs[0], widths[0])
            case rtl.Shl() | rtl.Shru() | rtl.Shrs():
                return self._shift(view, inputs, widths)
            case rtl.Cmp():
                return self._emit(f"icmp {view.predicate} i{widths[0]} {inputs[0]}, {inputs[1]}")
            case rtl.Mux():
                return self._emit(f"select i1 {inputs[0]}, i{width} {inputs[1]}, i{width} {inputs[2]}")
            case rtl.Concat():
                top = self._emit(f"shl i{width} {self._resize(inputs[0], widths[0], width)}, {widths[1]}")
                return self._emit(f"or i{width} {top}, {self._resize(inputs[1], widths[1], width)}")
            case rtl.Extract():
                return self._extract(inputs[0], widths[0], view.low, width)
            case rtl.Zext() | rtl.Sext():
                return self._resize(inputs[0], widths[0], width, _WIDEN[type(view)])
            case rtl.Read() if cell.memory is not None:
                return self._read(cell.memory, cell.inputs[0])
        return self._emit(f"{_BINARY[type(view)]} i{width} {inputs[0]}, {inputs[1]}")

    def _reduce(self, kind: str, value: str, width: int) -> str:
        if kind == "or":
            return self._emit(f"icmp ne i{width} {value}, 0")
        if kind == "and":
            return self._emit(f"icmp eq i{width} {value}, -1")
        self._declared[f"declare i{width} @llvm.ctpop.i{width}(i{width})"] = None
        return self._resize(self._emit(f"call i{width} @llvm.ctpop.i{width}(i{width} {value})"), width, 1)

    def _shift(self, view: Any, inputs: list[str], widths: list[int]) -> str:
        """LLVM leaves shifts by the width or more undefined."""
        value, amount = inputs
        width, size = widths
        much = self._emit(f"icmp ugt i{size} {amount}, {width - 1}") if width <= (1 << size) - 1 else "false"
        by = self._resize(amount, size, width)
        if isinstance(view, rtl.Shrs):
            by = self._emit(f"select i1 {much}, i{width} {width - 1}, i{width} {by}")
            return self._emit(f"ashr i{width} {value}, {by}")
        shifted = self._emit(f"{'shl' if isinstance(view, rtl.Shl) else 'lshr'} i{width} {value}, {by}")
        return self._emit(f"select i1 {much}, i{width} 0, i{width} {shifted}")

    def _concat(self, parts: list[tuple[str, int]]) -> str:
        """Joined in pairs, so that most of the work is on narrow values."""
        while len(parts) > 1:
            parts = [self._joined(*parts[k : k + 2]) for k in range(0, len(parts), 2)]
        return parts[0][0]

    def _joined(self, high: tuple[str, int], low: tuple[str, int] | None = None) -> tuple[str, int]:
        if low is None:
            return high
        width = high[1] + low[1]
        top = self._emit(f"shl i{width} {self._resize(*high, width)}, {low[1]}")
        return self._emit(f"or i{width} {top}, {self._resize(*low, width)}"), width

    def _extract(self, value: str, width: int, low: int, size: int) -> str:
        shifted = self._emit(f"lshr i{width} {value}, {low}") if low else value
        return self._resize(shifted, width, size)

    # ------------------------------------------------------------ memories

    def _place(self, memory: int, address: int) -> tuple[str, str | None]:
        """The place of a word, and whether the address is within the depth where it may be beyond."""
        depth, size = self._netlist.memories[memory].depth, self._width(address)
        name, inside = self._names[address], None
        if depth < 1 << size:
            inside = self._emit(f"icmp ult i{size} {name}, {depth}")
            name = self._emit(f"select i1 {inside}, i{size} {name}, i{size} 0")
        wide = self._resize(name, size, WORD)
        step = stride(self._netlist.memories[memory].width)
        offset = self._emit(f"mul i64 {wide}, {step}")
        place = self._emit(f"add i64 {offset}, {self._layout.memories[memory]}")
        return self._emit(f"getelementptr i8, ptr %memories, i64 {place}"), inside

    def _read(self, memory: int, address: int) -> str:
        width = self._netlist.memories[memory].width
        place, inside = self._place(memory, address)
        word = self._load(place, width, 8 * stride(width))
        return self._emit(f"select i1 {inside}, i{width} {word}, i{width} 0") if inside else word

    def _write(self, port: WritePort) -> None:
        width = self._netlist.memories[port.memory].width
        place, inside = self._place(port.memory, port.address)
        parts = self._width(port.enable)
        bits = [self._extract(self._names[port.enable], parts, k, 1) for k in reversed(range(parts))]
        size = width // parts
        mask = self._concat([(self._resize(bit, 1, size, "sext"), size) for bit in bits])
        if inside:
            mask = self._emit(f"select i1 {inside}, i{width} {mask}, i{width} 0")
        old = self._load(place, width, 8 * stride(width))
        # (old ^ data) & mask are the bits that change.
        change = self._emit(f"xor i{width} {old}, {self._names[port.data]}")
        masked = self._emit(f"and i{width} {change}, {mask}")
        self._store(self._emit(f"xor i{width} {old}, {masked}"), place, width, 8 * stride(width))

    # ------------------------------------------------------------ instructions

    def _width(self, net: int) -> int:
        return self._netlist.widths[net]

    def _emit(self, instruction: str) -> str:
        self._count += 1
        self._lines.append(f"%v{self._count} = {instruction}")
        return f"%v{self._count}"

    def _resize(self, value: str, width: int, to: int, widen: str = "zext") -> str:
        if width == to:
            return value
        return self._emit(f"{widen if width < to else 'trunc'} i{width} {value} to i{to}")

    def _register(self, offset: int) -> str:
        return self._emit(f"getelementptr i64, ptr %registers, i64 {offset}")

    def _load(self, place: str, width: int, held: int) -> str:
        """A value of `width` bits that is kept in `held` bits."""
        return self._resize(self._emit(f"load i{held}, ptr {place}, align {min(8, held // 8)}"), held, width)

    def _store(self, value: str, place: str, width: int, held: int) -> None:
        kept = self._resize(value, width, held)
        self._lines.append(f"store i{held} {kept}, ptr {place}, align {min(8, held // 8)}")
