"""Runs the instruction lists of `dialects.elementary` on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.elementary import TABLE
from spikec.runtime.reference import reals

OPERATIONS: dict[str, Callable[..., Array]] = {
    "addf": reals.add,
    "subf": reals.subtract,
    "mulf": reals.multiply,
    "divf": reals.divide,
    "absf": np.abs,
    "lt": np.less,
    "eq": np.equal,
    "select": np.where,
    "bits": lambda a: _cast(a, {"float32": np.int32, "float64": np.int64}[a.dtype.name]),
    "real": lambda a: _cast(a, {"int32": np.float32, "int64": np.float64}[a.dtype.name]),
    "addi": np.add,
    "subi": np.subtract,
    "andi": np.bitwise_and,
    "xori": np.bitwise_xor,
    "shli": np.left_shift,
    "shrsi": np.right_shift,
}


def evaluate(name: str, x: Array) -> Array:
    """`name(x)` for one of `dialects.elementary.FUNCTIONS`; x is float32 or float64, of any shape."""
    bits = 8 * x.dtype.itemsize
    integer = np.dtype(f"int{bits}").type
    values: dict[str, Any] = {"x": x}
    with np.errstate(all="ignore"):
        for result, op, operands in TABLE[name, bits]:
            arguments = [
                values[o] if isinstance(o, str) else x.dtype.type(o) if isinstance(o, float) else integer(o)
                for o in operands
            ]
            values[result] = OPERATIONS[op](*arguments)
    return np.asarray(values[TABLE[name, bits][-1].result])


def _cast(array: Array, dtype: Any) -> Array:
    return np.asarray(array).view(dtype)
