"""Propagates over tables of the format `conv`: an active source is led to its targets by its coordinates.

Along each axis the coordinate of a source says how many targets it has, the first of them, and the place of the first
weight (`dialects.convolution.Axis`); the next targets and weights follow at fixed distances.  Where they are neighbours
along the last axis, they are added as a vector, of which the lanes beyond the last target are masked; machines without
masks go one by one.
"""

from __future__ import annotations

from spikec.dialects import step
from spikec.dialects.convolution import POINT, Axis, Convolution
from spikec.dialects.mlir import arith, ir
from spikec.lower.code import Value, either, index, integer, lanes, less, loop, splat, summed, when
from spikec.lower.step_to_cpu.places import Frame, Place
from spikec.lower.step_to_cpu.synapses import channels
from spikec.lower.step_to_cpu.synapses.arrivals import Source, Weights
from spikec.lower.step_to_cpu.synapses.reach import Reach, over, reached, times

FEWEST = 2  # targets that are worth a vector


def windows(frame: Frame, table: step.Table, source: Source, weights: Weights, into: Place) -> Value:
    """Returns the number of additions."""
    across = frame.plan.across.get(table.sym_name)
    if across is None or frame.divided is not None:
        return _along(frame, table, source, weights, into)
    enough = less(index(across.worth(source.spikes) - 1), arith.subi(source.end, source.begin))
    return either(
        enough,
        [ir.IndexType.get()],
        lambda: [channels.propagate(frame, across, table, source, weights, into)],
        lambda: [_along(frame, table, source, weights, into)],
    )[0]


def _along(frame: Frame, table: step.Table, source: Source, weights: Weights, into: Place) -> Value:
    """With targets along the last axis in the lanes of vectors; returns the number of additions."""
    shape = Convolution.of(table.connect)
    rows, columns = (POINT, *shape.axes)[-2:]
    outputs, members = shape.output[0] // shape.groups, shape.input[0] // shape.groups
    plane = rows.output * columns.output
    width = _vector(frame, columns, into)

    # All targets of a channel are the same worker's.
    channels = (index(0), index(outputs)) if frame.divided is None else frame.divided.pieces(outputs)
    number = arith.subi(channels[1], channels[0])

    def one(k: Value, total: Value) -> list[Value]:
        i, value = source.at(k)
        channel, down, along = reached(shape, i)
        count = arith.muli(down.count, along.count)

        def scatter() -> None:
            # Of a group's first target, and of a kernel's first weight, all targets and weights are found.
            first = times(over(channel, members), outputs * plane) if shape.groups > 1 else index(0)
            kernel = arith.addi(times(channel, rows.kernel), down.weight)

            def row(n: Value, c: Value) -> None:
                line = arith.addi(down.target, times(n, down.apart))
                target = arith.addi(arith.addi(first, times(c, plane)), times(line, columns.output))
                weight = times(arith.addi(times(arith.addi(kernel, n), outputs), c), columns.kernel)
                weight, target = arith.addi(weight, along.weight), arith.addi(target, along.target)
                _add(weights, value, into, along, weight, target, width)

            def each(n: Value) -> None:
                loop(*channels, 1, lambda c: row(n, c))

            loop(index(0), down.count, 1, each)

        when(less(index(0), count), scatter)
        return [arith.addi(total, arith.muli(count, number))]

    return loop(source.begin, source.end, 1, one, [index(0)])[0]


def _add(
    weights: Weights, value: Value | None, into: Place, along: Reach, weight: Value, target: Value, width: int
) -> None:
    """Adds the weights from `weight` on to the targets from `target` on, `width` at a time."""

    def several(first: Value) -> None:
        there, at = _there(arith.subi(along.count, first), width), arith.addi(target, first)
        arriving = weights.arriving(arith.addi(weight, first), value, into.element, width)
        into.store(summed(into.load(at, width, there), arriving), at, there)

    def single(n: Value) -> None:
        at = arith.addi(target, times(n, along.apart))
        into.store(summed(into.load(at), weights.arriving(arith.addi(weight, n), value, into.element)), at)

    loop(index(0), along.count, width, several if width > 1 else single)


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
