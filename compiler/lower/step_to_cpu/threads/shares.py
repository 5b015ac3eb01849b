"""The share of one worker of several: a stretch of the targets of each op, and a block of memory of its own.

All blocks lie one after the other behind `HEAD` bytes, in which the workers wait for each other.  A block holds the
worker's own counters, the parts of lists that it wrote, where its share begins and ends in each row of synapses, and
the list that an op makes in passing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spikec.dialects.arena import ALIGNMENT, LANES, aligned, padded
from spikec.dialects.mlir import arith, ir, memref
from spikec.lower.code import Type, Value, index

GRAIN = 64
"""Shares begin at multiples of so many elements: whole blocks of vectors, and a line of the cache even of bytes."""
HEAD = 3 * ALIGNMENT
PART_SLOTS = 2
"""Parts of a list are written for one step while those of the step before are still put together."""


@dataclass
class Room:
    """What a block holds, by its offsets in bytes; `size` bytes in all."""

    counters: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    scratch: int = 0
    size: int = 0

    @staticmethod
    def of(counters: Iterable[str], lists: Mapping[str, int], rows: Mapping[str, int], scratch: int) -> Room:
        """Room for counters, for parts of lists of so many elements, for the cuts of so many rows of tables."""
        room = Room()
        for name in counters:
            room.counters[name] = room._taken(8, 8)
        for name, count in lists.items():
            room.parts[name] = room._taken(ALIGNMENT + 4 * PART_SLOTS * (padded(count) + LANES))
        for name, count in rows.items():
            room.cuts[name] = room._taken(8 * max(1, count))
        room.scratch = room._taken(4 * (padded(scratch) + LANES))
        room.size = aligned(room.size)
        return room

    def _taken(self, bytes: int, alignment: int = ALIGNMENT) -> int:
        offset = aligned(self.size, alignment)
        self.size = offset + bytes
        return offset


@dataclass(frozen=True)
class Share:
    """The share of worker `worker` of `workers` (indices); in a task of worker 0 alone it is not `divided`."""

    room: Room
    blocks: Value
    worker: Value
    workers: Value
    divided: bool = True

    def of(self, count: int) -> tuple[Value, Value]:
        """The stretch of `count` elements that is this worker's."""
        begin, end = self.pieces(-(-count // GRAIN))
        grain = index(GRAIN)
        return arith.muli(begin, grain), arith.minsi(arith.muli(end, grain), index(count))

    def pieces(self, count: int) -> tuple[Value, Value]:
        """The stretch of `count` indivisible things that is this worker's."""
        after = arith.addi(self.worker, index(1))
        return self._first(count, self.worker), self._first(count, after)

    def _first(self, count: int, worker: Value) -> Value:
        return arith.divui(arith.muli(index(count), worker), self.workers)

    def view(self, offset: int, element: Type, size: int, worker: Value | None = None) -> Value:
        """Elements of this worker's block, or of another one's."""
        number = self.worker if worker is None else worker
        at = arith.addi(arith.muli(number, index(self.room.size)), index(HEAD + offset))
        return memref.view(ir.MemRefType.get([size], element), self.blocks, at, [])
