"""Tables of all pairs, and of pairs of equal number: each thread has a target, and walks the words of the sources.

How a word of sources is added:

- planes: of weights that are 0 or one number of either sign, for spikes: the bits of both signs are counted
- bytes: of weights of 8 bits, for spikes and for values of 8 bits, in mode "dense": four products at a time
- events: one active source after the other, which keeps the order of real sums
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.mlir import arith, ir, math
from spikec.dialects.propagations import Propagation
from spikec.lower.code import Value, choose, converted, intrinsic, number, product, repeat, summed, when
from spikec.lower.step_to_gpu import synapses
from spikec.lower.step_to_gpu.code import (
    WORD,
    Elements,
    add,
    both,
    constant,
    different,
    equal,
    i32,
    least,
    loop,
    minus,
    times,
)
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.sources import Source, Weights, weights
from spikec.lower.step_to_gpu.thread import Thread

LANES = 4  # bytes of a word
SPREAD, LOW_BITS = 0x00204081, 0x01010101  # times the first, a bit goes to each byte; the second keeps these alone

Word = Callable[[Value, Value, Value], Value]
"""From the number of a word of sources, its active ones and a sum to the sum with what they add."""


def one_to_one(thread: Thread, network: Network, op: Propagation, total: Value) -> Value:
    """Thread n adds what source n sends."""
    table = network.tables[op.table]
    source, n = Source(thread, op, table.pre), least(thread.n, table.pre - 1)
    active, value = source.active(add(n, op.low))
    thread.count(op.tally, arith.extui(i32(), both(active, thread.inside(table.post))))
    arriving = weights(thread, network, table).arriving(n, value, total.type)
    return arith.select(active, summed(total, arriving), total)


def lower(thread: Thread, network: Network, op: Propagation, total: Value) -> Value:
    table = network.tables[op.table]
    source = Source(thread, op, table.pre)
    add_word = _way(thread, network, op, source, total)

    def walk(w: Value, total: Value, count: Value) -> list[Value]:
        active = source.word(w)
        total = choose(different(active, 0), lambda: add_word(w, active, total), total)
        return [total, add(count, math.ctpop(active))]

    words = source.words
    total, count = loop(words.start, words.stop, 1, walk, [total, constant(0)])
    when(equal(thread.n, 0), lambda: thread.count_once(op.tally, times(count, table.post)))
    return total


def _way(thread: Thread, network: Network, op: Propagation, source: Source, total: Value) -> Word:
    table = network.tables[op.table]
    target = least(thread.n, table.post - 1)
    stored = synapses.weights(network, table)
    if isinstance(total.type, ir.IntegerType):
        size = _one_size(stored)
        if source.spikes and size is not None:
            return _planes(thread, table, source, stored, size, target)
        if op.mode == "dense" and _bytes_fit(source, stored, total):
            return _bytes(thread, table, source, stored, target)
    return _events(source, weights(thread, network, table), table.post, target)


def _events(source: Source, weights: Weights, post: int, target: Value) -> Word:
    first = minus(target, source.low * post)

    def word(w: Value, active: Value, total: Value) -> Value:
        def one(left: Value, total: Value) -> list[Value]:
            i = add(times(w, WORD), math.cttz(left))
            arriving = weights.arriving(add(times(i, post), first), source.value(i), total.type)
            return [arith.andi(left, minus(left, 1)), summed(total, arriving)]

        return repeat(lambda left, total: different(left, 0), one, [active, total])[1]

    return word


def _one_size(stored: Array | float) -> int | None:
    """The size c of weights that are all c, -c or 0."""
    sizes = np.unique(np.abs(np.asarray(stored)))
    sizes = sizes[sizes != 0]
    return int(sizes[0]) if len(sizes) == 1 and sizes[0] > 0 else None


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
    held = source.held
    whole = not (held.on_host or held.kind == "constant") and held.kept.width == 8
    small = np.asarray(stored)
    return bool((source.spikes or whole) and total.type.width == WORD and small.min() >= -128 and small.max() <= 127)


def _bytes(thread: Thread, table: step.Table, source: Source, stored: Array | float, target: Value) -> Word:
    """Four weights a word, of sources that follow each other."""

    def packed() -> Array:
        matrix = np.broadcast_to(np.asarray(stored, np.int8), (table.pre, table.post))
        fours = _by_words(matrix, source).reshape(-1, LANES, table.post)
        return fours.transpose(0, 2, 1).copy().view("<i4")

    fours = thread.constant(source.named(table, "bytes"), packed)
    values = Elements(source.values.address, i32(), i32())
    product_name = "llvm.nvvm.idp4a.u.s" if source.spikes else "llvm.nvvm.idp4a.s.s"

    def word(w: Value, active: Value, total: Value) -> Value:
        start = times(minus(w, source.words.start), WORD // LANES)
        for q in range(WORD // LANES):
            if source.spikes:
                nibble = arith.andi(arith.shrui(active, constant(LANES * q)), constant(15))
                events = arith.andi(times(nibble, SPREAD), constant(LOW_BITS))
            else:
                events = values.load(add(times(w, WORD // LANES), q))
            at = add(times(add(start, q), table.post), target)
            total = intrinsic(product_name, [events, fours.load(at), total], i32())
        return total

    return word
