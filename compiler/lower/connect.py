"""Which synapses a connector makes: rows of targets, drawn or enumerated, then filtered.

A connector's result is in compressed rows: `row[i] : row[i + 1]` are the places of source i's
synapses in `col`, whose targets ascend within a row.  Everything is vectorised over stretches of rows
that fit a cache, so that ten million synapses take seconds and no more memory than the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.analysis.elementary import elementary
from spikec.dialects.constants import Array
from spikec.dialects.random import uniform
from spikec.runtime.interface import flush_subnormals

Filter = Callable[[Array, Array], Array]
"""From source and target indices (i64, one shape) to the pairs that are kept (bool)."""

MOST = (1 << 31) - 1  # rows are counted in 32 bits
STRETCH = 1 << 15  # pairs or draws in flight: a few such arrays fit the second-level cache


@dataclass(frozen=True)
class Rows:
    """`row` (pre + 1, i32) and `col` (n, u16 or u32) of a connection matrix."""

    row: Array
    col: Array
    place: Array | None = None
    """For a table: the row of the table that each synapse stands in (n, i64)."""

    def sources(self) -> Array:
        """The source of each synapse, as i64 (n)."""
        return np.repeat(np.arange(len(self.row) - 1), np.diff(self.row))

    def stretches(self) -> Iterator[tuple[slice, Array]]:
        """The synapses by stretches: their places, and the source of each (i64)."""
        for first in range(0, len(self.col), STRETCH):
            last = min(first + STRETCH, len(self.col))
            begin, end = np.searchsorted(self.row, first, side="right") - 1, np.searchsorted(self.row, last)
            bounds = np.clip(self.row[begin : end + 1], first, last)
            yield slice(first, last), np.repeat(np.arange(begin, end), np.diff(bounds))


def index_bits(post: int) -> int:
    """The width of the targets' indices in memory."""
    return 16 if post <= 1 << 16 else 32


def index_type(post: int) -> np.dtype[Any]:
    """The type of target indices."""
    return np.dtype(np.uint16 if index_bits(post) == 16 else np.uint32)


def narrowed(targets: Array, post: int) -> Array:
    """Targets in the type of indices among `post`."""
    return targets.astype(index_type(post))


def every(pre: int, post: int, keep: Filter | None = None) -> Rows:
    """All pairs, or those that the filter keeps."""
    if keep is None:
        check_number(pre * post)
    return gather(pre, post, enumerate_pairs(pre, post), keep)


def one_to_one(size: int, keep: Filter | None = None) -> Rows:
    """The pairs (i, i)."""
    diagonal = np.arange(size)
    return gather(size, size, iter([(diagonal, diagonal)]), keep)


def probable(pre: int, post: int, p: float, key: tuple[int, int], keep: Filter | None = None) -> Rows:
    """Each pair with probability `p`, drawn per source row by geometric jumps from the stream of `key`."""
    if p >= 1.0:
        return every(pre, post, keep)
    if keep is None and pre * post * p > 1.1 * MOST:  # far more than chance could make it
        check_number(round(pre * post * p))
    scale = _log(np.asarray(1.0 - p))
    if p <= 0.0 or scale == 0.0:
        return gather(pre, post, iter(()), keep)
    return gather(pre, post, _jumps(pre, post, float(scale), p, key), keep)


Chance = Callable[[Array, Array], Array]
"""From source and target indices (i64, one shape) to probabilities (f64)."""


def probable_pairs(pre: int, post: int, chance: Chance, key: tuple[int, int], keep: Filter | None = None) -> Rows:
    """Each pair with its own probability: where the draw (source, target) is below it."""

    def met(source: Array, target: Array) -> Array:
        kept = np.ones(source.shape, bool)
        if keep is not None:
            kept &= keep(source, target)
        p = np.broadcast_to(chance(source[kept], target[kept]), (int(np.count_nonzero(kept)),))
        kept[kept] = uniform(key, source[kept], target[kept], 0) < p
        return kept

    return gather(pre, post, enumerate_pairs(pre, post), met)


def listed(pre: int, post: int, sources: Array, targets: Array, keep: Filter | None = None) -> Rows:
    """The pairs of a table, of which several may be equal: in its order within equal pairs."""
    check_number(len(sources))
    place = np.lexsort((targets, sources))
    if keep is not None:
        place = place[np.broadcast_to(keep(sources[place], targets[place]), place.shape)]
    counts = np.bincount(sources[place], minlength=pre)
    row = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return Rows(row, narrowed(targets[place], post), place)


