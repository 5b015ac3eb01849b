"""`conv1d`, `conv2d`, `sum_pool2d` and `avg_pool2d`: sums over the windows of a stream, as synapses.

The result starts from zero in every step.  A pooling is a convolution of each channel for itself, all of whose weights
are one number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from spikec.dialects import snn, structured
from spikec.dialects.convolution import LARGEST, Convolution
from spikec.dialects.diagnostics import did_you_mean
from spikec.dialects.mlir import file_location, ir
from spikec.frontend import syntax
from spikec.frontend.emitter import show_shape
from spikec.frontend.units import Dimension
from spikec.frontend.values import Mistake, Value, not_supported, places

if TYPE_CHECKING:
    from spikec.frontend.dataflow import DataflowExpressions

FUNCTIONS = ("conv1d", "conv2d", "sum_pool2d", "avg_pool2d")

Weight = Callable[[str], Any]
"""From the name of the synapses to their weight attribute."""


def sum_over_windows(expressions: DataflowExpressions, node: syntax.Call, name: str) -> Value:
    """The value of a call of one of FUNCTIONS: a real of shape [channels, extent...]."""
    expressions.count_arguments(node, name, 2, 2)
    x = expressions.eval(node.args[0])
    expressions.emitter.need_number(x, node.args[0].span, f"'{name}'")
    if x.is_const:
        raise Mistake("E0302", node.args[0].span, f"'{name}' needs a stream, and this is a constant")
    return _pool(expressions, node, name, x) if "pool" in name else _convolve(expressions, node, name, x)


def _convolve(expressions: DataflowExpressions, node: syntax.Call, name: str, x: Value) -> Value:
    axes = 1 if name == "conv1d" else 2
    options = read_options(expressions, node, name, axes, {"stride": 1, "pad": 0, "dilation": 1, "groups": 1})
    weights, span = expressions.eval(node.args[1]), node.args[1].span
    expressions.emitter.need_number(weights, span, f"'{name}'")
    if not weights.is_const and weights.drawn is None:
        raise not_supported(span, f"{name} with weights that change")
    if len(weights.shape) != axes + 2:
        wanted = "[output channels, input channels, kernel]" if axes == 1 else "[output channels, input channels, a, b]"
        raise Mistake(
            "E0303", span, f"the weights of '{name}' have the shape {wanted}, not {show_shape(weights.shape)}"
        )
    outputs, members, *kernel = weights.shape
    groups = options["groups"][0]

    def shape() -> Convolution:
        check_rank(node, name, axes, x)
        if x.shape[0] != groups * members:
            needed = f"{groups} groups of {members}" if groups > 1 else str(members)
            message = f"weights of shape {show_shape(weights.shape)} need {needed} channels, not {x.shape[0]}"
            raise Mistake("E0303", node.span, message)
        if outputs % groups:
            raise Mistake("E0303", node.span, f"{groups} groups do not divide {outputs} output channels")
        return window_shape(node, x.shape, outputs, tuple(kernel), options, groups)

    def weight(symbol: str) -> Any:
        module = expressions.network.module
        return ir.FlatSymbolRefAttr.get(module.weights(weights.name or f"{symbol}.W", weights, places(weights), span))

    return _arrived(expressions, node, name, x, shape, weight, x.dim * weights.dim)


def _pool(expressions: DataflowExpressions, node: syntax.Call, name: str, x: Value) -> Value:
    kernel = per_axis(expressions, node.args[1], "the size of a window", 2, 1)
    options = read_options(expressions, node, name, 2, {"stride": kernel, "pad": 0})
    emitter = expressions.emitter
    each = emitter.real_constant(1.0 if name == "sum_pool2d" else 1.0 / math.prod(kernel))

    def shape() -> Convolution:
        check_rank(node, name, 2, x)
        return window_shape(node, x.shape, x.shape[0], kernel, {**options, "dilation": (1, 1)}, x.shape[0])

    def weight(symbol: str) -> Any:
        return ir.FloatAttr.get(emitter.element("real"), each)

    return _arrived(expressions, node, name, x, shape, weight, x.dim)


# ---------------------------------------------------------------- options

Options = dict[str, tuple[int, ...]]


def read_options(
    expressions: DataflowExpressions,
    node: syntax.Call,
    name: str,
    axes: int,
    defaults: Mapping[str, int | tuple[int, ...]],
) -> Options:
    """The keyword arguments, one number per axis; `groups` has one."""
    options = {key: value if isinstance(value, tuple) else (value,) * axes for key, value in defaults.items()}
    seen: set[str] = set()
    for keyword in node.keywords:
        if keyword.name not in defaults:
            help = did_you_mean(keyword.name, defaults) or f"it has {', '.join(defaults)}"
            raise Mistake("E0306", keyword.span, f"'{name}' has no option '{keyword.name}'", help)
        if keyword.name in seen:
            raise Mistake("E0306", keyword.span, f"'{keyword.name}' is given twice")
        seen.add(keyword.name)
        count = 1 if keyword.name == "groups" else axes
        least = 0 if keyword.name == "pad" else 1
        options[keyword.name] = per_axis(expressions, keyword.value, f"'{keyword.name}'", count, least)
    return options


def per_axis(expressions: DataflowExpressions, node: syntax.Expr, what: str, axes: int, least: int) -> tuple[int, ...]:
    """One whole number for all axes, or a list of one for each."""
    items = _listed(expressions, node) or (node,) * axes
    if len(items) != axes:
        wanted = "one number" if axes == 1 else f"one number or a list of {axes}"
        raise Mistake("E0306", node.span, f"{what} is {wanted}, not a list of {len(items)}")
    numbers = tuple(_whole(expressions, item, what, least) for item in items)
    if max(numbers) > LARGEST:
        raise Mistake("E0301", node.span, f"{what} is at most {LARGEST}")
    return numbers


def _listed(expressions: DataflowExpressions, node: syntax.Expr) -> tuple[syntax.Expr, ...]:
    """The parts of a list, or of a name that stands for one; empty for a single number."""
    if isinstance(node, syntax.ListExpr):
        return node.items
    value = expressions.eval(node) if isinstance(node, syntax.Name) else None
    if value is None or value.kind != "int" or not value.is_array or len(value.shape) != 1:
        return ()
    return tuple(syntax.Number(node.span, Fraction(int(n)), True) for n in places(value))


def _whole(expressions: DataflowExpressions, node: syntax.Expr, what: str, least: int) -> int:
    """A whole number; half a window, as in `pad = k / 2`, is rounded down."""
    if isinstance(node, syntax.Binary) and node.op == "/":
        node = syntax.Binary(node.span, "//", node.left, node.right)
    return expressions.whole(node, what, least)


# ---------------------------------------------------------------- shapes


def check_rank(node: syntax.Call, name: str, axes: int, x: Value) -> None:
    if len(x.shape) != axes + 1:
        wanted = "[channels, length]" if axes == 1 else "[channels, height, width]"
        message = f"'{name}' needs a value of shape {wanted}, not {show_shape(x.shape)}"
        raise Mistake("E0303", node.args[0].span, message, "'reshape(x, ...)' gives a value another shape")


def window_shape(
    node: syntax.Call, input: tuple[int, ...], channels: int, kernel: tuple[int, ...], options: Options, groups: int
) -> Convolution:
    """As many windows as fit into the input with `pad` zeros at both ends of each axis."""
    stride, padding, dilation = options["stride"], options["pad"], options["dilation"]
    output = [channels]
    for n, k, s, p, d in zip(input[1:], kernel, stride, padding, dilation, strict=True):
        window, padded = d * (k - 1) + 1, n + 2 * p
        if window > padded:
            raise Mistake("E0303", node.span, f"a window of {window} elements does not fit into {padded}")
        output.append((padded - window) // s + 1)
    if math.prod(output) > LARGEST:
        raise Mistake(
            "E0301", node.span, f"the result has {math.prod(output)} elements: at most {LARGEST} are possible"
        )
    return Convolution(input, tuple(output), kernel, stride, padding, dilation, groups)


# ---------------------------------------------------------------- synapses


def _arrived(
    expressions: DataflowExpressions,
    node: syntax.Call,
    name: str,
    x: Value,
    shape: Callable[[], Convolution],
    weight: Weight,
    dim: Dimension,
) -> Value:
    """What arrives from `x` through the synapses of a convolution."""
    network, emitter = expressions.network, expressions.emitter
    element, location = emitter.element("real"), file_location(node.span)
    try:
        window = shape()
    except Mistake:
        if emitter.checked:
            raise
        return Value("real", ssa=emitter.constant(0.0, element, x.shape), shape=x.shape, dim=dim)
    type = ir.RankedTensorType.get(list(window.output), element)
    with location:
        zero = structured.splat(0.0, type)
        if network.dry:
            return Value("real", ssa=zero, shape=window.output, dim=dim)
        symbol = network.unnamed(name)
        synapses = {"pre": window.pre, "post": window.post, "connect": window.recipe(), "weight": weight(symbol)}
        network.module.declare(f"synapses {symbol}", lambda: _declare(location, symbol, synapses))
        events = x.ssa if x.event else emitter.ssa(x, x.shape, "real", node.span)
        arrived = snn.Propagate.build(events, zero, results=[type], synapses=symbol).result
    return Value("real", ssa=arrived, shape=window.output, dim=dim)


def _declare(location: Any, symbol: str, synapses: dict[str, Any]) -> None:
    with location:
        snn.Synapses.build(sym_name=symbol, **synapses)
