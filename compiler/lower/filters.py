"""Functions of recipes on many pairs at once: the condition `if`, probabilities and weights, as functions of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from spikec.analysis.scalars import FUNCTIONS, evaluate, number
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import InternalError
from spikec.lower.connect import Filter


def filter_of(function: Any) -> Filter:
    """The filter that a private function `(pre: i64, post: i64) -> i1` describes."""
    return function_of(function)


def function_of(function: Any) -> Callable[..., Array]:
    """A private function of scalars as a function of arrays of one shape; indices may be of any width."""
    block = function.regions[0].blocks[0]
    body = [operation.operation for operation in block.operations]

    def evaluated(*arrays: Array) -> Array:
        arguments = [array.astype(np.int64) if array.dtype.kind in "iu" else array for array in arrays]
        values = dict(zip(block.arguments, arguments, strict=True))
        for op in body[:-1]:
            values[op.results[0]] = _evaluate(op, [values[operand] for operand in op.operands])
        result: Array = np.broadcast_to(values[body[-1].operands[0]], arrays[0].shape)
        return result

    return evaluated


def _evaluate(op: Any, operands: list[Array]) -> Array:
    if op.name in ("arith.floordivsi", "arith.remsi"):
        # Unlike folding, this may divide by zero: that gives 0, as at run time.
        with np.errstate(all="ignore"):
            divided: Array = FUNCTIONS[op.name](*operands)
            return divided
    value = number(op.attributes["value"]) if op.name == "arith.constant" else evaluate(op, operands)
    if value is None:
        raise InternalError(f"a recipe cannot use '{op.name}' here", "snn_to_step", str(op))
    return value
