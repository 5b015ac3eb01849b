"""What the code of one thread of one section can name: its step, its element, buffers, constants, counters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.mlir import arith, ir
from spikec.lower.code import Type, Value, choose, converted, number, when
from spikec.lower.step_to_gpu.code import (
    WORD,
    Elements,
    add,
    atomic_add,
    ballot,
    between,
    bit,
    both,
    constant,
    equal,
    i32,
    i64,
    join_warp,
    least,
    less,
    minus,
    offset,
    opaque,
    over,
    pointer_type,
    rest,
    special,
    times,
    warp_sum,
)
from spikec.lower.step_to_gpu.layout import BLOCK, Held, Layout
from spikec.runtime.launches import BEGIN, HEAD, SAMPLE

__all__ = ["Entry", "Thread"]


class Entry:
    """A kernel's first block: its arguments, which are added as code names them.

    `sample` is the number of the sample in the launch, `place` that of the block, `thread` that of the thread in it.
    """

    def __init__(self, block: Any, layout: Layout) -> None:
        self.block = block
        self.layout = layout
        self.arguments: dict[str, Value] = {}
        self.sample, self.place, self.thread = special("ctaid.y"), special("ctaid.x"), special("tid.x")
        self._zero: Value | None = None

    def argument(self, name: str) -> Value:
        """The address that the host gives for a buffer."""
        if name not in self.arguments:
            self.arguments[name] = self.block.add_argument(pointer_type(), ir.Location.unknown())
        return self.arguments[name]

    def head(self, word: int) -> Value:
        """A word of the head, i64."""
        address = self.argument(HEAD)
        if self._zero is not None:
            address = offset(address, self._zero, i64())
        return Elements(address, i64(), i64()).load(word)

    def again(self) -> None:
        """Begins a round of a loop: what can be found again at once is not kept in a register all the time."""
        self.sample, self.place, self.thread = opaque(self.sample), opaque(self.place), opaque(self.thread)
        self._zero = opaque(constant(0))


class Thread:
    """The code of a thread of a section, at the current insertion point.

    `t` is its step.  `n` is its number in the section (i32); where the section is about elements, thread n owns element
    n of what its ops write.  All threads of a warp run all code, also those beyond the last element: they load and
    store pads, and `inside` tells them apart.
    """

    def __init__(self, entry: Entry, t: Value, block: Value) -> None:
        self.entry = entry
        self.layout = entry.layout
        self.t = t
        self.n = add(times(block, BLOCK), entry.thread)
        self.lane = arith.andi(entry.thread, constant(WORD - 1))
        self.warp = over(self.n, WORD)
        self.sample = entry.sample
        self.known: dict[str, Value] = {}
        self._loaded: set[str] = set()

    def held(self, name: str) -> Held:
        return self.layout.buffers[name]

    # ------------------------------------------------------------ memory

    def head(self, word: int) -> Value:
        """A word of the head, i64."""
        return self.entry.head(word)

    def constant(self, name: str, make: Callable[[], Array]) -> Elements:
        """An array that the lowering makes for the device, of integers or reals, by its name."""
        if name not in self.layout.made:
            array = np.ascontiguousarray(make()).reshape(-1)
            self.layout.made[name] = array if array.size else np.zeros(1, array.dtype)
        type = element_type(self.layout.made[name].dtype)
        return Elements(self.entry.argument(name), type, type)

    def values(self, name: str, delay: int = 0, sooner: Value | None = None) -> Elements:
        """The numbers, or words, of a buffer as they were `delay` (less `sooner`) steps ago."""
        held = self.held(name)
        kept = i32() if held.bits else held.kept
        element = i32() if held.bits else held.element
        address = self.entry.argument(name)
        if held.kind == "constant":
            return Elements(address, kept, element)
        if held.on_host:
            return Elements(self._host(held, address, kept), kept, element)
        size = number(held.slots * held.stride, i64())
        address = offset(address, arith.muli(arith.extui(i64(), self.sample), size), kept)
        if held.slots > 1:
            shift = constant(-delay) if sooner is None else minus(sooner, delay)
            slot = rest(add(self.t, shift), held.slots)
            address = offset(address, times(slot, held.stride), kept)
        return Elements(address, kept, element)

    def _host(self, held: Held, address: Value, kept: Type) -> Value:
        """A host array of this sample, from this step's row on; a probe's row is found by `row`."""
        steps, samples = self.head(held.word), self.head(held.word + 1)
        address = offset(address, arith.muli(arith.extui(i64(), self.sample), samples), kept)
        if held.kind == "result":
            return address
        return offset(address, arith.muli(arith.extui(i64(), self.row(held)), steps), kept)

    def row(self, held: Held) -> Value:
        """How many rows of a host array the run has before this step."""
        begin = arith.trunci(i32(), self.head(BEGIN))
        every = held.op.every or 1
        if every == 1:
            return minus(self.t, begin)
        return minus(over(self.t, every), over(add(begin, every - 1), every))

    # ------------------------------------------------------------ the thread's own element

    def inside(self, size: int) -> Value:
        """Whether this thread has an element of `size`."""
        return less(self.n, size)

    def within(self, low: int, size: int) -> Value:
        """Whether its element is one of `size` from `low` on."""
        return between(low, self.n, low + size)

    def read(self, name: str, delay: int = 0) -> Value:
        """This thread's element of a buffer."""
        if delay == 0 and name in self.known:
            return self.known[name]
        held = self.held(name)
        if held.kind in ("output", "result"):  # the last element, too, is some other thread's
            return choose(self.inside(held.size), lambda: self.read_at(name, self.n), number(0, held.element))
        return self.read_at(name, self.n, delay)

    def read_at(self, name: str, i: Value, delay: int = 0, sooner: Value | None = None) -> Value:
        """Element i of a buffer; beyond the last one of those without a pad, the last one."""
        held = self.held(name)
        if held.on_host or held.kind == "constant":
            i = least(i, held.size - 1)
        values = self.values(name, delay, sooner)
        if held.bits:
            self._loaded.add(name)
            return bit(values.load(over(i, WORD)), rest(i, WORD))
        value = values.load(i)
        return value if held.element == value.type else converted(value, held.element)

    def write(self, name: str, value: Value, low: int = 0, size: int | None = None) -> None:
        """Sets this thread's element of a buffer, where it is one of `size` from `low` on."""
        held = self.held(name)
        size = held.size if size is None else size
        whole = low == 0 and size == held.size
        keeps = not whole and (name in self.known or not held.on_host)
        before = self.read(name) if keeps else None
        if held.bits:
            self._write_bit(held, value, low, size, whole)
        elif held.stored and whole and not held.on_host:
            self.values(name).store(value, self.n)
        elif held.stored:
            when(self.within(low, size), lambda: self.values(name).store(value, self.n))
        if whole:
            self.known[name] = value
        elif before is not None:
            self.known[name] = arith.select(self.within(low, size), value, before)

    def _write_bit(self, held: Held, value: Value, low: int, size: int, whole: bool) -> None:
        if not held.stored:
            return
        there = self.within(low, size)
        word, words = ballot(both(value, there)), self.values(held.name)
        place = over(self.n, WORD)
        mask = None if whole else ballot(there)
        if held.name in self._loaded:
            join_warp()  # a vote orders no memory: lanes may still be about to load what the first one stores

        def store() -> None:
            kept = word
            if mask is not None:
                kept = arith.ori(word, arith.andi(words.load(place), arith.xori(mask, constant(-1))))
            words.store(kept, place)

        when(equal(self.lane, 0), store)

    # ------------------------------------------------------------ statistics

    def count(self, counter: str, amount: Value) -> None:
        """counter += the sum of an i32 over the threads of the warp, all of which must be here."""
        total = warp_sum(amount)
        some = both(equal(self.lane, 0), arith.cmpi(arith.CmpIPredicate.ne, total, constant(0)))
        when(some, lambda: self.count_once(counter, total))

    def count_once(self, counter: str, amount: Value) -> None:
        """counter += an i32, of this thread alone."""
        address = offset(self.entry.argument(counter), arith.extui(i64(), self.sample), i64())
        atomic_add(address, arith.extui(i64(), amount))

    def sample_number(self) -> Value:
        """The number of the sample in the batch, i64."""
        return arith.addi(self.head(SAMPLE), arith.extui(i64(), self.sample))


def element_type(dtype: Any) -> Type:
    """The type of the elements of an array."""
    if dtype.kind == "f":
        return ir.F64Type.get() if dtype.itemsize == 8 else ir.F32Type.get()
    return ir.IntegerType.get_signless(8 * dtype.itemsize)
