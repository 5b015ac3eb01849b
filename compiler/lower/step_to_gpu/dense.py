"""Tables of all pairs, and of pairs of equal number: each thread has a target, and walks the words of the sources.

The lanes of a warp load a word each, and all of them walk the words that are not zero.  How a word is added:

- planes: of weights that are 0 or one number of either sign, for spikes: the bits of both signs are counted
- bytes: of weights of 8 bits, for spikes and for values of 8 bits, in mode "dense": four products at a time
- events: one active source after the other, which keeps the order of real sums
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce

import numpy as np
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.mlir import arith, ir, math
from spikec.dialects.propagations import Propagation
from spikec.lower import synapses
from spikec.lower.code import Value, converted, intrinsic, number, product, repeat, summed, when
from spikec.lower.step_to_gpu.code import (
    WORD,
    Elements,
    add,
    ballot,
    both,
    constant,
    different,
    equal,
    from_lane,
    i32,
    least,
    less,
    loop,
    lowest,
    minus,
    times,
    without_lowest,
)
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.sources import Source, weights
from spikec.lower.step_to_gpu.thread import Thread

AT_ONCE = 4
"""Weights that are on their way at once where a word has so many active sources."""
LANES = 4  # bytes of a word of 32 bits
FOURS = WORD // LANES
LOW_BITS = 0x01010101  # of each byte

Word = Callable[[Value, Value, Value], Value]
"""From the number of a word of sources, its active ones and a sum to the sum with what they add."""


def one_to_one(thread: Thread, network: Network, op: Propagation, total: Value) -> Value:
    """Thread n adds what source n sends."""
    table = network.tables[op.table]
    source, n = Source(thread, op, table.pre), least(thread.n, table.pre - 1)
    active, value = source.active(add(n, op.low))
    thread.count(op.tally, arith.extui(i32(), both(active, thread.inside(table.post))))
    arriving = weights(thread, f"{op.table}:weights", synapses.weights(network.program, table)).arriving(
        n, value, total.type
    )
    return arith.select(active, summed(total, arriving), total)


def lower(thread: Thread, network: Network, op: Propagation, total: Value) -> Value:
    table = network.tables[op.table]
    source = Source(thread, op, table.pre)
    add_word = _way(thread, network, op, source, total)

    def walk(first: Value, total: Value, count: Value) -> list[Value]:
        own = _own_word(thread, source, first)

        def one(left: Value, total: Value) -> list[Value]:
            lane = lowest(left)
            return [without_lowest(left), add_word(add(first, lane), from_lane(own, lane), total)]

        some = ballot(different(own, 0))
        total = repeat(lambda left, total: different(left, 0), one, [some, total])[1]
        return [total, add(count, math.ctpop(own))]

    words = source.words
    total, count = loop(words.start, words.stop, WORD, walk, [total, constant(0)])
    when(equal(thread.warp, 0), lambda: thread.count(op.tally, times(count, table.post)))
    return total


def _own_word(thread: Thread, source: Source, first: Value) -> Value:
    """The active sources of word `first` + lane; none beyond the last word."""
    words = source.words
    if source.held.bits:
        w = add(first, thread.lane)
        return arith.select(less(w, words.stop), source.word(least(w, words.stop - 1)), constant(0))

    def one(k: Value, own: Value) -> list[Value]:
        return [arith.select(equal(thread.lane, k), source.word(add(first, k)), own)]

    count = least(minus(constant(words.stop), first), WORD)
    return loop(0, count, 1, one, [constant(0)])[0]


def _way(thread: Thread, network: Network, op: Propagation, source: Source, total: Value) -> Word:
    table = network.tables[op.table]
    target = least(thread.n, table.post - 1)
    stored = synapses.weights(network.program, table)
    if isinstance(total.type, ir.IntegerType):
        size = _one_size(stored)
        if source.spikes and size is not None:
            return _planes(thread, table, source, stored, size, target)
        if op.mode == "dense" and _bytes_fit(source, stored, total):
            return _bytes(thread, table, source, stored, target)
    return _events(thread, network, table, source, target)


def _events(thread: Thread, network: Network, table: step.Table, source: Source, target: Value) -> Word:
    """One or several active sources at a time; rows of zeros stand for what is in the first word before the sources."""

    def padded(stored: Array) -> Array:
        return np.concatenate([np.zeros((source.low % WORD, table.post), stored.dtype), stored])

    all = weights(thread, source.named(table, "rows"), synapses.weights(network.program, table), padded)

    def word(w: Value, active: Value, total: Value) -> Value:
        first = times(minus(w, source.words.start), WORD * table.post)
        own = all.moved(add(first, target))

        def several(count: int, left: Value, total: Value) -> list[Value]:
            arriving = []
            for _ in range(count):
                k = lowest(left)
                value = source.value(add(times(w, WORD), k))
                arriving.append(own.arriving(times(k, table.post), value, total.type))
                left = without_lowest(left)
            return [left, reduce(summed, arriving, total)]

        carried = [active, total]
        for count in (AT_ONCE, 1):
            carried = repeat(partial(_at_least, count), partial(several, count), carried)
        return carried[1]

    return word


def _at_least(count: int, left: Value, total: Value) -> Value:
    """Whether a word has so many bits."""
    return different(left, 0) if count == 1 else less(constant(count - 1), math.ctpop(left))


def _one_size(stored: Array | float) -> int | None:
    """The size c of weights that are all c, -c or 0."""
    sizes = np.unique(np.abs(np.asarray(stored, np.int64)))
    sizes = sizes[sizes != 0]
    return int(sizes[0]) if len(sizes) == 1 and 0 < sizes[0] < 1 << 31 else None


def _planes(thread: Thread, table: step.Table, source: Source, stored: Array | float, size: int, target: Value) -> Word:
    """A word of the pairs of each sign for each target; none for a sign that no weight or every weight has."""

    def plane(name: str, sign: int) -> Callable[[Value, Value], Value] | None:
        met = np.asarray(np.sign(stored) == sign)
        if not met.any():
            return None
        if met.all():
            return lambda at, active: math.ctpop(active)
        words = thread.constant(source.named(table, name), lambda: _packed(met, source))
        return lambda at, active: math.ctpop(arith.andi(active, words.load(at)))

    more, less = plane("more", 1), plane("less", -1)

    def word(w: Value, active: Value, total: Value) -> Value:
        at = add(times(minus(w, source.words.start), table.post), target)
        count = constant(0) if more is None else more(at, active)
        count = count if less is None else minus(count, less(at, active))
        return summed(total, product(converted(count, total.type), number(size, total.type)))

    return word


def _packed(met: Array, source: Source) -> Array:
    """Bit k of word [w, j] is that of source 32 w + k of the buffer and target j."""
    bits = _by_words(met.astype(np.uint8), source)
    return np.packbits(bits, axis=1, bitorder="little").transpose(0, 2, 1).copy().view("<u4")


def _by_words(numbers: Array, source: Source) -> Array:
    """[pre, post] as [word, place in the word, post], with zeros for other elements of the buffer."""
    words, post = source.words, numbers.shape[-1]
    found = np.zeros((len(words) * WORD, post), numbers.dtype)
    first = source.low - words.start * WORD
    found[first : first + len(numbers)] = numbers
    return found.reshape(len(words), WORD, post)


def _bytes_fit(source: Source, stored: Array | float, total: Value) -> bool:
    """Whether events and weights have 8 bits, the sum has 32, and four events can be loaded at a time."""
    whole = source.padded and source.held.kept.width == 8
    small = np.asarray(stored)
    return bool((source.spikes or whole) and total.type.width == WORD and small.min() >= -128 and small.max() <= 127)


def _bytes(thread: Thread, table: step.Table, source: Source, stored: Array | float, target: Value) -> Word:
    """Four weights a word: of values, those of sources that follow each other; of spikes, those 8 sources apart.

    So the four spikes that a word of weights is for are bits of the bytes of the word of sources, moved.
    """

    def packed() -> Array:
        matrix = _by_words(np.broadcast_to(np.asarray(stored, np.int8), (table.pre, table.post)), source)
        if source.spikes:
            fours = matrix.reshape(-1, LANES, FOURS, table.post).transpose(0, 2, 3, 1)
        else:
            fours = matrix.reshape(-1, FOURS, LANES, table.post).transpose(0, 1, 3, 2)
        return np.ascontiguousarray(fours).view("<i4")

    fours = thread.constant(source.named(table, "spread" if source.spikes else "bytes"), packed)
    values = Elements(source.values.address, i32(), i32())

    def word(w: Value, active: Value, total: Value) -> Value:
        own = fours.moved(add(times(minus(w, source.words.start), FOURS * table.post), target))
        sent = values.moved(times(w, FOURS))
        for q in range(FOURS):
            if source.spikes:
                events = arith.andi(arith.shrui(active, constant(q)), constant(LOW_BITS))
            else:
                events = sent.load(q)
            name = "llvm.nvvm.idp4a.u.s" if source.spikes else "llvm.nvvm.idp4a.s.s"
            total = intrinsic(name, [events, own.load(q * table.post), total], i32())
        return total

    return word
