"""Comparisons and selections: setp, set, selp, slct."""

from __future__ import annotations

from spikec.runtime.executor.code import FLOATS, Code

_UNSIGNED = {"lo": "ult", "ls": "ule", "hi": "ugt", "hs": "uge"}
_ORDER = ("lt", "le", "gt", "ge")
_FLOAT = {
    **{name: f"o{name}" for name in ("eq", "lt", "le", "gt", "ge")},
    "ne": "one",
    **{f"{name}u": f"u{name}" for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "num": "ord",
    "nan": "uno",
}


def _comparison(code: Code, relation: str, ftz: bool, kind: str, width: int) -> str:
    """Operands 1 and 2 compared."""
    a, b = code.instruction.operands[1:3]
    if kind == "f":
        if relation not in _FLOAT:
            raise code.error(f"floats have no comparison {relation}")
        x, y = (code.read_float(o, width, ftz) for o in (a, b))
        return code.emit(f"fcmp {_FLOAT[relation]} {FLOATS[width]} {x}, {y}")
    if relation in ("eq", "ne"):
        predicate = relation
    elif relation in _UNSIGNED and kind == "u":
        predicate = _UNSIGNED[relation]
    elif relation in _ORDER and kind in "us":
        predicate = f"{kind}{relation}"
    else:
        raise code.error(f"{kind}{width} has no comparison {relation}")
    if ftz:
        raise code.error(".ftz needs f32")
    return code.emit(f"icmp {predicate} i{width} {code.read(a, width)}, {code.read(b, width)}")


def _combined(code: Code, value: str, op: str | None) -> str:
    """A comparison with the predicate operand of the combined form."""
    if op is None:
        return value
    return code.emit(f"{op} i1 {value}, {code.read(code.instruction.operands[3], 1)}")


def set_predicate(code: Code, relation: str, op: str | None, ftz: str | None, kind: str, width: str) -> None:
    """setp: `p` of the comparison, and `q` of its opposite."""
    d = code.operands(4 if op else 3)[0]
    value = _comparison(code, relation, bool(ftz), kind, int(width))
    p, q = code.pair(d)
    positive = _combined(code, value, op)
    if q is not None:
        code.write(q, _combined(code, code.emit(f"xor i1 {value}, true"), op), 1)
    code.write(p, positive, 1)


def set_value(code: Code, relation: str, op: str | None, ftz: str | None, result: str, kind: str, width: str) -> None:
    """set: all ones or 1.0 where the comparison holds, else 0."""
    d = code.operands(4 if op else 3)[0]
    value = _combined(code, _comparison(code, relation, bool(ftz), kind, int(width)), op)
    true = 0x3F800000 if result == "f32" else 0xFFFFFFFF
    code.write(d, code.emit(f"select i1 {value}, i32 {true}, i32 0"), 32)


def select(code: Code, width: str) -> None:
    """selp: `a` if the predicate holds, else `b`."""
    d, a, b, p = code.operands(4)
    w = int(width)
    x, y = code.read(a, w), code.read(b, w)
    code.write(d, code.emit(f"select i1 {code.read(p, 1)}, i{w} {x}, i{w} {y}"), w)


def select_by_sign(code: Code, ftz: str | None, width: str, kind: str) -> None:
    """slct: `a` if `c` is at least 0, else `b` (also if it is a NaN)."""
    d, a, b, c = code.operands(4)
    w = int(width)
    x, y = code.read(a, w), code.read(b, w)
    if kind == "f":
        positive = code.emit(f"fcmp oge float {code.read_float(c, 32, bool(ftz))}, 0.0")
    elif ftz:
        raise code.error(".ftz needs f32")
    else:
        positive = code.emit(f"icmp sge i32 {code.read(c, 32)}, 0")
    code.write(d, code.emit(f"select i1 {positive}, i{w} {x}, i{w} {y}"), w)


_RELATION = r"(eq|ne|lt|le|gt|ge|lo|ls|hi|hs|equ|neu|ltu|leu|gtu|geu|num|nan)"

RULES = (
    (rf"setp\.{_RELATION}(?:\.(and|or|xor))?(\.ftz)?\.([bus])(16|32|64)", set_predicate),
    (rf"setp\.{_RELATION}(?:\.(and|or|xor))?(\.ftz)?\.(f)(32|64)", set_predicate),
    (rf"set\.{_RELATION}(?:\.(and|or|xor))?(\.ftz)?\.(u32|s32|f32)\.([bus])(16|32|64)", set_value),
    (rf"set\.{_RELATION}(?:\.(and|or|xor))?(\.ftz)?\.(u32|s32|f32)\.(f)(32|64)", set_value),
    (r"selp\.[busf](16|32|64)", select),
    (r"slct(\.ftz)?\.[busf](16|32|64)\.([sf])32", select_by_sign),
)
