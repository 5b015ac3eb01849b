"""What a source of a convolution reaches: its channel, and along each axis targets and weights at fixed distances."""

from __future__ import annotations

from dataclasses import dataclass

from spikec.dialects.convolution import POINT, Axis, Convolution
from spikec.dialects.mlir import arith
from spikec.lower.code import Value, index, plus


@dataclass(frozen=True)
class Reach:
    """What `source`, a place of one axis, reaches: `count` targets `apart` from each other, by neighbouring weights."""

    source: Value
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
    first = plus(arith.minsi(_steps(axis, phase), over(plus(highest, d), d)), -1)
    last = over(plus(arith.maxsi(index(0), plus(highest, 1 - axis.output)), d - 1), d)
    count = arith.maxsi(index(0), plus(arith.subi(first, last), 1))
    count = arith.select(arith.cmpi(arith.CmpIPredicate.eq, rest, index(0)), count, index(0))
    return Reach(place, count, arith.subi(highest, times(first, d)), _weight(axis, phase, first), d)


def placed(axis: Axis, k: Value) -> Value:
    """Where the weights of position k of a kernel are (`Axis.order`)."""
    return _weight(axis, modulo(k, axis.phases), over(k, axis.phases))


def _weight(axis: Axis, phase: Value, number: Value) -> Value:
    """The same for the position of a number within its phase."""
    s = axis.phases
    before = arith.addi(times(phase, axis.kernel // s), arith.minsi(phase, index(axis.kernel % s)))
    last = plus(_steps(axis, phase), -1)
    return arith.addi(before, arith.subi(last, number))


def _steps(axis: Axis, phase: Value) -> Value:
    """How many positions of a kernel are in a phase."""
    return over(arith.subi(index(axis.kernel + axis.phases - 1), phase), axis.phases)


def times(left: Value, right: int) -> Value:
    return left if right == 1 else arith.muli(left, index(right))


def modulo(left: Value, right: int) -> Value:
    return index(0) if right == 1 else arith.remui(left, index(right))


def over(left: Value, right: int) -> Value:
    """Rounded down; `left` is not negative."""
    return left if right == 1 else arith.divui(left, index(right))
