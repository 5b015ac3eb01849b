"""The elementary functions on numpy arrays at compile time, by the instruction lists of `dialects.elementary`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.elementary import TABLE
from spikec.runtime.interface import flush_subnormals

_STEPS: dict[str, Callable[..., Any]] = {
    "addf": np.add,
    "subf": np.subtract,
    "mulf": np.multiply,
    "divf": np.divide,
    "absf": np.abs,
    "lt": np.less,
    "eq": np.equal,
    "select": np.where,
    "addi": np.add,
    "subi": np.subtract,
    "andi": np.bitwise_and,
    "xori": np.bitwise_xor,
    "shli": np.left_shift,
    "shrsi": np.right_shift,
}
_REAL_STEPS = frozenset({"addf", "subf", "mulf", "divf"})


def elementary(name: str, x: Array, flush: bool = True) -> Array:
    """`name`(x) for f32 or f64 elements.  Without `flush` the caller knows that no subnormals arise."""
    bits = 8 * x.dtype.itemsize
    real, integer = x.dtype.type, np.dtype(f"i{bits // 8}").type
    values: dict[str, Any] = {"x": x}
    result: Any = x
    with np.errstate(all="ignore"):
        for instruction in TABLE[name, bits]:
            operands = [
                values[o] if isinstance(o, str) else real(o) if isinstance(o, float) else integer(o)
                for o in instruction.operands
            ]
            result = _step(instruction.op, operands, real, integer)
            if flush and instruction.op in _REAL_STEPS:
                result = flush_subnormals(np.asarray(result))
            values[instruction.result] = result
    return np.asarray(result)


def _step(op: str, operands: list[Any], real: Any, integer: Any) -> Any:
    if op in ("bits", "real"):
        return np.asarray(operands[0]).view(integer if op == "bits" else real)
    return _STEPS[op](*operands)
