"""Operations whose usual form on a GPU gives other bits than everywhere else.

The square root is rounded, not approximated.  There is no mode that flushes subnormals of 64 bits, so each result of
64 bits that can be one is flushed.
"""

from __future__ import annotations

from typing import Any

from spikec.dialects.functions import walk
from spikec.dialects.mlir import arith, ir, math
from spikec.lower.code import Value, intrinsic, number

ROOTS = {"f32": "llvm.nvvm.sqrt.rn.ftz.f", "f64": "llvm.nvvm.sqrt.rn.d"}
ROUNDED = ("arith.addf", "arith.subf", "arith.mulf", "arith.divf")
SMALLEST = 2.0**-1022


def adapt(module: Any) -> None:
    """Replaces them in a module."""
    for operation in list(walk(module.operation)):
        if operation.name == "math.sqrt":
            _replace(operation, lambda made: intrinsic(ROOTS[str(made.type)], [made.owner.operands[0]], made.type))
        elif operation.name in ROUNDED and isinstance(operation.results[0].type, ir.F64Type):
            _replace(operation, lambda made: _flushed(ir.Operation.clone(made.owner).results[0]))


def _replace(operation: Any, other: Any) -> None:
    with ir.InsertionPoint(operation), operation.location:
        value = other(operation.results[0])
    operation.results[0].replace_all_uses_with(value)
    operation.erase()


def _flushed(value: Value) -> Value:
    """Zero of the same sign for a subnormal."""
    zero = math.copysign(number(0.0, value.type), value)
    tiny = arith.cmpf(arith.CmpFPredicate.OLT, math.absf(value), number(SMALLEST, value.type))
    return arith.select(tiny, zero, value)
