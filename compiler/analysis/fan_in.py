"""What can arrive at the targets of a projection in one step, from the weights and the interval of the events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.analysis.intervals import Interval
from spikec.dialects import connectors, snn
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program

_ROUNDING = {32: 2.0**-24, 64: 2.0**-53}
_TINY = {32: 2.0**-126, 64: 2.0**-1022}
_LARGEST = {32: 2.0**127, 64: 2.0**1023}
_SAFE = 2**62
_ANYTHING = 1e300  # times an event it may pass the largest number, times none it is zero
_STRETCH = 2**20  # weights that are summed at once


@dataclass(frozen=True)
class FanIn:
    """For each target (or one for all): the sums of its positive and of its negative weights, and how many they are.

    `certain` says that every one of these synapses exists.
    """

    positive: Array
    negative: Array
    synapses: int
    certain: bool

    @staticmethod
    def of(program: Program, synapses: Any, symbols: Mapping[str, Any]) -> FanIn:
        """Of all synapses of a projection; where their delays differ, any of them may act in one step."""
        found = FanIn._of(program, synapses, symbols)
        return found if synapses.delay is None else replace(found, certain=False)

    @staticmethod
    def _of(program: Program, synapses: Any, symbols: Mapping[str, Any]) -> FanIn:
        recipe = synapses.connect
        kind = ir.StringAttr(recipe["kind"]).value
        if connectors.has_unknown_weights(synapses, symbols):
            return _unknown(synapses.pre)
        if kind in connectors.DERIVED:
            return _derived(program, synapses, kind, symbols)
        weight = _weight(program, synapses.weight, symbols)
        certain = "filter" not in recipe and kind in ("all", "one_to_one", "prob")
        if kind == "conv":
            return _convolution(weight, Convolution.of(recipe))
        if kind == "prob" and (symbol_of(recipe["p"]) is not None or ir.FloatAttr(recipe["p"]).value < 1.0):
            certain = False
        if kind == "table":
            return _table(program, synapses, weight, symbols)
        if kind in connectors.FIXED:
            return _fixed(synapses, weight)
        if kind == "one_to_one":
            return _summed(weight.reshape(1, -1), 1, certain)
        if weight.ndim:
            return _summed(weight.reshape(synapses.pre, synapses.post), synapses.pre, certain)
        return _summed(weight.reshape(1, 1), synapses.pre, certain, times=synapses.pre)

    def arrive(
        self, events: Interval, low: Array, high: Array, real_bits: int, multiplied: bool, others: int = 0
    ) -> tuple[Array, Array]:
        """The bounds of `low` and `high` (per target or of one element) after all synapses have added to them.

        `real_bits` is 0 for integers, whose sums are exact; `multiplied` says that weights are multiplied by events,
        and not added as they are; `others` are the synapses of other projections that may add in between.
        """
        least, most = events.low, events.high
        if not self.certain:
            least, most = min(least, 0), max(most, 0)
        ends = (self.positive, self.negative)
        if real_bits:
            # A sum for each synapse, and a product, each half a unit in the last place of what it gives; the sums of
            # weights here are rounded too.
            count = self.synapses + others + 2
            roundings = count * ((1 + multiplied) * _ROUNDING[real_bits] + _ROUNDING[64])
            relative = roundings / (1 - roundings) if roundings < 0.5 else math.inf
            errors = relative, 2 * count * _TINY[real_bits], _LARGEST[real_bits]
            with np.errstate(all="ignore"):
                below = self._rounded(low, ends, (least, most), errors, -1)
                return below, self._rounded(high, ends, (most, least), errors, 1)
        largest = max(abs(int(least)), abs(int(most)), 1)
        if _magnitude(*ends) * largest + _magnitude(low, high) >= _SAFE:
            ends, low, high = _exact(*ends), *_exact(low, high)
        positive, negative = ends
        least, most = int(least), int(most)
        return low + positive * least + negative * most, high + positive * most + negative * least

    def _rounded(
        self,
        start: Array,
        ends: tuple[Array, Array],
        by: tuple[Any, Any],
        errors: tuple[float, float, float],
        side: int,
    ) -> Array:
        """start + positive * by[0] + negative * by[1], moved to `side` by the relative and the absolute error.

        A sum that may pass the largest number on its way is infinite.
        """
        terms = [np.where(end == 0, 0.0, end * factor) for end, factor in zip(ends, by, strict=True)]
        size = np.abs(terms[0]) + np.abs(terms[1])
        relative, absolute, largest = errors
        reach = np.abs(start) + size
        total = start + terms[0] + terms[1] + side * (relative * reach + absolute)
        moved: Array = np.where(reach <= largest, total, side * math.inf)
        return np.where(size == 0, start, moved)


def _weight(program: Program, attribute: Any, symbols: Mapping[str, Any]) -> Array:
    """Weights as they are stored; rank 0 for one number."""
    name = symbol_of(attribute)
    if name is None:
        found = scalars.number(attribute)
        value = np.asarray(ir.IntegerAttr(attribute).value if found is None else found)
    else:
        value = np.asarray(program.constants[name]).reshape(snn.Constant(symbols[name]).type.shape)
    return value


def _summed(weight: Array, synapses: int, certain: bool, times: int = 1) -> FanIn:
    """From an array [source, target]; each source stands for `times`.  The sums are exact, or in f64."""
    kind: Any = np.float64 if weight.dtype.kind == "f" else np.int64
    if kind is np.int64 and _magnitude(weight) * weight.shape[0] * times >= _SAFE:
        kind = object
    positive = negative = np.zeros(weight.shape[1:], kind)
    stretch = max(1, _STRETCH // max(1, weight.shape[1]))
    for first in range(0, len(weight), stretch):
        part = weight[first : first + stretch].astype(kind)
        positive = positive + np.maximum(part, 0).sum(axis=0)
        negative = negative + np.minimum(part, 0).sum(axis=0)
    return FanIn(positive * times, negative * times, synapses, certain)


def _unknown(synapses: int) -> FanIn:
    """Anything may arrive."""
    return FanIn(np.asarray([_ANYTHING]), np.asarray([-_ANYTHING]), synapses, False)


def _table(program: Program, view: Any, weight: Array, symbols: Mapping[str, Any]) -> FanIn:
    """Per target, over the rows of a table."""
    count = connectors.rows_of_table(view, symbols)
    target = program.constants.get(str(symbol_of(view.connect["targets"])))
    exact = weight.dtype.kind == "f" or _magnitude(weight) * count < _SAFE
    if target is None or not exact:
        ends = np.asarray([weight.max(initial=0), weight.min(initial=0)]).reshape(2, 1)
        return _summed(ends, count, False, times=count)
    positive, negative = (np.zeros(view.post, np.float64 if weight.dtype.kind == "f" else np.int64) for _ in range(2))
    np.add.at(positive, target, np.maximum(weight, 0))
    np.add.at(negative, target, np.minimum(weight, 0))
    return FanIn(positive, negative, int(np.bincount(target).max(initial=0)), "filter" not in view.connect)


def _derived(program: Program, view: Any, kind: str, symbols: Mapping[str, Any]) -> FanIn:
    """One synapse for each of another recipe, or all of a target's."""
    weight, pairs = _weight(program, view.weight, symbols), connectors.pairs_of(view, symbols)
    if kind != "to_target":
        return _summed(weight.reshape(1, 1), 1, True)
    if connectors.kind_of(pairs) == "table":
        return _table(program, pairs, weight, symbols)
    return _fixed(pairs, weight)


