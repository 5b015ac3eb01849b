"""`a @ b`: with a constant matrix a projection that starts from zero, else sums of products in ascending index."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.dialects import snn, structured
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import arith, file_location, ir
from spikec.frontend import axes, syntax
from spikec.frontend.emitter import show_shape
from spikec.frontend.shapes import reshaped
from spikec.frontend.values import Mistake, Value, a_kind, not_supported, number, places

if TYPE_CHECKING:
    from spikec.frontend.dataflow import DataflowExpressions


def product(expressions: DataflowExpressions, a: Value, b: Value, node: syntax.Binary) -> Value:
    """The product of two values of rank 1 or 2, at least one of them a stream."""
    checked = expressions.emitter.checked
    if not (a.is_number and b.is_number):
        raise not_supported(node.span, "this '@'")
    if not {len(a.shape), len(b.shape)} <= {1, 2}:
        if checked:
            raise not_supported(node.span, f"'@' of shapes {show_shape(a.shape)} and {show_shape(b.shape)}")
        return _guessed(expressions, a, b)
    if a.shape[-1] != b.shape[0]:
        if not checked:
            return _guessed(expressions, a, b)
        message = f"shapes {show_shape(a.shape)} and {show_shape(b.shape)} do not match in '@'"
        side = f"the matrix needs {b.shape[0]} columns" if a.is_array else None
        raise Mistake("E0303", node.span, message, side)
    if a.is_still:
        return _constant_left(expressions, a, b, node.span)
    if b.is_still:
        rows = places(b).T if len(b.shape) == 2 else places(b)[None, :]
        result = weighted(expressions, rows, b, a, node.span)
        return result if len(b.shape) == 2 else shaped(result, a.shape[:-1], node.span)
    return _of_streams(expressions, a, b, node.span)


def _guessed(expressions: DataflowExpressions, a: Value, b: Value) -> Value:
    """A value of the likely shape, while the type of a recurrent stream is being found."""
    shape = (*a.shape[:-1], *b.shape[1:]) if a.shape else b.shape
    return Value("real", ssa=expressions.emitter.constant(0.0, expressions.emitter.element("real"), shape), shape=shape)


def _constant_left(expressions: DataflowExpressions, a: Value, b: Value, span: Span) -> Value:
    """W @ x: of a vector, or of each column of a matrix [k, n]."""
    rows = places(a) if len(a.shape) == 2 else places(a)[None, :]
    if len(b.shape) == 1:
        result = weighted(expressions, rows, a, b, span)
    else:
        inner, columns = b.shape
        shape = Convolution((inner, columns), (len(rows), columns), (1,), (1,), (0,), (1,), 1)
        result = _convolved(expressions, rows[:, :, None], a, b, shape, (len(rows), columns), span)
    return result if len(a.shape) == 2 else shaped(result, result.shape[1:], span)


def weighted(expressions: DataflowExpressions, rows: Array, matrix: Value, x: Value, span: Span) -> Value:
    """x[..., k] times `rows` [o, k], `places` of the constant `matrix` or of a part: [..., o] for x of rank 1 or 2."""
    outputs, inner = rows.shape
    if len(x.shape) == 1:
        return _vector(expressions, rows, matrix, x, span)
    count = x.shape[0]
    shape = Convolution((1, count, inner), (outputs, count, 1), (1, inner), (1, 1), (0, 0), (1, 1), 1)
    result = _convolved(expressions, rows[:, None, None, :], matrix, x, shape, (outputs, count), span)
    with file_location(span):
        return Value("real", ssa=axes.transposed(result.ssa, (1, 0)), shape=(count, outputs), dim=result.dim)


def _vector(expressions: DataflowExpressions, rows: Array, matrix: Value, vector: Value, span: Span) -> Value:
    connect = {"kind": ir.StringAttr.get("all")}
    return _arrived(
        expressions, rows.T, f"{matrix.name}.T" if matrix.name else "", connect, matrix, vector, rows.shape[:1], span
    )


def _convolved(
    expressions: DataflowExpressions,
    weights: Array,
    matrix: Value,
    x: Value,
    shape: Convolution,
    result: tuple[int, ...],
    span: Span,
) -> Value:
    name = f"{matrix.name}.K" if matrix.name else ""
    return _arrived(expressions, weights, name, shape.recipe(), matrix, x, result, span)


def _arrived(
    expressions: DataflowExpressions,
    weights: Array,
    name: str,
    connect: dict[str, Any],
    matrix: Value,
    x: Value,
    shape: tuple[int, ...],
    span: Span,
) -> Value:
    """What arrives from `x` through synapses with `weights`, which are stored under `name`."""
    network, emitter = expressions.network, expressions.emitter
    type = ir.RankedTensorType.get(list(shape), emitter.element("real"))
    dim = matrix.dim * x.dim
    with file_location(span):
        zero = structured.splat(0.0, type)
        if network.dry:
            return Value("real", ssa=zero, shape=shape, dim=dim)
        symbol = network.unnamed("matmul")
        weight = ir.FlatSymbolRefAttr.get(network.module.weights(name or f"{symbol}.T", matrix, weights, span))
        pre, post = int(np.prod(x.shape)), int(np.prod(shape))
        location = file_location(span)

        def build() -> None:
            with location:
                snn.Synapses.build(sym_name=symbol, pre=pre, post=post, connect=connect, weight=weight)

        network.module.declare(f"synapses {symbol}", build)
        events = x.ssa if x.event else emitter.ssa(x, x.shape, "real", span)
        arrived = snn.Propagate.build(events, zero, results=[type], synapses=symbol).result
    return Value("real", ssa=arrived, shape=shape, dim=dim)


def _of_streams(expressions: DataflowExpressions, a: Value, b: Value, span: Span) -> Value:
    """Sums of products from zero in ascending index; of integers where both are."""
    emitter = expressions.emitter
    kind = "real" if "real" in (a.kind, b.kind) else "int"
    left, right = len(a.shape) - 1, len(b.shape) - 1
    loops = [ir.AffineExpr.get_dim(d) for d in range(left + right + 1)]
    shape = (*a.shape[:-1], *b.shape[1:])
    real = kind == "real"

    def body(x: Any, y: Any, total: Any) -> list[Any]:
        return [arith.addf(total, arith.mulf(x, y)) if real else arith.addi(total, arith.muli(x, y))]

    def map(*used: Any) -> Any:
        return ir.AffineMap.get(len(loops), 0, list(used))

    with file_location(span):
        inputs = [emitter.ssa(value, value.shape, kind, span) for value in (a, b)]
        start = structured.splat(0, ir.RankedTensorType.get(list(shape), emitter.element(kind)))
        kinds = ["parallel"] * (left + right) + ["reduction"]
        maps = [map(*loops[:left], loops[-1]), map(loops[-1], *loops[left:-1])]
        (result,) = structured.generic(inputs, maps, kinds, [start], [map(*loops[:-1])], body)
    return Value(kind, ssa=result, shape=shape, dim=a.dim * b.dim)


def row(expressions: DataflowExpressions, table: Value, node: syntax.Index) -> Value | None:
    """`W[i]` with a constant array W and a stream i of one whole number: the row i, zero where there is none.

    It is what arrives from the one source that is flagged; None where the index is not a stream.
    """
    item = node.items[0]
    if not table.is_still or not table.is_number or isinstance(item, syntax.Slice | syntax.String):
        return None
    with expressions.network.dry_run():
        wanted = expressions.eval(item)
    if wanted.is_const or not wanted.is_number:
        return None
    if len(node.items) > 1:
        raise not_supported(node.span, "index by a stream beside others", "pick the row first, then its part")
    if wanted.kind == "real" or wanted.shape not in ((), (1,)):
        message = (
            f"a row is picked by one whole number, not by {a_kind(wanted.kind)} of shape {show_shape(wanted.shape)}"
        )
        raise Mistake("E0302", item.span, message)
    number_of_row = shaped(expressions.eval(item), (), item.span)
    rows = number(np.arange(table.shape[0], dtype=np.int64))
    flags = replace(expressions.emitter.binary("==", number_of_row, rows, node.span), event=True)
    weights = places(table).reshape(table.shape[0], -1).T
    return shaped(_vector(expressions, weights, table, flags, node.span), table.shape[1:], node.span)


def shaped(value: Value, shape: tuple[int, ...], span: Span) -> Value:
    """A stream in another shape of as many elements."""
    with file_location(span):
        ssa = reshaped(value.ssa, shape)
    return Value(value.kind, ssa=ssa, shape=shape, dim=value.dim, event=value.event)
