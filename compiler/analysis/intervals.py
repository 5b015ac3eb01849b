"""Intervals, and what each integer op makes of them.

Integers are exact and have no bound; an i1 is 0 or 1 here, and -1 or 0 where an op takes it as signed.  The
bounds of reals are doubles.  A real that may be NaN says so, since comparisons and conversions tell it apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from spikec.dialects.mlir import ir

Number = int | float
Transfer = Callable[..., "Interval"]


@dataclass(frozen=True, slots=True)
class Interval:
    """All values from `low` to `high`, both included, and NaN where `nan` is set."""

    low: Number
    high: Number
    nan: bool = False

    def __iter__(self) -> Iterator[Number]:
        """`low, high = interval`."""
        return iter((self.low, self.high))

    @property
    def is_point(self) -> bool:
        return self.low == self.high and not self.nan

    @property
    def is_bounded(self) -> bool:
        """Whether both ends are finite."""
        return -math.inf < self.low and self.high < math.inf

    def covers(self, other: Interval) -> bool:
        return self.low <= other.low and other.high <= self.high and (self.nan or not other.nan)

    def hull(self, other: Interval) -> Interval:
        """The least interval around both."""
        if self.covers(other):
            return self
        return Interval(min(self.low, other.low), max(self.high, other.high), self.nan or other.nan)

    def meet(self, other: Interval) -> Interval | None:
        """What both have in common, None for nothing."""
        low, high, nan = max(self.low, other.low), min(self.high, other.high), self.nan and other.nan
        if low <= high:
            return Interval(low, high, nan)
        return self if nan else None


ANY_REAL = Interval(-math.inf, math.inf, True)
BOOL = Interval(0, 1)


def point(value: Number) -> Interval:
    return Interval(value, value)


def element(type: Any) -> Any:
    """The element type of a shaped type; a scalar type is its own."""
    return type.element_type if isinstance(type, ir.ShapedType) else type


def is_real(type: Any) -> bool:
    return isinstance(element(type), ir.FloatType)


def width(type: Any) -> int:
    """The number of bits of an element."""
    scalar = element(type)
    return 64 if isinstance(scalar, ir.IndexType) else int(scalar.width)


def limits(type: Any) -> Interval:
    """All values of an element of a type."""
    return ANY_REAL if is_real(type) else signed_limits(width(type))


def signed_limits(bits: int) -> Interval:
    return BOOL if bits == 1 else Interval(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def signed(a: Interval, bits: int) -> Interval:
    """An integer as its op takes it: a true i1 is -1."""
    return Interval(-a.high, -a.low) if bits == 1 else a


# ---------------------------------------------------------------- arithmetic


def add(a: Interval, b: Interval) -> Interval:
    return Interval(a.low + b.low, a.high + b.high)


def subtract(a: Interval, b: Interval) -> Interval:
    return Interval(a.low - b.high, a.high - b.low)


def multiply(a: Interval, b: Interval) -> Interval:
    return _around(x * y for x in a for y in b)


def square(a: Interval) -> Interval:
    found = multiply(a, a)
    return Interval(0, found.high) if a.low <= 0 <= a.high else _around((a.low * a.low, a.high * a.high))


def floor_divide(a: Interval, b: Interval) -> Interval:
    """A quotient by zero is 0."""
    ends = [end for end in (b.low, b.high, -1, 1) if end != 0 and b.low <= end <= b.high]
    zero = [0] if b.low <= 0 <= b.high else []
    return _around([*(x // y for x in a for y in ends), *zero])


def remainder(a: Interval, b: Interval) -> Interval:
    """The remainder has the sign of the dividend; by zero it is 0."""
    least = 0 if b.low <= 0 <= b.high else min(abs(b.low), abs(b.high))
    if -least < a.low and a.high < least:
        return a
    most = max(abs(b.low), abs(b.high), 1) - 1
    return Interval(max(a.low, -most) if a.low < 0 else 0, min(a.high, most) if a.high > 0 else 0)


def modulo(x: Interval, y: Interval) -> Interval:
    """x - floor(x / y) * y, which is x for y = 0."""
    if x.low >= 0 and x.high < y.low:
        return x
    found = Interval(y.low + 1 if y.low < 0 else 0, y.high - 1 if y.high > 0 else 0)
    return found.hull(x) if y.low <= 0 <= y.high else found


def maximum(a: Interval, b: Interval) -> Interval:
    return Interval(max(a.low, b.low), max(a.high, b.high))


def minimum(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.low, b.low), min(a.high, b.high))


def absolute(a: Interval) -> Interval:
    high = max(abs(a.low), abs(a.high))
    return Interval(0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high)), high, a.nan)


def _around(values: Any) -> Interval:
    found = list(values)
    return Interval(min(found), max(found))


# ---------------------------------------------------------------- bits


def _shift(shifted: Callable[[int, int], int], bits: int) -> Transfer:
    """A shift within the width; nothing is known of another."""

    def transfer(a: Interval, by: Interval) -> Interval:
        if by.low < 0 or by.high >= bits:
            return signed_limits(bits)
        return _around(shifted(int(x), int(y)) for x in a for y in by)

    return transfer


def conjunction(a: Interval, b: Interval) -> Interval:
    if a.is_point and b.is_point:
        return point(int(a.low) & int(b.low))
    if a.low < 0 and b.low < 0:
        return Interval(-(1 << _bits(a, b)), max(a.high, b.high, -1))
    return Interval(0, min(x.high for x in (a, b) if x.low >= 0))


def disjunction(a: Interval, b: Interval) -> Interval:
    if a.is_point and b.is_point:
        return point(int(a.low) | int(b.low))
    high = (1 << _bits(a, b)) - 1
    if a.high < 0 or b.high < 0:
        return Interval(min(a.low, b.low), -1)
    return Interval(max(a.low, b.low) if a.low >= 0 and b.low >= 0 else min(a.low, b.low), high)


def exclusive(a: Interval, b: Interval) -> Interval:
    if a.is_point and b.is_point:
        return point(int(a.low) ^ int(b.low))
    bound = 1 << _bits(a, b)
    return Interval(0 if a.low >= 0 and b.low >= 0 else -bound, bound - 1)


def _bits(a: Interval, b: Interval) -> int:
    """The bits, without the sign, that hold both."""
    return max(int(x if x >= 0 else ~x).bit_length() for x in (*a, *b))


# ---------------------------------------------------------------- conversions


def _extend_unsigned(bits: int) -> Transfer:
    def transfer(a: Interval) -> Interval:
        if a.low >= 0:
            return a
        wrapped = 1 << bits
        return Interval(a.low + wrapped, a.high + wrapped) if a.high < 0 else Interval(0, wrapped - 1)

    return transfer


def _truncate(a: Interval, bits: int) -> Interval:
    """An i1 keeps the lowest bit; otherwise the value itself, which the caller checks against the type."""
    if bits > 1:
        return a
    return point(int(a.low) & 1) if a.is_point else BOOL


# ---------------------------------------------------------------- comparisons

NEGATED = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}
MIRRORED = {"eq": "eq", "ne": "ne", "lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
_INTEGRAL = ("eq", "ne", "lt", "le", "gt", "ge", "lt", "le", "gt", "ge")


def decide(relation: str, a: Interval, b: Interval) -> Interval:
    """Whether `a relation b` holds, where it always or never does; NaN compares as unequal alone."""
    if relation in ("gt", "ge"):
        relation, a, b = MIRRORED[relation], b, a
    match relation:
        case "lt":
            always, never = a.high < b.low, a.low >= b.high
        case "le":
            always, never = a.high <= b.low, a.low > b.high
        case "eq":
            always, never = a.low == a.high == b.low == b.high, a.high < b.low or b.high < a.low
        case _:
            return subtract(point(1), decide("eq", a, b))
    return point(1) if always and not (a.nan or b.nan) else point(0) if never else BOOL


def refine(relation: str, a: Interval, b: Interval, step: int) -> tuple[Interval, Interval] | None:
    """What is left of both where `a relation b`; None where it never holds.

    `step` is 1 for integers and 0 for reals, of which none is NaN here.
    """
    if relation in ("gt", "ge"):
        swapped = refine(MIRRORED[relation], b, a, step)
        return None if swapped is None else (swapped[1], swapped[0])
    gap = step if relation == "lt" else 0
    if relation in ("lt", "le"):
        left, right = a.meet(Interval(a.low, b.high - gap)), b.meet(Interval(a.low + gap, b.high))
    elif relation == "eq":
        left = right = a.meet(b)
    else:
        left, right = _without(a, b, step), _without(b, a, step)
    return None if left is None or right is None else (left, right)


def _without(a: Interval, b: Interval, step: int) -> Interval | None:
    """`a` without the one value of b."""
    if not step or not b.is_point:
        return a
    low, high = a.low + (a.low == b.low), a.high - (a.high == b.low)
    return Interval(low, high) if low <= high else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`relation` of an `arith.cmpi` or `arith.cmpf`; an unsigned one is known where no operand is negative."""

    relation: str
    bits: int = 0  # of integers, 0 for reals
    unsigned: bool = False

    def decide(self, a: Interval, b: Interval) -> Interval:
        if self.relation == "ord":
            return BOOL if a.nan or b.nan else point(1)
        if self._is_foreign(a, b):
            return BOOL
        if self.bits and not self.unsigned:
            a, b = signed(a, self.bits), signed(b, self.bits)
        return decide(self.relation, a, b)

    def refine(self, a: Interval, b: Interval, holds: bool) -> tuple[Interval, Interval] | None:
        """What is left of both where the comparison holds, or does not; None where that never is."""
        if self._is_foreign(a, b) or (self.bits == 1 and self.relation not in ("eq", "ne")):
            return a, b
        if self.bits:
            return refine(self.relation if holds else NEGATED[self.relation], a, b, 1)
        number_a, number_b = replace(a, nan=False), replace(b, nan=False)
        if self.relation == "ord":
            return (number_a, number_b) if holds else (a, b)
        if holds == (self.relation != "ne"):
            return refine(self.relation if holds else "eq", number_a, number_b, 0)
        left, right = refine(NEGATED[self.relation], number_a, number_b, 0) or (None, None)
        if a.nan and b.nan:
            return a, b
        # A NaN on one side says nothing about the other.
        if a.nan:
            return (a if left is None else replace(left, nan=True)), b
        if b.nan:
            return a, (b if right is None else replace(right, nan=True))
        return None if left is None or right is None else (left, right)

    def _is_foreign(self, a: Interval, b: Interval) -> bool:
        return self.unsigned and (a.low < 0 or b.low < 0)


