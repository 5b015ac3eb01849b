"""Atomic operations on memory: atom (with the old value) and red (without), fences."""

from __future__ import annotations

from spikec.runtime.executor import layout
from spikec.runtime.executor.code import FLOATS, Code
from spikec.runtime.executor.move import synchronises
from spikec.runtime.executor.text import Name


def _new_value(code: Code, op: str, kind: str, w: int, old: str, value: str, flush: bool) -> str:
    """What an operation leaves in memory."""
    match op:
        case "exch":
            return value
        case "add" if kind == "f":
            return _sum(code, w, old, value, flush)
        case "min" | "max":
            return code.emit(f"call i{w} @llvm.{kind}{op}.i{w}(i{w} {old}, i{w} {value})")
        case "inc":
            over = code.emit(f"icmp uge i{w} {old}, {value}")
            return code.emit(f"select i1 {over}, i{w} 0, i{w} {code.emit(f'add i{w} {old}, 1')}")
        case "dec":
            zero = code.emit(f"icmp eq i{w} {old}, 0")
            above = code.emit(f"icmp ugt i{w} {old}, {value}")
            wraps = code.emit(f"or i1 {zero}, {above}")
            return code.emit(f"select i1 {wraps}, i{w} {value}, i{w} {code.emit(f'sub i{w} {old}, 1')}")
    return code.emit(f"{op} i{w} {old}, {value}")


def _sum(code: Code, w: int, old: str, value: str, flush: bool) -> str:
    """A float sum; f32 in global memory flushes subnormals, in shared memory it does not (PTX ISA, atom)."""
    if flush:
        old, value = (code.emit(f"call i{w} @flush{w}(i{w} {v})") for v in (old, value))
    x, y = (code.emit(f"bitcast i{w} {v} to {FLOATS[w]}") for v in (old, value))
    return code.float_bits(code.emit(f"fadd {FLOATS[w]} {x}, {y}"), w, flush)


def atomic(
    code: Code, base: str, strength: str | None, scope: str | None, space: str | None, op: str, kind: str, width: str
) -> None:
    """atom and red; `atom` lets other threads run if its result is used, for a thread may wait with it."""
    returns = base == "atom"
    count = 2 + returns + (op == "cas")
    operands = code.operands(count)[returns:]
    w = int(width)
    values = [code.read(o, w) for o in operands[1:]]
    place = (space or "").split("::")[0]
    if kind == "f" and w == 32 and not place:
        raise code.error("a generic float sum has no one rule for subnormals: name the state space")
    pointer, address = code.pointer(operands[0], place, w // 8, layout.ATOMIC)
    old = code.emit(f"load i{w}, ptr {pointer}")
    synchronises(code, strength or "relaxed", scope, layout.READS | layout.WRITES, address)
    if op == "cas":
        same = code.emit(f"icmp eq i{w} {old}, {values[0]}")
        new = code.emit(f"select i1 {same}, i{w} {values[1]}, i{w} {old}")
    else:
        new = _new_value(code, op, kind, w, old, values[0], kind == "f" and w == 32 and place == "global")
    code.do(f"store i{w} {new}, ptr {pointer}")
    if not returns:
        code.changed()
        return
    _note_change(code, w, old, new)
    result = code.instruction.operands[0]
    code.write(result, old, w)
    code.suspend(layout.YIELD, result.text if isinstance(result, Name) else None)


def _note_change(code: Code, w: int, old: str, new: str) -> None:
    """An atomic that leaves memory as it is is no progress: threads may wait with it."""
    changed = code.emit(f"zext i1 {code.emit(f'icmp ne i{w} {old}, {new}')} to i64")
    pointer = code.field("launch", layout.PROGRESS)
    before = code.emit(f"load i64, ptr {pointer}")
    code.do(f"store i64 {code.emit(f'or i64 {before}, {changed}')}, ptr {pointer}")


def fence(code: Code, strength: str | None, scope: str) -> None:
    """fence and membar; memory is one here, so only the race check cares."""
    code.operands(0)
    if code.races:
        effect = {"acquire": layout.ACQUIRES, "release": layout.RELEASES}.get(strength or "", 0)
        effect = effect or layout.ACQUIRES | layout.RELEASES
        code.call_race_check(layout.RACE_FENCE, str(effect | (layout.BLOCK_SCOPE if scope == "cta" else 0)))


_HEAD = r"(?:\.(relaxed|acquire|release|acq_rel))?(?:\.(cta|cluster|gpu|sys))?(?:\.(global|shared(?:::cta)?))?"

RULES = (
    (rf"(atom|red){_HEAD}\.(add|inc|dec)\.(u)(32)", atomic),
    (rf"(atom|red){_HEAD}\.(add)\.(s)(32)", atomic),
    (rf"(atom|red){_HEAD}\.(add)\.(u)(64)", atomic),
    (rf"(atom|red){_HEAD}\.(add)\.(f)(32|64)", atomic),
    (rf"(atom|red){_HEAD}\.(min|max)\.([us])(32|64)", atomic),
    (rf"(atom|red){_HEAD}\.(and|or|xor)\.(b)(32|64)", atomic),
    (rf"(atom){_HEAD}\.(exch)\.(b)(32|64)", atomic),
    (rf"(atom){_HEAD}\.(cas)\.(b)(16|32|64)", atomic),
    (r"fence(?:\.(sc|acq_rel|acquire|release))?\.(cta|cluster|gpu|sys)", fence),
    (r"membar()\.(cta|gl|sys)", fence),
)