def enumerate_pairs(pre: int, post: int) -> Iterator[tuple[Array, Array]]:
    """All pairs by stretches of rows, ascending."""
    rows = max(1, STRETCH // max(1, post))
    for first in range(0, pre, rows):
        count = min(rows, pre - first)
        yield np.repeat(np.arange(first, first + count), post), np.tile(np.arange(post), count)


def _jumps(pre: int, post: int, scale: float, p: float, key: tuple[int, int]) -> Iterator[tuple[Array, Array]]:
    """Pairs by stretches of rows, ascending."""
    expected = post * p
    more = math.ceil(math.sqrt(expected) + 4.0)  # for few rows more than once
    draws = math.ceil(expected) + more
    rows = max(1, STRETCH // draws)
    for first in range(0, pre, rows):
        yield _stretch(np.arange(first, min(pre, first + rows)), post, scale, draws, more, key)


def _stretch(rows: Array, post: int, scale: float, draws: int, more: int, key: tuple[int, int]) -> tuple[Array, Array]:
    """The pairs of some rows: `draws` jumps of every row, then `more` of those that have not passed the last target."""
    found: list[tuple[Array, Array]] = []
    place = np.full(len(rows), -1, dtype=np.int64)
    step = 0
    while len(rows):
        u = uniform(key, rows[:, None], np.arange(step, step + draws)[None, :], 0).astype(np.float64)
        # A jump beyond the row ends it whatever its length: clipping keeps the sums inside 64 bits.
        jump = np.minimum(np.floor(_log(1.0 - u) / scale), post).astype(np.int64) + 1
        targets = place[:, None] + np.cumsum(jump, axis=1)
        inside = targets < post
        found.append((np.broadcast_to(rows[:, None], targets.shape)[inside], targets[inside]))
        unfinished = inside[:, -1]
        rows, place, step, draws = rows[unfinished], targets[unfinished, -1], step + draws, more
    source = np.concatenate([f[0] for f in found])
    target = np.concatenate([f[1] for f in found])
    if len(found) > 1:
        by_row = np.argsort(source, kind="stable")
        source, target = source[by_row], target[by_row]
    return source, target


def gather(pre: int, post: int, stretches: Iterator[tuple[Array, Array]], keep: Filter | None) -> Rows:
    """The rows of ascending pairs, or of those that the filter keeps."""
    counts = np.zeros(pre + 1, dtype=np.int64)
    cols = [narrowed(np.empty(0), post)]
    total = 0
    for source, target in stretches:
        if keep is not None:
            kept = np.broadcast_to(keep(source, target), source.shape)
            source, target = source[kept], target[kept]
        if len(source):
            found = np.bincount(source - source[0])
            counts[1 + source[0] :][: len(found)] += found
            cols.append(narrowed(target, post))
            total += len(source)
            check_number(total)
    return Rows(np.cumsum(counts).astype(np.int32), np.concatenate(cols))


def by_source(sources: Array, target: Callable[[Array], Array], pre: int, post: int) -> Rows:
    """The rows of synapses in ascending order of targets; `target` gives those of some places."""
    row = np.concatenate([[0], np.cumsum(np.bincount(sources, minlength=pre))])
    following, col = row[:-1].copy(), np.empty(len(sources), index_type(post))
    together = max(STRETCH, pre)
    for first in range(0, len(sources), together):
        order = np.argsort(sources[first : first + together], kind="stable")
        source = sources[first + order]
        number = np.bincount(source, minlength=pre)
        before = np.cumsum(number) - number
        col[(following - before)[source] + np.arange(len(source))] = target(first + order)
        following += number
    return Rows(row.astype(np.int32), col)


def in_parts(rows: Rows, part: Array, parts: int, weights: Array | None = None) -> tuple[Rows, Array | None]:
    """With `parts` rows for each source, one for each part of its synapses, whose weights are ordered with them."""
    col, ends = np.empty_like(rows.col), np.zeros(1 + (len(rows.row) - 1) * parts, np.int32)
    place = None if rows.place is None else np.empty_like(rows.place)
    ordered = None if weights is None else np.empty_like(weights)
    together = max(1, STRETCH * (len(rows.row) - 1) // max(1, len(rows.col)))
    for first in range(0, len(rows.row) - 1, together):
        begin = rows.row[first : first + together + 1]
        here = slice(begin[0], begin[-1])
        key = np.repeat(np.arange(len(begin) - 1) * parts, np.diff(begin)) + part[here]
        order = np.argsort(key, kind="stable")
        counts = np.bincount(key, minlength=(len(begin) - 1) * parts)
        ends[1 + first * parts :][: len(counts)] = begin[0] + np.cumsum(counts)
        for old, new in ((rows.col, col), (rows.place, place), (weights, ordered)):
            if old is not None and new is not None:
                new[here] = old[here][order]
    return Rows(ends, col, place), ordered


def part_of(rows: Rows, parts: int) -> Array:
    """The part that each synapse is in, of rows for each of so many parts of a source (n; the bits of u8 or u16)."""
    numbers = np.arange(parts, dtype=np.uint8).view(np.int8) if parts <= 1 << 8 else np.arange(parts).astype(np.int16)
    return np.repeat(np.tile(numbers, (len(rows.row) - 1) // parts), np.diff(rows.row))


def without_zeros(rows: Rows, weights: Array) -> tuple[Rows, Array]:
    """The synapses whose weight is not zero, and their weights."""
    kept = flush_subnormals(weights) != 0
    before = np.concatenate([[0], np.cumsum(kept, dtype=np.int32)])
    place = None if rows.place is None else rows.place[kept]
    return Rows(before[rows.row].astype(np.int32), rows.col[kept], place), weights[kept]


def check_number(synapses: int) -> None:
    """Raises OverflowError beyond MOST, before memory is taken for so many."""
    if synapses > MOST:
        raise OverflowError(f"{synapses} synapses are more than a projection can have ({MOST})")


def _log(x: Array) -> Array:
    """The project's own logarithm, so that every machine makes the same connections.

    `x` is a multiple of 2^-53 in [0, 1]: nothing becomes subnormal.
    """
    return elementary("log", x, flush=False)
