"""Delays of projections: one for all synapses, or one of its own for each; what arrives through the latter.

A port's arrivals with delays of their own are one sum: the events of the largest delay first, then those of the next
one, and so on, and among the projections of one delay in textual order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.analysis import delays
from spikec.dialects import connectors, snn
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import file_location, ir, tensor
from spikec.frontend import pairs, syntax
from spikec.frontend.emitter import show_shape
from spikec.frontend.ends import Part
from spikec.frontend.expressions import Expressions
from spikec.frontend.pairs import PairExpressions, Pairs
from spikec.frontend.shapes import reshaped
from spikec.frontend.units import describe
from spikec.frontend.values import Mistake, Value, as_array, fits, not_supported, number

if TYPE_CHECKING:
    from spikec.frontend.network import Network

MARKS = ("axonal", "dendritic")
_LONGEST = 2**24  # steps


@dataclass(frozen=True)
class Spread:
    """Delays that differ: the function of each synapse that gives them, and the least and the largest in steps."""

    function: str
    least: int
    most: int


@dataclass(frozen=True)
class Delayed:
    """A projection whose delays differ: where it ends, and its source's events so many steps ago."""

    path: str
    target: Part
    spread: Spread
    events: Callable[[int], Value]
    span: Span


def of_projection(network: Network, option: syntax.ProjectionOption, ends: Pairs, seed: int | None) -> int | Spread:
    """The delay that a projection's `delay` gives all its synapses, or those that it gives each."""
    node = _unmarked(option.value)
    span = option.value.span
    symbol: str | None = None
    if ends.by == "kernel":
        value = network.expressions.eval(node)
        if value.is_array:
            raise not_supported(span, "delays that differ between the synapses of 'conv'")
    else:
        steps = partial(_whole, network, span)
        name = f"{ends.path}.delay"
        value, symbol = pairs.build(network, ends, node, name, "delay", "a delay", seed, spread=True, change=steps)
    if symbol is None:
        return network.expressions.delay_steps(value, span)
    return _spread(network, symbol, ends, span)


def _unmarked(node: syntax.Expr) -> syntax.Expr:
    """A delay without `axonal(...)` and `dendritic(...)`, of which a sum may be made: both delay what arrives."""
    match node:
        case syntax.Call(function=syntax.Name(id=name)) if name in MARKS:
            if node.keywords:
                raise Mistake("E0306", node.keywords[0].span, f"'{name}' takes no keyword arguments")
            Expressions.count_arguments(node, name, 1, 1)
            return node.args[0]
        case syntax.Binary(op="+"):
            return syntax.Binary(node.span, "+", _unmarked(node.left), _unmarked(node.right))
        case _:
            return node


def _spread(network: Network, symbol: str, ends: Pairs, span: Span) -> Spread:
    module = network.module
    drawn = {array: module.function(function) for array, function in module.drawn_by().items()}
    found = delays.bounds(module.function(symbol), ends.pre, ends.post, module.constants, drawn)
    if found.nan or not found.is_bounded or found.high >= _LONGEST:
        raise Mistake("E0608", span, "the largest delay is not known, or too large", connectors.CLAMP)
    least, most = max(0, int(found.low)), int(found.high)
    if most < 0:
        raise Mistake("E0608", span, f"all delays are negative: at most {most} steps")
    if most - least >= connectors.MOST_DELAYS:
        message = f"delays from {least} to {most} steps are more than {connectors.MOST_DELAYS} different ones"
        raise Mistake("E0608", span, message, connectors.CLAMP)
    return Spread(symbol, least, most)


def _whole(network: Network, span: Span, expressions: PairExpressions, value: Value) -> Value:
    """The delay of a synapse in steps, to nearest and ties to even; one number stays as it is."""
    clock = network.clock
    if value.is_const and not value.is_array:
        return value
    _check_time(network, value, span)
    if value.is_array:
        steps = _rounded(network, as_array(value), span)
        return number(steps, kind="int", name=f"{expressions.pairs.path}.delays")
    if value.kind != "real":
        return Value(value.kind, ssa=value.ssa)
    dt = number(clock.dt, clock.time)
    exact = value if clock.in_steps else expressions.emitter.binary("/", value, dt, span)
    return expressions.emitter.function("round", exact, span)


def past(network: Network, of: Callable[[int], Value], delays: Value, span: Span) -> Value:
    """`delay(x, d)` with an array d of the shape of x, element by element; `of` gives x as it was so many steps ago."""
    _check_time(network, delays, span)
    steps = _rounded(network, as_array(delays), span)
    different = [int(n) for n in np.unique(steps)]
    if len(different) > connectors.MOST_DELAYS:
        message = f"{len(different)} different delays are more than {connectors.MOST_DELAYS}"
        raise Mistake("E0608", span, message)
    found = of(different[0])
    if found.shape != steps.shape:
        message = f"delays of shape {show_shape(steps.shape)} for a value of shape {show_shape(found.shape)}"
        raise Mistake("E0303", span, message)
    event = found.event
    for number_of_steps in different[1:]:
        chosen = number(steps == number_of_steps, kind="bool")
        found = network.emitter.select(chosen, of(number_of_steps), found, span)
    return replace(found, event=event)


