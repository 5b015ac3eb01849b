"""Propagates over bitmaps whose synapses have one weight: it is added to the sums of the targets whose bits are set.

Additions to one target are all alike, so only their number counts.  Where many rows arrive, their bits are counted
first, 512 targets at a time: the numbers stand in planes, the lowest bits of all targets in one register, the next ones
in another, and eight rows are added by seven full adders.  A target then takes the weight as often as its number says.
The bits of a plane are the masks of those that take it so many times more, and a product is taken of integers.  Sums of
reals that begin with a known value are known for all small numbers, and are looked up.

A few rows are added at once, several together, so that sums go to memory less often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from spikec.dialects import step
from spikec.dialects.mlir import arith, func, ir, memref, vector
from spikec.dialects.propagations import Propagation, propagations
from spikec.lower.code import (
    Value,
    converted,
    down,
    either,
    element_of,
    index,
    integer,
    intrinsic,
    lanes,
    less,
    loop,
    nonzero,
    number,
    plus,
    product,
    python_number,
    shaped,
    splat,
    summed,
)
from spikec.lower.step_to_cpu import moves
from spikec.lower.step_to_cpu.places import LINE, Frame, Place
from spikec.lower.step_to_cpu.synapses.adders import CHUNK, in_planes
from spikec.lower.step_to_cpu.synapses.arrivals import Source
from spikec.lower.step_to_cpu.synapses.bitmaps import WORD, WORD_BYTES, Bits, bits_of, mask_of, own_words, part_of
from spikec.runtime.reference import reals

PREFETCHED = 32  # cache lines of a row
TOGETHER = 4  # rows that are added at once
FEW = 6  # rows that are not worth counting
PLANES = 8  # bits of the numbers where that is enough
TARGETS = 64  # of a group
GROUP = TARGETS // WORD  # words
GROUPS = CHUNK // GROUP
UNROLLED = 4  # additions


def takes(frame: Frame, op: Propagation, table: step.Table) -> bool:
    """Whether a propagation is done here."""
    padded = not frame.held(op.into).on_host
    return table.format == "bitmap" and table.weight is not None and padded and frame.plan.native > 1


def chained(frame: Frame, ops: Sequence[Any], symbols: Mapping[str, Any]) -> int:
    """How many of the first ops make one sum over such bitmaps: what is added to it, and a fill that begins it."""
    filled = isinstance(ops[0], step.Fill)
    lengths = set()
    count = int(filled)
    for op in ops[count:]:
        if not isinstance(op, step.Propagate) or op.into != ops[0].into or frame.held(op.into).listed:
            break
        one, table = propagations(op)[0], step.Table(symbols[op.table])
        # What has no list shares the room for one with all others.
        if not (takes(frame, one, table) and counted(frame, one) and frame.held(op.from_).listed):
            break
        lengths.add(bits_of(frame, table)[1])
        if len(lengths) > 1:
            break
        count += 1
    return count if count > 1 else 0


def counted(frame: Frame, op: Propagation) -> bool:
    """Whether the rows of a propagation may be counted."""
    return frame.plan.compress and frame.held(op.from_).spikes


def chain(frame: Frame, ops: Sequence[Any], symbols: Mapping[str, Any]) -> None:
    """What `chained` found."""
    fill = ops[0] if isinstance(ops[0], step.Fill) else None
    parts = []
    for op in ops[1:] if fill is not None else ops:
        one, table = propagations(op)[0], step.Table(symbols[op.table])
        parts.append(Bits.of(frame, one, table, Source(frame, one, table)))
    Sum(frame, frame.place(ops[0].into), parts, fill).add(own_words(frame.divided, table.post, parts[0].words))
    for part in parts:
        frame.add_to(part.tally, part.additions())


class Sum:
    """Adds the rows of bitmaps to sums, one bitmap after the other."""

    def __init__(self, frame: Frame, into: Place, parts: Sequence[Bits], fill: step.Fill | None = None) -> None:
        """Rows have one length; `fill` begins the sums."""
        self._frame, self._into, self._parts, self._fill = frame, into, parts, fill
        self._lanes = min(frame.plan.native, WORD)

    def add(self, own: tuple[Value, Value]) -> None:
        """Adds what a stretch of the words of each row says."""
        if not (self._frame.plan.compress and all(part.source.spikes for part in self._parts)):
            self._few(own)
            return
        rows = [part.rows() for part in self._parts]
        all_rows, most = rows[0], rows[0]
        for count in rows[1:]:
            all_rows, most = arith.addi(all_rows, count), arith.maxsi(most, count)
        planes = max(part.pre for part in self._parts).bit_length()

        def many() -> None:
            if planes <= PLANES:
                self._many(own, planes)
            else:
                fits = less(most, index(1 << PLANES))
                either(fits, [], lambda: self._many(own, PLANES), lambda: self._many(own, planes))

        either(less(all_rows, index(FEW)), [], lambda: self._few(own), many)

    def _few(self, own: tuple[Value, Value]) -> None:
        if self._fill is not None:
            moves.fill(self._frame, self._fill)
        for part in self._parts:
            self._rows(part, own)

    def _rows(self, part: Bits, own: tuple[Value, Value]) -> None:
        """All rows of a bitmap, some at once."""
        begin, end = part.source.begin, part.source.end
        between = arith.addi(begin, down(arith.subi(end, begin), TOGETHER))
        loop(begin, between, TOGETHER, lambda k: self._together(part, TOGETHER, k, own))
        loop(between, end, 1, lambda k: self._together(part, 1, k, own))

    def _together(self, part: Bits, count: int, k: Value, own: tuple[Value, Value]) -> None:
        firsts, arriving = [], []
        for n in range(count):
            i, value = part.source.at(plus(k, n))
            firsts.append(arith.muli(i, index(part.words)))
            arriving.append(self._weight(part, value))
            self._fetch(part, plus(k, count + n), own)

        def word(b: Value) -> None:
            there = [part.bits.load(arith.addi(first, b)) for first in firsts]
            for lane in range(0, WORD, self._lanes):
                target = plus(arith.muli(b, index(WORD)), lane)
                sums = self._into.load(target, self._lanes)
                for bits, weight in zip(there, arriving, strict=True):
                    sums = arith.select(mask_of(part_of(bits, lane, self._lanes)), summed(sums, weight), sums)
                self._into.store(sums, target)

        loop(*own, 1, word)

    def _fetch(self, part: Bits, k: Value, own: tuple[Value, Value]) -> None:
        """The row of a source to come."""
        ahead = part.first_word(arith.minsi(k, plus(part.source.end, -1)))
        if self._frame.divided is not None:
            loop(*own, LINE // WORD_BYTES, lambda b: part.bits.prefetch(arith.addi(ahead, b)))
        else:
            part.bits.prefetch_lines(ahead, WORD_BYTES, min(PREFETCHED, -(-part.words * WORD_BYTES // LINE)))

    def _weight(self, part: Bits, value: Value | None = None) -> Value:
        return part.weights.arriving(index(0), value, self._into.element, self._lanes)

    def _many(self, own: tuple[Value, Value], planes: int) -> None:
        """Counts rows, with numbers of so many bits."""
        first, last = own
        rooms = [_room(planes * GROUPS) for _ in self._parts]
        after = arith.addi(first, down(arith.subi(last, first), GROUP))

        def chunk(word: Value) -> None:
            left = arith.minsi(arith.subi(after, word), index(CHUNK))
            words = splat(arith.index_cast(integer(16), left), CHUNK)
            there = arith.cmpi(arith.CmpIPredicate.ult, lanes(integer(16), CHUNK), words)
            for part, room in zip(self._parts, rooms, strict=True):
                for p, plane in enumerate(in_planes(part, word, there, planes)):
                    vector.store(vector.bitcast(shaped(integer(64), GROUPS), plane), room, [index(p * GROUPS)])
            groups = arith.divui(left, index(GROUP))
            loop(index(0), groups, 1, lambda g: self._group(rooms, planes, g, word))

        loop(first, after, CHUNK, chunk)
        if self._fill is not None:
            start = self._start()
            size = self._frame.held(self._fill.into).size
            first = arith.muli(after, index(WORD))
            loop(first, index(size), self._lanes, lambda i: self._into.store(start, i))
        for part in self._parts:
            self._rows(part, (after, last))

    def _start(self) -> Value:
        assert self._fill is not None
        return number(python_number(self._fill.value), shaped(self._into.element, self._lanes))

    def _group(self, rooms: Sequence[Value], planes: int, group: Value, word: Value) -> None:
        """Adds the weights to the sums of one group of words of a chunk as often as was counted for each."""
        first = arith.muli(arith.addi(word, arith.muli(group, index(GROUP))), index(WORD))
        places = [plus(first, lane) for lane in range(0, TARGETS, self._lanes)]
        known = self._fill is not None
        sums: Sequence[Value] = [self._start() if known else self._into.load(place, self._lanes) for place in places]
        for part, room in zip(self._parts, rooms, strict=True):
            counts = [memref.load(room, [plus(group, p * GROUPS)]) for p in range(planes)]
            sums = (self._looked_up if known and self._real() else self._taken)(part, counts, sums)
            known = False
        for place, sum in zip(places, sums, strict=True):
            self._into.store(sum, place)

    def _real(self) -> bool:
        return isinstance(self._into.element, ir.FloatType)

    def _taken(self, part: Bits, counts: Sequence[Value], sums: Sequence[Value]) -> Sequence[Value]:
        """The sums of a group with the weight as often as the planes say."""
        weight = self._weight(part)
        for p, bits in enumerate(counts):
            more = partial(self._times, 1 << p, weight, bits, sums)
            sums = either(nonzero(bits), [sum.type for sum in sums], more, partial(list, sums))
        return sums

    def _masks(self, bits: Value) -> list[Value]:
        """The bits of a group as truth values, a register of targets each."""
        there = mask_of(bits)
        return [_some_lanes(there, lane, self._lanes) for lane in range(0, TARGETS, self._lanes)]

    def _times(self, times: int, weight: Value, bits: Value, sums: Sequence[Value]) -> list[Value]:
        """The sums with the weight added so many times where a bit is set."""
        masks = self._masks(bits)

        def once(weight: Value, sums: Sequence[Value]) -> list[Value]:
            return [arith.select(mask, summed(sum, weight), sum) for mask, sum in zip(masks, sums, strict=True)]

        if not self._real():
            factor = converted(number(times, shaped(integer(64), self._lanes)), self._into.element)
            return once(product(weight, factor), sums)
        unrolled = min(times, UNROLLED)

        def some(_: Value, *sums: Value) -> Sequence[Value]:
            added: Sequence[Value] = sums
            for _ in range(unrolled):
                added = once(weight, added)
            return added

        return loop(index(0), index(times // unrolled), 1, some, sums)

    def _looked_up(self, part: Bits, counts: Sequence[Value], sums: Sequence[Value]) -> Sequence[Value]:
        """As `_taken`, of sums that begin with the fill: by a table of two registers where all numbers are small."""
        assert self._fill is not None and part.weights.number is not None
        width = int(self._into.element.width)
        low = (2 * self._lanes).bit_length() - 1
        dtype = np.dtype(f"f{width // 8}")
        weight, values = dtype.type(part.weights.number), [np.asarray(python_number(self._fill.value), dtype)]
        while len(values) < 2 * self._lanes:
            values.append(reals.add(values[-1], weight))
        table = np.array(values, dtype).reshape(2, -1)
        halves = [arith.constant(sums[0].type, ir.DenseElementsAttr.get(half, type=sums[0].type)) for half in table]
        name = f"llvm.x86.avx512.vpermi2var.{'ps' if width == 32 else 'pd'}.512"
        numbers = shaped(integer(width), self._lanes)

        def found() -> list[Value]:
            masks = [self._masks(bits) for bits in counts[:low]]
            result = []
            for n in range(len(sums)):
                at = number(0, numbers)
                for p, mask in enumerate(masks):
                    at = arith.select(mask[n], arith.ori(at, number(1 << p, numbers)), at)
                result.append(intrinsic(name, [halves[0], at, halves[1]], sums[0].type))
            return result

        large = number(0, integer(64))
        for bits in counts[low:]:
            large = arith.ori(large, bits)
        small = arith.cmpi(arith.CmpIPredicate.eq, large, number(0, large.type))
        types = [sum.type for sum in sums]
        return either(small, types, found, lambda: self._taken(part, counts, sums))


def _some_lanes(value: Value, first: int, count: int) -> Value:
    type = shaped(element_of(value.type), count)
    return vector.extract_strided_slice(type, value, [first], [count], [1])


def _room(size: int) -> Value:
    """Memory of the function that is being built, for so many words of 64 bits."""
    around = ir.InsertionPoint.current.block.owner.operation
    while not isinstance(around.opview, func.FuncOp):
        around = around.parent.operation
    with ir.InsertionPoint.at_block_begin(around.opview.entry_block):
        return memref.alloca(ir.MemRefType.get([size], integer(64)), [], [])
