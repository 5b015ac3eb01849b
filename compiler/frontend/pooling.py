"""`max_pool2d`: the largest element of each window, and for spikes whether there is one in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spikec.dialects import structured
from spikec.dialects.mlir import arith, file_location, ir
from spikec.frontend import axes, syntax
from spikec.frontend.convolution import check_rank, per_axis, read_options, window_shape
from spikec.frontend.values import Mistake, Value

if TYPE_CHECKING:
    from spikec.frontend.dataflow import DataflowExpressions

FUNCTIONS = ("max_pool2d",)


def largest_of_windows(expressions: DataflowExpressions, node: syntax.Call) -> Value:
    """`max_pool2d(x, k, stride = k, pad = 0)` of a stream [channels, height, width], of the kind that x has.

    A window's elements are compared in ascending index; the margin is below every element.
    """
    name, emitter = "max_pool2d", expressions.emitter
    expressions.count_arguments(node, name, 2, 2)
    x = expressions.eval(node.args[0])
    emitter.need_number(x, node.args[0].span, f"'{name}'")
    if x.is_const:
        raise Mistake("E0302", node.args[0].span, f"'{name}' needs a stream, and this is a constant")
    kernel = per_axis(expressions, node.args[1], "the size of a window", 2, 1)
    options = read_options(expressions, node, name, 2, {"stride": kernel, "pad": 0})
    element = emitter.element_of(x.ssa)
    try:
        check_rank(node, name, 2, x)
        shape = window_shape(node, x.shape, x.shape[0], kernel, {**options, "dilation": (1, 1)}, x.shape[0])
        if any(pad >= size for pad, size in zip(options["pad"], kernel, strict=True)):
            raise Mistake("E0303", node.span, "a window would lie in the margin alone", "'pad' is less than the window")
    except Mistake:
        if emitter.checked:
            raise
        return Value(x.kind, ssa=emitter.constant(0, element, x.shape), shape=x.shape, dim=x.dim, event=x.event)
    with file_location(node.span):
        ssa = x.ssa
        for axis, pad in enumerate(options["pad"], 1):
            ssa = axes.with_margin(ssa, axis, pad, least(element))
        result = _pooled(ssa, shape.output, kernel, options["stride"])
    return Value(x.kind, ssa=result, shape=shape.output, dim=x.dim, event=x.event)


def least(element: Any) -> float:
    """What no element of a type is less than."""
    if not isinstance(element, ir.IntegerType):
        return float("-inf")
    return 0 if element.width == 1 else -(2 ** (element.width - 1))


def _pooled(ssa: Any, output: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]) -> Any:
    element = ssa.type.element_type
    channel, row, column, y, x = (ir.AffineExpr.get_dim(d) for d in range(5))
    reads = ir.AffineMap.get(5, 0, [channel, row * stride[0] + y, column * stride[1] + x])
    # No element stands at (y, x) alone: a second operand tells how large the window is.
    window = structured.splat(0, ir.RankedTensorType.get(list(kernel), ir.IntegerType.get_signless(1)))
    start = structured.splat(least(element), ir.RankedTensorType.get(list(output), element))

    def body(value: Any, _: Any, best: Any) -> list[Any]:
        if not isinstance(element, ir.IntegerType):
            return [arith.maximumf(best, value)]
        return [arith.ori(best, value) if element.width == 1 else arith.maxsi(best, value)]

    (result,) = structured.generic(
        [ssa, window],
        [reads, ir.AffineMap.get(5, 0, [y, x])],
        ["parallel"] * 3 + ["reduction"] * 2,
        [start],
        [ir.AffineMap.get(5, 0, [channel, row, column])],
        body,
    )
    return result
