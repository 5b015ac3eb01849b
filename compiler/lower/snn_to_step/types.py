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


def symbol(attribute: Any) -> str | None:
    """The name in a symbol reference, or None for another attribute."""
    return ir.FlatSymbolRefAttr(attribute).value if isinstance(attribute, ir.FlatSymbolRefAttr) else None


def named(attributes: Any) -> dict[str, Any]:
    """A dictionary attribute as a Python dictionary."""
    return {entry.name: entry.attr for entry in ir.DictAttr(attributes)}


def marks(function: Any, which: str, count: int) -> list[dict[str, Any]]:
    """The attributes of each argument ("arg_attrs") or result ("res_attrs") of a function; empty ones when absent."""
    if which not in function.attributes:
        return [{}] * count
    return [named(entry) for entry in ir.ArrayAttr(function.attributes[which])]


def signature(function: Any) -> Any:
    """The function type of a `func.func` operation."""
    return ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a row-major array, in elements."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return tuple(strides)
