"""Moves, loads and stores: mov, cvta, ld, st."""

from __future__ import annotations

from spikec.runtime.executor import layout
from spikec.runtime.executor.code import Code
from spikec.runtime.executor.text import Address, Group, Name, Operand


def move(code: Code, width: str) -> None:
    """mov of a value, of an array's address, and of the parts of a vector."""
    d, a = code.operands(2)
    w = 1 if width == "pred" else int(width)
    if isinstance(d, Group) and not d.pair:
        _unpack(code, d, code.read(a, w), w)
    elif isinstance(a, Group) and not a.pair:
        code.write(d, _packed(code, a, w), w)
    else:
        code.write(d, code.read(a, w), w)


def _part(code: Code, group: Group, width: int) -> int:
    part = width // len(group.items)
    if len(group.items) not in (2, 4) or part not in (16, 32):
        raise code.error(f"{width} bits have no {len(group.items)} parts")
    return part


def _unpack(code: Code, group: Group, value: str, width: int) -> None:
    part = _part(code, group, width)
    for k, item in enumerate(group.items):
        shifted = code.emit(f"lshr i{width} {value}, {k * part}")
        code.write(item, code.emit(f"trunc i{width} {shifted} to i{part}"), part)


def _packed(code: Code, group: Group, width: int) -> str:
    part = _part(code, group, width)
    total = "0"
    for k, item in enumerate(group.items):
        wide = code.emit(f"zext i{part} {code.read(item, part)} to i{width}")
        total = code.emit(f"or i{width} {total}, {code.emit(f'shl i{width} {wide}, {k * part}')}")
    return total


def convert_address(code: Code, to: str | None, space: str) -> None:
    """cvta: a shared address has its own bit when it is generic; global ones are the same."""
    d, a = code.operands(2)
    value = code.read(a, 64)
    if space == "shared":
        bit = 1 << layout.SHARED_BIT
        # A generic address that is not of shared memory gives one that no access accepts.
        value = code.emit(f"{'xor' if to else 'or'} i64 {value}, {bit}")
    code.write(d, value, 64)


def load_parameter(code: Code, vector: str | None, kind: str, width: str) -> None:
    """ld.param: a place of the parameter, checked here."""
    d, a = code.operands(2)
    count, w = int(vector or 1), int(width)
    if not isinstance(a, Address) or not isinstance(a.base, Name) or a.base.text not in code.entry.parameters:
        raise code.error("ld.param reads a parameter of the kernel, by its name")
    parameter = code.entry.parameters[a.base.text]
    size = count * w // 8
    if not 0 <= a.offset <= parameter.size - size or (parameter.offset + a.offset) % size:
        raise code.error(f"{size} bytes at {a.offset} are not in {parameter.name}, of {parameter.size} bytes")
    block = code.emit(f"load ptr, ptr {code.field('launch', layout.PARAMETERS)}")
    pointer = code.emit(f"getelementptr i8, ptr {block}, i64 {parameter.offset + a.offset}")
    _load(code, _items(code, d, count), pointer, kind, w)


def _items(code: Code, operand: Operand, count: int) -> tuple[Operand, ...]:
    """The registers of a vector, or the one register."""
    if count == 1 and not isinstance(operand, Group):
        return (operand,)
    if not isinstance(operand, Group) or operand.pair or len(operand.items) != count:
        raise code.error(f"{count} operands in braces are needed")
    return operand.items


def _load(code: Code, items: tuple[Operand, ...], pointer: str, kind: str, width: int) -> None:
    values = []
    for k in range(len(items)):
        place = code.emit(f"getelementptr i8, ptr {pointer}, i64 {k * width // 8}")
        values.append(code.emit(f"load i{width}, ptr {place}"))
    for item, value in zip(items, values, strict=True):
        code.write(item, value, width, "sext" if kind == "s" else "zext" if kind in "ub" else "")


def synchronises(code: Code, strength: str | None, scope: str | None, effect: int, address: str) -> None:
    """Tell the race check what an access orders."""
    if not code.races or strength in (None, "weak"):
        return
    if strength in ("acquire", "acq_rel"):
        effect |= layout.ACQUIRES
    if strength in ("release", "acq_rel"):
        effect |= layout.RELEASES
    if scope == "cta":
        effect |= layout.BLOCK_SCOPE
    code.call_race_check(layout.RACE_SYNC, address, str(effect), str(code.instruction.line))


def load(
    code: Code,
    strength: str | None,
    scope: str | None,
    space: str | None,
    constant: str | None,
    vector: str | None,
    kind: str,
    width: str,
) -> None:
    """ld; one that others may wait with (volatile, relaxed, acquire) lets other threads run."""
    d, a = code.operands(2)
    count, w = int(vector or 1), int(width)
    place = (space or "").split("::")[0]
    strong = strength not in (None, "weak")
    if constant and (strong or place != "global"):
        raise code.error(".nc is for plain loads of global memory")
    access = layout.ATOMIC_READ if strong else layout.CONSTANT_READ if constant else layout.READ
    pointer, address = code.pointer(a, place, count * w // 8, access)
    if strong:
        synchronises(code, strength, scope, layout.READS, address)
    _load(code, _items(code, d, count), pointer, kind, w)
    if strong:
        code.suspend(layout.YIELD)


def store(
    code: Code,
    strength: str | None,
    scope: str | None,
    space: str | None,
    vector: str | None,
    kind: str,
    width: str,
) -> None:
    """st."""
    a, b = code.operands(2)
    count, w = int(vector or 1), int(width)
    strong = strength not in (None, "weak")
    values = [code.read(item, w, wider=kind != "f") for item in _items(code, b, count)]
    access = layout.ATOMIC if strong else layout.WRITE
    pointer, address = code.pointer(a, (space or "").split("::")[0], count * w // 8, access)
    if strong:
        synchronises(code, strength, scope, layout.WRITES, address)
    for k, value in enumerate(values):
        target = code.emit(f"getelementptr i8, ptr {pointer}, i64 {k * w // 8}")
        code.do(f"store i{w} {value}, ptr {target}")
    code.changed()


_SCOPE = r"(?:\.(cta|cluster|gpu|sys))?"
_HINTS = r"(?:\.L1::\w+)?(?:\.L2::\w+)?"
_VECTOR = r"(?:\.v([248]))?"
_TYPE = r"\.([busf])(8|16|32|64)"

RULES = (
    (r"mov\.(?:[busf](?=\d))?(16|32|64|pred)", move),
    (r"cvta(\.to)?\.(global|shared|const)\.u64", convert_address),
    (rf"ld\.param{_VECTOR}{_TYPE}", load_parameter),
    (
        rf"ld(?:\.(weak|volatile|relaxed|acquire){_SCOPE})?(?:\.(global|shared(?:::cta)?|const))?"
        rf"(?:\.(?:ca|cg|cs|lu|cv))?(\.nc)?{_HINTS}{_VECTOR}{_TYPE}",
        load,
    ),
    (
        rf"st(?:\.(weak|volatile|relaxed|release){_SCOPE})?(?:\.(global|shared(?:::cta)?))?"
        rf"(?:\.(?:wb|cg|cs|wt))?{_HINTS}{_VECTOR}{_TYPE}",
        store,
    ),
)
