"""The two ends of a projection: populations, slices of them, and where their neurons lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spikec.dialects.diagnostics import Span
from spikec.frontend import names, syntax
from spikec.frontend.emitter import show_shape
from spikec.frontend.entities import Population, Stream
from spikec.frontend.values import Mistake, not_supported

if TYPE_CHECKING:
    from spikec.frontend.network import Network


@dataclass(frozen=True)
class Part:
    """A stretch of a population: `shape` neurons from the flat index `first` on.

    `first` is None for a slice whose neurons do not follow each other.
    """

    population: Population
    shape: tuple[int, ...]
    first: int | None = 0

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def cells(self) -> tuple[str, ...] | None:
        """The names of its neurons, if they have some."""
        cells = self.population.cells
        return None if cells is None or self.first is None else cells[self.first : self.first + self.size]

    @property
    def is_whole(self) -> bool:
        return self.size == math.prod(self.population.shape)


def part_of(network: Network, node: syntax.Expr) -> Part | None:
    """The part of a population that an expression names, also through names of slices; None for anything else."""
    match node:
        case syntax.Name():
            entity = network.entities.get(node.id)
            if isinstance(entity, Population):
                return Part(entity, entity.shape)
            if isinstance(entity, Stream) and isinstance(entity.expression, syntax.Name | syntax.Index):
                return part_of(network, entity.expression) if node.id not in _names(entity.expression) else None
        case syntax.Index():
            whole = part_of(network, node.base)
            if whole is not None:
                return _slice(network, whole, node)
    return None


def _names(node: syntax.Expr) -> set[str]:
    while isinstance(node, syntax.Index):
        node = node.base
    return {node.id} if isinstance(node, syntax.Name) else set()


def _slice(network: Network, whole: Part, node: syntax.Index) -> Part:
    bounds = network.expressions.bounds(node, whole.shape)
    lows = [low for low, _, _ in bounds] + [0] * (len(whole.shape) - len(bounds))
    sizes = [high - low for low, high, _ in bounds] + list(whole.shape[len(bounds) :])
    shape = tuple(size for n, size in enumerate(sizes) if n >= len(bounds) or not bounds[n][2])
    # The neurons follow each other where all axes behind the first longer one are whole.
    longer = next((n for n, size in enumerate(sizes) if size > 1), len(sizes))
    follow = all(size == extent for size, extent in zip(sizes[longer + 1 :], whole.shape[longer + 1 :], strict=True))
    if whole.first is None or not follow:
        return Part(whole.population, shape, None)
    first = whole.first
    for n, low in enumerate(lows):
        first += low * math.prod(whole.shape[n + 1 :])
    return Part(whole.population, shape, first)


def place(network: Network, population: Population, node: syntax.Expr) -> None:
    """Reads `at grid(nx, ny, ...)` and `at named(load(path))`."""
    match node:
        case syntax.Call(function=syntax.Name(id="grid")):
            _place_on_grid(network, population, node)
        case syntax.Call(function=syntax.Name(id="named")):
            names.give(network, population, node)
        case syntax.Call(function=syntax.Name(id=name)):
            raise not_supported(node.span, f"at {name}")
        case _:
            raise not_supported(node.span, "at")


def _place_on_grid(network: Network, population: Population, call: syntax.Call) -> None:
    """Neurons at whole coordinates, the last of which runs fastest."""
    if call.keywords or not call.args:
        raise Mistake("E0306", call.span, "a grid has an extent for each axis, as in 'grid(10, 10)'")
    grid = network.expressions.shape(call.args, "a grid")
    if math.prod(grid) != math.prod(population.shape):
        message = f"a grid of {math.prod(grid)} places for a population of shape {show_shape(population.shape)}"
        raise Mistake("E0303", call.span, message)
    population.grid = grid


def grid_of(part: Part | None, what: str, span: Span) -> tuple[Part, tuple[int, ...], int]:
    """A part of a population on a grid, the extents of the grid and the first flat index.  Raises Mistake."""
    if part is None or part.population.grid is None:
        whose = f"'{part.population.name}'" if part is not None else f"the {what}"
        raise Mistake(
            "E0602",
            span,
            f"{whose} has no places, so there is no distance",
            "a population is placed with 'at grid(nx, ny)', behind its type",
        )
    if part.first is None:
        raise not_supported(span, "distance within such a slice")
    return part, part.population.grid, part.first
