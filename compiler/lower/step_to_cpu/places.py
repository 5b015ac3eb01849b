"""Access to buffers: a `Place` is one slot of a buffer; a `Frame` knows where the places of a stage are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spikec.dialects.arena import ALIGNMENT
from spikec.dialects.mlir import arith, ir, math, memref, vector
from spikec.lower.code import (
    Type,
    Value,
    as_index,
    converted,
    element_of,
    index,
    integer,
    number,
    plus,
    shaped,
)
from spikec.lower.step_to_cpu.plan import Held, Plan, storage
from spikec.lower.step_to_cpu.threads.shares import PART_SLOTS, Share

LINE = 64
"""Bytes of a line of the cache."""


@dataclass(frozen=True)
class Place:
    """`size` elements of a one-dimensional memref, from index `base` on."""

    memory: Value
    base: Value | None
    element: Type
    flushing: bool = False

    def at(self, i: Value) -> Value:
        return i if self.base is None else arith.addi(self.base, i)

    def load(self, i: Value, width: int = 1, there: Value | None = None) -> Value:
        """Element i, or elements i, i + 1, ... as a vector, in the program's element type.

        Of a vector, the lanes that are not `there` are not touched, and are zero.
        """
        kept = storage(self.element)
        if there is not None:
            type = shaped(kept, width)
            value = vector.maskedload(type, self.memory, [self.at(i)], there, number(0, type))
        elif width > 1:
            value = vector.load(shaped(kept, width), self.memory, [self.at(i)])
        else:
            value = memref.load(self.memory, [self.at(i)])
        if kept == self.element:
            return value
        if self.element.width == 1:
            return arith.cmpi(arith.CmpIPredicate.ne, value, number(0, value.type))
        return arith.trunci(shaped(self.element, width), value)

    def store(self, value: Value, i: Value, there: Value | None = None) -> None:
        """Sets element i, or elements i, i + 1, ... from a vector, of which the lanes `there` alone are stored."""
        kept = storage(self.element)
        if self.flushing and isinstance(kept, ir.FloatType):
            value = _flushed(value)
        if kept != self.element:
            extend = arith.extui if self.element.width == 1 else arith.extsi
            type = ir.VectorType.get(value.type.shape, kept) if isinstance(value.type, ir.VectorType) else kept
            value = extend(type, value)
        if there is not None:
            vector.maskedstore(self.memory, [self.at(i)], there, value)
        elif isinstance(value.type, ir.VectorType):
            vector.store(value, self.memory, [self.at(i)])
        else:
            memref.store(value, self.memory, [self.at(i)])

    def prefetch(self, i: Value, near: int = 3) -> None:
        """Fetches the line of element i, into the first cache (3) or the second one (2)."""
        memref.prefetch(self.memory, [self.at(i)], False, near, True)

    def prefetch_row(self, first: Value, width: int, length: float, most: int) -> None:
        """Fetches a row of about `length` elements, wherever in a line it begins, but at most so many lines."""
        self.prefetch_lines(first, width, min(most, 1 - int((1 - length) * width // LINE)))

    def prefetch_lines(self, first: Value, width: int, lines: int) -> None:
        """Lines of the cache from element `first` on; elements are of `width` bytes."""
        for line in range(lines):
            self.prefetch(plus(first, line * LINE // width))


def _flushed(value: Value) -> Value:
    """Zero of the same sign for a subnormal."""
    tiny = 2.0**-1022 if isinstance(element_of(value.type), ir.F64Type) else 2.0**-126
    zero = math.copysign(number(0.0, value.type), value)
    return arith.select(arith.cmpf(arith.CmpFPredicate.OLT, math.absf(value), number(tiny, value.type)), zero, value)


@dataclass(frozen=True)
class Tile:
    """The `width` elements from `begin` on, which are dealt with in the steps from `first` until before `last`."""

    begin: Value
    width: int
    first: Value
    last: Value


@dataclass
class Frame:
    """The arguments of the function that is being built: blocks of memory, host arrays, the step `t`.

    `begin` is the first step of the host's arrays.  `share` is that of a worker, where several run one network.
    `tile` are the only elements that an op deals with, where it does so for many steps before others follow.
    """

    plan: Plan
    arena: Value
    constants: Value
    hosts: dict[int, Value]
    strides: Value | None
    begin: Value | None
    t: Value
    share: Share | None = None
    tile: Tile | None = None

    @property
    def divided(self) -> Share | None:
        """The share of the targets that code is built for; None for all of them."""
        return self.share if self.share is not None and self.share.divided else None

    def stretch(self, count: int) -> tuple[Value, Value] | None:
        """The share of `count` targets, or those of a tile; None for all of them."""
        if self.tile is not None:
            end = plus(self.tile.begin, self.tile.width)
            return self.tile.begin, arith.minsi(end, index(count)) if count % self.tile.width else end
        return self.divided.of(count) if self.divided is not None else None

    def held(self, name: str) -> Held:
        return self.plan.buffers[name]

    def _view(self, block: Value, offset: int, element: Type, size: int) -> Value:
        return memref.view(ir.MemRefType.get([size], storage(element)), block, index(offset), [])

    def slot(self, held: Held, delay: int) -> Value | None:
        """The slot of step t - delay; None where there is one slot."""
        if held.slots == 1:
            return None
        shifted = plus(self.t, -(-delay // held.slots) * held.slots - delay)
        return arith.remui(shifted, index(held.slots))

    def place(self, name: str, delay: int = 0) -> Place:
        """The elements of a buffer as they were `delay` steps ago."""
        held = self.held(name)
        flushing = self.plan.flush == "store"
        if held.on_host:
            return Place(self._slice(held), None, held.element, flushing)
        if held.kind == "constant":
            size = held.rows * held.stride + (self.plan.lanes if self.plan.lanes > 1 else 0)
            return Place(self._view(self.constants, held.values, held.element, size), None, held.element)
        memory = self._view(self.arena, held.values, held.element, held.slots * held.stride)
        slot = self.slot(held, delay)
        base = None if slot is None else arith.muli(slot, index(held.stride))
        return Place(memory, base, held.element, flushing)

    def _slice(self, held: Held) -> Value:
        """A host array, from this step's slice on."""
        memory = self.hosts[held.host]
        if held.kind == "result":
            return memory
        assert self.begin is not None and self.strides is not None
        done = arith.subi(self.t, self.begin)
        if held.kind == "input":
            stride = as_index(memref.load(self.strides, [index(held.host)]))
        else:
            stride = index(held.size)
        kept = storage(held.element)
        return shifted(memory, arith.muli(done, stride), held.size, kept)

    def list_of(self, held: Held, delay: int) -> tuple[Place, Place, Value]:
        """Indices and counts of the active elements, and the index of the count."""
        entries = self._view(self.arena, held.list, integer(32), held.slots * held.list_stride)
        counts = self._view(self.arena, held.count, integer(64), held.slots)
        slot = self.slot(held, delay)
        base = None if slot is None else arith.muli(slot, index(held.list_stride))
        return (
            Place(entries, base, integer(32)),
            Place(counts, None, integer(64)),
            index(0) if slot is None else slot,
        )

    def written_list(self, held: Held) -> tuple[Place, Place, Value]:
        """As `list_of` this step, or the part of it that a worker writes."""
        if self.divided is None:
            return self.list_of(held, 0)
        return self.part_of(held, self.divided.worker)

    def part_of(self, held: Held, worker: Value) -> tuple[Place, Place, Value]:
        """The part of a list that a worker wrote."""
        assert self.share is not None
        offset, word = self.share.room.parts[held.name], integer(32)
        entries = self.share.view(offset + ALIGNMENT, word, PART_SLOTS * held.list_stride, worker)
        count = self.share.view(offset, integer(64), PART_SLOTS, worker)
        slot = arith.remui(self.t, index(PART_SLOTS))
        return Place(entries, arith.muli(slot, index(held.list_stride)), word), Place(count, None, integer(64)), slot

    def constant(self, offset: int, element: Type, size: int) -> Place:
        """Elements of the block of constants."""
        return Place(self._view(self.constants, offset, element, size), None, element)

    def within(self, offset: int, element: Type, size: int) -> Place:
        """Elements of the arena."""
        return Place(self._view(self.arena, offset, element, size), None, element, self.plan.flush == "store")

    def scratch(self) -> Place:
        """Room for a list that one op makes and uses."""
        size, word = self.plan.scratch_size, integer(32)
        if self.share is not None:
            return Place(self.share.view(self.share.room.scratch, word, size), None, word)
        return Place(self._view(self.arena, self.plan.scratch, word, size), None, word)

    def word(self, offset: int, bits: int = 64) -> Place:
        """One integer of the arena's head."""
        return Place(self._view(self.arena, offset, integer(bits), 1), None, integer(bits))

    def add_to(self, counter: str, amount: Value) -> None:
        """counter += amount (an index)."""
        place = self.word(self.held(counter).values)
        if self.share is not None:
            place = Place(self.share.view(self.share.room.counters[counter], integer(64), 1), None, integer(64))
        place.store(arith.addi(place.load(index(0)), converted_index(amount)), index(0))


def converted_index(value: Value) -> Value:
    """An index or integer as i64."""
    if isinstance(value.type, ir.IndexType):
        return arith.index_cast(integer(64), value)
    return converted(value, integer(64))


def shifted(memory: Value, offset: Value, size: int, kept: Type) -> Any:
    """`size` elements of a memref from a computed offset on."""
    layout = ir.StridedLayoutAttr.get(ir.ShapedType.get_dynamic_stride_or_offset(), [1])
    type = ir.MemRefType.get([size], kept, layout)
    return memref.ReinterpretCastOp(
        type, memory, [offset], [], [], [ir.ShapedType.get_dynamic_stride_or_offset()], [size], [1]
    ).result
