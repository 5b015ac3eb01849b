"""Propagates over tables of the format `conv`: an active source is led to its targets by its coordinates.

Along each axis the coordinate of a source says how many targets it has, the first of them, and the place of the first
weight (`dialects.convolution.Axis`); the next targets and weights follow at fixed distances.  Where they are neighbours
along the last axis, they are added as a vector, of which the lanes beyond the last target are masked; machines without
masks go one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

from spikec.dialects import step
from spikec.dialects.convolution import Axis, Convolution
from spikec.dialects.mlir import arith
from spikec.lower.code import Value, index, integer, lanes, less, loop, plus, splat, summed, when
from spikec.lower.step_to_cpu.arrivals import Source, Weights
from spikec.lower.step_to_cpu.places import Frame, Place

FEWEST = 2  # targets that are worth a vector
POINT = Axis(1, 1, 1, 1, 0, 1)  # the other axis where there is one


def windows(frame: Frame, table: step.Table, source: Source, weights: Weights, into: Place) -> Value:
    """Returns the number of additions."""
    shape = Convolution.of(table.connect)
    rows, columns = (POINT, *shape.axes)[-2:]
    outputs, members = shape.output[0] // shape.groups, shape.input[0] // shape.groups
    plane = rows.output * columns.output
    width = _vector(frame, columns, into)

    def one(k: Value, total: Value) -> list[Value]:
        i, value = source.at(k)
        line, x = _over(i, columns.input), _rest(i, columns.input)
        channel, y = _over(line, rows.input), _rest(line, rows.input)
        down, along = _reached(rows, y), _reached(columns, x)
        count = arith.muli(down.count, along.count)

        def scatter() -> None:
            # Of a group's first target, and of a kernel's first weight, all targets and weights are found.
            first = _times(_over(channel, members), outputs * plane) if shape.groups > 1 else index(0)
            kernel = arith.addi(_times(channel, rows.kernel), down.weight)

            def row(n: Value, c: Value) -> None:
                line = arith.addi(down.target, _times(n, down.apart))
                target = arith.addi(arith.addi(first, _times(c, plane)), _times(line, columns.output))
                weight = _times(arith.addi(_times(arith.addi(kernel, n), outputs), c), columns.kernel)
                weight, target = arith.addi(weight, along.weight), arith.addi(target, along.target)
                _add(weights, value, into, along, weight, target, width)

            def each(n: Value) -> None:
                loop(index(0), index(outputs), 1, lambda c: row(n, c))

            loop(index(0), down.count, 1, each)

        when(less(index(0), count), scatter)
        return [arith.addi(total, _times(count, outputs))]

    return loop(source.begin, source.end, 1, one, [index(0)])[0]


@dataclass(frozen=True)
class _Reach:
    """What a source reaches along one axis: `count` targets `apart` from each other, by weights that are neighbours."""

    count: Value
    target: Value
    weight: Value
    apart: int


def _add(
    weights: Weights, value: Value | None, into: Place, along: _Reach, weight: Value, target: Value, width: int
) -> None:
    """Adds the weights from `weight` on to the targets from `target` on, `width` at a time."""

    def several(first: Value) -> None:
        there, at = _there(arith.subi(along.count, first), width), arith.addi(target, first)
        arriving = weights.arriving(arith.addi(weight, first), value, into.element, width)
        into.store(summed(into.load(at, width, there), arriving), at, there)

    def single(n: Value) -> None:
        at = arith.addi(target, _times(n, along.apart))
        into.store(summed(into.load(at), weights.arriving(arith.addi(weight, n), value, into.element)), at)

    loop(index(0), along.count, width, several if width > 1 else single)


def _reached(axis: Axis, place: Value) -> _Reach:
    """With g = gcd(stride, dilation), s = stride / g, d = dilation / g and v = (y + padding) / g: v = o s + k d.

    So k = p + s t for the p < s with p d = v modulo s, and o = (v - p d) / s - t d.
    """
    s, d = axis.phases, axis.apart
    v = plus(place, axis.padding)
    rest, v = _rest(v, axis.divisor), _over(v, axis.divisor)
    phase = _rest(_times(v, pow(d, -1, s)), s)
    highest = arith.divsi(arith.subi(v, _times(phase, d)), index(s))  # above -d, and exact
    steps = _over(arith.subi(index(axis.kernel + s - 1), phase), s)
    first = plus(arith.minsi(steps, _over(plus(highest, d), d)), -1)
    last = _over(plus(arith.maxsi(index(0), plus(highest, 1 - axis.output)), d - 1), d)
    count = arith.maxsi(index(0), plus(arith.subi(first, last), 1))
    count = arith.select(arith.cmpi(arith.CmpIPredicate.eq, rest, index(0)), count, index(0))
    before = arith.addi(_times(phase, axis.kernel // s), arith.minsi(phase, index(axis.kernel % s)))
    weight = arith.addi(before, arith.subi(plus(steps, -1), first))
    return _Reach(count, arith.subi(highest, _times(first, d)), weight, d)


def _vector(frame: Frame, axis: Axis, into: Place) -> int:
    """How many targets are added at once."""
    if not frame.plan.compress or axis.apart > 1 or axis.most < FEWEST:
        return 1
    return min(frame.plan.register(into.element), 1 << (axis.most - 1).bit_length())


def _there(count: Value, width: int) -> Value:
    """The first `count` lanes."""
    word = integer(32)
    limit = splat(arith.index_cast(word, count), width)
    return less(lanes(word, width), limit)


def _times(left: Value, right: int) -> Value:
    return left if right == 1 else arith.muli(left, index(right))


def _rest(left: Value, right: int) -> Value:
    return index(0) if right == 1 else arith.remui(left, index(right))


def _over(left: Value, right: int) -> Value:
    """Rounded down; `left` is not negative."""
    return left if right == 1 else arith.divui(left, index(right))
