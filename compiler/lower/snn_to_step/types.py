"""Facts about tensor, buffer and scalar types that the lowering asks for again and again."""

from __future__ import annotations

import math
from typing import Any

from spikec.dialects.mlir import ir


def shape_of(type: Any) -> tuple[int, ...]:
    """The shape of a tensor, buffer or scalar type; () for a scalar."""
    return tuple(type.shape) if hasattr(type, "shape") else ()


def element_of(type: Any) -> Any:
    """The element type of a tensor or buffer type; a scalar type is its own."""
    return type.element_type if hasattr(type, "element_type") else type


def size_of(type: Any) -> int:
    """The number of elements."""
    return math.prod(shape_of(type))


def memref(shape: tuple[int, ...], element: Any) -> Any:
    """The buffer type of a shape; needs a current location."""
    return ir.MemRefType.get(shape, element)


def is_bool(type: Any) -> bool:
    return str(element_of(type)) == "i1"


def is_real(type: Any) -> bool:
    return str(element_of(type)) in ("f32", "f64")


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a row-major array, in elements."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return tuple(strides)