def integer_comparison(op: Any) -> Comparison:
    predicate = int(ir.IntegerAttr(op.attributes["predicate"]).value)
    return Comparison(_INTEGRAL[predicate], width(op.operands[0].type), predicate > 5)


# ---------------------------------------------------------------- ops

_ARITHMETIC: dict[str, Transfer] = {
    "arith.addi": add,
    "arith.subi": subtract,
    "arith.muli": multiply,
    "arith.floordivsi": floor_divide,
    "arith.remsi": remainder,
    "arith.maxsi": maximum,
    "arith.minsi": minimum,
    "math.absi": absolute,
}
_BITWISE: dict[str, Transfer] = {"arith.andi": conjunction, "arith.ori": disjunction, "arith.xori": exclusive}
_SHIFTS: dict[str, Callable[[int, int], int]] = {
    "arith.shrsi": lambda x, by: x >> by,
    "arith.shli": lambda x, by: x << by,
}


def integer_transfer(op: Any) -> Transfer | None:
    """The function from operands to the result of an op whose operands and result are integers.

    The result is that of unbounded integers: where it leaves the type, the op may wrap.
    """
    bits = width(op.results[0].type)
    match op.name:
        case "arith.cmpi":
            return integer_comparison(op).decide
        case "arith.extui":
            return _extend_unsigned(width(op.operands[0].type))
        case "arith.extsi":
            source = width(op.operands[0].type)
            return lambda a: signed(a, source)
        case "arith.trunci":
            return lambda a: _truncate(a, bits)
        case name if name in _BITWISE:
            return _BITWISE[name]
        case name if bits == 1 and (name in _ARITHMETIC or name in _SHIFTS):
            return lambda *operands: BOOL
        case name if name in _SHIFTS:
            return _shift(_SHIFTS[name], bits)
        case "arith.muli" if op.operands[0] == op.operands[1]:
            return lambda a, b: square(a)
        case name:
            return _ARITHMETIC.get(name)
