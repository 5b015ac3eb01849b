"""What threads do together: barriers of the block, votes, shuffles, matches and reductions of a warp."""

from __future__ import annotations

from spikec.runtime.executor import layout
from spikec.runtime.executor.code import Code
from spikec.runtime.executor.text import Immediate, Operand

_VOTES = {"ballot": layout.BALLOT, "any": layout.ANY, "all": layout.ALL, "uni": layout.UNIFORM}
_SHUFFLES = {
    "idx": layout.SHUFFLE_IDX,
    "up": layout.SHUFFLE_UP,
    "down": layout.SHUFFLE_DOWN,
    "bfly": layout.SHUFFLE_XOR,
}
_REDUCTIONS = {
    "add": layout.SUM,
    "min": layout.MIN,
    "max": layout.MAX,
    "and": layout.AND,
    "or": layout.OR,
    "xor": layout.XOR,
}
_BARRIER_KINDS = {"popc": layout.COUNT_TRUE, "and": layout.ALL_TRUE, "or": layout.ANY_TRUE}


def _gather(code: Code, kind: int, mask: Operand, value: str) -> None:
    """Wait for the lanes of a mask."""
    lanes = code.emit(f"zext i32 {code.read(mask, 32)} to i64")
    code.put("thread", layout.MASK, lanes)
    code.put("thread", layout.VALUE, value)
    code.put("thread", layout.KIND, str(kind))
    code.suspend(layout.COLLECTIVE)


def _result(code: Code, width: int) -> str:
    return code.get("thread", layout.RESULT, width)


def _found(code: Code) -> str:
    return code.emit(f"trunc i64 {code.get('thread', layout.FOUND)} to i1")


def vote(code: Code, kind: str) -> None:
    """vote.sync: a mask of lanes, or one truth."""
    d, p, mask = code.operands(3)
    _gather(code, _VOTES[kind], mask, code.emit(f"zext i1 {code.read(p, 1)} to i64"))
    if kind == "ballot":
        code.write(d, _result(code, 32), 32)
    else:
        code.write(d, code.emit(f"trunc i64 {_result(code, 64)} to i1"), 1)


def shuffle(code: Code, mode: str) -> None:
    """shfl.sync."""
    d, a, b, c, mask = code.operands(5)
    for field, operand in ((layout.ARGUMENT, b), (layout.CLAMP, c)):
        code.put("thread", field, code.emit(f"zext i32 {code.read(operand, 32)} to i64"))
    _gather(code, _SHUFFLES[mode], mask, code.emit(f"zext i32 {code.read(a, 32)} to i64"))
    value, inside = code.pair(d)
    code.write(value, _result(code, 32), 32)
    if inside is not None:
        code.write(inside, _found(code), 1)


def match(code: Code, kind: str, width: str) -> None:
    """match.sync: the lanes with the same value."""
    d, a, mask = code.operands(3)
    w = int(width)
    value = code.read(a, w)
    wide = value if w == 64 else code.emit(f"zext i32 {value} to i64")
    _gather(code, layout.MATCH_ANY if kind == "any" else layout.MATCH_ALL, mask, wide)
    lanes, same = code.pair(d)
    code.write(lanes, _result(code, 32), 32)
    if same is not None:
        if kind == "any":
            raise code.error("match.any has one result")
        code.write(same, _found(code), 1)


def reduce(code: Code, op: str, sign: str) -> None:
    """redux.sync."""
    d, a, mask = code.operands(3)
    extend = "sext" if sign == "s" else "zext"
    _gather(code, _REDUCTIONS[op], mask, code.emit(f"{extend} i32 {code.read(a, 32)} to i64"))
    code.write(d, _result(code, 32), 32)


def active(code: Code) -> None:
    """activemask: the lane itself, which is all that is sure."""
    (d,) = code.operands(1)
    code.write(d, code.emit(f"shl i32 1, {code.get('thread', layout.LANE, 32)}"), 32)


def warp_barrier(code: Code) -> None:
    """bar.warp.sync."""
    (mask,) = code.operands(1)
    _gather(code, layout.WARP_BARRIER, mask, "0")


def _wait(code: Code, kind: int, aligned: bool, number: Operand, count: Operand | None, truth: str) -> None:
    """Wait at a barrier of the block."""
    place = code.emit(f"zext i32 {code.read(number, 32)} to i64")
    code.fail_if(code.emit(f"icmp ugt i64 {place}, 15"), layout.BARRIER_COUNT)
    expected = "0"
    if count is not None:
        expected = code.emit(f"zext i32 {code.read(count, 32)} to i64")
        uneven = code.emit(f"icmp ne i64 {code.emit(f'and i64 {expected}, 31')}, 0")
        beyond = code.emit(f"icmp ugt i64 {expected}, {code.get('launch', layout.THREADS)}")
        none = code.emit(f"icmp eq i64 {expected}, 0")
        code.fail_if(code.emit(f"or i1 {none}, {code.emit(f'or i1 {uneven}, {beyond}')}"), layout.BARRIER_COUNT)
    fields = (
        (layout.ARGUMENT, place),
        (layout.VALUE, expected),
        (layout.CLAMP, str(int(aligned))),
        (layout.FOUND, truth),
        (layout.KIND, str(kind)),
    )
    for field, value in fields:
        code.put("thread", field, value)
    code.suspend(layout.BARRIER)


def barrier(code: Code, name: str, aligned: str | None) -> None:
    """bar.sync and barrier.sync, with a number of threads or all of them."""
    if len(code.instruction.operands) == 2:
        number, count = code.operands(2)
        _wait(code, layout.PLAIN, name == "bar" or bool(aligned), number, count, "0")
    else:
        (number,) = code.operands(1)
        _wait(code, layout.PLAIN, name == "bar" or bool(aligned), number, None, "0")


def barrier_reduction(code: Code, name: str, op: str, aligned: str | None, kind: str) -> None:
    """bar.red: a barrier with a count, conjunction or disjunction of predicates."""
    if (op == "popc") != (kind == "u32"):
        raise code.error(f"{op} does not give a {kind}")
    operands = code.instruction.operands
    d, number, *count, p = code.operands(4 if len(operands) == 4 else 3)
    truth = code.emit(f"zext i1 {code.read(p, 1)} to i64")
    _wait(code, _BARRIER_KINDS[op], name == "bar" or bool(aligned), number, count[0] if count else None, truth)
    if op == "popc":
        code.write(d, _result(code, 32), 32)
    else:
        code.write(d, code.emit(f"trunc i64 {_result(code, 64)} to i1"), 1)


def pause(code: Code) -> None:
    """nanosleep: other threads run."""
    (time,) = code.operands(1)
    if not isinstance(time, Immediate):
        code.read(time, 32)
    code.suspend(layout.YIELD)


RULES = (
    (r"vote\.sync\.(ballot)\.b32", vote),
    (r"vote\.sync\.(any|all|uni)\.pred", vote),
    (r"shfl\.sync\.(idx|up|down|bfly)\.b32", shuffle),
    (r"match\.(any|all)\.sync\.b(32|64)", match),
    (r"redux\.sync\.(add|min|max)\.([us])32", reduce),
    (r"redux\.sync\.(and|or|xor)\.(b)32", reduce),
    (r"activemask\.b32", active),
    (r"bar\.warp\.sync", warp_barrier),
    (r"(bar|barrier)(?:\.cta)?\.sync(\.aligned)?", barrier),
    (r"(bar|barrier)(?:\.cta)?\.red\.(popc|and|or)(\.aligned)?\.(u32|pred)", barrier_reduction),
    (r"nanosleep\.u32", pause),
)
