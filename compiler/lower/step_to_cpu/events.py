"""Lists of active elements: making them out of values, walking the stretch of one that a use reads.

A block of `lanes` elements is tested at once; only where something is active are indices written: by
compressing a register of indices where the machine can (the store to memory is a whole register, since
storing a compressed one is slow on some processors), else bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spikec.dialects.mlir import arith, ir, llvm, math, vector
from spikec.lower.code import (
    Value,
    as_bits,
    as_index,
    either,
    index,
    integer,
    intrinsic,
    lanes,
    less,
    loop,
    nonzero,
    number,
    plus,
    repeat,
    shaped,
    splat,
)
from spikec.lower.step_to_cpu import narrowed
from spikec.lower.step_to_cpu.places import Frame, Place
from spikec.lower.step_to_cpu.plan import Held, Plan, storage

FEW = 4  # blocks for each event


def append(plan: Plan, entries: Place, count: Value, active: Value, first: Value) -> Value:
    """Writes the indices first + lane of the active lanes (or `first` for one truth value); the new count."""
    if not isinstance(active.type, ir.VectorType):
        entries.store(arith.index_cast(integer(32), first), count)
        return arith.addi(count, as_index(active, unsigned=True))
    return append_and_choose(plan, entries, count, active, first, [])[0]


def append_and_choose(
    plan: Plan,
    entries: Place,
    count: Value,
    active: Value,
    first: Value,
    choices: Sequence[tuple[Value, Value]],
    begin: Value | None = None,
) -> list[Value]:
    """The new count, and for each pair of vectors the first one in active lanes and the second one in others.

    Where no lane is active, nothing is chosen, as long as events are rare: with more than one in `FEW` blocks since
    `begin` (else 0) nobody could foresee a branch, and one that is always taken costs less.
    """
    width = int(active.type.shape[0])
    bits = as_bits(active)
    some = nonzero(bits)
    if plan.compress:
        done = first if begin is None else arith.subi(first, begin)
        some = arith.ori(some, less(done, arith.muli(count, index(FEW * width))))
    write = _compressed if plan.compress else _bit_by_bit

    def chosen() -> list[Value]:
        after = write(plan, entries, count, active, bits, first)
        return [after, *(arith.select(active, *pair) for pair in choices)]

    before = [count, *(other for _, other in choices)]
    return either(some, [value.type for value in before], chosen, lambda: before)


def _compressed(plan: Plan, entries: Place, count: Value, active: Value, bits: Value, first: Value) -> Value:
    base = arith.index_cast(integer(32), first)
    native = plan.native
    for part in range(0, int(active.type.shape[0]), native):
        here = vector.extract_strided_slice(shaped(integer(1), native), active, [part], [native], [1])
        start = arith.addi(base, number(part, base.type)) if part else base
        indices = arith.addi(splat(start, native), lanes(integer(32), native))
        none = llvm.mlir_poison(indices.type)
        packed = intrinsic("llvm.experimental.vector.compress", [indices, here, none], indices.type)
        entries.store(packed, count)
        own = as_bits(here)
        count = arith.addi(count, as_index(math.ctpop(own), unsigned=True))
    return count


def _bit_by_bit(plan: Plan, entries: Place, count: Value, active: Value, bits: Value, first: Value) -> Value:
    base = arith.index_cast(integer(32), first)

    def more(left: Value, count: Value) -> Value:
        return arith.cmpi(arith.CmpIPredicate.ne, left, number(0, left.type))

    def take(left: Value, count: Value) -> list[Value]:
        position = math.cttz(left)
        lane = position if position.type == base.type else _to_i32(position)
        entries.store(arith.addi(base, lane), count)
        below = arith.subi(left, number(1, left.type))
        return [arith.andi(left, below), plus(count, 1)]

    return repeat(more, take, [bits, count])[1]


def _to_i32(value: Value) -> Value:
    return arith.extui(integer(32), value) if value.type.width < 32 else arith.trunci(integer(32), value)


def blocks(
    plan: Plan,
    size: int,
    padded: bool,
    body: Callable[[Value, int, int, list[Value]], list[Value]],
    carried: list[Value],
    stretch: tuple[Value, Value] | None = None,
) -> list[Value]:
    """Runs `body(first, width, valid, carried)` over `size` elements in blocks of vectors, then the rest.

    The rest is one block of which `valid` lanes count where all its memory is padded, else element by element.
    Of a `stretch`, which begins with a block and ends with one or with the last element, only those elements.
    """
    width = plan.lanes
    full = size // width * width
    if stretch is not None:
        begin, end = stretch
        whole, rest = arith.minsi(end, index(full)), arith.maxsi(begin, index(full))
        carried = loop(begin, whole, width, lambda i, *c: body(i, width, width, list(c)), carried)
        if full < size and padded:
            return loop(rest, end, width, lambda i, *c: body(index(full), width, size - full, list(c)), carried)
        return loop(rest, end, 1, lambda i, *c: body(i, 1, 1, list(c)), carried) if full < size else carried
    if width == 1:
        return loop(index(0), index(size), 1, lambda i, *c: body(i, 1, 1, list(c)), carried)
    if full:
        carried = loop(index(0), index(full), width, lambda i, *c: body(i, width, width, list(c)), carried)
    if full < size and padded:
        carried = body(index(full), width, size - full, carried)
    elif full < size:
        carried = loop(index(full), index(size), 1, lambda i, *c: body(i, 1, 1, list(c)), carried)
    return carried


def within(active: Value, valid: int) -> Value:
    """The active lanes among the first `valid` ones."""
    width = int(active.type.shape[0])
    return active if valid == width else arith.andi(active, first_lanes(valid, width))


def first_lanes(valid: int, width: int) -> Value:
    """The first `valid` lanes of `width`."""
    type = shaped(integer(1), width)
    there = [ir.IntegerAttr.get(integer(1), int(lane < valid)) for lane in range(width)]
    return arith.constant(type, ir.DenseElementsAttr.get(there, type))


def compact(plan: Plan, source: Place, low: int, size: int, entries: Place) -> Value:
    """Lists the indices low + i of the nonzero elements of source[low : low + size]; their number."""
    if plan.compress_bytes and storage(source.element).width == 8:
        return _compact_bytes(source, low, size, entries)

    def block(first: Value, width: int, valid: int, carried: list[Value]) -> list[Value]:
        at = plus(first, low)
        active = nonzero(source.load(at, width))
        return [append(plan, entries, carried[0], active, at)]

    return blocks(plan, size, False, block, [index(0)])[0]


def _compact_bytes(source: Place, low: int, size: int, entries: Place) -> Value:
    """As `compact`, without a branch that depends on where the elements are."""
    width = narrowed.LANES
    whole, rest = size // width * width, size % width

    def block(first: Value, count: Value, there: Value | None = None) -> list[Value]:
        at = plus(first, low)
        active = nonzero(source.load(at, width, there))
        return [narrowed.append(entries, count, active, as_bits(active), at)]

    count = loop(index(0), index(whole), width, block, [index(0)])[0] if whole else index(0)
    return block(index(whole), count, first_lanes(rest, width))[0] if rest else count


def relist(frame: Frame, name: str) -> None:
    """Makes the list of a buffer anew after its values were written."""
    held = frame.held(name)
    if not held.listed:
        return
    entries, counts, slot = frame.list_of(held, 0)
    count = compact(frame.plan, frame.place(name), 0, held.size, entries)
    counts.store(arith.index_cast(integer(64), count), slot)


def count_so_far(frame: Frame, held: Held) -> Value:
    """How many entries the list that is written in this step has: none, or those of earlier tiles."""
    if frame.tile is None:
        return index(0)
    _, counts, slot = frame.list_of(held, 0)
    return as_index(counts.load(slot))


def set_count(frame: Frame, held: Held, count: Value) -> None:
    """Ends the list that is written in this step after `count` entries (an index)."""
    _, counts, slot = frame.written_list(held)
    counts.store(arith.index_cast(integer(64), count), slot)


def gather(frame: Frame, name: str) -> None:
    """Puts the parts of a list together that the workers wrote."""
    assert frame.share is not None
    held, width = frame.held(name), frame.plan.native
    entries, counts, slot = frame.list_of(held, 0)

    def part(worker: Value, done: Value) -> list[Value]:
        written, count, first = frame.part_of(held, worker)
        size = as_index(count.load(first))
        # Whole registers are copied: what follows the entries is written over or not read.
        loop(index(0), size, width, lambda k: entries.store(written.load(k, width), arith.addi(done, k)))
        return [arith.addi(done, size)]

    count = loop(index(0), frame.share.workers, 1, part, [index(0)])[0]
    counts.store(arith.index_cast(integer(64), count), slot)


def active(frame: Frame, name: str, delay: int, low: int, size: int) -> tuple[Place, Value, Value]:
    """The indices of the active elements among low ... low + size - 1: a list and the stretch of it to walk."""
    held = frame.held(name)
    if not held.listed:
        entries = frame.scratch()
        return entries, index(0), compact(frame.plan, frame.place(name, delay), low, size, entries)
    entries, counts, slot = frame.list_of(held, delay)
    count = as_index(counts.load(slot))
    begin, end = index(0), count
    if low > 0:
        begin = first_from(entries.load, begin, count, number(low, integer(32)))
    if low + size < held.size:
        end = first_from(entries.load, begin, count, number(low + size, integer(32)))
    return entries, begin, end


def first_from(entry: Callable[[Value], Value], begin: Value, end: Value, limit: Value) -> Value:
    """Where the ascending entries begin ... end - 1 reach `limit`, by bisection."""

    def open_(low: Value, high: Value) -> Value:
        return less(low, high)

    def halve(low: Value, high: Value) -> list[Any]:
        middle = arith.shrui(arith.addi(low, high), index(1))
        below = less(entry(middle), limit)
        return [arith.select(below, plus(middle, 1), low), arith.select(below, high, middle)]

    return repeat(open_, halve, [begin, end])[0]
