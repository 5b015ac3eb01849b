"""Affine maps of `step.map` as code: where in a buffer a point of the loops is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spikec.dialects.mlir import arith, ir
from spikec.lower.code import Value

Number = Callable[[int], Value]
"""A constant of the type that the target counts with."""


def map_of(attribute: Any) -> Any:
    made = ir.AffineMapAttr(attribute)
    return made.value if hasattr(made, "value") else attribute


def place(attribute: Any, shape: Sequence[int], at: Sequence[Value], number: Number) -> Value:
    """The flat place in a buffer of `shape` of the point whose loop indices are `at`."""
    found, stride = number(0), 1
    for expression, extent in zip(reversed(list(map_of(attribute).results)), reversed(shape), strict=True):
        found = arith.addi(found, arith.muli(value(expression, at, number), number(stride)))
        stride *= extent
    return found


def value(expression: Any, at: Sequence[Value], number: Number) -> Value:
    """An affine expression of the loop indices; all of them are zero or more."""
    if isinstance(expression, ir.AffineDimExpr):
        return at[expression.position]
    if isinstance(expression, ir.AffineConstantExpr):
        return number(expression.value)
    left, right = value(expression.lhs, at, number), value(expression.rhs, at, number)
    match expression:
        case ir.AffineAddExpr():
            return arith.addi(left, right)
        case ir.AffineMulExpr():
            return arith.muli(left, right)
        case ir.AffineModExpr():
            return arith.remui(left, right)
        case ir.AffineFloorDivExpr():
            return arith.divui(left, right)
    return arith.ceildivui(left, right)
