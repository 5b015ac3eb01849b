"""cvt: between integers and floats, with all roundings that have defined bits."""

from __future__ import annotations

from spikec.runtime.executor.code import FLOATS, Code

_ROUND = {"rni": "roundeven", "rzi": "trunc", "rmi": "floor", "rpi": "ceil"}
_NARROW = {"f16": "half", "bf16": "bfloat"}


def integers(code: Code, sat: str | None, to: str, to_width: str, sign: str, width: str) -> None:
    """Integer to integer: extended by the source's sign or cut; clamped under `.sat`."""
    d, a = code.operands(2)
    w, target = int(width), int(to_width)
    value = code.read(a, w, wider=True)
    extend = "sext" if sign == "s" else "zext"
    if sat:
        wide = value if w == 64 else code.emit(f"{extend} i{w} {value} to i64")
        value, w = _clamp(code, wide, sign, to, target), 64
    if w > target:
        value = code.emit(f"trunc i{w} {value} to i{target}")
    elif w < target:
        value = code.emit(f"{extend} i{w} {value} to i{target}")
    code.write(d, value, target, "sext" if to == "s" else "zext")


def _clamp(code: Code, value: str, sign: str, to: str, target: int) -> str:
    low = -(1 << (target - 1)) if to == "s" else 0
    high = (1 << (target - 1)) - 1 if to == "s" else (1 << target) - 1
    if sign == "s":
        value = code.emit(f"call i64 @llvm.smax.i64(i64 {value}, i64 {low})")
        return value if high >= 1 << 63 else code.emit(f"call i64 @llvm.smin.i64(i64 {value}, i64 {high})")
    return code.emit(f"call i64 @llvm.umin.i64(i64 {value}, i64 {high})")


def to_integer(code: Code, rounding: str, ftz: str | None, to: str, to_width: str, width: str) -> None:
    """Float to integer: rounded, then clamped to the type.

    A NaN gives 0; where a 64-bit type takes part, the bit pattern with the highest bit alone (PTX ISA, cvt).
    """
    d, a = code.operands(2)
    w, target = int(width), int(to_width)
    name = FLOATS[w]
    value = code.read_float(a, w, bool(ftz))
    rounded = code.emit(f"call {name} @llvm.{_ROUND[rounding]}.f{w}({name} {value})")
    result = code.emit(f"call i{target} @llvm.fpto{to}i.sat.i{target}.f{w}({name} {rounded})")
    if 64 in (w, target):
        nan = code.emit(f"fcmp uno {name} {value}, {value}")
        result = code.emit(f"select i1 {nan}, i{target} {1 << (target - 1)}, i{target} {result}")
    code.write(d, result, target, "sext" if to == "s" else "zext")


def from_integer(
    code: Code, rounding: str, ftz: str | None, sat: str | None, to_width: str, sign: str, width: str
) -> None:
    """Integer to float."""
    d, a = code.operands(2)
    w, target = int(width), int(to_width)
    x = code.read(a, w, wider=True)
    value = code.emit(f"{sign}itofp i{w} {x} to {FLOATS[target]}")
    if rounding != "rn" and target == 32:
        if w == 64:
            raise code.error(f".{rounding} of 64-bit integers is not supported")
        value = _directed(code, rounding, value, code.emit(f"{sign}itofp i{w} {x} to double"))
    elif rounding != "rn" and w == 64:
        raise code.error(f".{rounding} of 64-bit integers is not supported")
    code.write(d, code.float_bits(value, target, bool(ftz), bool(sat)), target)


def _directed(code: Code, rounding: str, nearest: str, exact: str) -> str:
    """The f32 nearest to `exact` moved to its other neighbour where the direction asks for it."""
    back = code.emit(f"fpext float {nearest} to double")
    bits = code.emit(f"bitcast float {nearest} to i32")
    wide = code.emit(f"zext i32 {bits} to i64")
    down = code.emit(f"call i64 @next_down(i64 {wide})")
    up = code.emit(f"call i64 @next_up(i64 {wide})")
    above, below = code.emit(f"fcmp ogt double {back}, {exact}"), code.emit(f"fcmp olt double {back}, {exact}")
    positive = code.emit(f"fcmp oge double {exact}, 0.0")
    negative = code.emit(f"xor i1 {positive}, true")
    if rounding == "rz":
        above = code.emit(f"and i1 {above}, {positive}")
        below = code.emit(f"and i1 {below}, {negative}")
    lower = code.emit(f"select i1 {above}, i64 {down}, i64 {wide}") if rounding != "rp" else wide
    result = code.emit(f"select i1 {below}, i64 {up}, i64 {lower}") if rounding != "rm" else lower
    return code.emit(f"bitcast i32 {code.emit(f'trunc i64 {result} to i32')} to float")


