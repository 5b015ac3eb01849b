"""Rows as lists: where few weights of a row are not 0, or where the rows of a convolution are alike.

The row of a source is a list of entries, each the weights of one group; groups without a weight have none.  Rows that
are equal but for a shift of the groups share a list, and a list that is a part of another one has its place there: the
kernels of a convolution are stored once for all sources of a channel, and once more for each border.  A table says of
each source where its list begins, how many entries it has, and the group of the first (`sources`); each entry says how
far it is to the group of the next one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from spikec.analysis.intervals import Interval
from spikec.dialects.constants import Array
from spikec.lower.step_to_rtl.programs.expressions import bits
from spikec.lower.step_to_rtl.rows.sources import Sources
from spikec.lower.synapses import Rows
from spikec.runtime.rtl.circuit import Shape

_USUAL = 4  # the distance in a core that has two adders in a row
_SOUGHT = 1 << 21  # parts of lists that are compared with shorter lists


@dataclass(frozen=True)
class Lists:
    """The list of each source has `count` entries [sources] from where `sources` says.

    Entry n has `words`[n] [lanes], and the next one of its list is `gap`[n] groups on.
    """

    sources: Sources
    count: Array
    gap: Array
    words: Array

    @staticmethod
    def of(rows: Rows, shape: Shape) -> Lists:
        """The lists of rows whose targets are places of a shape."""
        lanes = shape.lanes
        group, source = rows.target // lanes, rows.numbers()
        new = np.ones(len(group), bool)
        new[1:] = (group[1:] != group[:-1]) | (source[1:] != source[:-1])
        places = np.flatnonzero(new)
        weight = np.asarray(rows.weight, np.int64)
        words = np.zeros((len(places), lanes), np.min_scalar_type(-int(np.abs(weight).max(initial=1))))
        words[np.cumsum(new) - 1, rows.target % lanes] = weight
        begin = np.searchsorted(source[places], np.arange(len(rows.begin)))
        return _shared(begin, group[places], *_distinct(words))

    @property
    def gap_bits(self) -> int:
        """The bits of the way to the next group, 0 where no list has two entries."""
        return int(self.gap.max(initial=0)).bit_length()

    def bits(self, weight: int) -> int:
        """The bits of memory with weights of so many bits."""
        entry = self.words.shape[1] * weight + self.gap_bits
        return int(len(self.words) * entry) + self.sources.bits

    def cycles(self, distance: int) -> Array:
        """The cycles that an event of each source takes, where a group may be read again after so many."""
        looked = self.sources.steps + 1
        return np.where(self.count > 0, self.count + max(distance - 1, looked), looked)


def joined(parts: Iterable[Rows]) -> Rows:
    """The rows of several tables one after the other."""
    lengths, targets, weights = [np.zeros(1, np.int64)], [], []
    for rows in parts:
        lengths.append(rows.lengths())
        targets.append(rows.target)
        weights.append(np.asarray(rows.weight))
    return Rows(np.cumsum(np.concatenate(lengths)), np.concatenate(targets), np.concatenate(weights))


def weight_bits(weights: Array) -> int:
    """The bits of a weight, with its sign."""
    return bits(Interval(min(-1, int(weights.min(initial=0))), int(weights.max(initial=0))))


@dataclass(frozen=True)
class Cost:
    """Of the weights of a table: whether they are `listed`, words and bits of memory, mean cycles of an event."""

    listed: bool
    words: int
    bits: int
    cycles: float

    @property
    def product(self) -> float:
        """What choices make small."""
        return self.bits * self.cycles


def cost(rows: Rows, shape: Shape, writable: bool = False) -> Cost:
    """Lists, or a word for each pair of a source and a group: what has the smaller product of bits and cycles.

    A single group takes an event in a cycle, and has no lists; where weights are `writable`, each pair has its own.
    """
    weight, sources = weight_bits(np.asarray(rows.weight)), len(rows.begin) - 1
    words = sources * shape.groups
    full = Cost(False, words, words * shape.lanes * weight, max(shape.groups, _USUAL))
    if shape.groups == 1 or not sources or writable:
        return full
    lists = Lists.of(rows, shape)
    listed = Cost(True, len(lists.words), lists.bits(weight), float(lists.cycles(_USUAL).mean()))
    return min(full, listed, key=lambda one: one.product)


def _distinct(words: Array) -> tuple[Array, Array]:
    """The number of each word among those that differ, and these."""
    whole = np.ascontiguousarray(words).view(np.dtype((np.void, words.itemsize * words.shape[1]))).reshape(-1)
    _, first, number = np.unique(whole, return_index=True, return_inverse=True)
    return number.reshape(-1), words[first]


def _shared(begin: Array, group: Array, number: Array, words: Array) -> Lists:
    """The lists of rows of entries with a group and the number of a word, equal ones and parts of others only once."""
    count, some = np.diff(begin), max(1, len(words))
    filled = count > 0
    gap = np.zeros(len(group), np.int64)
    gap[:-1] = np.diff(group)
    gap[begin[1:][filled] - 1] = 0
    codes = gap * some + number
    alike: dict[bytes, list[int]] = {}
    for source in np.flatnonzero(filled).tolist():
        alike.setdefault(codes[begin[source] : begin[source + 1]].tobytes(), []).append(source)
    first, base = np.zeros((2, len(count)), np.int64)
    base[filled] = group[begin[:-1][filled]]
    kept = _Kept(some, [len(key) // codes.itemsize for key in alike])
    for key in sorted(alike, key=len, reverse=True):
        first[alike[key]] = kept.place(np.frombuffer(key, np.int64))
    stored = np.concatenate([codes[:0], *kept.lists])
    return Lists(Sources.of(first, count, base), count, stored // some, words[stored % some])


class _Kept:
    """Lists that have their place, from the longest on; codes are gaps times `some`, plus the number of a word."""

    def __init__(self, some: int, lengths: list[int]) -> None:
        self._some, self._end = some, 0
        self._lengths = sorted(set(lengths)) if sum(lengths) * len(set(lengths)) <= _SOUGHT else []
        self._known: dict[tuple[bytes, int], int] = {}
        self.lists: list[Array] = []

    def place(self, codes: Array) -> int:
        """The place of a list that differs from all before: in one of these, or behind them."""
        found = self._known.get(self._key(codes))
        if found is not None:
            return found
        for length in self._lengths[: bisect_left(self._lengths, len(codes))]:
            for low in range(len(codes) - length + 1):
                self._known.setdefault(self._key(codes[low : low + length]), self._end + low)
        self.lists.append(codes)
        self._end += len(codes)
        return self._end - len(codes)

    def _key(self, codes: Array) -> tuple[bytes, int]:
        """The list, whatever follows it."""
        return codes[:-1].tobytes(), int(codes[-1]) % self._some
