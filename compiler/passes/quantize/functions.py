"""exp and its like, roots and reciprocals, as polynomials of integers.

Over the interval that its argument can take, a function becomes the Chebyshev series of the least degree that is
near enough, summed by Clenshaw's recurrence (Clenshaw 1955, "A note on the summation of Chebyshev series"):

    b[k] = c[k] + 2 t b[k+1] - b[k+2],    f = c[0] + t b[1] - b[2],    t in [-1, 1]

log and sqrt are steep at zero: their argument is first shifted left until its leading bit stands in front, as a
floating-point unit would do, by comparisons with powers of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from spikec.analysis.intervals import Interval
from spikec.dialects.constants import Array
from spikec.dialects.mlir import arith
from spikec.passes.quantize.affine import Affine, Atom
from spikec.passes.quantize.arithmetic import Arithmetic, Code

Function = Callable[[Array], Array]

FUNCTIONS: dict[str, Function] = {
    "math.exp": np.exp,
    "math.expm1": np.expm1,
    "math.log": np.log,
    "math.sqrt": np.sqrt,
    "math.tanh": np.tanh,
    "math.sin": np.sin,
    "math.cos": np.cos,
    "arith.divf": np.reciprocal,
}
"""Under a division, the reciprocal of the divisor."""

ARGUMENT = 20  # bits after the point of t
GUARD = 6  # bits that the sum has more than its result
RESULT = 18  # bits of the greatest result
DEGREE = 16
NEAR = 2.0**-13  # the greatest error, as a part of the greatest result


def scale_of(reach: float) -> float:
    """The scale of results whose greatest magnitude is `reach`."""
    return 2.0 ** (math.ceil(math.log2(reach)) - RESULT) if 0 < reach < math.inf else 2.0**-RESULT


def series(function: Function, interval: Interval) -> Array | None:
    """Chebyshev coefficients over an interval; None where no degree up to `DEGREE` is near enough."""
    low, high = float(interval.low), float(interval.high)
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    if high <= low:
        high = low + max(abs(low), 1.0) * 2.0**-20
    points = np.linspace(low, high, 2001)
    with np.errstate(all="ignore"):
        exact = function(points)
    reach = float(np.max(np.abs(exact)))
    if not math.isfinite(reach):
        return None
    for degree in range(1, DEGREE + 1):
        fitted = np.polynomial.Chebyshev.interpolate(function, degree, (low, high))
        if float(np.max(np.abs(fitted(points) - exact))) <= NEAR * reach:
            coefficients: Array = fitted.coef
            return coefficients
    return None


def logarithm(arithmetic: Arithmetic, code: Code, argument: Atom, unit: float, scale: float) -> Affine:
    """log(argument * unit) for a positive integer (log(unit) for others); its mantissa's in units of `scale`."""
    bits = max(argument.limit.bit_length(), 2)
    value, shifted = _leading(code, argument, bits, (32, 16, 8, 4, 2, 1))
    interval = Interval(0.5, 1.0)
    coefficients = series(np.log, interval)
    assert coefficients is not None
    mantissa = Affine(((Atom(value, (1 << bits) - 1), 2.0**-bits),))
    made = evaluate(arithmetic, code, mantissa, interval, coefficients, scale)
    exponent = Affine(((Atom(shifted, bits), -math.log(2.0)),), bits * math.log(2.0) + math.log(unit))
    return Affine(((made, scale),)).plus(exponent)


def root(arithmetic: Arithmetic, code: Code, argument: Atom, unit: float, scale: float) -> Affine:
    """sqrt(argument * unit) for an integer that is not negative (0 for others), in units of `scale`."""
    bits = max(argument.limit.bit_length(), 2)
    bits += bits % 2
    value, shifted = _leading(code, argument, bits, (32, 16, 8, 4, 2))
    interval = Interval(0.25, 1.0)
    coefficients = series(np.sqrt, interval)
    assert coefficients is not None
    mantissa = Affine(((Atom(value, (1 << bits) - 1), 2.0**-bits),))
    greatest = math.sqrt(2.0**bits * unit)
    made = evaluate(arithmetic, code, mantissa, interval, coefficients, scale / greatest)
    halved = arith.shrsi(shifted, code.number(1))
    small = arith.shrsi(code.wide(made.value), halved)
    positive = arith.cmpi(arith.CmpIPredicate.sgt, code.wide(argument.value), code.number(0))
    return Affine(((Atom(arith.select(positive, small, code.number(0)), made.limit), scale),))


def _leading(code: Code, argument: Atom, bits: int, steps: tuple[int, ...]) -> tuple[Any, Any]:
    """An integer in [1, 2^bits) shifted left until it is at least 2^(bits - last step), and by how much."""
    value = arith.maxsi(code.wide(argument.value), code.number(1))
    shifted = code.number(0)
    for step in steps:
        if step >= bits:
            continue
        small = arith.cmpi(arith.CmpIPredicate.slt, value, code.number(1 << (bits - step)))
        value = arith.select(small, arith.shli(value, code.number(step)), value)
        shifted = arith.select(small, arith.addi(shifted, code.number(step)), shifted)
    return value, shifted


def evaluate(
    arithmetic: Arithmetic, code: Code, argument: Affine, interval: Interval, coefficients: Array, scale: float
) -> Atom:
    """The sum of a series at an argument within an interval, in units of `scale`."""
    low, high = float(interval.low), float(interval.high)
    width = high - low if high > low else max(abs(low), 1.0) * 2.0**-20
    unit = argument.times(2.0 / width).plus(
        Affine((), -(low + high) / width if high > low else -2.0 * low / width - 1.0)
    )
    one = 1 << ARGUMENT
    made = arithmetic.at(code, unit, 1.0 / one)
    t = code.clamped(code.wide(made.value), -one, one)
    numbers = [round(float(c) / scale * 2.0**GUARD) for c in coefficients]
    total, before = code.number(0), code.number(0)
    for number in reversed(numbers[1:]):
        step = arith.shrsi(arith.muli(t, total), code.number(ARGUMENT - 1))
        total, before = arith.subi(arith.addi(step, code.number(number)), before), total
    last = arith.shrsi(arith.muli(t, total), code.number(ARGUMENT))
    result = arith.subi(arith.addi(last, code.number(numbers[0])), before)
    limit = sum(abs(n) for n in numbers) + len(numbers) * 4
    return Atom(code.shift_right(result, GUARD, arithmetic.rounding), (limit >> GUARD) + 1)
