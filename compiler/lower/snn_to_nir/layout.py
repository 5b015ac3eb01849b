"""The shapes of nodes and the nodes that only change a shape or a delay: the graph as it is written.

In a program a shape is a way of looking at elements in a row; NIR can flatten and not unflatten.  An elementwise
node whose sources come flat is written flat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from spikec.lower.snn_to_nir.graph import Field, Graph, Node, Shape
from spikec.lower.snn_to_nir.refusal import SHAPE, Refusal
from spikec.lower.snn_to_nir.timing import Edge


@dataclass
class Written:
    """Nodes by name with the fields of the file, and edges."""

    nodes: dict[str, tuple[str, dict[str, Field]]]
    edges: list[tuple[str, str]]


def lay_out(graph: Graph, edges: list[Edge], dt: float) -> Written:
    """The file's nodes and edges.  Raises Refusal where a value would have to be unflattened."""
    _settle_shapes(graph, edges)
    written = Written({}, [])
    made: dict[tuple[str, str, int], str] = {}  # what stands between two nodes is shared by those that want the same
    for edge in edges:
        source, target = edge.link.source, edge.link.target
        have, want = graph.nodes[source].leaving, graph.nodes[target].entering
        if edge.steps:
            source = _delay(graph, made, source, edge.steps)
        if have != want:
            if want != (math.prod(have),):
                message = f"'{edge.link.source}' gives {list(have)} and '{target}' takes {list(want)}"
                raise Refusal(SHAPE, message, graph.nodes[target].op, "NIR can flatten a value, and nothing else")
            source = _between(graph, made, source, "flatten", 0, Node("Flatten", {}, have, want))
        if (source, target) in written.edges:
            # An edge cannot stand twice in a graph.
            scale: dict[str, Field] = {"scale": np.ones(math.prod(want))}
            name = graph.add("again", Node("Scale", scale, want, want))
            written.edges.append((source, name))
            source = name
        written.edges.append((source, target))
    for (source, _, _), name in made.items():
        written.edges.append((source, name))
    written.nodes = {name: (node.type, _fields(node, dt)) for name, node in graph.nodes.items()}
    return written


def _settle_shapes(graph: Graph, edges: list[Edge]) -> None:
    """Makes elementwise nodes flat until all of them can take what their sources give."""
    changed = True
    while changed:
        changed = False
        for edge in edges:
            have, target = graph.nodes[edge.link.source].leaving, graph.nodes[edge.link.target]
            flat = (math.prod(target.entering),)
            if target.elementwise and target.entering not in (have, flat):
                target.entering = target.leaving = flat
                changed = True


def _delay(graph: Graph, made: dict[tuple[str, str, int], str], source: str, steps: int) -> str:
    shape: Shape = graph.nodes[source].leaving
    node = Node("Delay", {"steps": np.full(math.prod(shape), steps)}, shape, shape)
    return _between(graph, made, source, "delay", steps, node)


def _between(
    graph: Graph, made: dict[tuple[str, str, int], str], source: str, what: str, steps: int, node: Node
) -> str:
    key = (source, what, steps)
    if key not in made:
        made[key] = graph.add(f"{source}.{what}", node)
    return made[key]


def _fields(node: Node, dt: float) -> dict[str, Field]:
    """The fields of a node as NIR stores them."""
    fields = dict(node.fields)
    match node.type:
        case "Input" | "Output":
            return {"shape": np.array(node.leaving)}
        case "Flatten":
            return {"start_dim": np.array(0), "end_dim": np.array(-1), "input_type": np.array(node.entering)}
        case "Delay":
            return {"delay": (np.asarray(fields["steps"]) * dt).reshape(node.leaving)}
        case "Conv1d":
            for name in ("stride", "padding", "dilation"):
                value = fields[name]
                fields[name] = value if isinstance(value, str) else value[0]
        case _:
            pass
    if node.elementwise:
        return {name: np.asarray(value, dtype=np.float64).reshape(node.leaving) for name, value in fields.items()}
    if node.geometry is not None and "weight" in fields:
        extents = node.geometry.input[1:]
        fields["input_shape"] = np.array(extents[0] if len(extents) == 1 else extents)
        fields.setdefault("bias", np.zeros(node.leaving[0]))
    return fields
