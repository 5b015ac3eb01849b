"""The shape of what enters and leaves each node, inferred from inputs, weights and parameters.

What a file declares about itself (shapes of Inputs and Outputs, `input_shape`, `input_type`) is checked against
what follows from the arrays.  Oddities of known exporters that leave no doubt are tolerated with a warning:
neuron parameters that are one number for all, and a batch axis in the shape of an Input or Output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.nir.graph import NEURONS, Graph, Node, Shape, report

# Elements that one node may take or give: no array of a network is near it.
LARGEST = 2**27

ELEMENTWISE = (*NEURONS, "Scale", "Threshold", "Delay")
CONVOLUTIONS = ("Conv1d", "Conv2d")


class _Mismatch(Exception):
    """A node cannot take what arrives."""


def infer(graph: Graph, diagnostics: Diagnostics) -> None:
    """Sets `graph.shapes` for all nodes, or reports which of them do not fit together.

    Every parameter of an elementwise node then broadcasts to the node's shape by numpy's rule.
    """
    attempts: list[_Inference] = []
    for batch_axes in range(_batch_axes(graph) + 1):
        attempts.append(_Inference(graph, batch_axes))
        attempts[-1].run()
        if not attempts[-1].found.has_errors and not attempts[-1].in_doubt:
            break
    # The sort is stable: with nothing to choose, the declarations are taken at their word.
    best = sorted(attempts, key=lambda a: (a.found.has_errors, a.in_doubt and not a.found.has_errors))[0]
    graph.shapes = {name: best.shapes[name] for name in graph.nodes if name in best.shapes}
    diagnostics.items += [item for item in best.found.items if item not in diagnostics.items]


def _batch_axes(graph: Graph) -> int:
    """How many leading axes of extent one the inputs declare, at most two: samples and steps."""
    leading = [_leading_ones(_declared(graph.nodes[name]) or ()) for name in graph.inputs]
    return min(2, max(leading, default=0))


def _leading_ones(shape: Shape) -> int:
    return next((n for n, extent in enumerate(shape[:-1]) if extent != 1), max(0, len(shape) - 1))


def _declared(node: Node) -> Shape | None:
    """The shape that an Input or Output declares; None without one, and for other nodes."""
    shape = _numbers(node, "shape")
    return tuple(shape) if shape else None


def _numbers(node: Node, field: str) -> list[int]:
    value = node.fields.get(field)
    return [] if value is None or isinstance(value, str) else [int(n) for n in value.reshape(-1)]


class _Inference:
    """One attempt; `batch_axes` is the number of leading axes that are taken off the Inputs where they are 1.

    `in_doubt` is set where a matrix is applied along a leading axis of extent one, which may be a batch axis.
    """

    def __init__(self, graph: Graph, batch_axes: int) -> None:
        self.graph = graph
        self.batch_axes = batch_axes
        self.shapes: dict[str, tuple[Shape, Shape]] = {}
        self.found = Diagnostics()
        self.in_doubt = False
        self.wrong: set[str] = set()
        self.sources = graph.sources()
        self.targets: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for source, target in sorted(graph.edges):
            self.targets[source].append(target)
        # The nodes in the order in which their shapes became known, and how far these were followed on and back.
        self.known: list[str] = []
        self.followed = {"on": 0, "back": 0}

    def run(self) -> None:
        for name, node in self.graph.nodes.items():
            shape = self._own_shape(name, node)
            if shape is not None:
                self._enter(name, shape)
        self._follow()
        for guess in (_needed, _declared, _scalar):
            for name in sorted(set(self.graph.nodes) - set(self.shapes) - self.wrong):
                shape = guess(self.graph.nodes[name]) if name not in self.shapes else None
                if shape is not None:
                    # One guess at a time: what follows from it is surer than the next guess.
                    self._enter(name, shape)
                    self._follow()
        if not self.wrong:
            for name in sorted(set(self.graph.nodes) - set(self.shapes)):
                self._error(name, "E1012", "its shape follows from nothing in the file")
        self._compare()

    # ------------------------------------------------------------ propagation

    def _own_shape(self, name: str, node: Node) -> Shape | None:
        """The shape of a node that has one without its neighbours: an Input, or full arrays of parameters."""
        if name in self.graph.inputs:
            declared = _declared(node)
            if declared is None:
                return None
            taken = min(self.batch_axes, _leading_ones(declared))
            if taken:
                text = f"its shape {_text(declared)} is read as {_text(declared[taken:])} behind a batch axis"
                self._warning(name, "W1002", text)
            return declared[taken:]
        if node.type not in ELEMENTWISE:
            return None
        try:
            shape = _parameter_shape(node)
        except _Mismatch as error:
            self._error(name, "E1011", str(error))
            return None
        return shape if shape and 1 not in shape else None

    def _follow(self) -> None:
        """Gives what leaves a node to those behind it, then what enters one to those before it that keep shapes."""
        while self.followed["back"] < len(self.known):
            while self.followed["on"] < len(self.known):
                name = self.known[self.followed["on"]]
                self.followed["on"] += 1
                for target in self.targets[name]:
                    if target not in self.shapes:
                        self._enter(target, self.shapes[name][1])
            name = self.known[self.followed["back"]]
            self.followed["back"] += 1
            for source in self.sources[name]:
                if source not in self.shapes and self.graph.nodes[source].type in (*ELEMENTWISE, "Input", "Output"):
                    self._enter(source, self.shapes[name][0])

    def _enter(self, name: str, shape: Shape) -> None:
        """Sets the shapes of a node that `shape` enters; where that is a mistake, as if what it needs had come."""
        node = self.graph.nodes[name]
        try:
            entering, leaving = shape, _through(node, shape)
        except _Mismatch as error:
            self._error(name, "E1011", str(error))
            try:
                entering = _needed(node) or shape
                leaving = _through(node, entering)
            except _Mismatch:
                self.shapes[name] = shape, ()  # nothing follows for those behind it
                return
        largest = max(entering, leaving, key=math.prod)
        if math.prod(largest) > LARGEST:
            self._error(name, "E1003", f"its shape {_text(largest)} has more than {LARGEST} elements")
            self.shapes[name] = entering, ()
            return
        self.shapes[name] = entering, leaving
        self.known.append(name)
        self._note(node, entering)

    def _note(self, node: Node, entering: Shape) -> None:
        if node.type in ELEMENTWISE:
            parameters = _parameter_shape(node)
            if parameters != entering and entering != (1,):
                text = "its parameters are one number each" if math.prod(parameters) == 1 else "its parameters are few"
                self._warning(node.name, "W1001", f"{text}, used for all of the shape {_text(entering)}")
        elif node.type in ("Affine", "Linear") and np.asarray(node.fields["weight"]).ndim == 2:
            self.in_doubt |= len(entering) > 1 and math.prod(entering[:-1]) == 1

    # ------------------------------------------------------------ what does not fit

    def _compare(self) -> None:
        for source, target in self.graph.edges:
            if not {source, target} <= self.shapes.keys() - self.wrong:
                continue
            leaving, entering = self.shapes[source][1], self.shapes[target][0]
            if leaving != entering:
                text = f"a value of shape {_text(leaving)} meets a node of shape {_text(entering)}"
                report(self.found, self.graph.file, "E1011", text, edge=(source, target))
        for name, node in self.graph.nodes.items():
            if name not in self.shapes or name in self.wrong:
                continue
            entering, leaving = self.shapes[name]
            if node.type in ("Input", "Output"):
                self._compare_declared(name, node, leaving)
            else:
                self._compare_hint(name, node, entering)

    def _compare_declared(self, name: str, node: Node, shape: Shape) -> None:
        """An Output of the root keeps its word; inside, a wrong declaration has no effect, and is told."""
        declared = _declared(node)
        if declared is None:
            if "shape" in node.fields:
                self._warning(name, "W1002", f"its declared shape is empty; it is {_text(shape)}")
        elif declared != shape and name not in self.graph.inputs:
            batched = declared[-len(shape) :] == shape and math.prod(declared) == math.prod(shape)
            if batched or name not in self.graph.outputs:
                how = " behind a batch axis" if batched else ", which is what arrives"
                self._warning(name, "W1002", f"its shape {_text(declared)} is read as {_text(shape)}{how}")
            else:
                self._error(name, "E1011", f"it declares the shape {_text(declared)}, and {_text(shape)} arrives")

    def _compare_hint(self, name: str, node: Node, entering: Shape) -> None:
        """`input_shape` of a convolution and `input_type` of a Flatten say what arrives."""
        if node.type in CONVOLUTIONS:
            field, arriving = "input_shape", entering[1:]
        elif node.type == "Flatten":
            field, arriving = "input_type", entering
        else:
            return
        declared = tuple(_numbers(node, field))
        if not declared or declared == arriving or (len(declared) == 1 and set(arriving) == set(declared)):
            return
        if declared[-len(arriving) :] == arriving and math.prod(declared) == math.prod(arriving):
            self._warning(name, "W1002", f"its '{field}' {_text(declared)} is read as {_text(arriving)}")
        else:
            self._error(name, "E1011", f"its '{field}' is {_text(declared)}, and {_text(arriving)} arrives")

    def _error(self, name: str, code: str, text: str) -> None:
        self.wrong.add(name)
        report(self.found, self.graph.file, code, text, node=name)

    def _warning(self, name: str, code: str, text: str) -> None:
        report(self.found, self.graph.file, code, text, node=name)


# ---------------------------------------------------------------- one node


def _parameter_shape(node: Node) -> Shape:
    """The shape of a node's parameters together; those of one element fit all others."""
    shapes = {key: value.shape for key, value in node.fields.items() if not isinstance(value, str)}
    try:
        return np.broadcast_shapes(*(s for s in shapes.values() if math.prod(s) != 1))
    except ValueError:
        listed = ", ".join(f"{key} {_text(shape)}" for key, shape in sorted(shapes.items()))
        raise _Mismatch(f"its parameters have different shapes: {listed}") from None


