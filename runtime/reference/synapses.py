"""Synapses: which pairs a connector makes, and what arrives through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.random import uniform
from spikec.runtime.reference import elementary, reals
from spikec.runtime.reference.arithmetic import integer_product, integer_sum
from spikec.runtime.reference.elements import wrap

Keep = Callable[[Array, Array], Array]
"""From sources and targets (int64, broadcast against each other) to the pairs that are kept."""

_DRAWS = 1 << 18  # how many numbers are drawn at once


@dataclass(frozen=True)
class Rows:
    """The targets of each source, ascending: those of source i are `target[begin[i] : begin[i + 1]]`.

    `weight` has one element per synapse in that order, or is one number for all (rank 0); where the
    weights are `coded`, it holds codes of powers of two (`dialects.powers`).
    """

    begin: Array
    target: Array
    weight: Array
    coded: bool = False

    def row(self, source: int) -> tuple[Array, Array]:
        """Targets and weights of one source."""
        place = slice(self.begin[source], self.begin[source + 1])
        return self.target[place], self.weight[place] if self.weight.ndim else self.weight


@dataclass(frozen=True)
class Dense:
    """All pairs; `weight` is [pre, post], or one number for all (rank 0), or codes as in `Rows`."""

    post: int
    weight: Array
    coded: bool = False

    def row(self, source: int) -> tuple[slice, Array]:
        return slice(0, self.post), self.weight[source] if self.weight.ndim else self.weight


@dataclass(frozen=True)
class Part:
    """Row `number` of each source, where every source has `parts` rows."""

    rows: Rows
    number: int
    parts: int

    @property
    def coded(self) -> bool:
        return self.rows.coded

    def row(self, source: int) -> tuple[Array, Array]:
        return self.rows.row(source * self.parts + self.number)


class Kernels:
    """The synapses of a convolution; `weight` is that of a `conv` table, or one number for all (rank 0)."""

    def __init__(self, shape: Convolution, weight: Array, coded: bool) -> None:
        self.coded = coded
        self._shape, self._weight = shape, weight
        self._outputs, self._members = shape.output[0] // shape.groups, shape.input[0] // shape.groups
        self._reached: dict[int, tuple[Array, Array]] = {}
        if weight.ndim:
            *rows, columns = shape.kernel
            stored = np.moveaxis(weight.reshape(shape.input[0], *rows, self._outputs, columns), -2, 1)
            orders = [_stored(*numbers) for numbers in zip(shape.kernel, shape.stride, shape.dilation, strict=True)]
            self._weight = np.empty_like(stored)
            self._weight[np.ix_(*map(np.arange, stored.shape[:2]), *orders)] = stored
            self._weight = self._weight.reshape(*stored.shape[:2], -1)

    def row(self, source: int) -> tuple[Array, Array]:
        """Targets and weights of one source."""
        extents = self._shape.input[1:]
        channel, place = divmod(source, math.prod(extents))
        if place not in self._reached:
            self._reached[place] = _reached(self._shape, np.array(np.unravel_index(place, extents)))
        positions, kernel = self._reached[place]
        channels = channel // self._members * self._outputs + np.arange(self._outputs)[:, np.newaxis]
        targets = (channels * math.prod(self._shape.output[1:]) + positions).reshape(-1)
        return targets, self._weight[channel][:, kernel].reshape(-1) if self._weight.ndim else self._weight


def _stored(kernel: int, stride: int, dilation: int) -> Array:
    """Positions along one axis of a kernel as a `conv` table has them: what the same sources use, from the last one."""
    k = np.arange(kernel)
    order: Array = np.lexsort((-k, k % (stride // math.gcd(stride, dilation))))
    return order


@dataclass(frozen=True)
class Procedural:
    """The synapses of `probable` that `keep` keeps, drawn for one source at a time; all have one weight, or code."""

    post: int
    p: float
    key: tuple[int, int]
    keep: Keep | None
    weight: Array
    coded: bool = False

    def row(self, source: int) -> tuple[Array, Array]:
        scale = _log(np.asarray(1.0 - self.p))
        (targets,) = _jumps(np.array([source]), self.post, scale, self.key, _draws(self.post, self.p))
        if self.keep is not None:
            targets = targets[kept(self.keep, np.asarray(source), targets)]
        return targets, self.weight


Synapses = Rows | Dense | Part | Kernels | Procedural


def chosen(made: Rows, which: Array) -> Rows:
    """Some of the synapses, in the same order."""
    before = np.concatenate([[0], np.cumsum(which)])
    weight = made.weight[which] if made.weight.ndim else made.weight
    return Rows(before[made.begin], made.target[which], weight, made.coded)


def without_zeros(made: Synapses) -> Rows:
    """The same without those whose weight is zero; `weight` has an element for each."""
    if isinstance(made, Dense):
        source, target = np.nonzero(made.weight)
        begin = np.searchsorted(source, np.arange(len(made.weight) + 1))
        return Rows(begin, target, made.weight[source, target])
    assert isinstance(made, Rows)
    return chosen(made, made.weight != 0)


def propagate(synapses: Synapses, events: Array, into: Array, width: int) -> int:
    """into[j] = into[j] + weight[i, j] * events[i], in place, over the nonzero events in ascending i.

    `events` and `into` are flat; `width` is the number of bits of an element of `into`.  Returns the number
    of additions.
    """
    real = into.dtype.kind == "f"
    additions = 0
    for source in np.flatnonzero(events).tolist():
        targets, weight = synapses.row(source)
        event = np.asarray(events[source])
        if synapses.coded:
            term = _shifted(event.astype(into.dtype), weight, width)
        elif events.dtype == np.bool_:
            term = weight.astype(into.dtype)
        else:
            factors = weight.astype(into.dtype), event.astype(into.dtype)
            term = reals.multiply(*factors) if real else integer_product(*factors, width)
        for some, terms in _different(targets, term):
            old = into[some]
            into[some] = reals.add(old, terms) if real else integer_sum(old, terms, width)
            additions += len(old)
    return additions


def _different(targets: Array | slice, term: Array) -> Iterator[tuple[Array | slice, Array]]:
    """A row in parts none of which has a target twice: the first synapse of each target, the second, and so on."""
    if isinstance(targets, slice) or not (targets[1:] == targets[:-1]).any():
        yield targets, term
        return
    begins = np.flatnonzero(np.concatenate([[True], targets[1:] != targets[:-1]]))
    number = np.arange(len(targets)) - np.repeat(begins, np.diff(np.append(begins, len(targets))))
    for n in range(int(number.max()) + 1):
        yield targets[number == n], term[number == n] if term.ndim else term


def _shifted(event: Array, code: Array, width: int) -> Array:
    """event times the power of two behind a code: 0 is 0, c > 0 is 2^(c-1) and c < 0 is -2^(-c-1)."""
    places = np.maximum(np.abs(code.astype(event.dtype)) - 1, 0)
    size = np.where(code == 0, event.dtype.type(0), np.left_shift(event, places))
    return wrap(np.where(code < 0, -size, size), width)


def kept(keep: Keep, source: Array, target: Array) -> Any:
    """Which pairs a condition keeps, for each of the sources and targets as they are broadcast."""
    return np.broadcast_to(keep(source, target), np.broadcast_shapes(source.shape, target.shape))


def one_to_one(size: int) -> Iterator[Array]:
    """The targets of each source, row by row."""
    return (np.array([i]) for i in range(size))


def every(pre: int, post: int) -> Iterator[Array]:
    return (np.arange(post) for _ in range(pre))


def probable(pre: int, post: int, p: float, key: tuple[int, int]) -> Iterator[Array]:
    """Each pair with probability p: the k-th draw u of a row moves on by 1 + floor(log(1 - u) / log(1 - p))."""
    if p >= 1.0:
        yield from every(pre, post)
        return
    scale = _log(np.asarray(1.0 - p))
    if p <= 0.0 or scale == 0.0:
        yield from (np.arange(0) for _ in range(pre))
        return
    draws = _draws(post, p)
    stretch = max(1, _DRAWS // draws)
    for first in range(0, pre, stretch):
        yield from _jumps(np.arange(first, min(first + stretch, pre)), post, scale, key, draws)


def _draws(post: int, p: float) -> int:
    """How many draws nearly always lead to the end of a row."""
    return math.ceil(post * p + 6.0 * math.sqrt(post * p)) + 8


def _jumps(rows: Array, post: int, scale: Array, key: tuple[int, int], draws: int) -> Iterator[Array]:
    """The targets of some rows, `draws` at a time until every row has reached its end."""
    places = np.full((len(rows), 1), -1)
    while (places[:, -1] < post).any():
        k = np.arange(draws) + (places.shape[1] - 1)
        u = uniform(key, rows[:, np.newaxis], k[np.newaxis, :], 0)
        jumps = 1 + np.minimum(np.floor(_log(1.0 - u) / scale), post).astype(np.int64)
        places = np.concatenate([places, places[:, -1:] + np.cumsum(jumps, axis=1)], axis=1)
    return (row[(row >= 0) & (row < post)] for row in places)


def _log(x: Array) -> Array:
    return elementary.evaluate("log", x)


def connected(rows: Iterator[Array], weight: Array) -> Rows:
    """Rows of targets, all of one weight (rank 0)."""
    made = list(rows)
    lengths = np.array([len(targets) for targets in made], np.int64)
    return Rows(np.concatenate([[0], np.cumsum(lengths)]), np.concatenate([np.arange(0), *made]), weight)


def convolved(shape: Convolution, weight: Array) -> Rows:
    """The synapses of a convolution, source by source; `weight` has the shape `shape.weights` or is one number."""
    outputs, members = shape.output[0] // shape.groups, shape.input[0] // shape.groups
    flat = weight.reshape(*shape.weights[:2], -1) if weight.ndim else weight
    reached = [_reached(shape, np.array(y)) for y in np.ndindex(shape.input[1:])]
    lengths, targets, weights = [0], [np.arange(0)], [np.zeros(0, weight.dtype)]
    for channel in range(shape.input[0]):
        group, member = divmod(channel, members)
        channels = group * outputs + np.arange(outputs)[:, np.newaxis]
        for positions, kernel in reached:
            targets.append((channels * math.prod(shape.output[1:]) + positions).reshape(-1))
            lengths.append(len(targets[-1]))
            if weight.ndim:
                weights.append(flat[channels, member, kernel].reshape(-1))
    return Rows(np.cumsum(lengths), np.concatenate(targets), np.concatenate(weights) if weight.ndim else weight)


def _reached(shape: Convolution, y: Array) -> tuple[Array, Array]:
    """The output positions o, ascending, with y = o stride - padding + k dilation for a k, and these k; both flat."""
    # From the last kernel position to the first, so that what they lead to ascends.
    k = np.arange(math.prod(shape.kernel))[::-1]
    tried = np.stack(np.unravel_index(k, shape.kernel), axis=1)
    o, rest = np.divmod(y + shape.padding - tried * shape.dilation, shape.stride)
    there = ((rest == 0) & (o >= 0) & (o < shape.output[1:])).all(axis=1)
    return np.ravel_multi_index(tuple(o[there].T), shape.output[1:]), k[there]
