"""What a source of a convolution reaches: its channel, and along each axis targets and weights at fixed distances."""

from __future__ import annotations

from dataclasses import dataclass

from spikec.dialects.convolution import POINT, Axis, Convolution
from spikec.dialects.mlir import arith
from spikec.lower.code import Value, index, plus


@dataclass(frozen=True)
class Reach:
    """What a source reaches along one axis: `count` targets `apart` from each other, by weights that are neighbours."""

    count: Value
    target: Value
    weight: Value
    apart: int


def reached(shape: Convolution, source: Value) -> tuple[Value, Reach, Reach]:
    """The channel of a source, and what it reaches down the rows and along the columns."""
    rows, columns = (POINT, *shape.axes)[-2:]
    line, x = over(source, columns.input), modulo(source, columns.input)
    channel, y = over(line, rows.input), modulo(line, rows.input)
    return channel, _reached(rows, y), _reached(columns, x)


def _reached(axis: Axis, place: Value) -> Reach:
    """With g = gcd(stride, dilation), s = stride / g, d = dilation / g and v = (y + padding) / g: v = o s + k d.

    So k = p + s t for the p < s with p d = v modulo s, and o = (v - p d) / s - t d.
    """
    s, d = axis.phases, axis.apart
    v = plus(place, axis.padding)
    rest, v = modulo(v, axis.divisor), over(v, axis.divisor)
    phase = modulo(times(v, pow(d, -1, s)), s)
    highest = arith.divsi(arith.subi(v, times(phase, d)), index(s))  # above -d, and exact
    steps = over(arith.subi(index(axis.kernel + s - 1), phase), s)
    first = plus(arith.minsi(steps, over(plus(highest, d), d)), -1)
    last = over(plus(arith.maxsi(index(0), plus(highest, 1 - axis.output)), d - 1), d)
    count = arith.maxsi(index(0), plus(arith.subi(first, last), 1))
    count = arith.select(arith.cmpi(arith.CmpIPredicate.eq, rest, index(0)), count, index(0))
    before = arith.addi(times(phase, axis.kernel // s), arith.minsi(phase, index(axis.kernel % s)))
    weight = arith.addi(before, arith.subi(plus(steps, -1), first))
    return Reach(count, arith.subi(highest, times(first, d)), weight, d)


def times(left: Value, right: int) -> Value:
    return left if right == 1 else arith.muli(left, index(right))


def modulo(left: Value, right: int) -> Value:
    return index(0) if right == 1 else arith.remui(left, index(right))


def over(left: Value, right: int) -> Value:
    """Rounded down; `left` is not negative."""
    return left if right == 1 else arith.divui(left, index(right))