def _needed(node: Node) -> Shape | None:
    """What a node can take, as far as its arrays and declarations tell; None where they do not."""
    weight = node.fields.get("weight")
    if weight is not None and not isinstance(weight, str):
        if node.type in ("Affine", "Linear"):
            return (*weight.shape[:-2], weight.shape[-1])
        spatial = _numbers(node, "input_shape")
        if spatial:
            axes = weight.ndim - 2
            return (weight.shape[1] * _numbers(node, "groups")[0], *(spatial * axes if len(spatial) == 1 else spatial))
    if node.type == "Flatten":
        return tuple(_numbers(node, "input_type")) or None
    if node.type in ELEMENTWISE:
        return _parameter_shape(node) or None
    return None


def _scalar(node: Node) -> Shape | None:
    """One element, for a neuron whose parameters are numbers and that stands between others of that kind."""
    return (1,) if node.type in ELEMENTWISE else None


def _through(node: Node, shape: Shape) -> Shape:
    """What leaves a node where `shape` arrives; _Mismatch where it cannot take that."""
    match node.type:
        case "Affine" | "Linear":
            return _through_weight(node, shape)
        case "Conv1d" | "Conv2d":
            return _through_convolution(node, shape)
        case "SumPool2d" | "AvgPool2d":
            if len(shape) != 3:
                raise _Mismatch(f"it takes (channels, height, width), and {_text(shape)} arrives")
            kernel = _per_axis(node, "kernel_size", 2)
            return (shape[0], *_extents(node, shape[1:], kernel, [1, 1]))
        case "Flatten":
            return _flattened(node, shape)
        case "Input" | "Output":
            return shape
        case _:
            return _through_parameters(node, shape)


