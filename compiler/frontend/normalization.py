"""`softmax`, `layer_norm` and `batch_norm` as they are at inference, operation by operation.

    softmax(x)     m = max(x); e = exp(x - m); e / sum(e)                     along the last axis
    layer_norm(x)  d = x - sum(x) / n; d / sqrt(sum(d * d) / n + eps)         along the last axis, then * gamma + beta
    batch_norm(x)  x * scale + shift, with scale = gamma / sqrt(var + eps) and shift = beta - mean * scale per channel

Sums run from zero in ascending index.  `scale` and `shift` are constants: computed in f64 and rounded once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.dialects.mlir import arith, file_location
from spikec.frontend import axes, syntax
from spikec.frontend.emitter import show_shape
from spikec.frontend.values import Mistake, Value, as_array, not_supported, number

if TYPE_CHECKING:
    from spikec.frontend.dataflow import DataflowExpressions

FUNCTIONS = ("softmax", "layer_norm", "batch_norm")
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "softmax": (),
    "layer_norm": ("gamma", "beta", "eps"),
    "batch_norm": ("mean", "var", "gamma", "beta", "eps"),
}
DEFAULTS = {"mean": 0.0, "var": 1.0, "gamma": 1.0, "beta": 0.0, "eps": 1e-5}


def normalize(expressions: DataflowExpressions, node: syntax.Call, name: str) -> Value:
    """The value of a call of one of FUNCTIONS: a real of the shape of its first argument."""
    given = _given(expressions, node, name)
    x = expressions.eval(node.args[0])
    span = node.args[0].span
    expressions.emitter.need_number(x, span, f"'{name}'")
    expressions.emitter.need_dimensionless(x, span, f"'{name}'")
    if x.is_const:
        raise Mistake("E0302", span, f"'{name}' needs a stream, and this is a constant")
    if not x.shape:
        if expressions.emitter.checked:
            raise Mistake("E0303", span, f"'{name}' needs an axis, and this is a scalar")
        return Value("real", ssa=expressions.emitter.constant(0.0, expressions.emitter.element("real"), ()))
    with file_location(node.span):
        if name == "batch_norm":
            return _batch_norm(expressions, x, given, node)
        real = Value("real", ssa=expressions.emitter.ssa(x, x.shape, "real", span), shape=x.shape)
        return (
            _softmax(expressions, real, node.span) if name == "softmax" else _layer_norm(expressions, real, given, node)
        )


def _given(expressions: DataflowExpressions, node: syntax.Call, name: str) -> dict[str, tuple[Value, Span]]:
    """The constants beside x, by name: positional in their order, or keywords."""
    names = PARAMETERS[name]
    expressions.count_arguments(node, name, 1, 1 + len(names))
    written = dict(zip(names, node.args[1:], strict=False))
    for keyword in node.keywords:
        if keyword.name not in names:
            help = did_you_mean(keyword.name, names) or (f"it has {', '.join(names)}" if names else None)
            raise Mistake("E0306", keyword.span, f"'{name}' has no parameter '{keyword.name}'", help)
        if keyword.name in written:
            raise Mistake("E0306", keyword.span, f"'{keyword.name}' is given twice")
        written[keyword.name] = keyword.value
    found = {}
    for parameter, expression in written.items():
        value = expressions.eval(expression)
        expressions.emitter.need_number(value, expression.span, f"'{parameter}'")
        expressions.emitter.need_dimensionless(value, expression.span, f"'{parameter}'")
        if not value.is_const:
            raise not_supported(expression.span, f"{name} with a {parameter} that changes")
        found[parameter] = (value, expression.span)
    if "eps" in found and found["eps"][0].is_array:
        raise Mistake("E0303", found["eps"][1], "'eps' is one number")
    return found


# ---------------------------------------------------------------- along the last axis


def _softmax(expressions: DataflowExpressions, x: Value, span: Span) -> Value:
    emitter = expressions.emitter
    largest = _along(x, axes.reduce_last(x.ssa, float("-inf"), arith.maximumf))
    powers = emitter.function("exp", emitter.binary("-", x, largest, span), span)
    return emitter.binary("/", powers, _summed(powers), span)


def _layer_norm(
    expressions: DataflowExpressions, x: Value, given: Mapping[str, tuple[Value, Span]], node: syntax.Call
) -> Value:
    emitter, span = expressions.emitter, node.span
    count = number(x.shape[-1])
    deviation = emitter.binary("-", x, emitter.binary("/", _summed(x), count, span), span)
    squares = emitter.binary("*", deviation, deviation, span)
    variance = emitter.binary("/", _summed(squares), count, span)
    eps = given["eps"][0] if "eps" in given else number(DEFAULTS["eps"])
    root = emitter.function("sqrt", emitter.binary("+", variance, eps, span), span)
    result = emitter.binary("/", deviation, root, span)
    for parameter, operator in (("gamma", "*"), ("beta", "+")):
        if parameter in given:
            array = _spread(expressions, given, parameter, x.shape, -1)
            result = emitter.binary(operator, result, number(array, name=_name(given, parameter, array)), span)
    return result


def _summed(x: Value) -> Value:
    return _along(x, axes.reduce_last(x.ssa, 0.0, arith.addf))


def _along(x: Value, reduced: Any) -> Value:
    """What was reduced along the last axis of `x`, at all places of `x`."""
    if len(x.shape) == 1:
        return Value("real", ssa=reduced)
    return Value("real", ssa=axes.repeat_last(reduced, x.shape[-1]), shape=x.shape)


# ---------------------------------------------------------------- per channel


def _batch_norm(
    expressions: DataflowExpressions, x: Value, given: Mapping[str, tuple[Value, Span]], node: syntax.Call
) -> Value:
    emitter = expressions.emitter
    mean, var, gamma, beta, eps = (
        _spread(expressions, given, parameter, x.shape, 0).astype(np.float64) for parameter in PARAMETERS["batch_norm"]
    )
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(var + eps)
        shift = beta - mean * scale
    if not np.isfinite(scale).all() or not np.isfinite(shift).all():
        raise Mistake("E0304", node.span, "'batch_norm' has a scale or a shift that is not finite")
    owner = expressions.network.unnamed("batch_norm")
    result = emitter.binary("*", x, _folded(scale, f"{owner}.scale"), node.span)
    if "mean" in given or "beta" in given:
        result = emitter.binary("+", result, _folded(shift, f"{owner}.shift"), node.span)
    return result


def _folded(values: Array, name: str) -> Value:
    """The constant; one number where all elements are the same."""
    first = values.flat[0]
    return number(float(first)) if np.all(values == first) else number(values, name=name)


def _spread(
    expressions: DataflowExpressions,
    given: Mapping[str, tuple[Value, Span]],
    parameter: str,
    shape: tuple[int, ...],
    axis: int,
) -> Array:
    """A parameter at all places of `shape`: one number, or one per element of an axis."""
    if parameter not in given:
        return np.full(shape, DEFAULTS[parameter])
    value, span = given[parameter]
    if value.shape not in ((), (shape[axis],)):
        if not expressions.emitter.checked:
            return np.full(shape, DEFAULTS[parameter])
        what = "channel" if axis == 0 else "element of the last axis"
        message = f"'{parameter}' of shape {show_shape(value.shape)}, where one number for each {what} is needed"
        raise Mistake("E0303", span, message, f"that is {show_shape((shape[axis],))}")
    places = [1] * len(shape)
    places[axis] = -1
    array = as_array(value)
    return np.array(np.broadcast_to(array.reshape(places) if array.ndim else array, shape))


def _name(given: Mapping[str, tuple[Value, Span]], parameter: str, array: Array) -> str:
    """The name of an array that is used as it is written, none for one that was spread."""
    value = given[parameter][0]
    return value.name if value.shape == array.shape else ""
