"""Rings of sums that are made ahead (`rings`): how events get into them, and what arrives out of them.

Workers that share a network look back with sweeps instead.  So the arena says for which step the rings are good, and a
run that begins at another one makes them anew from the events of the steps before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spikec.dialects import step
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import arith
from spikec.lower.code import Value, as_index, converted, index, integer, loop, number, plus, shaped, summed, when, word
from spikec.lower.step_to_cpu import events
from spikec.lower.step_to_cpu.places import Frame, Place
from spikec.lower.step_to_cpu.synapses.arrivals import Source, Weights
from spikec.lower.step_to_cpu.synapses.rings import Arrival, Ring

PREFETCHED = 8  # cache lines of a row


def push(frame: Frame, ring: Ring, symbols: dict[str, Any], since: Value) -> None:
    """Adds to the ring what the events cause whose shortest delay is over, from step `since` on.

    Events are few and their rows anywhere, so all rows are fetched before the first one is added.
    """
    sums = frame.within(ring.offset, ring.element, ring.depth * ring.stride)
    rows = [_Rows(frame, ring, arrival, step.Table(symbols[arrival.op.table])) for arrival in ring.arrivals]
    for one in rows:
        one.fetch()
    for one in rows:
        one.add(frame, ring, sums, since)


class _Rows:
    """The rows of the active sources of one table."""

    def __init__(self, frame: Frame, ring: Ring, arrival: Arrival, table: step.Table) -> None:
        self.arrival = arrival
        self.source = Source(frame, replace(arrival.op, delay=ring.least), table)
        self.weights = Weights(frame, table)
        self.row, self.column, self.part = (
            frame.place(str(symbol_of(table.arrays[key]))) for key in ("row", "col", "part")
        )
        columns, parts = (frame.held(str(symbol_of(table.arrays[key]))) for key in ("col", "part"))
        self.read = [(self.column, columns), (self.part, parts)]
        if self.weights.place is not None and self.weights.held is not None:
            self.read.append((self.weights.place, self.weights.held))
        self.length = columns.size / max(1, table.pre)

    def fetch(self) -> None:
        def one(k: Value) -> None:
            i, _ = self.source.at(k)
            first = arith.muli(i, index(self.arrival.parts))
            self.row.prefetch(plus(first, self.arrival.parts))
            start = as_index(self.row.load(first))
            for place, held in self.read:
                place.prefetch_row(start, held.width, self.length, PREFETCHED)

        loop(self.source.begin, self.source.end, 1, one)

    def add(self, frame: Frame, ring: Ring, sums: Place, since: Value) -> None:
        arrival = self.arrival
        counts = frame.within(arrival.counts, integer(32), 2 * ring.depth)
        later, parts = arrival.least - ring.least, arrival.parts
        # Part p arrives in step t + later + p, in the slot of this number; slots go round.
        slot = plus(arith.remui(frame.t, index(ring.depth)), later)
        sooner = plus(arith.subi(since, frame.t), -later)
        least = arith.minsi(arith.maxsi(sooner, index(0)), index(parts))

        def one(k: Value) -> None:
            i, value = self.source.at(k)
            first = arith.muli(i, index(parts))
            begin, end = as_index(self.row.load(arith.addi(first, least))), as_index(self.row.load(plus(first, parts)))

            def synapse(j: Value) -> None:
                at = arith.addi(slot, as_index(self.part.load(j), unsigned=True))
                counts.store(arith.addi(counts.load(at), number(1, integer(32))), at)
                around = arith.cmpi(arith.CmpIPredicate.ult, at, index(ring.depth))
                at = arith.select(around, at, plus(at, -ring.depth))
                target = arith.addi(arith.muli(at, index(ring.stride)), as_index(self.column.load(j), unsigned=True))
                sums.store(summed(sums.load(target), self.weights.arriving(j, value, ring.element)), target)

            loop(begin, end, 1, synapse)

        loop(self.source.begin, self.source.end, 1, one)


def take(frame: Frame, ring: Ring) -> None:
    """into = what arrives in this step; its slot is free for a later one."""
    into, sums = frame.place(ring.into), frame.within(ring.offset, ring.element, ring.depth * ring.stride)
    slot = arith.remui(frame.t, index(ring.depth))
    start = arith.muli(slot, index(ring.stride))

    def block(first: Value, width: int, valid: int, carried: list[Value]) -> list[Value]:
        at = arith.addi(start, first)
        into.store(sums.load(at, width), first)
        sums.store(number(0, shaped(ring.element, width)), at)
        return []

    events.blocks(frame.plan, ring.size, True, block, [])
    for arrival in ring.arrivals:
        counts = frame.within(arrival.counts, integer(32), 2 * ring.depth)
        halves = (slot, plus(slot, ring.depth))
        added = arith.addi(*(counts.load(half) for half in halves))
        frame.add_to(arrival.op.tally, converted(added, integer(64)))
        for half in halves:
            counts.store(number(0, integer(32)), half)


def remake(frame: Frame, ring: Ring, call: Any) -> None:
    """Makes a ring for a run that begins at step `frame.t`; `call(t, since)` does `push`."""
    bytes = frame.within(ring.offset, integer(8), ring.taken)
    loop(index(0), index(ring.taken), 1, lambda i: bytes.store(number(0, integer(8)), i))
    first = arith.maxsi(plus(frame.t, 1 - ring.depth), index(0))
    loop(first, frame.t, 1, lambda t: call(t, frame.t))


def good_for(frame: Frame) -> Place:
    """The step that the rings are good for."""
    return frame.word(frame.plan.rings_step)


def where_stale(frame: Frame, body: Any) -> None:
    """Does something where the rings are not good for step `frame.t`."""
    stale = arith.cmpi(arith.CmpIPredicate.ne, good_for(frame).load(index(0)), word(frame.t))
    when(stale, body)