def _through_parameters(node: Node, shape: Shape) -> Shape:
    """Arrays of parameters have the shape of what arrives, or one element along some axes, or one at all."""
    parameters = _parameter_shape(node)
    fits = len(parameters) == len(shape) and all(p in (1, n) for p, n in zip(parameters, shape, strict=True))
    if not fits and math.prod(parameters) != 1:
        raise _Mismatch(f"its parameters have the shape {_text(parameters)}, and {_text(shape)} arrives")
    return shape


def _through_weight(node: Node, shape: Shape) -> Shape:
    weight = np.asarray(node.fields["weight"]).shape
    lead = weight[:-2]
    if not shape or shape[-1] != weight[-1] or (lead and shape[:-1] not in ((), lead)):
        needed = _text((*lead, weight[-1]))
        raise _Mismatch(f"its weight {_text(weight)} takes the shape {needed}, and {_text(shape)} arrives")
    leaving = (*(lead or shape[:-1]), weight[-2])
    bias = np.asarray(node.fields.get("bias", 0.0)).shape
    try:
        fits = np.broadcast_shapes(bias, leaving) == leaving
    except ValueError:
        fits = False
    if not fits:
        raise _Mismatch(f"its bias {_text(bias)} does not fit its weight {_text(weight)}")
    return leaving