def _fixed(view: Any, weight: Array) -> FanIn:
    """Per target, from the greatest number of synapses that it can have."""
    most = connectors.most_for_target(view)
    if "repeat" not in view.connect and weight.ndim:
        return _summed(weight.reshape(view.pre, view.post), most, False)
    if not weight.ndim:
        return _summed(weight.reshape(1, 1), most, False, times=most)
    shaped = weight.reshape(view.pre, view.post)
    ends = np.stack([np.maximum(shaped.max(axis=0), 0), np.minimum(shaped.min(axis=0), 0)])
    return _summed(ends, most, False, times=most)


def _convolution(weight: Array, shape: Convolution) -> FanIn:
    """Per output channel, over all of the kernel; next to a border some of it is outside."""
    count = math.prod(shape.weights[1:])
    if not weight.ndim:
        return _summed(weight.reshape(1, 1), count, False, times=count)
    channels = _summed(weight.reshape(shape.output[0], count).T, count, False)
    positions = math.prod(shape.output[1:])
    return FanIn(np.repeat(channels.positive, positions), np.repeat(channels.negative, positions), count, False)


def _magnitude(*arrays: Array) -> int:
    return max((max(abs(int(a.max())), abs(int(a.min()))) for a in arrays if a.size), default=0)


def _exact(*arrays: Array) -> tuple[Any, ...]:
    return tuple(array.astype(object) for array in arrays)
