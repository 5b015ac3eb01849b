"""From an ONNX graph to a program at level `snn`: one inference in each step.

Sums of weighted values become projections, everything else ops on tensors.  The batch axis is gone: a step is one
sample, and batches are a matter of the run.  Nothing after this knows of ONNX.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from spikec.dialects import snn, structured
from spikec.dialects.constants import Array
from spikec.dialects.convolution import LARGEST, Convolution
from spikec.dialects.diagnostics import Diagnostics, Span
from spikec.dialects.mlir import arith, context, file_location, func, ir, tensor
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.frontend.arrays import Arrays
from spikec.frontend.expressions import Clock
from spikec.frontend.module import Module
from spikec.frontend.network import Network
from spikec.frontend.onnx import windows
from spikec.frontend.onnx.graph import Graph, Mistake, Node, Shape, report, text
from spikec.frontend.onnx.windows import Windows
from spikec.frontend.shapes import reshaped
from spikec.frontend.values import number


def emit(graph: Graph, path: Path, diagnostics: Diagnostics, real: int = 32) -> Program:
    """The program of a graph; `real` is 32 or 64.  Raises CompileError with all mistakes."""
    with context(), ir.Location.unknown():
        emission = _Emission(graph, path, diagnostics, real)
        emission.run()
        program = Program(emission.module.module, emission.module.constants)
        verify(program, "building the network")
        return program


_MOST_MEMBERS = 2**24


@dataclass(frozen=True)
class _Value:
    """What a name of the graph stands for: a constant array as the file has it, or a stream of samples."""

    array: Array | None = None
    ssa: Any = None
    batch: int = 0

    @property
    def shape(self) -> Shape:
        """Of a constant the whole shape, of a stream that of a sample."""
        return self.array.shape if self.array is not None else tuple(self.ssa.type.shape)


class _Emission:
    """One graph on its way."""

    def __init__(self, graph: Graph, path: Path, diagnostics: Diagnostics, real: int) -> None:
        self.graph = graph
        self.path = path
        self.diagnostics = diagnostics
        self.span = Span(str(path), 1, 1, 1, 1)
        self.module = Module(real, str(path))
        network = Network(self.module, Clock(Fraction(1), in_steps=True), Arrays(path.parent), diagnostics)
        self.network, self.emitter = network, network.emitter
        self.real = network.emitter.element("real")
        self.names: set[str] = set()
        self.used = {name for node in graph.nodes for name in node.inputs} | set(graph.outputs)
        self.values = {name: _Value(array) for name, array in graph.arrays.items()}

    def run(self) -> None:
        block = self.module.blocks["step"]
        inputs = []
        for name, shape in self.graph.inputs.items():
            argument = block.add_argument(self._tensor(shape), ir.Location.unknown())
            self.values[name] = _Value(ssa=argument, batch=self.graph.batches[name])
            inputs.append({snn.NAME: self._name(name, "input"), snn.KIND: ir.StringAttr.get("real")})
        with self.network.at("step"):
            for node in self.graph.nodes:
                self._node(node)
        self.diagnostics.raise_if_errors()
        with ir.InsertionPoint(block):
            results = [self._stream(self.values[name]) for name in self.graph.outputs]
        self._close(inputs, results)

    def _close(self, inputs: list[Any], results: list[Any]) -> None:
        for name, block in self.module.blocks.items():
            with ir.InsertionPoint(block):
                func.ReturnOp(results if name == "step" else [])
        step, block = self.module.step.operation, self.module.blocks["step"]
        type = ir.FunctionType.get([a.type for a in block.arguments], [r.type for r in results])
        outputs = [{snn.NAME: self._name(name, "output")} for name in self.graph.outputs]
        step.attributes["function_type"] = ir.TypeAttr.get(type)
        step.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(marks) for marks in inputs])
        step.attributes["res_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(marks) for marks in outputs])
        self.module.close(
            {
                snn.MODEL: ir.StringAttr.get(_word(self.path.stem, "net")),
                snn.DT: ir.FloatAttr.get(ir.F64Type.get(), 1.0),
                snn.DT_UNIT: ir.StringAttr.get("steps"),
            }
        )

    def _name(self, name: str, what: str) -> Any:
        """A name of an input or output as a word, which no other has."""
        word = wished = _word(name, what)
        count = 1
        while f"{what} {word}" in self.names:
            word, count = f"{wished}_{count}", count + 1
        self.names.add(f"{what} {word}")
        return ir.StringAttr.get(word)

    # ------------------------------------------------------------ nodes

    def _node(self, node: Node) -> None:
        """The value of a node; one that something was wrong with has none, and those behind it are left out."""
        if any(name and name not in self.values for name in node.inputs):
            return
        try:
            if any(name and name in self.used for name in node.outputs[1:]):
                raise Mistake("E1302", "only its first output is supported")
            value = _FORMS[node.type](self, node)
        except Mistake as mistake:
            report(self.diagnostics, str(self.path), mistake, node)
            return
        if node.outputs:
            self.values[node.outputs[0]] = value

    def _input(self, node: Node, place: int) -> _Value:
        name = node.given(place)
        if not name:
            raise Mistake("E1304", f"its input {place} is missing")
        return self.values[name]

    def _constant(self, node: Node, place: int, what: str) -> Array:
        """An input that must be known."""
        array = self._input(node, place).array
        if array is None:
            raise Mistake("E1302", f"{what} that is computed is not supported: it must be a constant of the file")
        return array

    def _optional(self, node: Node, place: int, what: str) -> Array | None:
        return self._constant(node, place, what) if node.given(place) else None

    def _streamed(self, node: Node, place: int = 0, axes: tuple[int, ...] | None = None) -> _Value:
        """An input that changes from sample to sample, with so many axes beside the batch."""
        value = self._input(node, place)
        if value.array is not None:
            raise Mistake("E1302", "a node of constants alone is not supported")
        if axes is not None and len(value.shape) not in axes:
            wanted = " or ".join(map(str, axes))
            raise Mistake("E1305", f"it takes {wanted} axes beside the batch, and {text(value.shape)} arrives")
        return value

    # ------------------------------------------------------------ weighted sums

    def gemm(self, node: Node) -> _Value:
        """alpha * A B + beta * C."""
        x = self._streamed(node, 0, (1,))
        if node.whole("transA", 0):
            raise Mistake("E1302", "'transA' is not supported")
        matrix = self._constant(node, 1, "a matrix")
        weighted = self._matrix(node, x, matrix.T if node.whole("transB", 0) else matrix, node.real("alpha", 1.0))
        bias = self._optional(node, 2, "a bias")
        return weighted if bias is None else self._added(weighted, bias * node.real("beta", 1.0))

    def matmul(self, node: Node) -> _Value:
        return self._matrix(node, self._streamed(node, 0, (1,)), self._constant(node, 1, "a matrix"), 1.0)

    def _matrix(self, node: Node, x: _Value, matrix: Array, factor: float) -> _Value:
        """A vector times a matrix [inputs, outputs]."""
        if matrix.ndim != 2 or matrix.shape[0] != x.shape[0]:
            raise Mistake("E1305", f"its matrix has the shape {text(matrix.shape)}, and {text(x.shape)} arrives")
        return self._propagated(node, x, matrix.shape[1:], {"kind": ir.StringAttr.get("all")}, matrix * factor)

    def conv(self, node: Node) -> _Value:
        x = self._streamed(node, 0, (2, 3))
        weights = self._constant(node, 1, "a kernel")
        group = node.whole("group", 1)
        if weights.ndim != len(x.shape) + 1 or 0 in weights.shape:
            raise Mistake("E1305", f"its weights have the shape {text(weights.shape)}, and {text(x.shape)} arrives")
        if group < 1 or x.shape[0] != weights.shape[1] * group or weights.shape[0] % group:
            message = f"weights of shape {text(weights.shape)} in {group} groups do not fit {x.shape[0]} channels"
            raise Mistake("E1305", message)
        found = windows.of_node(node, x.shape[1:], weights.shape[2:])
        result = self._windows(node, x, weights.shape[0], found, group, weights)
        bias = self._optional(node, 2, "a bias")
        return result if bias is None else self._per_channel(result, bias, arith.addf)

    def _windows(
        self, node: Node, x: _Value, channels: int, found: Windows, groups: int, weights: Array | float
    ) -> _Value:
        shape = (channels, *found.counts)
        recipe = Convolution(x.shape, shape, found.kernel, found.stride, found.before, found.dilation, groups)
        return self._propagated(node, x, shape, recipe.recipe(), weights)

    def _propagated(
        self, node: Node, x: _Value, shape: Shape, connect: dict[str, Any], weights: Array | float
    ) -> _Value:
        """What arrives from a stream through a projection that is called as the node."""
        symbol, type = self._fresh(node.name), self._tensor(shape)
        if isinstance(weights, float):
            weight = ir.FloatAttr.get(self.real, weights)
        else:
            stored = np.ascontiguousarray(weights, np.float64)
            weight = ir.FlatSymbolRefAttr.get(self.module.constant(f"{symbol}.weight", stored, self.span))
        pre, post = math.prod(x.shape), math.prod(shape)

        def declare() -> None:
            with file_location(self.span):
                snn.Synapses.build(sym_name=symbol, pre=pre, post=post, connect=connect, weight=weight)

        self.module.declare(f"synapses {symbol}", declare)
        zero = structured.splat(0.0, type)
        return _Value(ssa=snn.Propagate.build(x.ssa, zero, results=[type], synapses=symbol).result, batch=x.batch)

    def _fresh(self, name: str) -> str:
        """A symbol like the name of a node."""
        symbol = wished = "".join(c if c.isalnum() or c in "._" else "." for c in name).strip(".") or "node"
        count = 1
        while f"synapses {symbol}" in self.module.declarations:
            symbol, count = f"{wished}.{count}", count + 1
        return symbol

    # ------------------------------------------------------------ poolings

    def average_pool(self, node: Node) -> _Value:
        x = self._streamed(node, 0, (2, 3))
        return self._mean(node, x, windows.of_node(node, x.shape[1:]), node.whole("count_include_pad", 0) != 0)

    def global_average_pool(self, node: Node) -> _Value:
        x = self._streamed(node, 0, (2, 3))
        return self._mean(node, x, _whole(x.shape[1:]), False)

    def _mean(self, node: Node, x: _Value, found: Windows, margins_count: bool) -> _Value:
        """Sums of windows by the number of elements in each."""
        total = self._windows(node, x, x.shape[0], found, x.shape[0], 1.0)
        counts = reduce(np.multiply.outer, _members(found, margins_count))
        if np.any(counts == 0):
            raise Mistake("E1305", "a window lies in the margin alone")
        return self._times(total, np.broadcast_to(1.0 / counts, total.shape))

    def max_pool(self, node: Node) -> _Value:
        if node.whole("storage_order", 0):
            raise Mistake("E1302", "'storage_order' is not supported")
        x = self._streamed(node, 0, (2, 3))
        return self._largest(x, windows.of_node(node, x.shape[1:]))

    def global_max_pool(self, node: Node) -> _Value:
        x = self._streamed(node, 0, (2, 3))
        return self._largest(x, _whole(x.shape[1:]))

    def _largest(self, x: _Value, found: Windows) -> _Value:
        """The largest element of each window; the margin is below every element."""
        if any(0 in counts for counts in _members(found, False)):
            raise Mistake("E1305", "a window lies in the margin alone")
        ssa = x.ssa
        for axis, widths in enumerate(zip(found.before, found.reach, strict=True), 1):
            ssa = self._margin(ssa, axis, widths)
        axes = len(found.kernel)
        channel, *dims = (ir.AffineExpr.get_dim(n) for n in range(2 * axes + 1))
        places, offsets = dims[:axes], dims[axes:]
        reads = [p * s + o * d for p, s, o, d in zip(places, found.stride, offsets, found.dilation, strict=True)]
        # No element stands at an offset alone: a second operand tells how large the window is.
        window = structured.splat(0, ir.RankedTensorType.get(list(found.kernel), ir.IntegerType.get_signless(1)))
        start = structured.splat(-math.inf, self._tensor((x.shape[0], *found.counts)))

        def map(*results: Any) -> Any:
            return ir.AffineMap.get(2 * axes + 1, 0, list(results))

        (result,) = structured.generic(
            [ssa, window],
            [map(channel, *reads), map(*offsets)],
            ["parallel"] * (axes + 1) + ["reduction"] * axes,
            [start],
            [map(channel, *places)],
            lambda value, _, best: [arith.maximumf(best, value)],
        )
        return _Value(ssa=result, batch=x.batch)

    def _margin(self, ssa: Any, axis: int, widths: tuple[int, int]) -> Any:
        if not any(widths):
            return ssa
        shape = list(ssa.type.shape)

        def wide(extent: int) -> Any:
            return self._tensor((*shape[:axis], extent, *shape[axis + 1 :]))

        before, after = (structured.splat(-math.inf, wide(width)) if width else None for width in widths)
        parts = [part for part in (before, ssa, after) if part is not None]
        return tensor.concat(wide(shape[axis] + sum(widths)), axis, parts)

    # ------------------------------------------------------------ element by element

    def relu(self, node: Node) -> _Value:
        x = self._streamed(node)
        return _Value(ssa=arith.maximumf(x.ssa, structured.splat(0.0, x.ssa.type)), batch=x.batch)

    def clip(self, node: Node) -> _Value:
        """Between limits, which old versions have as attributes."""
        x = self._streamed(node)
        result = x.ssa
        for place, name, limit in ((1, "min", arith.maximumf), (2, "max", arith.minimumf)):
            array = self._optional(node, place, f"a limit '{name}'")
            if array is not None and array.size != 1:
                raise Mistake("E1305", f"its limit '{name}' is one number, not an array of shape {text(array.shape)}")
            if array is None and name not in node.attributes:
                continue
            bound = float(array.item()) if array is not None else node.real(name, 0.0)
            result = limit(result, structured.splat(self.emitter.real_constant(bound), x.ssa.type))
        return _Value(ssa=result, batch=x.batch)

    def batch_normalization(self, node: Node) -> _Value:
        """x * scale + shift for each channel."""
        x = self._streamed(node)
        if node.whole("training_mode", 0):
            raise Mistake("E1302", "'training_mode' is not supported", "export the network for inference (eval)")
        gamma, beta, mean, variance = (self._constant(node, place, "an array") for place in range(1, 5))
        with np.errstate(all="ignore"):
            scale = gamma / np.sqrt(variance + node.real("epsilon", 1e-5))
        if not x.shape or any(array.shape != x.shape[:1] for array in (gamma, beta, mean, variance)):
            raise Mistake("E1305", f"its arrays have one number for each of the channels of {text(x.shape)}")
        if not np.isfinite(scale).all():
            raise Mistake("E1304", "a variance is negative, or zero without an epsilon")
        return self._per_channel(self._per_channel(x, scale, arith.mulf), beta - mean * scale, arith.addf)

    def elementwise(self, node: Node) -> _Value:
        """Add, Sub, Mul and Div, of streams of one shape or with constants."""
        a, b = self._input(node, 0), self._input(node, 1)
        functions = {"Add": arith.addf, "Sub": arith.subf, "Mul": arith.mulf, "Div": arith.divf}
        if a.array is None and b.array is None:
            if a.shape != b.shape:
                raise Mistake("E1305", f"shapes {text(a.shape)} and {text(b.shape)} of two streams do not match")
            return _Value(ssa=functions[node.type](a.ssa, b.ssa), batch=a.batch)
        x = a if a.array is None else self._streamed(node, 1)
        if b.array is not None and node.type == "Div":
            if not np.all(b.array):
                raise Mistake("E1304", "it divides by zero")
            return self._times(x, self._fitted(1.0 / b.array, x.shape))
        operands = [
            value.ssa if value.array is None else self._array(self._fitted(value.array, x.shape)) for value in (a, b)
        ]
        return _Value(ssa=functions[node.type](*operands), batch=x.batch)

    def _fitted(self, array: Array, shape: Shape) -> Array:
        """A constant in the shape of a sample."""
        if array.ndim == len(shape) + 1 and array.shape[0] == 1:
            array = array[0]
        try:
            return np.broadcast_to(array, shape)
        except ValueError:
            message = f"a constant of shape {text(array.shape)} does not fit samples of shape {text(shape)}"
            raise Mistake("E1305", message) from None

    def _added(self, x: _Value, array: Array) -> _Value:
        return _Value(ssa=arith.addf(x.ssa, self._array(self._fitted(array, x.shape))), batch=x.batch)

    def _times(self, x: _Value, factor: Array) -> _Value:
        return _Value(ssa=arith.mulf(x.ssa, self._array(factor)), batch=x.batch)

    def _per_channel(self, x: _Value, array: Array, function: Callable[[Any, Any], Any]) -> _Value:
        if array.shape != x.shape[:1]:
            raise Mistake("E1305", f"an array of shape {text(array.shape)} for {x.shape[0]} channels")
        full = np.broadcast_to(array.reshape(-1, *[1] * (len(x.shape) - 1)), x.shape)
        return _Value(ssa=function(x.ssa, self._array(full)), batch=x.batch)

    # ------------------------------------------------------------ shapes and the rest

    def flatten(self, node: Node) -> _Value:
        x = self._streamed(node)
        axis = node.whole("axis", 1)
        if (axis if axis >= 0 else axis + len(x.shape) + 1) != 1:
            raise Mistake("E1302", f"'axis' is {axis}: only the axes behind the batch can become one")
        return _Value(ssa=reshaped(x.ssa, (math.prod(x.shape),)), batch=x.batch)

    def reshape(self, node: Node) -> _Value:
        """Samples in another shape; the first axis stays that of the batch."""
        value, wanted = self._input(node, 0), self._constant(node, 1, "a shape").astype(np.int64)
        if wanted.ndim != 1 or len(wanted) < 1:
            raise Mistake("E1305", f"its shape is an array of shape {text(wanted.shape)}")
        target = wanted.tolist()
        if value.array is not None:
            return _Value(self._rearranged(value.array, target))
        size = math.prod(value.shape)
        if not node.whole("allowzero", 0):
            # A zero is the extent that was there.
            for place, extent in enumerate(value.shape[: len(target) - 1], 1):
                target[place] = target[place] or extent
        first, rest = target[0], target[1:]
        known = math.prod(extent for extent in rest if extent != -1)
        if -1 in rest and first != -1 and known > 0 and size % known == 0:
            rest = [size // known if extent == -1 else extent for extent in rest]
        if first not in (-1, 0, 1, value.batch) or not rest or math.prod(rest) != size or min(rest) < 1:
            message = (
                f"its shape {wanted.tolist()} does not keep the batch axis of samples of shape {text(value.shape)}"
            )
            raise Mistake("E1305", message)
        return _Value(ssa=reshaped(value.ssa, tuple(rest)), batch=value.batch)

    @staticmethod
    def _rearranged(array: Array, target: list[int]) -> Array:
        try:
            return array.reshape([array.shape[n] if extent == 0 else extent for n, extent in enumerate(target)])
        except (ValueError, IndexError):
            raise Mistake("E1305", f"an array of shape {text(array.shape)} has no shape {target}") from None

    def identity(self, node: Node) -> _Value:
        return self._input(node, 0)

    def dropout(self, node: Node) -> _Value:
        """Nothing, at inference."""
        training = self._optional(node, 2, "a training mode")
        if training is not None and np.any(training):
            raise Mistake("E1302", "'training_mode' is not supported", "export the network for inference (eval)")
        return self._input(node, 0)

    def constant(self, node: Node) -> _Value:
        found = list(node.attributes.values())
        if len(found) != 1 or found[0] is None or isinstance(found[0], str):
            raise Mistake("E1304", "it has no value, or several")
        array = np.asarray(found[0])
        return _Value(array.astype(np.float64 if array.dtype.kind == "f" else np.int64))

    # ------------------------------------------------------------ values

    def _tensor(self, shape: Shape) -> Any:
        if math.prod(shape) > LARGEST:
            raise Mistake("E1303", f"a value of shape {text(shape)} has more than {LARGEST} elements")
        return ir.RankedTensorType.get(list(shape), self.real)

    def _array(self, array: Array) -> Any:
        """A constant in the shape of a sample, as a value of the program."""
        full = np.asarray(array, np.float64)
        first = float(full.reshape(-1)[0]) if full.size else 0.0
        if np.all(full == first):
            return structured.splat(self.emitter.real_constant(first), self._tensor(full.shape))
        value = number(np.ascontiguousarray(full), name="constant")
        return self.emitter.ssa(value, value.shape, "real", self.span)

    def _stream(self, value: _Value) -> Any:
        """An output of the graph; a constant one is the same in each step."""
        return value.ssa if value.array is None else self._array(value.array)


_FORMS: dict[str, Callable[[_Emission, Node], _Value]] = {
    "Add": _Emission.elementwise,
    "AveragePool": _Emission.average_pool,
    "BatchNormalization": _Emission.batch_normalization,
    "Clip": _Emission.clip,
    "Constant": _Emission.constant,
    "Conv": _Emission.conv,
    "Div": _Emission.elementwise,
    "Dropout": _Emission.dropout,
    "Flatten": _Emission.flatten,
    "Gemm": _Emission.gemm,
    "GlobalAveragePool": _Emission.global_average_pool,
    "GlobalMaxPool": _Emission.global_max_pool,
    "Identity": _Emission.identity,
    "MatMul": _Emission.matmul,
    "MaxPool": _Emission.max_pool,
    "Mul": _Emission.elementwise,
    "Relu": _Emission.relu,
    "Reshape": _Emission.reshape,
    "Sub": _Emission.elementwise,
}


def _whole(extents: Shape) -> Windows:
    """One window over everything."""
    ones, none = (1,) * len(extents), (0,) * len(extents)
    return Windows(extents, extents, ones, ones, none, none, ones)


def _members(found: Windows, margins_count: bool) -> list[Array]:
    """For each axis, how many elements the windows have."""
    if max(k * count for k, count in zip(found.kernel, found.counts, strict=True)) > _MOST_MEMBERS:
        raise Mistake("E1303", f"its windows have more than {_MOST_MEMBERS} elements along an axis")
    counts = []
    for n, k, s, d, b, a, count in zip(
        found.extents, found.kernel, found.stride, found.dilation, found.before, found.after, found.counts, strict=True
    ):
        places = np.arange(count)[:, np.newaxis] * s - b + np.arange(k) * d
        low, high = (-b, n + a) if margins_count else (0, n)
        counts.append(np.count_nonzero((places >= low) & (places < high), axis=1))
    return counts


def _word(name: str, otherwise: str) -> str:
    """A name of the file as a word of ours."""
    word = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return word if word[:1].isalpha() or word[:1] == "_" else f"{otherwise}_{word}"
