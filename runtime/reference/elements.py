"""Element types as numpy holds them: i1 is bool, i2 a sign-extended int8, index int64, the others themselves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.mlir import ir
from spikec.runtime.interface import flush_subnormals, numpy_type


def element(type: Any) -> Any:
    """The element type of a shaped type; a scalar type is its own."""
    return type.element_type if isinstance(type, ir.ShapedType) else type


def shape(type: Any) -> tuple[int, ...]:
    return tuple(type.shape) if isinstance(type, ir.ShapedType) else ()


def size(type: Any) -> int:
    return math.prod(shape(type))


def dtype(type: Any) -> np.dtype[Any]:
    """The numpy type of a scalar or shaped type's elements."""
    scalar = element(type)
    return np.dtype(np.int64 if isinstance(scalar, ir.IndexType) else numpy_type(scalar))


def width(type: Any) -> int:
    """The number of bits of an element."""
    scalar = element(type)
    return 64 if isinstance(scalar, ir.IndexType) else int(scalar.width)


def wrap(value: Array, width: int) -> Array:
    """An integer result brought back to `width` bits; numpy itself wraps where it has the type."""
    if width == 1:
        return (value & 1).astype(np.bool_)
    if width == 2:
        return (((value + 2) & 3) - 2).astype(np.int8)
    return value


def number(attribute: Any) -> Array:
    """A float or integer attribute as an array of rank 0, subnormals flushed."""
    if isinstance(attribute, ir.FloatAttr):
        return flush_subnormals(np.asarray(attribute.value, dtype(attribute.type)))
    if isinstance(attribute, ir.BoolAttr):
        return np.asarray(attribute.value, np.bool_)
    attribute = ir.IntegerAttr(attribute)
    return wrap(np.asarray(attribute.value, np.int64), width(attribute.type)).astype(dtype(attribute.type))


def stored(array: Array, type: Any) -> Array:
    """An array of the constants store as a value of `type`, subnormals flushed."""
    return flush_subnormals(np.asarray(array).astype(dtype(type), copy=False).reshape(shape(type)))
