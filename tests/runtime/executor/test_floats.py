"""Float instructions against numpy: bits, NaN by NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from .texts import Array, apply, floats, integers

COUNT = 1024
NAN = {32: 0x7FFFFFFF, 64: 0x7FF8000000000000}


def _bits(values: Array) -> Array:
    """The bits of floats, with the one NaN of the device."""
    bits = values.dtype.itemsize * 8
    words = values.view(f"u{bits // 8}").copy()
    words[np.isnan(values)] = NAN[bits]
    return words


def flushed(values: Array) -> Array:
    """Subnormals replaced by zero of their sign."""
    small = np.abs(values) < np.finfo(values.dtype).tiny
    return np.where(small, np.copysign(values.dtype.type(0), values), values)


def _same(result: Array, expected: Array) -> None:
    np.testing.assert_array_equal(result.view(f"u{result.dtype.itemsize}"), _bits(expected))


FORMS = [("f32", ""), ("f32", ".ftz"), ("f64", "")]


@pytest.mark.parametrize(("kind", "ftz"), FORMS)
@pytest.mark.parametrize(
    ("op", "function"), [("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide)]
)
def test_arithmetic(op: str, function: Callable[[Array, Array], Array], kind: str, ftz: str) -> None:
    a, b = (floats(int(kind[1:]), COUNT, k) for k in (1, 2))
    flush = flushed if ftz else (lambda v: v)
    with np.errstate(all="ignore"):
        expected = flush(function(flush(a), flush(b)))
    _same(apply(f"{op}.rn{ftz}.{kind} %z, %a, %b;", [a, b], [kind, kind], kind), expected)


def _fused(a: float, b: float, c: float) -> np.float32:
    """a * b + c with one rounding to f32, from exact fractions."""
    if not all(map(math.isfinite, (a, b, c))):
        with np.errstate(all="ignore"):
            return np.float32(np.float64(a) * np.float64(b) + np.float64(c))
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        return np.float32(np.float64(a) * np.float64(b) + np.float64(c))
    size, exponent = abs(exact), -149
    while size >= Fraction(2) ** (exponent + 24):
        exponent += 1
    rounded = round(size / Fraction(2) ** exponent) * Fraction(2) ** exponent
    value = np.float32(np.inf) if rounded >= Fraction(2) ** 128 else np.float32(float(rounded))
    return value if exact > 0 else -value


@pytest.mark.parametrize("ftz", ["", ".ftz"])
def test_fused_multiply_add_rounds_once(ftz: str) -> None:
    a, b, c = (floats(32, COUNT, k) for k in (1, 2, 3))
    with np.errstate(all="ignore"):
        c[::2] = -(a[::2].astype(np.float64) * b[::2]).astype(np.float32)  # what is left is the rounding alone
    flush = flushed if ftz else (lambda v: v)
    rows = zip(*(flush(v).tolist() for v in (a, b, c)), strict=True)
    expected = flush(np.array([_fused(*row) for row in rows], np.float32))
    _same(apply(f"fma.rn{ftz}.f32 %z, %a, %b, %c;", [a, b, c], ["f32"] * 3, "f32"), expected)


@pytest.mark.parametrize(("kind", "ftz"), FORMS)
def test_roots_and_reciprocals(kind: str, ftz: str) -> None:
    a = floats(int(kind[1:]), COUNT, 1)
    flush = flushed if ftz else (lambda v: v)
    with np.errstate(all="ignore"):
        _same(apply(f"sqrt.rn{ftz}.{kind} %z, %a;", [a], [kind], kind), flush(np.sqrt(flush(a))))
        _same(apply(f"rcp.rn{ftz}.{kind} %z, %a;", [a], [kind], kind), flush(1 / flush(a)))


def test_saturation_clamps_to_the_unit_interval() -> None:
    a, b = floats(32, COUNT, 1), floats(32, COUNT, 2)
    with np.errstate(all="ignore"):
        total = a + b
    expected = np.where(np.isnan(total), np.float32(0), np.clip(total, np.float32(0), np.float32(1)))
    result = apply("add.rn.sat.f32 %z, %a, %b;", [a, b], ["f32"] * 2, "f32")
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(("kind", "ftz"), FORMS)
@pytest.mark.parametrize("op", ["min", "max"])
def test_extremes(op: str, kind: str, ftz: str) -> None:
    a, b = (floats(int(kind[1:]), COUNT, k) for k in (1, 2))
    flush = flushed if ftz else (lambda v: v)
    x, y = flush(a), flush(b)
    number = np.fmin if op == "min" else np.fmax
    expected = number(x, y)
    zeros = (x == 0) & (y == 0)
    negative = np.signbit(x) | np.signbit(y) if op == "min" else np.signbit(x) & np.signbit(y)
    expected = np.where(zeros, np.where(negative, -0.0, 0.0).astype(x.dtype), expected)
    _same(apply(f"{op}{ftz}.{kind} %z, %a, %b;", [a, b], [kind, kind], kind), expected)
    if kind == "f32":
        expected = np.where(np.isnan(x) | np.isnan(y), np.float32(np.nan), expected)
        _same(apply(f"{op}{ftz}.NaN.{kind} %z, %a, %b;", [a, b], [kind, kind], kind), expected)


def test_signs_change_the_sign_bit_alone() -> None:
    a, b = floats(32, COUNT, 1), floats(32, COUNT, 2)
    words, other = a.view(np.uint32), b.view(np.uint32)
    top = np.uint32(1 << 31)
    for body, expected in (
        ("abs.f32 %z, %a;", words & ~top),
        ("neg.f32 %z, %a;", words ^ top),
        ("copysign.f32 %z, %a, %b;", (words & top) | (other & ~top)),
    ):
        result = apply(body, [a, b], ["f32", "f32"], "f32")
        np.testing.assert_array_equal(result.view(np.uint32), expected)


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_classes(kind: str) -> None:
    a = floats(int(kind[1:]), COUNT, 1)
    tiny = np.finfo(a.dtype).tiny
    finite, nan = np.isfinite(a), np.isnan(a)
    for name, expected in (
        ("finite", finite),
        ("infinite", np.isinf(a)),
        ("number", ~nan),
        ("notanumber", nan),
        ("normal", finite & (np.abs(a) >= tiny)),
        ("subnormal", (a != 0) & (np.abs(a) < tiny)),
    ):
        np.testing.assert_array_equal(apply(f"testp.{name}.{kind} %z, %a;", [a], [kind], "pred"), expected)


RELATIONS: dict[str, Callable[[Array, Array], Array]] = {
    "eq": np.equal,
    "ne": lambda a, b: (a != b) & ~np.isnan(a) & ~np.isnan(b),
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


@pytest.mark.parametrize(("kind", "ftz"), FORMS)
@pytest.mark.parametrize("relation", RELATIONS)
def test_comparisons(relation: str, kind: str, ftz: str) -> None:
    a, b = (floats(int(kind[1:]), COUNT, k) for k in (1, 2))
    b[::4] = a[::4]
    flush = flushed if ftz else (lambda v: v)
    x, y = flush(a), flush(b)
    truth, nan = RELATIONS[relation](x, y), np.isnan(x) | np.isnan(y)
    for name, expected in ((relation, truth), (f"{relation}u", truth | nan), ("num", ~nan), ("nan", nan)):
        np.testing.assert_array_equal(
            apply(f"setp.{name}{ftz}.{kind} %z, %a, %b;", [a, b], [kind] * 2, "pred"), expected
        )


# Conversions

ROUND = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}


@pytest.mark.parametrize("source", ["f32", "f64"])
@pytest.mark.parametrize("target", ["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("rounding", ROUND)
def test_floats_to_integers_saturate(rounding: str, target: str, source: str) -> None:
    a = floats(int(source[1:]), COUNT, 1)
    bits = int(target[1:])
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if target[0] == "s" else (0, (1 << bits) - 1)
    expected = []
    for value in ROUND[rounding](a).tolist():
        if math.isnan(value):
            expected.append(1 << 63 if target[1:] == "64" else 0 if source == "f32" else 1 << bits - 1)
        elif math.isinf(value):
            expected.append(high if value > 0 else low)
        else:
            expected.append(max(low, min(high, int(value))))
    register = f"b{max(bits, 16)}"
    width = int(register[1:])
    words = []
    for v in expected:
        v %= 1 << bits
        signed = v - (1 << bits) if target[0] == "s" and v >> bits - 1 else v
        words.append(signed % (1 << width))
    result = apply(f"cvt.{rounding}.{target}.{source} %z, %a;", [a], [source], register)
    np.testing.assert_array_equal(result, np.array(words, f"u{width // 8}"))


@pytest.mark.parametrize("source", ["s32", "u32", "s64", "u64", "s16", "u16"])
@pytest.mark.parametrize("target", ["f32", "f64"])
def test_integers_to_floats(source: str, target: str) -> None:
    bits = int(source[1:])
    a = integers(bits, COUNT, 1)
    values = a.view(f"i{bits // 8}") if source[0] == "s" else a
    expected = values.astype(f"f{int(target[1:]) // 8}")
    _same(apply(f"cvt.rn.{target}.{source} %z, %a;", [a], [f"b{bits}"], target), expected)


def _directed(exact: float, rounding: str) -> np.float32:
    """An f64 rounded to f32 in a direction."""
    with np.errstate(all="ignore"):
        near = np.float32(exact)
    if math.isnan(exact) or float(near) == exact:
        return near
    down = rounding == "rm" or (rounding == "rz" and exact > 0)
    with np.errstate(all="ignore"):
        if down:
            return np.nextafter(near, np.float32(-np.inf)) if float(near) > exact else near
        return np.nextafter(near, np.float32(np.inf)) if float(near) < exact else near


@pytest.mark.parametrize("rounding", ["rn", "rz", "rm", "rp"])
def test_roundings_to_f32(rounding: str) -> None:
    a, b = floats(64, COUNT, 1), integers(32, COUNT, 2)
    with np.errstate(all="ignore"):
        a[::2] = a[::2].astype(np.float32).astype(np.float64) * (1 + 2.0**-30)
        from_double = a.astype(np.float32) if rounding == "rn" else None
    expected = (
        from_double if from_double is not None else np.array([_directed(v, rounding) for v in a.tolist()], np.float32)
    )
    _same(apply(f"cvt.{rounding}.f32.f64 %z, %a;", [a], ["f64"], "f32"), expected)
    values = b.view(np.int32).astype(np.float64).tolist()
    expected = np.array([np.float32(v) if rounding == "rn" else _directed(v, rounding) for v in values], np.float32)
    _same(apply(f"cvt.{rounding}.f32.s32 %z, %a;", [b], ["b32"], "f32"), expected)


@pytest.mark.parametrize("rounding", ROUND)
def test_rounding_to_whole_floats(rounding: str) -> None:
    a = floats(32, COUNT, 1)
    _same(apply(f"cvt.{rounding}.f32.f32 %z, %a;", [a], ["f32"], "f32"), ROUND[rounding](a))


def test_half_floats() -> None:
    a, b = floats(32, COUNT, 1), floats(32, COUNT, 2)
    a[::2] = (a[::2] / np.float32(2.0**20)).astype(np.float32)  # many subnormals of f16
    with np.errstate(all="ignore"):
        half, other = a.astype(np.float16), b.astype(np.float16)
    words = np.where(np.isnan(half), np.uint16(0x7FFF), half.view(np.uint16))
    np.testing.assert_array_equal(apply("cvt.rn.f16.f32 %z, %a;", [a], ["f32"], "b16"), words)
    high = np.where(np.isnan(other), np.uint16(0x7FFF), other.view(np.uint16)).astype(np.uint32)
    packed = apply("cvt.rn.f16x2.f32 %z, %a, %b;", [b, a], ["f32", "f32"], "b32")
    np.testing.assert_array_equal(packed, high << np.uint32(16) | words)
    every = np.arange(1 << 16, dtype=np.uint16)
    _same(apply("cvt.f32.f16 %z, %a;", [every], ["b16"], "f32"), every.view(np.float16).astype(np.float32))


def test_bfloats() -> None:
    a = floats(32, COUNT, 1)
    words = a.view(np.uint32).astype(np.uint64)
    rounded = (words + 0x7FFF + (words >> 16 & 1)) >> 16
    expected = np.where(np.isnan(a), 0x7FFF, rounded).astype(np.uint16)
    np.testing.assert_array_equal(apply("cvt.rn.bf16.f32 %z, %a;", [a], ["f32"], "b16"), expected)
    back = (expected.astype(np.uint32) << np.uint32(16)).view(np.float32)
    _same(apply("cvt.f32.bf16 %z, %a;", [expected], ["b16"], "f32"), back)


@pytest.mark.parametrize("source", ["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("target", ["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("sat", ["", ".sat"])
def test_integers_to_integers(source: str, target: str, sat: str) -> None:
    bits, goal = int(source[1:]), int(target[1:])
    width, register = max(bits, 16), max(goal, 16)
    a = integers(width, COUNT, 1)
    expected = []
    for word in a.tolist():
        value = word % (1 << bits)
        if source[0] == "s" and value >> bits - 1:
            value -= 1 << bits
        low, high = (-(1 << goal - 1), (1 << goal - 1) - 1) if target[0] == "s" else (0, (1 << goal) - 1)
        if sat:
            value = max(low, min(high, value))
        value %= 1 << goal
        if target[0] == "s" and value >> goal - 1:
            value -= 1 << goal
        expected.append(value % (1 << register))
    result = apply(f"cvt{sat}.{target}.{source} %z, %a;", [a], [f"b{width}"], f"b{register}")
    np.testing.assert_array_equal(result, np.array(expected, f"u{register // 8}"))
