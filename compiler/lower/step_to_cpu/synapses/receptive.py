"""Propagates over tables of the format `conv` with sums in registers while all inputs of their receptive fields go by.

The sums are in the order of `channels`: a tile is a few vectors of channels of a few positions of a row.  Its inputs
are read from an array with a border, where those that are silent are zero.  An input that is not zero is added to the
sums in the lanes of a mask: what is silent is not added, as 0 * w may be a NaN or turn the sum -0 into 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spikec.dialects.convolution import POINT, Axis
from spikec.dialects.mlir import arith
from spikec.lower.code import Value, converted, index, loop, nonzero, number, plus, repeated, shaped, splat, summed
from spikec.lower.step_to_cpu.places import Frame, Place
from spikec.lower.step_to_cpu.synapses.across import Across
from spikec.lower.step_to_cpu.synapses.arrivals import Source, Weights
from spikec.lower.step_to_cpu.synapses.reach import placed, reached, times

TILE = 24  # registers of sums of 32; half of it where there are no masks, and half of the registers
CHANNELS = 2  # of them side by side, for which an input is looked at once


def propagate(frame: Frame, made: Across, source: Source, weights: Weights, sums: Place) -> Value:
    """Adds all events of a source; returns the number of additions."""
    inputs = frame.within(frame.plan.inputs, sums.element, made.inputs)
    added = _spread(made, source, inputs)
    # LLVM would compare one lane with a zero that it knows and spread the bit, which takes three operations more.
    zero = inputs.load(index(made.inputs - made.lanes), made.lanes)
    rows, columns = (POINT, *made.shape.axes)[-2:]
    tiles = _Tiles(made, rows, columns, source.spikes, inputs, zero, weights, sums)

    def beside(channel: Value, vectors: int) -> None:
        most = (TILE if frame.plan.compress else TILE // 2) // vectors

        def along(row: Value) -> None:
            _divided(columns.output, most, lambda first, count: tiles.tile(row, first, count, channel, vectors))

        loop(index(0), index(rows.output), 1, along)

    _divided(made.channels // made.lanes, CHANNELS, beside)
    return added


@dataclass(frozen=True)
class _Tiles:
    """What all tiles of a convolution share; `zero` is a vector."""

    made: Across
    rows: Axis
    columns: Axis
    spikes: bool
    inputs: Place
    zero: Value
    weights: Weights
    sums: Place

    def tile(self, row: Value, first: Value, positions: int, channel: Value, vectors: int) -> None:
        """Positions from `first` on of a row, vectors of channels from number `channel` on."""
        made, rows, columns = self.made, self.rows, self.columns
        channel = times(channel, made.lanes)
        begin = arith.addi(times(plus(times(row, columns.output), first), made.channels), channel)
        places = [plus(begin, n * made.channels + k * made.lanes) for n in range(positions) for k in range(vectors)]
        corner = plus(times(row, rows.stride * made.breadth(columns)), times(first, columns.stride))

        def line(m: Value, k: Value, held: Sequence[Value]) -> Sequence[Value]:
            """The inputs of channel m that row k of the kernel looks at."""
            at = plus(times(m, made.breadth(rows)), times(k, rows.dilation))
            at = plus(corner, times(at, made.breadth(columns)))
            weight = times(plus(times(m, rows.kernel), placed(rows, k)), columns.kernel)

            def one(k: Value, *held: Value) -> list[Value]:
                weights = plus(times(plus(weight, placed(columns, k)), made.channels), channel)
                return self._added(plus(at, times(k, columns.dilation)), weights, held, positions)

            # Without a loop, columns that follow each other share values and what is known of them.
            if self.spikes:
                return loop(index(0), index(columns.kernel), 1, one, held)
            return repeated(columns.kernel, 1, one, held)

        def member(m: Value, *held: Value) -> Sequence[Value]:
            return loop(index(0), index(rows.kernel), 1, lambda k, *held: line(m, k, held), held)

        held = [self.sums.load(place, made.lanes) for place in places]
        held = loop(index(0), index(made.shape.input[0]), 1, member, held)
        for place, value in zip(places, held, strict=True):
            self.sums.store(value, place)

    def _added(self, at: Value, weight: Value, held: Sequence[Value], positions: int) -> list[Value]:
        """The sums of a tile with one input for each position, of which the first one is `at`."""
        lanes, vectors, result = self.made.lanes, len(held) // positions, []
        for n in range(positions):
            value = self.inputs.load(plus(at, n * self.columns.stride))
            active, factor = nonzero(splat(value, lanes), self.zero), None if self.spikes else value
            for k, sum in enumerate(held[n * vectors : (n + 1) * vectors]):
                arriving = self.weights.arriving(plus(weight, k * lanes), factor, self.sums.element, lanes)
                result.append(arith.select(active, summed(sum, arriving), sum))
        return result


def _spread(made: Across, source: Source, inputs: Place) -> Value:
    """Writes the inputs of a step with their border; returns the number of additions."""
    rows, columns = (POINT, *made.shape.axes)[-2:]
    silent = number(0, shaped(inputs.element, made.lanes))
    loop(index(0), index(made.inputs), made.lanes, lambda i: inputs.store(silent, i))

    def one(k: Value, total: Value) -> list[Value]:
        i, value = source.at(k)
        channel, down, along = reached(made.shape, i)
        row = plus(times(channel, made.breadth(rows)), plus(down.source, rows.padding))
        at = plus(times(row, made.breadth(columns)), plus(along.source, columns.padding))
        inputs.store(number(1, inputs.element) if value is None else converted(value, inputs.element), at)
        return [arith.addi(total, times(arith.muli(down.count, along.count), made.shape.output[0]))]

    return loop(source.begin, source.end, 1, one, [index(0)])[0]


def _divided(total: int, most: int, body: Callable[[Value, int], None]) -> None:
    """body(first, size) for stretches of a total, none longer than `most`; the last one may be shorter."""
    size = -(-total // -(-total // most))
    whole = total // size * size
    loop(index(0), index(whole), size, lambda first: body(first, size))
    if whole < total:
        body(index(whole), total - whole)
