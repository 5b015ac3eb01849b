"""Which weights stay: the largest ones, under a budget and by structure.

Weights are looked at in units that stay or go together: single weights, or blocks.  Units stand in the order of the
arrays in the module and of the elements in an array, which decides between equal ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from spikec.dialects.constants import Array
from spikec.passes.sparsify.layers import Layer


@dataclass(frozen=True)
class Units:
    """`of` (flat) is the unit of each weight of a layer; per unit: its mean size and how many weights could stay."""

    of: Array
    size: Array
    weights: Array


def singles(layer: Layer, allowed: Array) -> Units:
    """Every weight by itself."""
    return Units(np.arange(layer.size.size), layer.size, allowed.astype(np.int64))


def blocks(layer: Layer, allowed: Array, rows: int, columns: int) -> Units:
    """Blocks of `rows` sources by `columns` targets; those at the ends may be smaller."""
    at = layer.places
    of = _numbered(at.source // rows, at.target // columns, at.rest)
    count = int(of.max(initial=-1)) + 1
    total = np.bincount(of, np.where(allowed, layer.size, 0.0), count)
    return Units(
        of, total / np.maximum(np.bincount(of, minlength=count), 1), np.bincount(of, allowed, count).astype(int)
    )


def _numbered(*keys: Array) -> Array:
    """Equal keys as equal numbers, in the order in which they first stand."""
    _, first, inverse = np.unique(np.stack(keys), axis=1, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[inverse.reshape(-1)]


def largest(units: list[Units], floors: list[int], count: int) -> list[Array] | None:
    """For each layer which of its weights stay (flat): the largest units with at most `count` weights together.

    Of every layer the largest units with at least `floors` weights stay.  None where these are more than `count`.
    """
    ends = list(pairwise(np.cumsum([0, *(one.size.size for one in units)])))
    size, weights = (np.concatenate([getattr(one, name) for one in units]) for name in ("size", "weights"))
    order = np.argsort(-size, kind="stable")
    order = order[weights[order] > 0]
    stays = np.zeros(size.size, bool)
    for (first, last), floor in zip(ends, floors, strict=True):
        own = order[(order >= first) & (order < last)] if floor else order[:0]
        stays[own[np.cumsum(weights[own]) - weights[own] < floor]] = True
    rest = count - int(weights[stays].sum())
    if rest < 0:
        return None
    others = order[~stays[order]]
    stays[others[np.cumsum(weights[others]) <= rest]] = True
    return [stays[first:last][one.of] for (first, last), one in zip(ends, units, strict=True)]


def pattern(layer: Layer, allowed: Array, most: int, of: int) -> Array:
    """At most `most` of each `of` consecutive sources of a target: the largest; which weights may stay (flat)."""
    at = layer.places
    size = np.where(allowed, layer.size, -1.0)
    keys = (at.source // of, at.rest, at.target)
    order = np.lexsort((at.source, -size, *keys))
    begins = np.ones(size.size, bool)
    begins[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    number = np.arange(size.size)
    rank = number - np.maximum.accumulate(np.where(begins, number, 0))
    stays = np.empty(size.size, bool)
    stays[order] = rank < most
    return stays & allowed


def rescaled(layer: Layer, stays: Array) -> Array:
    """The weights that stay, as large in sum for each target as all of them were (flat, f64)."""
    target = layer.places.target
    count = int(target.max(initial=-1)) + 1
    before, after = (np.bincount(target, np.where(kept, layer.size, 0.0), count) for kept in (layer.exists, stays))
    with np.errstate(all="ignore"):
        factor = np.where((after > 0) & np.isfinite(before), before / after, 1.0)
    scaled: Array = layer.values.reshape(-1).astype(np.float64) * factor[target]
    return scaled
