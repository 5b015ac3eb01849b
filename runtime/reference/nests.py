"""Structured loop nests: `linalg.generic` and `step.map`, with affine maps from loop indices to elements.

Parallel loops are one numpy operation, reductions run one after another in ascending row-major order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.mlir import ir

Index = Any  # an int, or an integer array that broadcasts over the parallel loops
Subscript = Callable[[Sequence[Index]], Index]

_BINARY: list[tuple[Any, Callable[[Index, Index], Index]]] = [
    (ir.AffineAddExpr, lambda a, b: a + b),
    (ir.AffineMulExpr, lambda a, b: a * b),
    (ir.AffineModExpr, lambda a, b: a % b),
    (ir.AffineFloorDivExpr, lambda a, b: a // b),
    (ir.AffineCeilDivExpr, lambda a, b: -(-a // b)),
]


def affine_map(attribute: Any, loops: int) -> Any:
    """The `AffineMap` of an attribute.

    The bindings give no access to it but as the layout of a memref.
    """
    with attribute.context, ir.Location.unknown():
        return ir.MemRefType.get([1] * loops, ir.IntegerType.get_signless(1), layout=attribute).affine_map


def subscript(expression: Any) -> Subscript:
    """An affine expression as a function of the loop indices."""
    if isinstance(expression, ir.AffineDimExpr):
        position = expression.position
        return lambda loops: loops[position]
    if isinstance(expression, ir.AffineConstantExpr):
        value = expression.value
        return lambda loops: value
    for kind, function in _BINARY:
        if isinstance(expression, kind):
            return _combined(function, subscript(expression.lhs), subscript(expression.rhs))
    raise AssertionError(f"an affine expression with symbols: {expression}")


def _combined(function: Callable[[Index, Index], Index], left: Subscript, right: Subscript) -> Subscript:
    return lambda loops: function(left(loops), right(loops))


@dataclass(frozen=True)
class Access:
    """Which element of an array each point of the nest uses."""

    subscripts: tuple[Subscript, ...]

    @staticmethod
    def of(map: Any) -> Access:
        return Access(tuple(subscript(expression) for expression in map.results))

    def at(self, loops: Sequence[Index]) -> tuple[Index, ...]:
        return tuple(subscript(loops) for subscript in self.subscripts)


@dataclass(frozen=True)
class Nest:
    """Loops of `extents`, each "parallel" or "reduction"; `inputs` and `outputs` are read, `outputs` written."""

    extents: tuple[int, ...]
    iterators: tuple[str, ...]
    inputs: tuple[Access, ...]
    outputs: tuple[Access, ...]

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array], body: Callable[..., Sequence[Array]]) -> None:
        """outputs = body(inputs, outputs) in place, at every point."""
        for loops in self._points():
            places = [access.at(loops) for access in self.outputs]
            read = [array[access.at(loops)] for array, access in zip(inputs, self.inputs, strict=True)]
            old = [array[place] for array, place in zip(outputs, places, strict=True)]
            for array, place, value in zip(outputs, places, body(*read, *old), strict=True):
                array[place] = value

    def _points(self) -> Any:
        """The loop indices of one numpy operation after another."""
        parallel = [d for d, kind in enumerate(self.iterators) if kind == "parallel"]
        reduced = [d for d, kind in enumerate(self.iterators) if kind == "reduction"]
        mesh = dict(zip(parallel, np.ix_(*(np.arange(self.extents[d]) for d in parallel)), strict=True))
        for point in itertools.product(*(range(self.extents[d]) for d in reduced)):
            loops = {**mesh, **dict(zip(reduced, point, strict=True))}
            yield [loops[d] for d in range(len(self.extents))]


def extents(maps: Sequence[Any], shapes: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The extents of the loops that access arrays of `shapes` through `maps`: each stands alone in some subscript."""
    found: dict[int, int] = {}
    for map, shape in zip(maps, shapes, strict=True):
        for expression, extent in zip(map.results, shape, strict=True):
            if isinstance(expression, ir.AffineDimExpr):
                found.setdefault(expression.position, extent)
    return tuple(found[d] for d in range(maps[0].n_dims))
