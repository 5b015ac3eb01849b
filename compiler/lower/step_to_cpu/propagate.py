"""`step.propagate`: adds the weights of the active sources to their targets, in ascending order of sources.

The order of additions to one target is part of the meaning.  Rows of a dense table are added tile by tile: a
tile of the targets stays in registers while all active rows go by, which keeps that order.  Rows of a csr table
are scattered element by element, with the rows to come prefetched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects import powers, step
from spikec.dialects.mlir import arith, ir, math
from spikec.lower.step_to_cpu import events
from spikec.lower.step_to_cpu.code import (
    Value,
    as_index,
    converted,
    element_of,
    index,
    less,
    loop,
    number,
    plus,
    python_number,
    shaped,
    splat,
    when,
)
from spikec.lower.step_to_cpu.places import Frame, Place

TILE = 8  # vector registers of sums that stay while rows go by
ROWS_AHEAD = 3
PREFETCHED = 4  # cache lines of a row
LINE = 64


class _Source:
    """The active sources of a propagate: their list, and their values where they are not plain spikes."""

    def __init__(self, frame: Frame, op: step.Propagate, table: step.Table) -> None:
        self.low = op.low
        self.spikes = frame.held(op.from_).spikes
        self.entries, self.begin, self.end = events.active(frame, op.from_, op.delay, op.low, table.pre)
        self.values = None if self.spikes else frame.place(op.from_, op.delay)

    def at(self, k: Value) -> tuple[Value, Value | None]:
        """The row of the k-th active source and its value (None for a plain spike)."""
        source = as_index(self.entries.load(k))
        value = self.values.load(source) if self.values is not None else None
        return (arith.subi(source, index(self.low)) if self.low else source), value


class _Weights:
    """The weights of a table: one number, or an array of weights or of codes of powers of two."""

    def __init__(self, frame: Frame, table: step.Table) -> None:
        self.coded = table.code is not None
        self.number = None if table.weight is None else python_number(table.weight)
        if self.coded and self.number is not None:
            self.number = int(powers.encode(np.asarray(self.number)))
        name = None if table.weight is not None else ir.FlatSymbolRefAttr(table.arrays["w"]).value
        self.held = frame.held(name) if name is not None else None
        self.place = frame.place(name) if name is not None else None

    def arriving(self, at: Value, value: Value | None, element: Any, width: int = 1) -> Value:
        """What weights at, at + 1, ... carry to their targets, as `element`s."""
        if self.place is not None:
            weight = converted(self.place.load(at, width), element)
        else:
            assert self.number is not None
            weight = number(self.number, shaped(element, width))
        factor = None if value is None else splat(converted(value, element), width)
        if self.coded:
            return _shifted(number(1, weight.type) if factor is None else factor, weight)
        return weight if factor is None else times(weight, factor)


def _shifted(value: Value, code: Value) -> Value:
    """value times the power of two behind a code, by shifting."""
    type = code.type
    zero, bits = number(0, type), number(element_of(type).width, type)
    places = arith.addi(math.absi(code), number(-1, type))
    # As an unsigned number, the -1 of code 0 is beyond the last bit like any shift that is too far.
    fits = arith.cmpi(arith.CmpIPredicate.ult, places, bits)
    size = arith.select(fits, arith.shli(value, places), zero)
    return arith.select(less(code, zero), arith.subi(zero, size), size)


def summed(left: Value, right: Value) -> Value:
    return (arith.addi if isinstance(element_of(left.type), ir.IntegerType) else arith.addf)(left, right)


def times(left: Value, right: Value) -> Value:
    return (arith.muli if isinstance(element_of(left.type), ir.IntegerType) else arith.mulf)(left, right)


def lower(frame: Frame, op: step.Propagate, symbols: dict[str, Any]) -> None:
    table = step.Table(symbols[op.table])
    source = _Source(frame, op, table)
    weights = _Weights(frame, table)
    into = frame.place(op.into)
    match table.format:
        case "csr":
            added = _csr(frame, table, source, weights, into)
        case "dense":
            padded = not frame.held(op.into).on_host
            when(less(source.begin, source.end), lambda: _dense(frame, table, source, weights, into, padded))
            added = arith.muli(arith.subi(source.end, source.begin), index(table.post))
        case _:
            _one_to_one(source, weights, into)
            added = arith.subi(source.end, source.begin)
    frame.add_to(op.tally, added)


def _one_to_one(source: _Source, weights: _Weights, into: Place) -> None:
    def one(k: Value) -> None:
        i, value = source.at(k)
        into.store(summed(into.load(i), weights.arriving(i, value, into.element)), i)

    loop(source.begin, source.end, 1, one)


def _csr(frame: Frame, table: step.Table, source: _Source, weights: _Weights, into: Place) -> Value:
    """Returns the number of additions."""
    row = frame.place(ir.FlatSymbolRefAttr(table.arrays["row"]).value)
    column = ir.FlatSymbolRefAttr(table.arrays["col"]).value
    columns, length = frame.place(column), frame.held(column).size / max(table.pre, 1)
    fetched = [(columns, frame.held(column).width)]
    if weights.place is not None and weights.held is not None:
        fetched.append((weights.place, weights.held.width))
    last = plus(source.end, -1)

    def one(k: Value, total: Value) -> list[Value]:
        i, value = source.at(k)
        begin, end = as_index(row.load(i)), as_index(row.load(plus(i, 1)))
        ahead, _ = source.at(arith.minsi(plus(k, ROWS_AHEAD), last))
        start = as_index(row.load(ahead))
        for place, width in fetched:
            for line in range(min(PREFETCHED, 1 + int(length * width) // LINE)):
                place.prefetch(plus(start, line * LINE // width))

        def scatter(j: Value) -> None:
            target = as_index(columns.load(j), unsigned=True)
            into.store(summed(into.load(target), weights.arriving(j, value, into.element)), target)

        loop(begin, end, 1, scatter)
        return [arith.addi(total, arith.subi(end, begin))]

    return loop(source.begin, source.end, 1, one, [index(0)])[0]


def _dense(frame: Frame, table: step.Table, source: _Source, weights: _Weights, into: Place, padded: bool) -> None:
    assert weights.held is not None
    native = frame.plan.register(into.element) if padded else 1
    stride = weights.held.stride if weights.held.rows == table.pre else table.post
    vectors = -(-table.post // native)
    tile = TILE * native

    def tiles(first: Value, registers: int) -> None:
        places = [plus(first, r * native) for r in range(registers)]

        def rows(k: Value, *sums: Value) -> list[Value]:
            i, value = source.at(k)
            start = arith.addi(arith.muli(i, index(stride)), first)
            return [
                summed(s, weights.arriving(plus(start, r * native), value, into.element, native))
                for r, s in enumerate(sums)
            ]

        sums = loop(source.begin, source.end, 1, rows, [into.load(p, native) for p in places])
        for place, value in zip(places, sums, strict=True):
            into.store(value, place)

    whole = vectors // TILE * tile
    if whole:
        loop(index(0), index(whole), tile, lambda first: tiles(first, TILE))
    if vectors % TILE:
        tiles(index(whole), vectors % TILE)
