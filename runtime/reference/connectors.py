"""Connectors as docs/ir.md defines them, source by source: which synapses a recipe makes, and their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.connectors import (
    CLAMP,
    DERIVED,
    NONZERO,
    Drawn,
    Element,
    extra_arguments,
    kind_of,
    pairs_of,
    weight_function,
    wrong_delay,
)
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.drawn import uniforms
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.random import key, uniform, words
from spikec.runtime.reference import synapses
from spikec.runtime.reference.blocks import program
from spikec.runtime.reference.drawn import Constants
from spikec.runtime.reference.elements import number, stored
from spikec.runtime.reference.synapses import Dense, Keep, Rows, Synapses, kept

Key = tuple[int, int]
Function = Callable[..., Array]


class Connectors:
    """The recipes of one network, carried out under a run seed."""

    def __init__(self, network: Program, constants: Constants) -> None:
        self._constants = constants
        self._symbols = network.symbols()

    def connect(self, view: snn.Synapses, seed: int) -> dict[int | None, Synapses]:
        """The synapses of a recipe by their delay; under None where they have none of their own."""
        parts = {None: self._made(view, seed)} if view.delay is None else self._delayed(view, seed)
        return {
            delay: synapses.without_zeros(made) if NONZERO in view.connect else made for delay, made in parts.items()
        }

    def _delayed(self, view: snn.Synapses, seed: int) -> Mapping[int | None, Synapses]:
        made, places = self._one_by_one(view, seed)
        least, most = view.delay_range
        delays = self._computed(view, self._symbols[view.delay], made, places, seed)
        wrong = delays[(delays < least) | (delays > most)]
        if len(wrong):
            text = f"{view.sym_name}: {wrong_delay(view, int(wrong[0]))}"
            raise CompileError([Diagnostic("E0608", "error", text, help=CLAMP)])
        return {delay: synapses.chosen(made, delays == delay) for delay in range(least, most + 1)}

    def _made(self, view: snn.Synapses, seed: int) -> Synapses:
        kind, recipe = kind_of(view), view.connect
        if kind == "conv":
            window = Convolution.of(recipe)
            return synapses.convolved(window, self._weight(view, window.weights))
        if kind in DERIVED:
            return self._derived(view, kind, seed)
        keep = self._function(recipe.get("filter"))
        function = weight_function(view, self._symbols)
        if kind == "all" and keep is None and function is None:
            return Dense(view.post, self._weight(view, (view.pre, view.post)))
        return self._one_by_one(view, seed)[0]

    def _one_by_one(self, view: snn.Synapses, seed: int) -> tuple[Rows, Array]:
        """The synapses one by one; for a table, the row that each stands in too."""
        kind, function = kind_of(view), weight_function(view, self._symbols)
        rows, places = self._rows(view, kind, self._function(view.connect.get("filter")), seed)
        made = synapses.connected(rows, np.zeros(()))
        if function is None:
            weight = self._weights(view, kind, made, places)
        else:
            weight = self._computed(view, function, made, places, seed)
        return Rows(made.begin, made.target, weight), places

    def _derived(self, view: snn.Synapses, kind: str, seed: int) -> Synapses:
        """Between the ends of another recipe's synapses and the synapses themselves, counted in row order."""
        pairs, function = pairs_of(view, self._symbols), weight_function(view, self._symbols)
        keep = self._function(pairs.connect.get("filter"))
        rows, places = self._rows(pairs, kind_of(pairs), keep, seed)
        made = synapses.connected(rows, np.zeros(()))
        numbers = np.arange(len(made.target))
        weight = number(view.weight) if function is None else self._computed(pairs, function, made, places, seed)
        if kind == "from_source":
            return Rows(made.begin, numbers, weight)
        if kind == "to_target":
            return Rows(np.arange(len(numbers) + 1), made.target, weight)
        begin = np.concatenate([[0], np.cumsum(np.bincount(made.target, minlength=pairs.post))])
        return Rows(begin, np.argsort(made.target, kind="stable"), weight)

    def _rows(self, view: snn.Synapses, kind: str, keep: Keep | None, seed: int) -> tuple[Iterator[Array], Array]:
        """The targets of each source; for a table, the row that each synapse stands in."""
        recipe, pre, post = view.connect, view.pre, view.post
        if kind == "table":
            return _listed(pre, self._constant(recipe["sources"]), self._constant(recipe["targets"]), keep)
        if kind in ("all", "one_to_one"):
            rows = synapses.every(pre, post) if kind == "all" else synapses.one_to_one(pre)
            return _filtered(rows, keep), np.arange(0)
        drawn = key(seed, ir.IntegerAttr(recipe["seed"]).value, ir.StringAttr(recipe["path"]).value)
        if kind == "prob" and isinstance(recipe["p"], ir.FloatAttr):
            rows = synapses.probable(pre, post, ir.FloatAttr(recipe["p"]).value, drawn)
            return _filtered(rows, keep), np.arange(0)
        if kind == "prob":
            return _filtered(_probable(pre, post, self._function(recipe["p"]), drawn), keep), np.arange(0)
        count, repeat = ir.IntegerAttr(recipe["count"]).value, "repeat" in recipe
        return _fixed(view, kind, count, repeat, drawn, keep), np.arange(0)

    def _function(self, name: Any) -> Any:
        if name is None:
            return None
        function = program(self._symbols[ir.FlatSymbolRefAttr(name).value])
        return lambda *arguments: function(*arguments)[0]

    def _constant(self, name: Any) -> Array:
        constant = snn.Constant(self._symbols[ir.FlatSymbolRefAttr(name).value])
        return stored(self._constants[constant.sym_name], constant.type)

    def _weight(self, view: snn.Synapses, to: tuple[int, ...]) -> Array:
        """A number (rank 0), or a constant in the shape `to`."""
        if not isinstance(view.weight, ir.FlatSymbolRefAttr):
            return number(view.weight)
        return self._constant(view.weight).reshape(to)

    def _weights(self, view: snn.Synapses, kind: str, made: Rows, places: Array) -> Array:
        """One number, or the weight of each synapse."""
        shape = {"one_to_one": (view.pre,), "table": (-1,)}.get(kind, (view.pre, view.post))
        weight = self._weight(view, shape)
        if not weight.ndim:
            return weight
        return weight[places] if kind == "table" else weight[(_sources(made), made.target)[: weight.ndim]]

    def _computed(self, view: snn.Synapses, function: Any, made: Rows, places: Array, seed: int) -> Array:
        """What a function gives for each synapse of a recipe."""
        source, target = _sources(made), made.target
        by = {"pre": source, "post": target, "pair": source * view.post + target, "row": places}

        def argument(what: Any) -> Array:
            match what:
                case Drawn():
                    return uniforms(what, seed, np.arange(len(target)))
                case Element():
                    element: Array = self._constant(ir.FlatSymbolRefAttr.get(what.array)).reshape(-1)[by[what.by]]
                    return element
                case _:
                    return np.arange(len(target))

        with view.operation.context:
            found = program(function)(source, target, *map(argument, extra_arguments(function)))[0]
        return np.array(np.broadcast_to(found, target.shape))