def floats(code: Code, rounding: str | None, ftz: str | None, sat: str | None, to_width: str, width: str) -> None:
    """Float to float; the roundings to whole numbers keep the type."""
    d, a = code.operands(2)
    w, target = int(width), int(to_width)
    if ftz and w == target == 64:
        raise code.error(".ftz needs f32")
    value = code.read_float(a, w, bool(ftz) and w == 32)
    if rounding in _ROUND and w == target:
        value = code.emit(f"call {FLOATS[w]} @llvm.{_ROUND[rounding]}.f{w}({FLOATS[w]} {value})")
    elif w > target and rounding in ("rn", "rz", "rm", "rp"):
        nearest = code.emit(f"fptrunc double {value} to float")
        value = nearest if rounding == "rn" else _directed(code, rounding, nearest, value)
    elif rounding is not None:
        raise code.error(f".{rounding} is not possible here")
    elif w > target:
        raise code.error("a rounding is needed")
    elif w < target:
        value = code.emit(f"fpext float {value} to double")
    code.write(d, code.float_bits(value, target, bool(ftz) and target == 32, bool(sat)), target)


def _narrowed(code: Code, bits: str, to: str) -> str:
    wide = code.emit(f"zext i32 {bits} to i64")
    return code.emit(f"trunc i64 {code.emit(f'call i64 @float_to_{_NARROW[to]}(i64 {wide})')} to i16")


def narrow(code: Code, to: str) -> None:
    """f32 to f16 or bf16."""
    d, a = code.operands(2)
    code.write(d, _narrowed(code, code.read(a, 32), to), 16)


def narrow_pair(code: Code, to: str) -> None:
    """Two f32 to a packed pair; the first operand is the upper half."""
    d, a, b = code.operands(3)
    high, low = (code.emit(f"zext i16 {_narrowed(code, code.read(o, 32), to)} to i32") for o in (a, b))
    code.write(d, code.emit(f"or i32 {low}, {code.emit(f'shl i32 {high}, 16')}"), 32)


def widen(code: Code, ftz: str | None, kind: str) -> None:
    """f16 or bf16 to f32, exact."""
    d, a = code.operands(2)
    bits = code.emit(f"zext i16 {code.read(a, 16)} to i64")
    wide = code.emit(f"call i64 @{_NARROW[kind]}_to_float(i64 {bits})")
    value = code.emit(f"trunc i64 {wide} to i32")
    if ftz:
        value = code.emit(f"call i32 @flush32(i32 {value})")
    code.write(d, value, 32)


_INTEGER = r"\.([us])(8|16|32|64)"

RULES = (
    (rf"cvt(\.sat)?{_INTEGER}{_INTEGER}", integers),
    (rf"cvt\.(rni|rzi|rmi|rpi)(\.ftz)?(?:\.sat)?{_INTEGER}\.f(32|64)", to_integer),
    (rf"cvt\.(rn|rz|rm|rp)(\.ftz)?(\.sat)?\.f(32|64){_INTEGER}", from_integer),
    (r"cvt(?:\.(rn|rz|rm|rp|rni|rzi|rmi|rpi))?(\.ftz)?(\.sat)?\.f(32|64)\.f(32|64)", floats),
    (r"cvt\.rn(?:\.ftz)?\.(f16)\.f32", narrow),
    (r"cvt\.rn\.(bf16)\.f32", narrow),
    (r"cvt\.rn\.(b?f16)x2\.f32", narrow_pair),
    (r"cvt(\.ftz)?\.f32\.(b?f16)", widen),
)
