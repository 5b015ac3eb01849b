"""What arrives through synapses: the active sources of a propagate, the weights of its table, and their products."""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects import powers, step
from spikec.dialects.mlir import arith, ir, math
from spikec.dialects.propagations import Propagation
from spikec.lower.code import (
    Value,
    as_index,
    converted,
    element_of,
    index,
    integer,
    less,
    number,
    plus,
    product,
    python_number,
    shaped,
    splat,
)
from spikec.lower.step_to_cpu import events
from spikec.lower.step_to_cpu.places import Frame, Place
from spikec.lower.step_to_cpu.threads.shares import Share


class Source:
    """The active sources of a propagate: their list, and their values where they are not plain spikes."""

    def __init__(self, frame: Frame, op: Propagation, table: step.Table) -> None:
        self.low = op.low
        self.spikes = frame.held(op.from_).spikes
        self.entries, self.begin, self.end = events.active(frame, op.from_, op.delay, op.low, table.pre)
        self.values = None if self.spikes else frame.place(op.from_, op.delay)

    def at(self, k: Value) -> tuple[Value, Value | None]:
        """The row of the k-th active source and its value (None for a plain spike)."""
        source = as_index(self.entries.load(k))
        value = self.values.load(source) if self.values is not None else None
        return (arith.subi(source, index(self.low)) if self.low else source), value

    def first_from(self, row: Value) -> Value:
        """The first active source whose row is `row` or a later one."""
        limit = arith.index_cast(integer(32), plus(row, self.low))
        return events.first_from(self.entries.load, self.begin, self.end, limit)


class Rows:
    """Where the rows of a table begin and end; of a worker, where its share of each row does."""

    def __init__(self, frame: Frame, table: step.Table) -> None:
        name = ir.FlatSymbolRefAttr(table.arrays["row"]).value
        self._share = frame.divided
        if self._share is None:
            self._place = frame.place(name)
        else:
            held = frame.held(name)
            self._place = cuts(self._share, table, held.element, held.size - 1)

    def begin(self, row: Value) -> Value:
        return as_index(self._place.load(row if self._share is None else arith.muli(row, index(2))))

    def end(self, row: Value) -> Value:
        return as_index(self._place.load(plus(row if self._share is None else arith.muli(row, index(2)), 1)))


def cuts(share: Share, table: step.Table, element: Any, rows: int) -> Place:
    """Begin and end of the worker's share of each row of a table."""
    return Place(share.view(share.room.cuts[table.sym_name], element, 2 * rows), None, element)


class Weights:
    """The weights of a table: one number, or an array of weights or of codes of powers of two."""

    def __init__(self, frame: Frame, table: step.Table, place: Place | None = None) -> None:
        """`place` has the array in another order than that of the table."""
        self.table = table
        self.coded = table.code is not None
        self.number = None if table.weight is None else python_number(table.weight)
        if self.coded and self.number is not None:
            self.number = int(powers.encode(np.asarray(self.number)))
        name = None if table.weight is not None else ir.FlatSymbolRefAttr(table.arrays["w"]).value
        self.held = frame.held(name) if name is not None else None
        self.place = place if place is not None or name is None else frame.place(name)

    @property
    def row(self) -> int:
        """Of a dense table: how far the weights of a source to some targets are from those of the next source."""
        assert self.held is not None
        return self.held.stride if self.held.tile or self.held.rows == self.table.pre else int(self.table.post)

    def first(self, target: Value) -> Value:
        """Of a dense table: where the weights of the first source to `target` and those after it lie."""
        assert self.held is not None
        width = self.held.tile
        if not width:
            return target
        number, lane = arith.divui(target, index(width)), arith.remui(target, index(width))
        return arith.addi(arith.muli(number, index(self.table.pre * width)), lane)

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
        return weight if factor is None else product(weight, factor)


def _shifted(value: Value, code: Value) -> Value:
    """value times the power of two behind a code, by shifting."""
    type = code.type
    zero, bits = number(0, type), number(element_of(type).width, type)
    places = arith.addi(math.absi(code), number(-1, type))
    # As an unsigned number, the -1 of code 0 is beyond the last bit like any shift that is too far.
    fits = arith.cmpi(arith.CmpIPredicate.ult, places, bits)
    size = arith.select(fits, arith.shli(value, places), zero)
    return arith.select(less(code, zero), arith.subi(zero, size), size)
