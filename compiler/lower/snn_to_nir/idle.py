"""What the nodes of a graph give while no neuron spikes and no input comes: zero, or what biases add up to."""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.lower.snn_to_nir import weights
from spikec.lower.snn_to_nir.graph import NEURONS, Graph, Node

SILENT = (*NEURONS, "Input", "Delay")


def idle_values(graph: Graph) -> dict[str, Array]:
    """The value of each node, flat; a node that waits for itself takes nothing from there."""
    known: dict[str, Array] = {}
    sources = {name: [link.source for link in graph.into(name) if link.delay == 0] for name in graph.nodes}
    delayed = {name: [link.source for link in graph.into(name) if link.delay] for name in graph.nodes}
    for name in graph.nodes:
        stack = [name]
        while stack:
            current = stack[-1]
            node = graph.nodes[current]
            feeding = [] if node.type in SILENT else [*sources[current], *delayed[current]]
            waiting = [source for source in feeding if source not in known and source not in stack]
            if current not in known and waiting:
                stack.append(waiting[0])
                continue
            stack.pop()
            x = np.zeros(int(np.prod(node.entering)))
            for source in feeding:
                x = x + known.get(source, np.zeros(()))
            known[current] = np.zeros(node.size) if node.type in SILENT else _given(node, x)
    return known


def _given(node: Node, x: Array) -> Array:
    fields: dict[str, Any] = node.fields
    match node.type:
        case "Linear" | "Affine":
            weight = fields["weight"]
            lead = weight.shape[:-2]
            y = np.einsum("...oi,...i->...o", weight, x.reshape(*lead, weight.shape[-1])).reshape(-1)
            return np.asarray(y + fields["bias"].reshape(-1) if "bias" in fields else y)
        case "Conv1d" | "Conv2d" | "SumPool2d" | "AvgPool2d":
            return _window(node, x)
        case "Scale":
            return np.asarray(x * fields["scale"])
        case "Threshold":
            return np.asarray(x > fields["threshold"], np.float64)
        case _:
            return x


def _window(node: Node, x: Array) -> Array:
    fields: dict[str, Any] = node.fields
    if not np.any(x):
        y = np.zeros(node.leaving)
    else:
        assert node.geometry is not None
        kernel = fields.get("weight", np.ones(node.geometry.weights))
        y = weights.applied(node.geometry, kernel, x).reshape(node.leaving)
    if node.type == "AvgPool2d":
        y = y / np.prod(fields["kernel_size"])
    if "bias" in fields:
        y = y + fields["bias"].reshape(-1, *[1] * (len(node.leaving) - 1))
    return np.asarray(y.reshape(-1))
