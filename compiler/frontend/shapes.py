"""Tensors in another shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects.mlir import ir, tensor


def reshaped(ssa: Any, shape: tuple[int, ...]) -> Any:
    """A tensor in another shape of as many elements, through the flat one."""
    old = tuple(ssa.type.shape)
    element = ssa.type.element_type
    if old == shape:
        return ssa
    if len(old) > 1 or (old and not shape):
        groups = [list(range(len(old)))] if shape else []
        flat = [int(np.prod(old))] if shape else []
        ssa = tensor.collapse_shape(ir.RankedTensorType.get(flat, element), ssa, groups)
    if len(shape) > 1 or (shape and not old):
        groups = [list(range(len(shape)))] if old else []
        ssa = tensor.expand_shape(ir.RankedTensorType.get(list(shape), element), ssa, groups, [], list(shape))
    return ssa
