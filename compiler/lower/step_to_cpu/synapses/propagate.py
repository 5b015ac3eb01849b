"""`step.propagate`: adds the weights of the active sources to their targets, in ascending order of sources.

The order of additions to one target is part of the meaning.  Rows of a dense table are added tile by tile: a
tile of the targets stays in registers while all active rows go by, which keeps that order.  Rows of a csr table
are scattered element by element, with the rows to come prefetched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from spikec.dialects import step
from spikec.dialects.mlir import arith, ir
from spikec.dialects.propagations import Propagation, propagations
from spikec.lower.code import (
    Value,
    as_index,
    down,
    index,
    less,
    loop,
    plus,
    summed,
    when,
)
from spikec.lower.step_to_cpu.places import LINE, Frame, Place, Tile
from spikec.lower.step_to_cpu.synapses import ahead, packed, procedural
from spikec.lower.step_to_cpu.synapses.arrivals import Rows, Source, Weights
from spikec.lower.step_to_cpu.synapses.windows import windows

TILE = 8  # vector registers of sums that stay while rows go by


def lower(frame: Frame, op: step.Propagate | step.Sweep, symbols: dict[str, Any]) -> None:
    """A propagate, or one loop over the rounds of a sweep."""

    def each(round: Value | None) -> None:
        for one in propagations(op):
            _lower(frame, one, symbols, round)

    if isinstance(op, step.Sweep):
        loop(index(0), index(op.rounds), 1, each)
    else:
        each(None)


def _lower(frame: Frame, op: Propagation, symbols: dict[str, Any], sooner: Value | None) -> None:
    """A propagation with a delay that is smaller by `sooner` (an index) than it says, and a part that is too."""
    table = step.Table(symbols[op.table])
    # What was there d - k steps ago is what will have been there d steps ago k steps later.
    source = Source(frame if sooner is None else replace(frame, t=plus(frame.t, sooner)), op, table)
    weights = Weights(frame, table)
    into = frame.place(op.into)
    match table.format:
        case "csr":
            added = _csr(frame, table, source, weights, into, _Part(op, table, sooner))
        case "dense":
            padded = not frame.held(op.into).on_host
            when(less(source.begin, source.end), lambda: _dense(frame, table, source, weights, into, padded))
            added = arith.muli(arith.subi(source.end, source.begin), _targets(frame, table))
        case "bitmap":
            added = packed.bitmap(frame, op, table, source, weights, into)
        case "block":
            added = packed.blocks(frame, table, source, weights, into)
        case "conv":
            added = windows(frame, table, source, weights, into)
        case "procedural":
            added = procedural.lower(frame, table, source, weights, into, symbols)
        case _:
            added = _one_to_one(frame, table, source, weights, into)
    frame.add_to(op.tally, added)


def _targets(frame: Frame, table: step.Table) -> Value:
    """How many targets are reached."""
    stretch = frame.stretch(table.post)
    return index(table.post) if stretch is None else arith.subi(stretch[1], stretch[0])


def _one_to_one(frame: Frame, table: step.Table, source: Source, weights: Weights, into: Place) -> Value:
    """Returns the number of additions."""
    begin, end = source.begin, source.end
    stretch = frame.stretch(table.post)
    if stretch is not None:
        begin, end = (source.first_from(bound) for bound in stretch)

    def one(k: Value) -> None:
        i, value = source.at(k)
        into.store(summed(into.load(i), weights.arriving(i, value, into.element)), i)

    loop(begin, end, 1, one)
    return arith.subi(end, begin)


class _Part:
    """Which row of a source acts, of a table that has several for each."""

    def __init__(self, op: Propagation, table: step.Table, sooner: Value | None) -> None:
        self.parts = table.parts
        if op.part is not None:
            number = index(op.part)
            self.number = number if sooner is None else arith.subi(number, sooner)

    def row(self, source: Value) -> Value:
        if self.parts is None:
            return source
        return arith.addi(arith.muli(source, index(self.parts)), self.number)


def _csr(frame: Frame, table: step.Table, source: Source, weights: Weights, into: Place, part: _Part) -> Value:
    """Returns the number of additions."""
    row = Rows(frame, table)
    columns = frame.place(ir.FlatSymbolRefAttr(table.arrays["col"]).value)
    fetch, last = ahead.fetcher(frame, table, weights), plus(source.end, -1)

    def one(k: Value, total: Value) -> list[Value]:
        i, value = source.at(k)
        i = part.row(i)
        begin, end = row.begin(i), row.end(i)
        fetch(part.row(source.at(arith.minsi(plus(k, ahead.ROWS), last))[0]))

        def scatter(j: Value) -> None:
            target = as_index(columns.load(j), unsigned=True)
            into.store(summed(into.load(target), weights.arriving(j, value, into.element)), target)

        loop(begin, end, 1, scatter)
        return [arith.addi(total, arith.subi(end, begin))]

    ahead.first(source, lambda i: fetch(part.row(i)))
    return loop(source.begin, source.end, 1, one, [index(0)])[0]


def _dense(frame: Frame, table: step.Table, source: Source, weights: Weights, into: Place, padded: bool) -> None:
    native = frame.plan.register(into.element) if padded else 1
    vectors = -(-table.post // native)
    tile = TILE * native

    def tiles(first: Value, registers: int) -> None:
        places = [plus(first, r * native) for r in range(registers)]
        begins = [weights.first(place) for place in places]

        def rows(k: Value, *sums: Value) -> list[Value]:
            i, value = source.at(k)
            row = arith.muli(i, index(weights.row))
            if frame.tile is not None:
                _fetch_next(frame.tile, table, weights, arith.subi(k, source.begin), frame.t)
            starts = [arith.addi(row, begin) for begin in begins]
            return [
                summed(s, weights.arriving(start, value, into.element, native))
                for s, start in zip(sums, starts, strict=True)
            ]

        sums = loop(source.begin, source.end, 1, rows, [into.load(p, native) for p in places])
        for place, value in zip(places, sums, strict=True):
            into.store(value, place)

    if frame.tile is not None:
        tiles(frame.tile.begin, frame.tile.width // native)
        return
    stretch = frame.stretch(table.post)
    if stretch is not None:
        _in_tiles(*stretch, native, tiles)
        return
    whole = vectors // TILE * tile
    if whole:
        loop(index(0), index(whole), tile, lambda first: tiles(first, TILE))
    if vectors % TILE:
        tiles(index(whole), vectors % TILE)


def _fetch_next(tile: Tile, table: step.Table, weights: Weights, row: Value, t: Value) -> None:
    """Brings a line of the next tile into the second cache, another one for each row of each step."""
    assert weights.held is not None and weights.place is not None
    line = LINE // weights.held.width
    lines = index(-(-table.pre * tile.width // line))
    done = arith.muli(arith.subi(t, tile.first), arith.ceildivui(lines, arith.subi(tile.last, tile.first)))
    next = weights.first(plus(tile.begin, tile.width))
    weights.place.prefetch(arith.addi(next, arith.muli(arith.addi(done, row), index(line))), near=2)


def _in_tiles(begin: Value, end: Value, native: int, tiles: Callable[[Value, int], None]) -> None:
    """The targets begin ... end - 1 in tiles of as many registers as are left."""
    end = down(plus(end, native - 1), native)
    registers = TILE
    while registers:
        width = registers * native
        whole = down(arith.subi(end, begin), width)
        last = arith.addi(begin, whole)
        loop(begin, last, width, lambda first, registers=registers: tiles(first, registers))
        begin, registers = last, registers // 2
