"""Algebraic identities that hold bit for bit.

What counts as equal: zeros have signs, NaN is one value whatever its bits, and no value is subnormal, since
every op flushes its result.  So x * 1.0 is x and x + -0.0 is x, but x + 0.0 is not (-0.0 + 0.0 is 0.0), nor is
x - x zero (it may be NaN), nor x * 0.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.dialects.constants import Array
from spikec.dialects.mlir import arith, ir, math
from spikec.passes.structure import defining, splat

Rule = Callable[..., Any]
"""From an op and its operands to a value that is equal to its result, or None."""


def simplified(op: Any) -> Any:
    """A value equal to the result of an op: one that exists, or one made before it; None where no identity holds."""
    rule = _RULES.get(op.name)
    if rule is None:
        return None
    with ir.InsertionPoint(op), op.location:
        return rule(op, *op.operands)


def number(value: Any) -> Array | None:
    """The number that a value (or each of its elements) always is, or None."""
    op = defining(value)
    if op is None or op.name != "arith.constant":
        return None
    attribute = op.attributes["value"]
    if isinstance(attribute, ir.DenseElementsAttr):
        if not attribute.is_splat:
            return None
        attribute = attribute.get_splat_value()
    return scalars.number(attribute)


def constant(value: Array, type: Any) -> Any:
    """A constant op at the insertion point: a number, or a tensor of it."""
    attribute = scalars.attribute(value, getattr(type, "element_type", type))
    return arith.ConstantOp(type, splat(attribute, type)).operation.results[0]


def _is(value: Any, wanted: float) -> bool:
    """Whether a value is a number, with its sign; for integers -1 has all bits set."""
    found = number(value)
    if found is None:
        return False
    if found.dtype == np.bool_:
        return bool(found) == bool(wanted)
    return bool(found == wanted) and (found.dtype.kind != "f" or bool(np.signbit(found) == np.signbit(wanted)))


def _is_bool(value: Any) -> bool:
    return str(getattr(value.type, "element_type", value.type)) == "i1"


def _inner(value: Any, name: str) -> Any:
    """The first operand of the op of a name that gives a value, or None."""
    op = defining(value)
    return op.operands[0] if op is not None and op.name == name else None


def _negated(value: Any) -> Any:
    return _inner(value, "arith.negf")


def _inverted(value: Any) -> Any:
    """c where the value is not c, or None."""
    op = defining(value)
    if op is None or op.name != "arith.xori" or not _is_bool(value):
        return None
    a, b = op.operands
    return a if _is(b, 1) else b if _is(a, 1) else None


def _same(op: Any, a: Any, b: Any) -> Any:
    return a if a == b else None


# ---------------------------------------------------------------- reals


def _addf(op: Any, a: Any, b: Any) -> Any:
    for one, other in ((a, b), (b, a)):
        if _is(one, -0.0):
            return other
        if _negated(one) is not None:
            return arith.subf(other, _negated(one))
    return None


def _subf(op: Any, a: Any, b: Any) -> Any:
    if _is(b, 0.0):
        return a
    if _is(a, -0.0):
        return arith.negf(b)
    return None if _negated(b) is None else arith.addf(a, _negated(b))


def _mulf(op: Any, a: Any, b: Any) -> Any:
    for one, other in ((a, b), (b, a)):
        if _is(one, 1.0):
            return other
        if _is(one, -1.0):
            return arith.negf(other)
    if _negated(a) is not None and _negated(b) is not None:
        return arith.mulf(_negated(a), _negated(b))
    return None


def _divf(op: Any, a: Any, b: Any) -> Any:
    return a if _is(b, 1.0) else arith.negf(a) if _is(b, -1.0) else None


def _maximumf(op: Any, a: Any, b: Any) -> Any:
    return a if a == b or _is(b, -np.inf) else b if _is(a, -np.inf) else None


def _minimumf(op: Any, a: Any, b: Any) -> Any:
    return a if a == b or _is(b, np.inf) else b if _is(a, np.inf) else None


def _absf(op: Any, a: Any) -> Any:
    if _inner(a, "math.absf") is not None:
        return a
    return None if _negated(a) is None else math.absf(_negated(a))


# ---------------------------------------------------------------- integers and truth values


def _neutral(wanted: int) -> Rule:
    """An op that leaves the other operand as it is, whichever side the number is on."""
    return lambda op, a, b: a if _is(b, wanted) else b if _is(a, wanted) else None


def _right_neutral(wanted: int) -> Rule:
    return lambda op, a, b: a if _is(b, wanted) and (wanted == 0 or not _is_bool(a)) else None


def _absorbed(wanted: int) -> Rule:
    return lambda op, a, b: a if _is(a, wanted) else b if _is(b, wanted) else None


def _zero(op: Any) -> Any:
    element = str(getattr(op.results[0].type, "element_type", op.results[0].type))
    return constant(np.zeros((), scalars.DTYPES[element]), op.results[0].type) if element in scalars.DTYPES else None


def _equal_give_zero(op: Any, a: Any, b: Any) -> Any:
    return _zero(op) if a == b else None


def _first(*rules: Rule) -> Rule:
    """The first of some rules that holds."""

    def rule(op: Any, *operands: Any) -> Any:
        for one in rules:
            value = one(op, *operands)
            if value is not None:
                return value
        return None

    return rule


def _remsi(op: Any, a: Any, b: Any) -> Any:
    return _zero(op) if _is(b, 1) and not _is_bool(a) else None


def _twice_inverted(op: Any, a: Any, b: Any) -> Any:
    for one, other in ((a, b), (b, a)):
        if _is(other, 1) and _is_bool(one):
            return _inverted(one)
    return None


def _trunci(op: Any, a: Any) -> Any:
    for widened in (_inner(a, "arith.extui"), _inner(a, "arith.extsi")):
        if widened is not None and widened.type == op.results[0].type:
            return widened
    return None


def _cmpi(op: Any, a: Any, b: Any) -> Any:
    if a != b:
        return None
    holds = ir.IntegerAttr(op.attributes["predicate"]).value in (0, 3, 5, 7, 9)  # eq, sle, sge, ule, uge
    return constant(np.asarray(holds), op.results[0].type)


def _cmpf(op: Any, a: Any, b: Any) -> Any:
    """ogt, olt and one of equal operands; the others depend on NaN."""
    never = a == b and ir.IntegerAttr(op.attributes["predicate"]).value in (2, 4, 6)
    return _zero(op) if never else None


def _select(op: Any, condition: Any, a: Any, b: Any) -> Any:
    if a == b:
        return a
    for holds, chosen in ((1, a), (0, b)):
        if _is(condition, holds):
            return chosen
    if _inverted(condition) is not None:
        return arith.select(_inverted(condition), b, a)
    if condition.type == op.results[0].type:
        if _is(a, 1) and _is(b, 0):
            return condition
        if _is(a, 0) and _is(b, 1):
            return arith.xori(condition, constant(np.asarray(True), condition.type))
    return _select_again(condition, a, b)


def _select_again(condition: Any, a: Any, b: Any) -> Any:
    """An arm that is chosen by the same condition is one of its own arms."""
    first, second = _arm(a, condition, 1), _arm(b, condition, 2)
    if first is None and second is None:
        return None
    return arith.select(condition, a if first is None else first, b if second is None else second)


def _arm(value: Any, condition: Any, place: int) -> Any:
    op = defining(value)
    if op is None or op.name != "arith.select" or op.operands[0] != condition:
        return None
    return op.operands[place]


# ---------------------------------------------------------------- moves


def _reshape(op: Any, a: Any, *rest: Any) -> Any:
    """A shape that is left as it was, or taken back."""
    if a.type == op.results[0].type:
        return a
    for name in ("tensor.expand_shape", "tensor.collapse_shape"):
        inner = _inner(a, name)
        if inner is not None and inner.type == op.results[0].type:
            return inner
    return None


def _whole(op: Any, a: Any, *rest: Any) -> Any:
    return a if a.type == op.results[0].type and not rest else None


def _extract(op: Any, a: Any, *indices: Any) -> Any:
    return _inner(a, "tensor.splat")


_RULES: dict[str, Rule] = {
    "arith.addf": _addf,
    "arith.subf": _subf,
    "arith.mulf": _mulf,
    "arith.divf": _divf,
    "arith.negf": lambda op, a: _negated(a),
    "arith.maximumf": _maximumf,
    "arith.minimumf": _minimumf,
    "math.absf": _absf,
    "arith.addi": _neutral(0),
    "arith.subi": _first(_right_neutral(0), _equal_give_zero),
    "arith.muli": _first(_neutral(1), _absorbed(0)),
    "arith.floordivsi": _right_neutral(1),
    "arith.remsi": _remsi,
    "arith.shli": _right_neutral(0),
    "arith.shrsi": _right_neutral(0),
    "arith.maxsi": _same,
    "arith.minsi": _same,
    "arith.andi": _first(_same, _neutral(-1), _absorbed(0)),
    "arith.ori": _first(_same, _neutral(0), _absorbed(-1)),
    "arith.xori": _first(_neutral(0), _equal_give_zero, _twice_inverted),
    "arith.trunci": _trunci,
    "arith.cmpi": _cmpi,
    "arith.cmpf": _cmpf,
    "arith.select": _select,
    "tensor.extract": _extract,
    "tensor.expand_shape": _reshape,
    "tensor.collapse_shape": _reshape,
    "tensor.extract_slice": _whole,
    "tensor.concat": _whole,
}
