"""Filters of projections, on many pairs at once: `connect ... if condition` as a function of index arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.mlir import ir
from spikec.lower.connect import Filter
from spikec.runtime.interface import flush_subnormals


def filter_of(function: Any) -> Filter:
    """The filter that a private function `(pre: i64, post: i64) -> i1` describes."""
    block = function.regions[0].blocks[0]
    body = [operation.operation for operation in block.operations]

    def keep(source: Array, target: Array) -> Array:
        values = dict(zip(block.arguments, (source.astype(np.int64), target.astype(np.int64)), strict=True))
        with np.errstate(all="ignore"):
            for op in body[:-1]:
                values[op.results[0]] = _evaluate(op, [values[operand] for operand in op.operands])
        kept: Array = np.asarray(values[body[-1].operands[0]])
        return kept

    return keep


_NUMPY = {"i1": np.bool_, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64}
_NUMPY |= {"f32": np.float32, "f64": np.float64}  # type: ignore[dict-item]

_INTEGER_PREDICATES = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
_REAL_PREDICATES = {
    1: np.equal,
    2: np.greater,
    3: np.greater_equal,
    4: np.less,
    5: np.less_equal,
    6: lambda a, b: (a < b) | (a > b),
    13: np.not_equal,
}

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "arith.addi": np.add,
    "arith.subi": np.subtract,
    "arith.muli": np.multiply,
    "arith.floordivsi": np.floor_divide,
    "arith.remsi": np.fmod,
    "arith.maxsi": np.maximum,
    "arith.minsi": np.minimum,
    "arith.shrsi": np.right_shift,
    "arith.shli": np.left_shift,
    "arith.andi": np.bitwise_and,
    "arith.ori": np.bitwise_or,
    "arith.xori": np.bitwise_xor,
    "arith.select": np.where,
    "arith.addf": np.add,
    "arith.subf": np.subtract,
    "arith.mulf": np.multiply,
    "arith.divf": np.divide,
    "arith.negf": np.negative,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "math.sqrt": np.sqrt,
    "math.absf": np.abs,
    "math.absi": np.abs,
    "math.floor": np.floor,
    "math.ceil": np.ceil,
    "math.trunc": np.trunc,
    "math.roundeven": np.rint,
}


def _evaluate(op: Any, operands: list[Any]) -> Any:
    type = str(op.results[0].type)
    result = _NUMPY[type]
    match op.name:
        case "arith.constant":
            return result(op.attributes["value"].value)
        case "arith.cmpi":
            predicate = ir.IntegerAttr(op.attributes["predicate"]).value
            if predicate >= len(_INTEGER_PREDICATES):
                raise InternalError("an unsigned comparison in a filter", "snn_to_step", str(op))
            return _INTEGER_PREDICATES[predicate](*operands)
        case "arith.cmpf":
            return _REAL_PREDICATES[ir.IntegerAttr(op.attributes["predicate"]).value](*operands)
        case "arith.extsi" if operands[0].dtype == np.bool_:
            return -(operands[0].astype(result))
        case "arith.extui" | "arith.extsi" | "arith.sitofp" | "arith.uitofp":
            return np.asarray(operands[0]).astype(result)
        case "arith.trunci":
            return (operands[0] & 1).astype(result) if type == "i1" else operands[0].astype(result)
        case "arith.fptosi":
            return _saturated(operands[0], result)
    if op.name not in _OPERATIONS:
        raise InternalError(f"'{op.name}' in a filter", "snn_to_step", str(op))
    value = np.asarray(_OPERATIONS[op.name](*operands)).astype(result)
    return flush_subnormals(value)


def _saturated(value: Any, integer: Any) -> Any:
    limits = np.iinfo(integer)
    value = np.nan_to_num(np.trunc(value), nan=0.0, posinf=np.inf, neginf=-np.inf)
    inside = np.clip(value, float(limits.min), np.nextafter(float(limits.max), 0.0)).astype(integer)
    return np.where(value >= float(limits.max), limits.max, inside).astype(integer)