def _sources(made: Rows) -> Array:
    return np.repeat(np.arange(len(made.begin) - 1), np.diff(made.begin))


def _filtered(rows: Iterator[Array], keep: Keep | None) -> Iterator[Array]:
    for source, targets in enumerate(rows):
        yield targets if keep is None else targets[kept(keep, np.asarray(source), targets)]


def _listed(pre: int, sources: Array, targets: Array, keep: Keep | None) -> tuple[Iterator[Array], Array]:
    order = sorted(range(len(sources)), key=lambda row: (int(sources[row]), int(targets[row])))
    places = np.array([row for row in order if keep is None or keep(sources[row], targets[row])], np.int64)
    return iter([targets[places[sources[places] == source]] for source in range(pre)]), places


def _probable(pre: int, post: int, chance: Function, source: Key) -> Iterator[Array]:
    """The pairs (i, j) whose draw (element i, step j) lies below their probability."""
    targets = np.arange(post)
    for i in range(pre):
        yield np.flatnonzero(uniform(source, np.asarray(i), targets, 0) < chance(np.asarray(i), targets))


def _fixed(view: snn.Synapses, kind: str, count: int, repeat: bool, source: Key, keep: Keep | None) -> Iterator[Array]:
    """The targets of each source for `fixed_out`, `fixed_in` and `fixed_total`."""
    pre, post = view.pre, view.post
    sources, targets = np.arange(pre), np.arange(post)
    if kind == "fixed_out":
        for i in range(pre):
            there = targets if keep is None else targets[kept(keep, np.asarray(i), targets)]
            yield there[_chosen(view, source, i, len(there), count, repeat)]
        return
    if kind == "fixed_in":
        pairs = [np.zeros((0, 2), np.int64)]
        for j in range(post):
            there = sources if keep is None else sources[kept(keep, sources, np.asarray(j))]
            chosen = there[_chosen(view, source, j, len(there), count, repeat)]
            pairs.append(np.stack([chosen, np.full(len(chosen), j)], axis=1))
        table = np.concatenate(pairs)
    else:
        every = np.arange(pre * post) if keep is not None else None
        if every is not None and keep is not None:
            every = every[kept(keep, every // post, every % post)]
        size = pre * post if every is None else len(every)
        places = _chosen(view, source, 0, size, count, repeat)
        places = places if every is None else every[places]
        table = np.stack([places // post, places % post], axis=1)
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    ends = np.searchsorted(table[:, 0], np.arange(pre + 1))
    yield from (table[ends[i] : ends[i + 1], 1] for i in range(pre))


def _chosen(view: snn.Synapses, source: Key, element: int, size: int, count: int, repeat: bool) -> Array:
    """`count` of `size` things for an element, ascending."""
    if size < (min(count, 1) if repeat else count):
        text = f"{view.sym_name}: {count} synapses are to be made, and there are {size} possible ones"
        raise CompileError([Diagnostic("E0606", "error", text)])
    if repeat:
        return np.sort(_draws(source, element, size, count))
    wanted = min(count, size - count)
    drawn = wanted + 8
    while True:
        things, first = np.unique(_draws(source, element, size, drawn), return_index=True)
        if len(things) >= wanted:
            break
        drawn *= 2
    found = np.sort(things[np.argsort(first)[:wanted]])
    return found if wanted == count else np.setdiff1d(np.arange(size), found)


def _draws(source: Key, element: int, size: int, count: int) -> Array:
    """The first `count` things that the draws of an element name."""
    numbers = words(source, np.asarray(element), np.arange(count))
    return np.array([(number * size) >> 64 for number in numbers.tolist()], np.int64)