def _check_time(network: Network, value: Value, span: Span) -> None:
    clock = network.clock
    if not fits(value, clock.time):
        help = "this model counts time in steps: write '5 steps'" if clock.in_steps else None
        raise Mistake("E0403", span, f"a delay must be a time, not a {describe(value.dim)}", help)


def _rounded(network: Network, delays: Array, span: Span) -> Array:
    """An array of delays as whole steps (int64), with the same complaints as about one."""
    exact = delays.astype(np.float64) / float(network.clock.dt)
    wrong = exact[~((exact >= 0) & (exact < _LONGEST))]
    if wrong.size:
        what = "is not negative" if wrong.flat[0] < 0 else "is too long"
        raise Mistake("E0602", span, f"a delay {what}: {wrong.flat[0]:g} steps")
    # A quotient next to a tie is one: arrays hold the decimals that were written only nearly.
    exact = np.where(_near(exact * 2), np.rint(exact * 2) / 2, exact)
    steps = np.rint(exact)
    if np.any((steps == 0) & (exact > 0)):
        least = exact[(steps == 0) & (exact > 0)].flat[0]
        raise Mistake("E0602", span, f"a delay of {least:g} steps rounds to 0", "a shorter step makes room for it")
    changed = exact[exact != steps]
    if changed.size and not network.dry:
        message = f"{changed.size} of {exact.size} delays are rounded, such as {changed.flat[0]:g} steps"
        network.diagnostics.warning("W0601", span, message)
    whole: Array = steps.astype(np.int64)
    return whole


def _near(values: Array) -> Array:
    near: Array = np.abs(values - np.rint(values)) <= 1e-9 * np.maximum(1, np.abs(values))
    return near


# ---------------------------------------------------------------- what arrives


def summed(network: Network, delayed: Sequence[Delayed], shape: tuple[int, ...]) -> Any:
    """What reaches the port of a population of a shape through some projections."""
    element = network.emitter.element("real")
    size = math.prod(shape)
    groups = _stretches([one.target for one in delayed])
    if [stretch for stretch, _ in groups] == [(0, size)]:
        return _chain(delayed, 0, network.emitter.constant(0, element, shape))
    pieces, reached = [], 0
    for (first, last), members in groups:
        if first > reached:
            pieces.append(network.emitter.constant(0, element, (first - reached,)))
        start = network.emitter.constant(0, element, (last - first,))
        pieces.append(_chain([delayed[n] for n in members], first, start))
        reached = last
    if reached < size:
        pieces.append(network.emitter.constant(0, element, (size - reached,)))
    return reshaped(tensor.concat(ir.RankedTensorType.get([size], element), 0, pieces), shape)


def _stretches(parts: Sequence[Part]) -> list[tuple[tuple[int, int], list[int]]]:
    """Stretches of neurons that do not overlap, ascending, and the numbers of the parts within each, ascending."""
    found: list[tuple[tuple[int, int], list[int]]] = []
    for which, part in sorted(enumerate(parts), key=lambda one: one[1].first or 0):
        first = part.first or 0
        if found and first < found[-1][0][1]:
            (low, high), members = found[-1]
            found[-1] = (low, max(high, first + part.size)), sorted([*members, which])
        else:
            found.append(((first, first + part.size), [which]))
    return found


def _chain(delayed: Sequence[Delayed], first: int, current: Any) -> Any:
    """`current`, the neurons from `first` on, with all that arrives there."""
    least, most = min(one.spread.least for one in delayed), max(one.spread.most for one in delayed)
    for steps in range(most, least - 1, -1):
        for one in delayed:
            if one.spread.least <= steps <= one.spread.most:
                low = (one.target.first or 0) - first
                with file_location(one.span):
                    current = propagated(current, low, one.target.size, one.events(steps), one.path, steps)
    return current


def propagated(current: Any, low: int, size: int, events: Value, synapses: str, delay: int | None = None) -> Any:
    """`current` with what arrives at the `size` elements from `low` on (flat)."""
    return into_stretch(
        current,
        low,
        size,
        lambda stretch: (
            snn.Propagate.build(events.ssa, stretch, results=[stretch.type], synapses=synapses, delay=delay).result
        ),
    )


def into_stretch(whole: Any, low: int, size: int, change: Callable[[Any], Any]) -> Any:
    """A tensor of which the `size` elements from `low` on (flat) are changed."""
    shape = tuple(whole.type.shape)
    count = math.prod(shape)
    if size == count:
        return change(whole)
    flat = reshaped(whole, (count,))
    element = flat.type.element_type

    def stretch(low: int, high: int) -> Any:
        type = ir.RankedTensorType.get([high - low], element)
        return tensor.extract_slice(type, flat, [], [], [], [low], [high - low], [1])

    parts = [stretch(0, low)] if low else []
    parts.append(change(stretch(low, low + size)))
    parts += [stretch(low + size, count)] if low + size < count else []
    return reshaped(tensor.concat(flat.type, 0, parts), shape)
