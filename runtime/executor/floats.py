"""Float arithmetic of the PTX ISA: what is rounded to nearest even, exactly.

Operations without defined bits (`.approx`, or `add.f32` without `.rn`, which may be fused) are not here.
"""

from __future__ import annotations

from spikec.runtime.executor.code import FLOATS, Code

_LLVM = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}


def arithmetic(code: Code, op: str, ftz: str | None, sat: str | None, width: str) -> None:
    """add.rn, sub.rn, mul.rn and div.rn."""
    d, a, b = code.operands(3)
    w = int(width)
    x, y = (code.read_float(o, w, bool(ftz)) for o in (a, b))
    value = code.emit(f"{_LLVM[op]} {FLOATS[w]} {x}, {y}")
    code.write(d, code.float_bits(value, w, bool(ftz), bool(sat)), w)


def fused(code: Code, _op: str, ftz: str | None, sat: str | None, width: str) -> None:
    """fma.rn (and mad.rn, its other name): one rounding."""
    d, a, b, c = code.operands(4)
    w = int(width)
    name = FLOATS[w]
    values = ", ".join(f"{name} {code.read_float(o, w, bool(ftz))}" for o in (a, b, c))
    code.write(d, code.float_bits(code.emit(f"call {name} @llvm.fma.f{w}({values})"), w, bool(ftz), bool(sat)), w)


def root(code: Code, ftz: str | None, width: str) -> None:
    """sqrt.rn."""
    d, a = code.operands(2)
    w = int(width)
    value = code.emit(f"call {FLOATS[w]} @llvm.sqrt.f{w}({FLOATS[w]} {code.read_float(a, w, bool(ftz))})")
    code.write(d, code.float_bits(value, w, bool(ftz)), w)


def reciprocal(code: Code, ftz: str | None, width: str) -> None:
    """rcp.rn."""
    d, a = code.operands(2)
    w = int(width)
    value = code.emit(f"fdiv {FLOATS[w]} 1.0, {code.read_float(a, w, bool(ftz))}")
    code.write(d, code.float_bits(value, w, bool(ftz)), w)


def extreme(code: Code, op: str, ftz: str | None, nan: str | None, width: str) -> None:
    """min and max: -0 is below +0; a NaN gives the other operand, or a NaN under `.NaN`."""
    d, a, b = code.operands(3)
    w = int(width)
    name = FLOATS[w]
    x, y = (code.read_float(o, w, bool(ftz)) for o in (a, b))
    bits = code.emit(f"call i{w} @{op}{w}({name} {x}, {name} {y})")
    value = code.emit(f"bitcast i{w} {bits} to {name}")
    if nan:
        either = code.emit(f"fcmp uno {name} {x}, {y}")
        value = code.emit(f"select i1 {either}, {name} 0x7FF8000000000000, {name} {value}")
    code.write(d, code.float_bits(value, w, bool(ftz)), w)


def sign(code: Code, op: str, ftz: str | None, width: str) -> None:
    """abs and neg: the sign bit alone changes."""
    d, a = code.operands(2)
    w = int(width)
    bits = code.read(a, w)
    if ftz:
        bits = code.emit(f"call i{w} @flush{w}(i{w} {bits})")
    mask = 1 << (w - 1)
    code.write(d, code.emit(f"and i{w} {bits}, {mask - 1}" if op == "abs" else f"xor i{w} {bits}, {mask}"), w)


def copy_sign(code: Code, width: str) -> None:
    """copysign: `b` with the sign of `a`."""
    d, a, b = code.operands(3)
    w = int(width)
    mask = 1 << (w - 1)
    taken, kept = code.emit(f"and i{w} {code.read(a, w)}, {mask}"), code.emit(f"and i{w} {code.read(b, w)}, {mask - 1}")
    code.write(d, code.emit(f"or i{w} {taken}, {kept}"), w)


def test(code: Code, kind: str, width: str) -> None:
    """testp: the class of a float."""
    d, a = code.operands(2)
    w = int(width)
    bits = code.emit(f"and i{w} {code.read(a, w)}, {(1 << (w - 1)) - 1}")
    infinite = 0x7F800000 if w == 32 else 0x7FF0000000000000
    least = 0x00800000 if w == 32 else 0x0010000000000000
    match kind:
        case "finite":
            value = code.emit(f"icmp ult i{w} {bits}, {infinite}")
        case "infinite":
            value = code.emit(f"icmp eq i{w} {bits}, {infinite}")
        case "number":
            value = code.emit(f"icmp ule i{w} {bits}, {infinite}")
        case "notanumber":
            value = code.emit(f"icmp ugt i{w} {bits}, {infinite}")
        case "normal":
            value = code.emit(f"icmp ult i{w} {code.emit(f'sub i{w} {bits}, {least}')}, {infinite - least}")
        case _:
            value = code.emit(f"icmp ult i{w} {code.emit(f'sub i{w} {bits}, 1')}, {least - 1}")
    code.write(d, value, 1)


RULES = (
    (r"(add|sub|mul)\.rn(\.ftz)?(\.sat)?\.f(32)", arithmetic),
    (r"(add|sub|mul)\.rn()()\.f(64)", arithmetic),
    (r"(div)\.rn(\.ftz)?()\.f(32)", arithmetic),
    (r"(div)\.rn()()\.f(64)", arithmetic),
    (r"(fma|mad)\.rn(\.ftz)?(\.sat)?\.f(32)", fused),
    (r"(fma|mad)\.rn()()\.f(64)", fused),
    (r"sqrt\.rn(\.ftz)?\.f(32)", root),
    (r"sqrt\.rn()\.f(64)", root),
    (r"rcp\.rn(\.ftz)?\.f(32)", reciprocal),
    (r"rcp\.rn()\.f(64)", reciprocal),
    (r"(min|max)(\.ftz)?(\.NaN)?\.f(32)", extreme),
    (r"(min|max)()()\.f(64)", extreme),
    (r"(abs|neg)(\.ftz)?\.f(32)", sign),
    (r"(abs|neg)()\.f(64)", sign),
    (r"copysign\.f(32|64)", copy_sign),
    (r"testp\.(finite|infinite|number|notanumber|normal|subnormal)\.f(32|64)", test),
)
