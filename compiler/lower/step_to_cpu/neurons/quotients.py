"""Quotients of vectors by a constant as a product and a fused one, where that gives the bits of the division.

With y the constant, p bits of precision, h = 1/y rounded toward zero and l = 1/y - h rounded, the quotient of x is
h x + l x, the first product fused with the sum (N. Brisebarre, J.-M. Muller, S. K. Raina, "Accelerating correctly
rounded floating-point division when the divisor is known in advance", IEEE Trans. Comp. 53, 2004).  Scaled so that
1 <= x < 2 and 1 < y < 2, so 0 < l < 2^-p, the sum is off the quotient by

    x |1/y - h - l| + (half a last place of l x)  <  2 * 2^-(2p + 1) + 2^-2p  =  2^(1 - 2p)

before it is rounded, and so gives another number only if a midpoint of two numbers is as near to x / y.  With X and Y
the integers x 2^(p-1) and y 2^(p-1), a midpoint is M / 2^k with M odd, 2^p < M < 2^(p+1), and k = p where x >= y, else
k = p + 1, hence

    0 < |2^k X - M Y| < 2^k Y 2^(1 - 2p) < 4

(it is not 0, since Y < 2^p has fewer than k factors of 2).  For each of these differences few X are left; they are
tried, and a constant that fails for one of them goes on dividing.

As h and l have one sign, zeros and infinities have the right sign, and a result that is too large or too small is so
after the same rounding (docs/adr/0004).  What remains is l x becoming zero because it is too small, while x is not
zero: a block where that happens is divided.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from spikec.dialects.functions import walk
from spikec.dialects.mlir import arith, ir
from spikec.dialects.mlir import math as mlir_math
from spikec.lower.code import Value, any_of, either, number

PRECISION = {"f32": (24, 2.0**-126), "f64": (53, 2.0**-1022)}
"""Bits, and the smallest normal number."""


def replace(module: Any) -> None:
    """Puts products in the place of all such divisions; the machine fuses them, and flushes after it rounds."""
    for op in [op for op in walk(module.operation) if op.name == "arith.divf"]:
        x, y = op.operands
        found = _splat(y)
        if found is None or str(found.type) not in PRECISION:
            continue
        parts = reciprocal(found.value, *PRECISION[str(found.type)])
        if parts is not None:
            with ir.InsertionPoint(op), op.location:
                op.results[0].replace_all_uses_with(_quotient(x, y, *parts))
            op.erase()


def _splat(value: Any) -> Any:
    """The attribute of the number in all lanes of a constant vector."""
    if not isinstance(value.type, ir.VectorType) or isinstance(value.owner, ir.Block):
        return None
    if value.owner.name != "arith.constant":
        return None
    lanes = ir.DenseElementsAttr(value.owner.attributes["value"])
    return ir.FloatAttr(lanes.get_splat_value()) if lanes.is_splat else None


def _quotient(x: Value, y: Value, high: float, low: float) -> Value:
    type = x.type
    zero = number(0.0, type)
    small = arith.mulf(x, number(low, type))
    fused = mlir_math.fma(x, number(high, type), small)
    none = arith.cmpf(arith.CmpFPredicate.OEQ, small, zero)

    def looked_at() -> list[Value]:
        lost = arith.andi(none, arith.cmpf(arith.CmpFPredicate.UNE, x, zero))
        return either(any_of(lost), [type], lambda: [arith.divf(x, y)], lambda: [fused])

    return either(any_of(none), [type], looked_at, lambda: [fused])[0]


@functools.cache
def reciprocal(y: float, precision: int, least: float) -> tuple[float, float] | None:
    """h and l of a constant; None if it has none, or a power of two, by which multiplying is exact, in its place."""
    if not math.isfinite(y) or math.frexp(y)[0] in (0.0, 0.5, -0.5):
        return None
    inverse = 1 / Fraction(abs(y))
    high = _rounded(inverse, precision, math.floor)
    low = _rounded(inverse - high, precision)
    if low < Fraction(least) or high >= 2 / Fraction(least):
        return None
    whole = int(math.ldexp(abs(math.frexp(y)[0]), precision))
    for x in _doubtful(whole, precision):
        sum = x * high + _rounded(x * low, precision)
        if _rounded(sum, precision) != _rounded(x / Fraction(abs(y)), precision):
            return None
    return math.copysign(float(high), y), math.copysign(float(low), y)


def _doubtful(whole: int, precision: int) -> Iterator[int]:
    """The X of p bits with 2^k X = M Y + r and a small r."""
    twos = (whole & -whole).bit_length() - 1
    for k in (precision, precision + 1):
        modulus = 1 << (k - twos)
        for r in (-3, -2, -1, 1, 2, 3):
            if r % (1 << twos):
                continue
            first = -(r >> twos) * pow(whole >> twos, -1, modulus) % modulus
            first += -((first - (1 << precision)) // modulus) * modulus  # the first one from 2^p on
            for middle in range(first, 2 << precision, modulus):
                x = (middle * whole + r) >> k
                if middle % 2 and x.bit_length() == precision:
                    yield x


def _rounded(value: Fraction, precision: int, to_integer: Callable[[Fraction], int] = round) -> Fraction:
    """A positive number with so many bits, the nearest one (of two the even one) unless told otherwise."""
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if value < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (exponent - precision + 1)
    return to_integer(value / unit) * unit
