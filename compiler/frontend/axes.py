"""Tensors along some of their axes: reductions, values repeated along an axis, margins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spikec.dialects import structured
from spikec.dialects.mlir import ir, tensor


def reduce_last(ssa: Any, start: float, body: Callable[[Any, Any], Any]) -> Any:
    """The reduction of [..., n] to [...]: `body(accumulator, element)` from `start` on in ascending index."""
    shape = list(ssa.type.shape)
    type = ir.RankedTensorType.get(shape[:-1], ssa.type.element_type)
    identity = ir.AffineMap.get_identity(len(shape))
    kinds = ["parallel"] * (len(shape) - 1) + ["reduction"]
    init = structured.splat(start, type)
    (result,) = structured.generic(
        [ssa], [identity], kinds, [init], [_dims(len(shape), range(len(shape) - 1))], lambda v, acc: [body(acc, v)]
    )
    return result


def repeat_last(ssa: Any, extent: int) -> Any:
    """The tensor [..., extent] that has an element of [...] at all places of its last axis."""
    shape = [*ssa.type.shape, extent]
    type = ir.RankedTensorType.get(shape, ssa.type.element_type)
    axes = _dims(len(shape), range(len(shape) - 1))
    return moved(ssa, axes, type)


def moved(ssa: Any, axes: Any, type: Any) -> Any:
    """The tensor of `type` whose element at a place is that of `ssa` at `axes` (an affine map) of the place."""
    rank = len(type.shape)
    init = structured.splat(0, type)
    identity = ir.AffineMap.get_identity(rank)
    (result,) = structured.generic([ssa], [axes], ["parallel"] * rank, [init], [identity], lambda v, _: [v])
    return result


def transposed(ssa: Any, order: Sequence[int]) -> Any:
    """Axis n of the result is axis `order[n]` of the tensor."""
    shape = list(ssa.type.shape)
    type = ir.RankedTensorType.get([shape[axis] for axis in order], ssa.type.element_type)
    return moved(ssa, _dims(len(shape), [list(order).index(axis) for axis in range(len(shape))]), type)


def with_margin(ssa: Any, axis: int, width: int, value: float) -> Any:
    """The tensor with `width` more elements of `value` at both ends of an axis."""
    if width == 0:
        return ssa
    shape = list(ssa.type.shape)
    element = ssa.type.element_type
    margin = ir.RankedTensorType.get([*shape[:axis], width, *shape[axis + 1 :]], element)
    whole = ir.RankedTensorType.get([*shape[:axis], shape[axis] + 2 * width, *shape[axis + 1 :]], element)
    border = structured.splat(value, margin)
    return tensor.concat(whole, axis, [border, ssa, border])


def _dims(rank: int, axes: Sequence[int]) -> Any:
    return ir.AffineMap.get(rank, 0, [ir.AffineExpr.get_dim(axis) for axis in axes])
