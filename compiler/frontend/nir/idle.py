"""What the nodes of a graph without memory give while nothing spikes, computed with numpy.

The value of a recurrent edge before the first step is that of its path without spikes: zero, or what
the biases on it add up to.
"""

from __future__ import annotations

import itertools

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.frontend.nir.graph import NEURONS, Graph, Node, Shape


def geometry(node: Node, shape_in: Shape, shape_out: Shape) -> Convolution:
    """Extents, kernel, stride, leading padding, dilation and groups of a convolution or pooling node."""
    spatial = len(shape_in) - 1
    pooling = node.type.endswith("Pool2d")
    weight = node.fields.get("weight")
    if pooling:
        kernel = _per_axis(node.fields["kernel_size"], spatial)
    else:
        assert not isinstance(weight, str) and weight is not None
        kernel = list(weight.shape[2:])
    stride = _per_axis(node.fields["stride"], spatial)
    dilation = [1] * spatial if pooling else _per_axis(node.fields["dilation"], spatial)
    groups = shape_in[0] if pooling else int(np.asarray(node.fields["groups"]))
    padding = node.fields["padding"]
    if isinstance(padding, str):
        # 'same' pads d (k - 1) in all, the larger half behind; 'valid' pads nothing.
        leading = [d * (k - 1) // 2 if padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
    else:
        leading = _per_axis(padding, spatial)
    return Convolution(
        input=shape_in,
        output=shape_out,
        kernel=tuple(kernel),
        stride=tuple(stride),
        padding=tuple(leading),
        dilation=tuple(dilation),
        groups=groups,
    )


def _per_axis(field: Array | str, axes: int) -> list[int]:
    values = [int(v) for v in np.asarray(field).reshape(-1)]
    return values * axes if len(values) == 1 else values


def value(graph: Graph, name: str) -> Array:
    """The value of a node while all neurons, delays and inputs give zero."""
    sources: dict[str, list[str]] = {}
    for source, target in graph.edges:
        sources.setdefault(target, []).append(source)
    known: dict[str, Array] = {}
    stack = [name]
    while stack:
        current = stack[-1]
        node = graph.nodes[current]
        silent = node.type in (*NEURONS, "Delay") or current in graph.inputs
        waiting = [] if silent else [s for s in sources.get(current, []) if s not in known and s not in stack]
        if current not in known and waiting:
            stack += waiting
            continue
        stack.pop()
        if silent:
            known[current] = np.zeros(graph.shapes[current][1])
        else:
            shape_in, shape_out = graph.shapes[current]
            total: Array = np.zeros(shape_in)
            for source in sources.get(current, []):
                # A source on the path that is still open is the recurrent one: it has given nothing yet.
                total = total + known.get(source, np.zeros(shape_in)).reshape(shape_in)
            known[current] = _stateless(node, total, shape_in, shape_out)
    return known[name]


def _stateless(node: Node, x: Array, shape_in: Shape, shape_out: Shape) -> Array:
    fields = {key: np.asarray(f) for key, f in node.fields.items() if not isinstance(f, str)}
    bias = fields.get("bias", np.zeros(()))
    match node.type:
        case "Affine" | "Linear":
            return np.asarray(np.einsum("...oi,...i->...o", fields["weight"], x) + bias)
        case "Conv1d" | "Conv2d":
            channels = bias.reshape(-1, *[1] * (len(shape_out) - 1))
            return np.asarray(_convolved(node, x, shape_in, shape_out) + channels)
        case "SumPool2d":
            return _convolved(node, x, shape_in, shape_out)
        case "AvgPool2d":
            kernel = geometry(node, shape_in, shape_out).kernel
            return np.asarray(_convolved(node, x, shape_in, shape_out) / np.prod(kernel))
        case "Scale":
            return np.asarray(x * fields["scale"])
        case "Threshold":
            return (x > fields["threshold"]).astype(np.float64)
        case _:
            return x.reshape(shape_out)


def _convolved(node: Node, x: Array, shape_in: Shape, shape_out: Shape) -> Array:
    g = geometry(node, shape_in, shape_out)
    groups, per_group = g.groups, shape_in[0] // g.groups
    weight = node.fields.get("weight")
    w = np.ones((shape_out[0], per_group, *g.kernel)) if weight is None else np.asarray(weight)
    result = np.zeros(shape_out)
    per_output = shape_out[0] // groups
    for index in itertools.product(*(range(n) for n in shape_out[1:])):
        for offset in itertools.product(*(range(k) for k in g.kernel)):
            place = [
                o * s - p + d * k for o, s, p, d, k in zip(index, g.stride, g.padding, g.dilation, offset, strict=True)
            ]
            if all(0 <= at < n for at, n in zip(place, shape_in[1:], strict=True)):
                for c in range(shape_out[0]):
                    first = c // per_output * per_group
                    patch = np.moveaxis(x, 0, -1)[tuple(place)][first : first + per_group]
                    result[(c, *index)] += np.moveaxis(w[c], 0, -1)[offset] @ patch
    return result
