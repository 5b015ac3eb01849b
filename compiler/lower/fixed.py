"""Connectors with exact numbers: so many synapses for each target, for each source, or altogether.

Everything rests on one way to choose `count` of `size` things for an `element` (docs/ir.md): the k-th draw of the
element names one, and the first `count` different ones are taken, or left out where that is fewer.  As a set they
do not depend on how many draws are made at a time, as long as no more are made than are still missing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.random import words
from spikec.lower import connect
from spikec.lower.connect import Filter, Rows

Key = tuple[int, int]


class Shortage(Exception):
    """There are fewer pairs than synapses to be made."""


def fixed_out(pre: int, post: int, count: int, repeat: bool, key: Key, keep: Filter | None = None) -> Rows:
    """`count` targets for each source."""
    connect.check_number(pre * count)

    def stretches() -> Any:
        return _partners(pre, post, count, repeat, key, keep, "source")

    return connect.gather(pre, post, stretches(), None)


def fixed_in(pre: int, post: int, count: int, repeat: bool, key: Key, keep: Filter | None = None) -> Rows:
    """`count` sources for each target."""
    connect.check_number(post * count)
    swapped: Filter | None = None if keep is None else lambda target, source: keep(source, target)
    sources = np.empty(post * count, connect.index_type(pre))
    done = 0
    for _, source in _partners(post, pre, count, repeat, key, swapped, "target"):
        sources[done : done + len(source)] = source
        done += len(source)
    return connect.by_source(sources, lambda place: place // count, pre, post)


def fixed_total(pre: int, post: int, count: int, repeat: bool, key: Key, keep: Filter | None = None) -> Rows:
    """`count` synapses among all pairs."""
    connect.check_number(count)
    size = pre * post
    if keep is not None:
        size = sum(int(np.count_nonzero(keep(*pairs))) for pairs in connect.enumerate_pairs(pre, post))
    if size < (1 if repeat and count else 0 if repeat else count):
        raise Shortage(f"{count} synapses are to be made, and the condition leaves {size} pairs")
    _, places = _chosen(key, np.zeros(1, np.int64), np.array([size]), count, repeat)
    if keep is None:
        return _of_pairs(pre, post, places)
    return connect.gather(pre, post, _kept_pairs(pre, post, keep, places), None)


def _kept_pairs(pre: int, post: int, keep: Filter, places: Array) -> Any:
    """The pairs with these numbers (ascending) among those that the filter keeps."""
    seen = 0
    for source, target in connect.enumerate_pairs(pre, post):
        kept = np.flatnonzero(np.broadcast_to(keep(source, target), source.shape))
        first, last = np.searchsorted(places, [seen, seen + len(kept)])
        chosen = kept[places[first:last] - seen]
        seen += len(kept)
        yield source[chosen], target[chosen]


def _of_pairs(pre: int, post: int, pairs: Array) -> Rows:
    """From ascending numbers source * post + target."""
    stretches = (pairs[n : n + connect.STRETCH] for n in range(0, len(pairs), connect.STRETCH))
    return connect.gather(pre, post, (np.divmod(stretch, post) for stretch in stretches), None)


def _partners(size: int, others: int, count: int, repeat: bool, key: Key, keep: Filter | None, what: str) -> Any:
    """(element, partner) for `count` partners of each of `size` elements, by stretches, ascending."""
    rows = max(1, connect.STRETCH // max(1, others if keep is not None else count))
    for first in range(0, size, rows):
        elements = np.arange(first, min(size, first + rows))
        sizes, candidates = np.full(len(elements), others), None
        if keep is not None:
            pairs = np.repeat(elements, others), np.tile(np.arange(others), len(elements))
            kept = np.broadcast_to(keep(*pairs), pairs[0].shape).reshape(len(elements), others)
            sizes, candidates = kept.sum(axis=1), np.nonzero(kept)[1]
        short = np.flatnonzero(sizes < (min(count, 1) if repeat else count))
        if len(short):
            text = f"{what} {elements[short[0]]} needs {count} partners, and there are {sizes[short[0]]}"
            raise Shortage(text)
        owner, place = _chosen(key, elements, sizes, count, repeat)
        if candidates is not None:
            place = candidates[(np.cumsum(sizes) - sizes)[owner] + place]
        yield elements[owner], place


def _chosen(key: Key, elements: Array, sizes: Array, count: int, repeat: bool) -> tuple[Array, Array]:
    """For each element `count` of its `sizes` things: (place of the element, thing), ascending."""
    if not count or not len(elements):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    width = int(sizes.max())
    if repeat:
        owner = np.repeat(np.arange(len(elements)), count)
        step = np.tile(np.arange(count), len(elements))
        return _split(_sorted(owner * width + _draw(key, elements[owner], step, sizes[owner])), width)
    left_out = 2 * count > sizes
    taken = _distinct(key, elements, sizes, np.where(left_out, sizes - count, count), width)
    if not left_out.any():
        return _split(taken, width)
    owner, thing = _split(taken, width)
    chosen = np.zeros((len(elements), width), bool)
    chosen[left_out] = np.arange(width) < sizes[left_out, np.newaxis]
    chosen[owner, thing] = ~left_out[owner]
    owner, thing = np.nonzero(chosen)
    return owner, thing


def _distinct(key: Key, elements: Array, sizes: Array, counts: Array, width: int) -> Array:
    """The first `counts` different things of each element's draws, as ascending numbers place * width + thing."""
    taken = more = np.empty(0, np.int64)
    missing, step = counts.astype(np.int64), np.zeros(len(elements), np.int64)
    while missing.any():
        owner = np.repeat(np.arange(len(elements)), missing)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(missing) - missing, missing)
        drawn = _sorted(owner * width + _draw(key, elements[owner], step[owner] + number, sizes[owner]))
        drawn = drawn[np.concatenate([[True], drawn[1:] != drawn[:-1]])]
        # Later rounds are short: what they find is kept apart until the end.
        new = drawn[~_within(taken, drawn) & ~_within(more, drawn)]
        taken, more = (new, more) if not len(taken) else (taken, np.sort(np.concatenate([more, new])))
        step += missing
        missing = missing - np.bincount(new // width, minlength=len(elements))
    return np.sort(np.concatenate([taken, more]), kind="stable")


def _within(sorted_numbers: Array, numbers: Array) -> Array:
    if not len(sorted_numbers):
        return np.zeros(len(numbers), bool)
    place = np.minimum(np.searchsorted(sorted_numbers, numbers), len(sorted_numbers) - 1)
    return np.asarray(sorted_numbers[place] == numbers)


def _split(numbers: Array, width: int) -> tuple[Array, Array]:
    return (np.zeros(len(numbers), np.int64), numbers) if not len(numbers) else np.divmod(numbers, width)


def _sorted(numbers: Array) -> Array:
    numbers.sort()
    return numbers


def _draw(key: Key, elements: Array, steps: Array, sizes: Array) -> Array:
    """floor(x * size / 2^64) for the 64-bit numbers x of the counters (element, step)."""
    drawn = np.empty(len(elements), np.int64)
    for first in range(0, len(elements), connect.STRETCH):
        part = slice(first, first + connect.STRETCH)
        drawn[part] = _upper_half(words(key, elements[part], steps[part]), sizes[part].astype(np.uint64))
    return drawn


def _upper_half(x: Array, y: Array) -> Array:
    """The upper 64 bits of the products of 64-bit numbers."""
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    x1, x0, y1, y0 = x >> shift, x & low, y >> shift, y & low
    middle = x1 * y0 + (x0 * y0 >> shift)
    if not y1.any():
        return np.asarray(middle >> shift)
    return np.asarray(x1 * y1 + (middle >> shift) + (x0 * y1 + (middle & low) >> shift))
