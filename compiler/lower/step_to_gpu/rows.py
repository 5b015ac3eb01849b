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
from spikec.lower.step_to_gpu.drawn import Drawn
from spikec.lower.step_to_gpu.forms import form
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.packed import packed
from spikec.lower.step_to_gpu.sources import Source
from spikec.lower.step_to_gpu.thread import Thread

MOST_WARPS = 1 << 16
"""Warps of one round from which on more of them keep no more of a device busy."""


def threads(network: Network, op: step.Propagate | step.Sweep) -> int:
    """The threads that the section of an op wants."""
    return WORD * sum(_Shares.of(network, one).warps for one in propagations(op))


def lower(thread: Thread, network: Network, op: step.Propagate | step.Sweep) -> None:
    """Each of the propagations in each of its rounds, side by side."""
    first = 0
    for one in propagations(op):
        shares = _Shares.of(network, one)
        here, warp = between(first, thread.warp, first + shares.warps), minus(thread.warp, first)
        when(here, partial(_word, thread, network, one, shares, warp))
        first += shares.warps


@dataclass(frozen=True)
class _Shares:
    """How many warps share a propagation: `chunks` (1: row mode) for each of the `words` of sources in each round."""

    words: int
    chunks: int
    rounds: int

    @staticmethod
    def of(network: Network, one: Propagation) -> _Shares:
        """Chunked mode for rows of two chunks and more, unless there are so many words that warps are not few."""
        words = -(-(one.low + network.tables[one.table].pre) // WORD) - one.low // WORD
        if form(network, one) == "drawn":
            return _Shares(words, 1, one.rounds)
        table = packed(network, one.table)
        chunks = -(-table.longest // table.chunk)
        chunked = table.mean >= 2 * table.chunk and words * chunks <= MOST_WARPS
        return _Shares(words, chunks if chunked else 1, one.rounds)

    @property
    def warps(self) -> int:
        return self.words * self.chunks * self.rounds


def _word(thread: Thread, network: Network, one: Propagation, shares: _Shares, warp: Value) -> None:
    """A word of sources, of which a warp does a chunk of each active one's row, or all of it."""
    table = network.tables[one.table]
    chunk = rest(warp, shares.chunks) if shares.chunks > 1 else None
    place = over(warp, shares.chunks)
    sooner = over(place, shares.words) if shares.rounds > 1 else None
    source = Source(thread, one, table.pre, sooner)
    word = add(place if sooner is None else rest(place, shares.words), source.words.start)
    drawn = form(network, one) == "drawn"
    walk = Drawn(thread, network, one, table) if drawn else _Stored(thread, network, one, source.spikes, chunk)

    def active(left: Value, added: Value) -> list[Value]:
        i = add(times(word, WORD), math.cttz(left))
        row = minus(i, one.low)
        if table.parts is not None:
            part = constant(one.part or 0)
            row = add(times(row, table.parts), part if sooner is None else minus(part, sooner))
        return [arith.andi(left, minus(left, 1)), walk.row(row, source.value(i), added)]

    _, added = repeat(lambda left, added: different(left, 0), active, [source.word(word), constant(0)])
    counts = both(equal(thread.lane, 0), different(added, 0))
    counts = counts if chunk is None else both(counts, equal(chunk, 0))
    when(counts, lambda: thread.count_once(one.tally, added))


class _Stored:
    """A warp that goes through rows that are stored, or through a chunk of each."""

    def __init__(self, thread: Thread, network: Network, one: Propagation, spikes: bool, chunk: Value | None) -> None:
        self.table = packed(network, one.table)
        self.lane, self.chunk, self.into = thread.lane, chunk, thread.values(one.into)
        self.spans, self.synapses = self.table.on_device(thread, one.table)
        # A product with the -0.0 that is between rows may change the sum that it is added to.
        integer = isinstance(self.into.kept, ir.IntegerType)
        self.ragged = self.table.width > 1 and not (self.table.weighted and (spikes or integer))

    def row(self, row: Value, value: Value | None, added: Value) -> Value:
        """Adds what an event of some value, or a plain spike, carries; `added` and the number of additions."""
        span = self.spans.several(times(row, 2), 2)
        begin, length = vector.extract(span, [], [0]), vector.extract(span, [], [1])
        factor = None if value is None else converted(value, self.into.kept)
        left = rest(length, self.table.width) if self.ragged else constant(0)
        whole = minus(length, left)
        self._together(begin, whole, factor)
        if self.ragged:
            here = less(self.lane, left)
            if self.chunk is not None:
                here = both(here, equal(self.chunk, over(length, self.table.chunk)))
            when(here, lambda: self._add(add(begin, add(whole, self.lane)), 1, factor))
        return add(added, length)

    def _together(self, begin: Value, length: Value, factor: Value | None) -> None:
        """Each lane as many synapses at once as it loads."""
        width, chunk = self.table.width, self.table.chunk
        own = times(self.lane, width)
        if self.chunk is None:
            loop(add(begin, own), add(begin, length), chunk, lambda at: self._add(at, width, factor))
        else:
            own = add(times(self.chunk, chunk), own)
            when(less(own, length), lambda: self._add(add(begin, own), width, factor))

    def _add(self, at: Value, count: int, factor: Value | None) -> None:
        """What the synapses at, at + 1, ... carry to their targets."""
        for target, weight in self.synapses(at, count, self.into.kept):
            self.into.add(weight if factor is None else product(weight, factor), target)
