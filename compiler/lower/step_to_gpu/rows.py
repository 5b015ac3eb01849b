"""Propagates that are scattered: warps look for active sources and add the weights of their rows to the targets.

A warp has a word of 32 sources.  For each active one, its lanes walk the row side by side, each several synapses at a
time, and add with atomic additions (*row mode*).  Where rows are long, several warps share a word, each with its chunk
of every row (*chunked mode*), so that few active sources keep many warps busy.  Of a sweep, a warp has a word of one
source in one round.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from spikec.dialects import step
from spikec.dialects.mlir import arith, ir, math, vector
from spikec.dialects.propagations import Propagation, propagations
from spikec.lower.code import Value, converted, product, repeat, when
from spikec.lower.step_to_gpu import drawn, forms
from spikec.lower.step_to_gpu.code import (
    WORD,
    add,
    between,
    both,
    constant,
    different,
    equal,
    less,
    loop,
    minus,
    over,
    rest,
    times,
)
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.packed import Packed, packed
from spikec.lower.step_to_gpu.sources import Source
from spikec.lower.step_to_gpu.thread import Thread

MOST_WARPS = 1 << 16
"""Warps of one round from which on more of them keep no more of a device busy."""


def threads(network: Network, op: step.Propagate | step.Sweep) -> int:
    """The threads that the section of an op wants."""
    if _drawn(network, op):
        return network.tables[propagations(op)[0].table].pre
    return WORD * sum(_Shares.of(one, packed(network, one.table)).warps for one in propagations(op))


def lower(thread: Thread, network: Network, op: step.Propagate | step.Sweep) -> None:
    """Each of the propagations in each of its rounds, side by side."""
    if _drawn(network, op):
        drawn.lower(thread, network, propagations(op)[0])
        return
    first = 0
    for one in propagations(op):
        table = packed(network, one.table)
        shares = _Shares.of(one, table)
        here, warp = between(first, thread.warp, first + shares.warps), minus(thread.warp, first)
        when(here, partial(_word, thread, one, table, shares, warp))
        first += shares.warps


def _drawn(network: Network, op: step.Propagate | step.Sweep) -> bool:
    return any(forms.form(network, one) == "drawn" for one in propagations(op))


@dataclass(frozen=True)
class _Shares:
    """How many warps share a propagation: `chunks` (1: row mode) for each of the `words` of sources in each round."""

    words: int
    chunks: int
    rounds: int

    @staticmethod
    def of(one: Propagation, table: Packed) -> _Shares:
        """Chunked mode for rows of two chunks and more, unless there are so many words that warps are not few."""
        words = -(-(one.low + table.pre) // WORD) - one.low // WORD
        chunk = WORD * table.width
        chunks = -(-table.longest // chunk)
        chunked = table.mean >= 2 * chunk and words * chunks <= MOST_WARPS
        return _Shares(words, chunks if chunked else 1, one.rounds)

    @property
    def warps(self) -> int:
        return self.words * self.chunks * self.rounds


def _word(thread: Thread, one: Propagation, table: Packed, shares: _Shares, warp: Value) -> None:
    """A word of sources, of which a warp does a chunk of each active one's row, or all of it."""
    chunk = rest(warp, shares.chunks) if shares.chunks > 1 else None
    place = over(warp, shares.chunks)
    sooner = over(place, shares.words) if shares.rounds > 1 else None
    source = Source(thread, one, table.pre, sooner)
    word = add(place if sooner is None else rest(place, shares.words), source.words.start)
    walk = _Walk(thread, source, one, table, chunk)
    part = constant(one.part or 0) if sooner is None else minus(constant(one.part or 0), sooner)

    def active(left: Value, added: Value) -> list[Value]:
        i = add(times(word, WORD), math.cttz(left))
        row = add(times(minus(i, one.low), table.parts), part) if table.parts > 1 else minus(i, one.low)
        return [arith.andi(left, minus(left, 1)), add(added, walk.row(row, source.value(i)))]

    _, added = repeat(lambda left, added: different(left, 0), active, [source.word(word), constant(0)])
    counts = both(equal(thread.lane, 0), different(added, 0))
    counts = counts if chunk is None else both(counts, equal(chunk, 0))
    when(counts, lambda: thread.count_once(one.tally, added))


class _Walk:
    """The lanes of a warp side by side on rows of a table, or on a chunk of each."""

    def __init__(self, thread: Thread, source: Source, one: Propagation, table: Packed, chunk: Value | None) -> None:
        self.lane, self.width, self.chunk = thread.lane, table.width, chunk
        self.into = thread.values(one.into)
        self.spans, self.synapses = table.on_device(thread, one.table)
        # A product with -0.0 may change the sum that it is added to.
        fills = table.weighted and (source.spikes or isinstance(self.into.kept, ir.IntegerType))
        self.ragged = table.width > 1 and not fills

    def row(self, row: Value, value: Value | None) -> Value:
        """Adds what an event of some value, or a plain spike, carries; the length of the row."""
        span = self.spans.several(times(row, 2), 2)
        begin, length = vector.extract(span, [], [0]), vector.extract(span, [], [1])
        factor = None if value is None else converted(value, self.into.kept)
        left = rest(length, self.width) if self.ragged else constant(0)
        self._whole(begin, minus(length, left), factor)
        if self.ragged:
            here = less(self.lane, left)
            if self.chunk is not None:
                here = both(here, equal(self.chunk, over(length, WORD * self.width)))
            when(here, lambda: self._add(add(begin, add(minus(length, left), self.lane)), 1, factor))
        return length

    def _whole(self, begin: Value, length: Value, factor: Value | None) -> None:
        """As many synapses at once as a lane loads."""
        stride = WORD * self.width
        own = times(self.lane, self.width)
        if self.chunk is None:
            loop(add(begin, own), add(begin, length), stride, lambda at: self._add(at, self.width, factor))
        else:
            own = add(times(self.chunk, stride), own)
            when(less(own, length), lambda: self._add(add(begin, own), self.width, factor))

    def _add(self, at: Value, count: int, factor: Value | None) -> None:
        """What the synapses at, at + 1, ... carry to their targets."""
        for target, weight in self.synapses(at, count, self.into.kept):
            self.into.add(weight if factor is None else product(weight, factor), target)