def _through_convolution(node: Node, shape: Shape) -> Shape:
    weight = np.asarray(node.fields["weight"]).shape
    axes = 1 if node.type == "Conv1d" else 2
    groups = _numbers(node, "groups")[0]
    if len(shape) != axes + 1 or shape[0] != weight[1] * groups:
        wanted = ", ".join([str(weight[1] * groups), *(["height", "width"] if axes == 2 else ["length"])])
        raise _Mismatch(f"it takes the shape ({wanted}), and {_text(shape)} arrives")
    return (weight[0], *_extents(node, shape[1:], list(weight[2:]), _per_axis(node, "dilation", axes)))


def _extents(node: Node, shape: Shape, kernel: list[int], dilation: list[int]) -> Iterator[int]:
    """floor((n + padding - d (k - 1) - 1) / stride) + 1 along every axis."""
    stride = _per_axis(node, "stride", len(shape))
    for n, k, d, s, (before, after) in zip(shape, kernel, dilation, stride, pads(node), strict=True):
        room = n + before + after - d * (k - 1) - 1
        if room < 0:
            raise _Mismatch(f"its kernel spans {d * (k - 1) + 1} elements, and {n + before + after} are there")
        yield room // s + 1


def pads(node: Node) -> list[tuple[int, int]]:
    """What a convolution or pooling pads before and after each axis; 'same' puts the larger half behind."""
    weight = node.fields.get("weight")
    kernel = list(weight.shape[2:]) if weight is not None and not isinstance(weight, str) else [0, 0]
    padding = node.fields["padding"]
    if not isinstance(padding, str):
        return [(p, p) for p in _per_axis(node, "padding", len(kernel))]
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    total = [d * (k - 1) for d, k in zip(_per_axis(node, "dilation", len(kernel)), kernel, strict=True)]
    return [(t // 2, t - t // 2) for t in total]


def _per_axis(node: Node, field: str, axes: int) -> list[int]:
    values = _numbers(node, field)
    return values * axes if len(values) == 1 else values


def _flattened(node: Node, shape: Shape) -> Shape:
    rank = len(shape)
    given = [_numbers(node, "start_dim")[0], _numbers(node, "end_dim")[0]]
    first, last = (axis + rank if axis < 0 else axis for axis in given)
    if not 0 <= first <= last < rank:
        raise _Mismatch(f"it flattens the axes {given[0]} to {given[1]}, and {_text(shape)} arrives")
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


def _text(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
