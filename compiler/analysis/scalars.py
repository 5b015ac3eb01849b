"""Scalar ops on numpy arrays: what folding and filters need of `arith` and `math`.

Results are those of the running program, bit for bit: integers wrap, reals are IEEE with subnormals
flushed.  `evaluate` gives None for what has no defined result, such as an integer division by zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from spikec.analysis.elementary import elementary
from spikec.dialects.constants import Array
from spikec.dialects.elementary import FUNCTIONS as ELEMENTARY
from spikec.dialects.mlir import ir
from spikec.runtime.interface import flush_subnormals

DTYPES: dict[str, Any] = {
    "i1": np.bool_,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "f32": np.float32,
    "f64": np.float64,
}
"""The element types that can be evaluated."""


def evaluate(op: Any, operands: Sequence[Array]) -> Array | None:
    """The result of an op on arrays of one shape (or that broadcast), by the op's element type."""
    element = str(getattr(op.results[0].type, "element_type", op.results[0].type))
    if element not in DTYPES:
        return None
    dtype = DTYPES[element]
    with np.errstate(all="ignore"):
        on_bools = dtype is np.bool_ and all(o.dtype == np.bool_ for o in operands)
        value = _BOOLS[op.name](*operands) if on_bools and op.name in _BOOLS else _value(op, list(operands), dtype)
        return None if value is None else flush_subnormals(np.asarray(value).astype(dtype))


def number(attribute: Any) -> Array | None:
    """A number attribute as a rank-0 array, subnormals flushed; None for another attribute."""
    if not isinstance(attribute, ir.FloatAttr | ir.IntegerAttr | ir.BoolAttr) or str(attribute.type) not in DTYPES:
        return None
    value = bool(attribute.value) if str(attribute.type) == "i1" else attribute.value
    return flush_subnormals(np.asarray(value, dtype=DTYPES[str(attribute.type)]))


def attribute(value: Array, type: Any) -> Any:
    """The number attribute of a rank-0 array."""
    if isinstance(type, ir.IntegerType):
        return ir.IntegerAttr.get(type, int(value))
    return ir.FloatAttr.get(type, float(value))


def _value(op: Any, operands: list[Array], dtype: Any) -> Any:
    match op.name:
        case "arith.cmpi":
            return _INTEGER_PREDICATES[ir.IntegerAttr(op.attributes["predicate"]).value](*operands)
        case "arith.cmpf":
            predicate = _REAL_PREDICATES.get(ir.IntegerAttr(op.attributes["predicate"]).value)
            return None if predicate is None else predicate(*operands)
        case "arith.extsi" | "arith.sitofp" if operands[0].dtype == np.bool_:
            return (-operands[0].astype(np.int8)).astype(dtype)
        case "arith.extui" if operands[0].dtype != np.bool_:
            return operands[0].view(f"u{operands[0].dtype.name}").astype(dtype)
        case "arith.uitofp" if operands[0].dtype != np.bool_:
            return operands[0].view(f"u{operands[0].dtype.name}").astype(dtype)
        case "arith.extui" | "arith.extsi" | "arith.sitofp" | "arith.uitofp":
            return operands[0].astype(dtype)
        case "arith.trunci":
            return (operands[0] & 1) if dtype is np.bool_ else operands[0].astype(dtype)
        case "arith.fptosi":
            return saturated(operands[0], dtype)
        case "arith.floordivsi" | "arith.remsi" if np.any((operands[1] == 0) | (operands[1] == -1)):
            return None
        case "arith.shli" | "arith.shrsi" if np.any((operands[1] < 0) | (operands[1] >= 8 * operands[1].itemsize)):
            return None
        case name if name.startswith("math.") and name.removeprefix("math.") in ELEMENTARY:
            return elementary(name.removeprefix("math."), operands[0])
        case name:
            function = FUNCTIONS.get(name)
            return None if function is None else function(*operands)


def saturated(value: Array, integer: Any) -> Array:
    """Reals to integers: towards zero, saturating, NaN to 0."""
    limits = np.iinfo(integer)
    low, high = float(limits.min), float(limits.max)
    whole = np.trunc(np.where(np.isnan(value), 0.0, value).astype(np.float64))
    inside = np.where((whole > low) & (whole < high), whole, 0.0).astype(integer)
    return np.where(whole >= high, limits.max, np.where(whole <= low, limits.min, inside)).astype(integer)


def _maximum(a: Array, b: Array) -> Array:
    """As np.maximum, with -0.0 before +0.0."""
    both_zero = (a == 0) & (b == 0)
    return np.where(both_zero, np.where(np.signbit(a), b, a), np.maximum(a, b))


def _minimum(a: Array, b: Array) -> Array:
    both_zero = (a == 0) & (b == 0)
    return np.where(both_zero, np.where(np.signbit(a), a, b), np.minimum(a, b))


def _unsigned(compare: Callable[..., Any]) -> Callable[[Array, Array], Any]:
    def on_unsigned(a: Array, b: Array) -> Any:
        if a.dtype == np.bool_:
            return compare(a, b)
        return compare(a.view(f"u{a.dtype.name}"), b.view(f"u{b.dtype.name}"))

    return on_unsigned


def _signed(compare: Callable[..., Any]) -> Callable[[Array, Array], Any]:
    """A signed i1 is 0 or -1."""

    def on_signed(a: Array, b: Array) -> Any:
        return compare(b, a) if a.dtype == np.bool_ else compare(a, b)

    return on_signed


_INTEGER_PREDICATES: tuple[Callable[..., Any], ...] = (
    np.equal,
    np.not_equal,
    _signed(np.less),
    _signed(np.less_equal),
    _signed(np.greater),
    _signed(np.greater_equal),
    _unsigned(np.less),
    _unsigned(np.less_equal),
    _unsigned(np.greater),
    _unsigned(np.greater_equal),
)
_REAL_PREDICATES: dict[int, Callable[..., Any]] = {
    1: np.equal,
    2: np.greater,
    3: np.greater_equal,
    4: np.less,
    5: np.less_equal,
    6: lambda a, b: (a < b) | (a > b),
    13: np.not_equal,
}

_BOOLS: dict[str, Callable[..., Any]] = {
    "arith.addi": np.logical_xor,
    "arith.subi": np.logical_xor,
    "arith.muli": np.logical_and,
    "arith.maxsi": np.logical_and,
    "arith.minsi": np.logical_or,
    "arith.floordivsi": lambda a, b: None,
    "arith.remsi": lambda a, b: None,
    "arith.shli": lambda a, b: None,
    "arith.shrsi": lambda a, b: None,
    "math.absi": lambda a: a,
}
"""Integer ops on i1, whose two values are 0 and -1."""

FUNCTIONS: dict[str, Callable[..., Any]] = {
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
    "arith.maximumf": _maximum,
    "arith.minimumf": _minimum,
    "math.sqrt": np.sqrt,
    "math.absf": np.abs,
    "math.absi": np.abs,
    "math.floor": np.floor,
    "math.ceil": np.ceil,
    "math.trunc": np.trunc,
    "math.roundeven": np.rint,
}
