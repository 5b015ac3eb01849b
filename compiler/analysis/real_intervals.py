"""What each op on reals makes of intervals.

Rounding is monotone, so the bounds of a sum, product, quotient or root are what the op itself makes of the
bounds of its operands; of the elementary functions they lie a little further out than their errors.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

from spikec.analysis.intervals import (
    ANY_REAL,
    Comparison,
    Interval,
    Number,
    Transfer,
    absolute,
    is_real,
    point,
    signed,
    signed_limits,
    width,
)
from spikec.dialects.mlir import ir

_PREDICATES = {1: "eq", 2: "gt", 3: "ge", 4: "lt", 5: "le", 7: "ord", 13: "ne"}
_SMALLEST = {32: 2.0**-126, 64: 2.0**-1022}
_SLACK = {32: 2.0**-20, 64: 2.0**-48}
"""The relative distance from the true value within which the elementary functions stay, with room to spare."""


def rounded(a: Interval, bits: int) -> Interval:
    """Bounds as results of an op: rounded, and those next to zero moved there, since they may be flushed."""
    low, high = _to(a.low, bits), _to(a.high, bits)
    smallest = _SMALLEST[bits]
    if 0 < low <= smallest:
        low = 0.0
    if -smallest <= high < 0:
        high = 0.0
    return Interval(low, high, a.nan)


def _to(value: Number, bits: int) -> float:
    return float(ctypes.c_float(value).value) if bits == 32 else float(value)


def add(a: Interval, b: Interval) -> Interval:
    opposed = (a.high == math.inf and b.low == -math.inf) or (a.low == -math.inf and b.high == math.inf)
    low, high = a.low + b.low, a.high + b.high
    return Interval(
        -math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high, a.nan or b.nan or opposed
    )


def negate(a: Interval) -> Interval:
    return Interval(-a.high, -a.low, a.nan)


def subtract(a: Interval, b: Interval) -> Interval:
    return add(a, negate(b))


def multiply(a: Interval, b: Interval) -> Interval:
    products = [x * y if x and y else 0.0 for x in a for y in b]
    nan = (_has_zero(a) and not b.is_bounded) or (_has_zero(b) and not a.is_bounded)
    return Interval(min(products), max(products), a.nan or b.nan or nan)


def square(a: Interval) -> Interval:
    ends = (a.low * a.low, a.high * a.high)
    return Interval(0.0 if _has_zero(a) else min(ends), max(ends), a.nan)


def divide(a: Interval, b: Interval) -> Interval:
    both = not a.is_bounded and not b.is_bounded
    nan = a.nan or b.nan or both
    if _has_zero(b):
        return Interval(-math.inf, math.inf, nan or _has_zero(a))
    if both:
        return Interval(-math.inf, math.inf, True)
    quotients = [x / y for x in a for y in b]
    return Interval(min(quotients), max(quotients), nan)


def maximum(a: Interval, b: Interval) -> Interval:
    return Interval(max(a.low, b.low), max(a.high, b.high), a.nan or b.nan)


def minimum(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.low, b.low), min(a.high, b.high), a.nan or b.nan)


def _has_zero(a: Interval) -> bool:
    return a.low <= 0 <= a.high


def _monotone(function: Callable[[float], float]) -> Transfer:
    """A function that is exact but for the rounding of its result, and keeps infinities."""

    def at(x: Number) -> float:
        return float(x) if math.isinf(x) else float(function(x))

    return lambda a: Interval(at(a.low), at(a.high), a.nan)


def _root(a: Interval) -> Interval:
    return Interval(math.sqrt(max(a.low, 0.0)), math.sqrt(max(a.high, 0.0)), a.nan or a.low < 0)


# ---------------------------------------------------------------- elementary functions


def _elementary(function: Callable[[Number], float], bits: int, least: float, most: float) -> Transfer:
    """A rising function whose results lie between `least` and `most`."""
    slack = _SLACK[bits]

    def transfer(a: Interval) -> Interval:
        low, high = function(a.low), function(a.high)
        low = low - abs(low) * slack if math.isfinite(low) else low
        high = high + abs(high) * slack if math.isfinite(high) else high
        return Interval(max(low, least), min(high, most), a.nan)

    return transfer


def _exp(x: Number) -> float:
    return math.exp(x) if x < 709 else math.inf


def _expm1(x: Number) -> float:
    return math.expm1(x) if x < 709 else math.inf


def _log(x: Number) -> float:
    return math.log(x) if x > 0 else -math.inf


def _elementary_transfer(name: str, bits: int) -> Transfer:
    match name:
        case "math.exp":
            return _elementary(_exp, bits, 0.0, math.inf)
        case "math.expm1":
            return _elementary(_expm1, bits, -math.inf, math.inf)
        case "math.tanh":
            return _elementary(math.tanh, bits, -1.0, 1.0)
        case "math.log":
            rising = _elementary(_log, bits, -math.inf, math.inf)

            def logarithm(a: Interval) -> Interval:
                found = rising(a)
                return Interval(found.low, found.high, a.nan or a.low < 0)

            return logarithm
    return lambda a: Interval(-1.0, 1.0, a.nan or not a.is_bounded)


# ---------------------------------------------------------------- conversions


def _from_integer(source: int, is_signed: bool) -> Transfer:
    def transfer(a: Interval) -> Interval:
        value = signed(a, source) if is_signed else a
        if not is_signed and a.low < 0:
            value = Interval(0, (1 << source) - 1)
        low, high = float(value.low), float(value.high)
        # A large integer is rounded once by the op, but twice on the way to an f32 here.
        low = low if low == value.low else math.nextafter(low, -math.inf)
        return Interval(low, high if high == value.high else math.nextafter(high, math.inf))

    return transfer


def _to_integer(bits: int) -> Transfer:
    """Towards zero, at most the extremes, NaN to 0."""
    least, most = signed_limits(bits)

    def cut(x: Number) -> int:
        if x >= most:
            return int(most)
        return int(least) if x <= least else math.trunc(x)

    def transfer(a: Interval) -> Interval:
        found = Interval(cut(a.low), cut(a.high))
        return found.hull(point(0)) if a.nan else found

    return transfer


def real_comparison(op: Any) -> Comparison | None:
    predicate = _PREDICATES.get(int(ir.IntegerAttr(op.attributes["predicate"]).value))
    return None if predicate is None else Comparison(predicate)


def real_constant(value: float, bits: int) -> Interval:
    """A number of a program as it computes with it: a subnormal one is zero."""
    if bits not in _SMALLEST:
        return ANY_REAL
    return point(value if abs(value) >= _SMALLEST[bits] or value != value else math.copysign(0.0, value))


# ---------------------------------------------------------------- ops

_OPS: dict[str, Transfer] = {
    "arith.addf": add,
    "arith.subf": subtract,
    "arith.mulf": multiply,
    "arith.divf": divide,
    "arith.negf": negate,
    "arith.maximumf": maximum,
    "arith.minimumf": minimum,
    "math.absf": absolute,
    "math.sqrt": _root,
    "math.floor": _monotone(math.floor),
    "math.ceil": _monotone(math.ceil),
    "math.trunc": _monotone(math.trunc),
    "math.roundeven": _monotone(round),
}
_ELEMENTARY = frozenset(f"math.{name}" for name in ("exp", "expm1", "log", "tanh", "sin", "cos"))


def real_transfer(op: Any) -> Transfer | None:
    """The function from operands to the result of an op that reads or makes reals."""
    result = op.results[0].type
    if op.name == "arith.cmpf":
        comparison = real_comparison(op)
        return None if comparison is None else comparison.decide
    if op.name == "arith.fptosi":
        return None if width(result) == 1 else _to_integer(width(result))
    if not is_real(result):
        return None
    exact = _exact(op, width(result))
    if exact is None:
        return None
    bits = width(result)
    if bits not in _SMALLEST:
        return lambda *operands: ANY_REAL
    return lambda *operands: rounded(exact(*operands), bits)


def _exact(op: Any, bits: int) -> Transfer | None:
    match op.name:
        case "arith.sitofp" | "arith.uitofp":
            return _from_integer(width(op.operands[0].type), op.name == "arith.sitofp")
        case "arith.mulf" if op.operands[0] == op.operands[1]:
            return lambda a, b: square(a)
        case name if name in _ELEMENTARY and bits in _SLACK:
            return _elementary_transfer(name, bits)
        case name:
            return _OPS.get(name)
