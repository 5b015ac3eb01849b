"""Structured tensor computations: a thin builder of `linalg.generic`.

Reductions run from the initial value in ascending index (row major), which is part of the meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spikec.dialects.mlir import arith, ir, linalg


def generic(
    inputs: Sequence[Any],
    maps: Sequence[Any],
    iterators: Sequence[str],
    inits: Sequence[Any],
    init_maps: Sequence[Any],
    body: Callable[..., Sequence[Any]],
) -> list[Any]:
    """Builds a `linalg.generic` over tensors; `body(*scalars)` returns one scalar per result.

    `inits` are the tensors that the results start from; `maps` and `init_maps` are `AffineMap`s;
    `iterators` is a list of "parallel" and "reduction".
    """
    kinds = ir.ArrayAttr.get([ir.Attribute.parse(f"#linalg.iterator_type<{kind}>") for kind in iterators])
    affine = ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in [*maps, *init_maps]])
    op = linalg.GenericOp([i.type for i in inits], list(inputs), list(inits), affine, kinds)
    elements = [value.type.element_type for value in [*inputs, *inits]]
    block = op.regions[0].blocks.append(*elements)
    with ir.InsertionPoint(block):
        linalg.YieldOp(list(body(*block.arguments)))
    return list(op.results)


def reduce(inputs: Sequence[Any], inits: Sequence[Any], body: Callable[..., Sequence[Any]]) -> list[Any]:
    """Reduces tensors of one shape to scalars (rank-0 tensors), from `inits` on in ascending index."""
    rank = ir.RankedTensorType(inputs[0].type).rank
    identity = ir.AffineMap.get_identity(rank)
    scalar = ir.AffineMap.get(rank, 0, [])
    return generic(inputs, [identity] * len(inputs), ["reduction"] * rank, inits, [scalar] * len(inits), body)


def splat(value: bool | int | float, type: Any) -> Any:
    """A constant tensor of one repeated value."""
    element = ir.RankedTensorType(type).element_type
    if isinstance(element, ir.IntegerType):
        attribute = ir.IntegerAttr.get(element, int(value))
    else:
        attribute = ir.FloatAttr.get(element, float(value))
    return arith.constant(type, ir.DenseElementsAttr.get_splat(type, attribute))
