"""Propagates over tables of the format `conv` with the output channels in the lanes of vectors.

The sums of all targets are brought into another order, position by position with the channels of each one after the
other, and back when all events have been added.  In between an event adds whole vectors: its weights to a target
position stand in that order too, in a copy of their own.  With still more events, all inputs go by instead
(`receptive`).  How many events there are is known when the step runs, and decides then.
"""

from __future__ import annotations

from spikec.dialects import step
from spikec.dialects.convolution import POINT
from spikec.dialects.mlir import arith, ir
from spikec.lower.code import Value, either, index, less, loop, plus, repeated, summed
from spikec.lower.step_to_cpu.places import Frame, Place
from spikec.lower.step_to_cpu.squares import transposed
from spikec.lower.step_to_cpu.synapses import receptive
from spikec.lower.step_to_cpu.synapses.across import Across
from spikec.lower.step_to_cpu.synapses.arrivals import Source, Weights
from spikec.lower.step_to_cpu.synapses.reach import reached, times


def propagate(frame: Frame, made: Across, table: step.Table, source: Source, weights: Weights, into: Place) -> Value:
    """Adds all events of a source; returns the number of additions."""
    sums = frame.within(frame.plan.sums, into.element, made.sums)
    _reorder(made, into, sums, there=True)
    assert weights.held is not None
    own = Weights(frame, table, frame.constant(made.weights, weights.held.element, made.weight_count))
    added = either(
        less(index(made.many(source.spikes) - 1), arith.subi(source.end, source.begin)),
        [ir.IndexType.get()],
        lambda: [receptive.propagate(frame, made, source, own, sums)],
        lambda: [_by_events(made, source, own, sums)],
    )[0]
    _reorder(made, into, sums, there=False)
    return added


def _by_events(made: Across, source: Source, own: Weights, sums: Place) -> Value:
    rows, columns = (POINT, *made.shape.axes)[-2:]

    def one(k: Value, total: Value) -> list[Value]:
        i, value = source.at(k)
        channel, down, along = reached(made.shape, i)
        kernel = times(channel, rows.kernel)

        def line(n: Value) -> None:
            """The targets of a row of the kernel."""
            row = times(arith.addi(down.target, times(n, down.apart)), columns.output)
            at = times(arith.addi(row, along.target), made.channels)
            row = times(arith.addi(arith.addi(kernel, down.weight), n), columns.kernel)
            weight = times(arith.addi(row, along.weight), made.channels)

            def position(m: Value) -> None:
                target = plus(at, times(m, along.apart * made.channels))
                place = plus(weight, times(m, made.channels))
                repeated(made.channels, made.lanes, lambda first: add(plus(target, first), plus(place, first)))

            whole = arith.cmpi(arith.CmpIPredicate.eq, along.count, index(columns.most))
            either(
                whole,
                [],
                lambda: repeated(columns.most, 1, position),
                lambda: loop(index(0), along.count, 1, position),
            )

        def add(target: Value, weight: Value) -> None:
            arriving = own.arriving(weight, value, sums.element, made.lanes)
            sums.store(summed(sums.load(target, made.lanes), arriving), target)

        loop(index(0), down.count, 1, line)
        return [arith.addi(total, times(arith.muli(down.count, along.count), made.shape.output[0]))]

    return loop(source.begin, source.end, 1, one, [index(0)])[0]


def _reorder(made: Across, into: Place, sums: Place, there: bool) -> None:
    """Brings sums from the order of the targets into that of positions, or back, a square of vectors at a time."""
    lanes, positions, channels = made.lanes, made.positions, made.shape.output[0]

    def square(first: Value) -> None:
        # The last square overlaps with the one before it: what is copied twice is the same.
        first = arith.minsi(first, index(positions - lanes))
        for block in range(0, made.channels, lanes):
            planes = [min(block + k, channels - 1) * positions for k in range(lanes)]
            places = [plus(times(plus(first, k), made.channels), block) for k in range(lanes)]
            if there:
                columns = [into.load(plus(first, plane), lanes) for plane in planes]
                for place, row in zip(places, transposed(columns), strict=True):
                    sums.store(row, place)
            else:
                columns = transposed([sums.load(place, lanes) for place in places])
                for column, plane in list(zip(columns, planes, strict=True))[: channels - block]:
                    into.store(column, plus(first, plane))

    loop(index(0), index(positions), lanes, square)
