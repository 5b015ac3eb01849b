"""Filters of projections, on many pairs at once: `connect ... if condition` as a function of index arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.analysis.scalars import evaluate, number
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import InternalError
from spikec.lower.connect import Filter


def filter_of(function: Any) -> Filter:
    """The filter that a private function `(pre: i64, post: i64) -> i1` describes."""
    block = function.regions[0].blocks[0]
    body = [operation.operation for operation in block.operations]

    def keep(source: Array, target: Array) -> Array:
        values = dict(zip(block.arguments, (source.astype(np.int64), target.astype(np.int64)), strict=True))
        for op in body[:-1]:
            values[op.results[0]] = _evaluate(op, [values[operand] for operand in op.operands])
        kept: Array = np.broadcast_to(values[body[-1].operands[0]], source.shape)
        return kept

    return keep


def _evaluate(op: Any, operands: list[Array]) -> Array:
    value = number(op.attributes["value"]) if op.name == "arith.constant" else evaluate(op, operands)
    if value is None:
        raise InternalError(f"a filter cannot use '{op.name}' here", "snn_to_step", str(op))
    return value
