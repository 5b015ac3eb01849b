"""Neurons with names: `pop n : T[302] at named(load("cells.csv"))`, and `n["AVAL"]` for the one that is called so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.frontend import syntax
from spikec.frontend.emitter import show_shape
from spikec.frontend.entities import Population
from spikec.frontend.values import Mistake

if TYPE_CHECKING:
    from spikec.frontend.network import Network


def give(network: Network, population: Population, call: syntax.Call) -> None:
    """Reads `named(load(path))`: one name for each neuron, in their order."""
    source = call.args[0] if len(call.args) == 1 and not call.keywords else None
    if not (isinstance(source, syntax.Call) and source.function == syntax.Name(source.function.span, "load")):
        raise Mistake("E0306", call.span, "names come from a file, as in 'at named(load(\"cells.csv\"))'")
    if len(population.shape) != 1:
        message = f"names are for a population of one axis, not of shape {show_shape(population.shape)}"
        raise Mistake("E0303", call.span, message)
    (path,) = network.expressions.arguments(source, "load", 1, 1)
    if path.kind != "text":
        raise Mistake("E0302", source.args[0].span, "'load' takes a path, as in 'load(\"cells.csv\")'")
    names = network.arrays.names(path, call.span)
    (count,) = population.shape
    first = {name: n for n, name in reversed(list(enumerate(names)))}
    twice = next((name for n, name in enumerate(names) if first[name] < n), None)
    if twice is not None:
        raise Mistake("E0610", call.span, f"two neurons are called '{twice}' in '{path.text}'")
    if len(names) != count:
        message = f"'{path.text}' has {len(names)} names, and '{population.name}' {count} neurons"
        raise Mistake("E0610", call.span, message)
    population.cells = tuple(names)


def number_of(cells: Sequence[str], name: str, whose: str, span: Span) -> int:
    """The number of the neuron of a name.  Raises Mistake, with the nearest name, where there is none."""
    if name not in cells:
        raise Mistake("E0610", span, f"no neuron of {whose} is called '{name}'", did_you_mean(name, cells))
    return cells.index(name)


def numbered(network: Network, node: syntax.Index) -> syntax.Index:
    """An index in which numbers stand for the names of neurons."""
    if not any(isinstance(item, syntax.String) for item in node.items):
        return node
    base = node.base.base if isinstance(node.base, syntax.Attribute) else node.base
    entity = network.entities.get(base.id) if isinstance(base, syntax.Name) else None
    if not isinstance(entity, Population) or entity.cells is None:
        help = "give the neurons of a population names with 'at named(load(\"cells.csv\"))'"
        raise Mistake("E0610", node.span, "an index by name, and nothing here has names", help)
    cells, whose = entity.cells, f"'{entity.name}'"
    return replace(node, items=tuple(_number(item, cells, whose) for item in node.items))


def _number(item: syntax.Expr | syntax.Slice, cells: Sequence[str], whose: str) -> syntax.Expr | syntax.Slice:
    if not isinstance(item, syntax.String):
        return item
    return syntax.Number(item.span, Fraction(number_of(cells, item.value, whose, item.span)), is_int=True)


def outward(node: syntax.Expr) -> syntax.Expr:
    """`n[i].V` as `n.V[i]`, which is the same."""
    if isinstance(node, syntax.Attribute) and isinstance(node.base, syntax.Index):
        inner = node.base
        return syntax.Index(node.span, syntax.Attribute(node.span, inner.base, node.name), inner.items)
    return node


def numbers(names: Array, cells: Sequence[str], what: str, span: Span) -> Array:
    """A column of a table that names neurons, as their numbers."""
    known = {name: n for n, name in enumerate(cells)}
    unknown = next((str(name) for name in names.tolist() if name not in known), None)
    if unknown is not None:
        raise Mistake("E0610", span, f"{what} called '{unknown}'", did_you_mean(unknown, cells))
    return np.array([known[name] for name in names.tolist()], np.int64)
