"""A NIR graph as data: nodes by their path, edges, shapes, and which edges carry the value of the step before."""

from __future__ import annotations

from dataclasses import dataclass, field

from spikec.dialects.constants import Array

# What NIR can store (nir 1.0.8); `NIRGraph` is gone after inlining.
NEURONS = ("LIF", "IF", "LI", "I", "CubaLI", "CubaLIF")
TYPES = (
    *NEURONS,
    *("Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "Threshold", "Delay"),
    *("Input", "Output"),
)

Edge = tuple[str, str]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """One primitive.  `name` is its path (`outer.inner` for a node of a subgraph); `fields` are the arrays of the
    file as float64 (int64 for shapes, strides, paddings, dilations and the like), text fields as str."""

    name: str
    type: str
    fields: dict[str, Array | str]


@dataclass
class Graph:
    """A flat graph.  `inputs` and `outputs` are the names of the Input and Output nodes of the root, in order.

    `shapes` gives each node's (input shape, output shape) once they are inferred; `recurrent` the edges that
    carry the value of the previous step, `order` the nodes in an order in which the other edges point forward.
    """

    nodes: dict[str, Node]
    edges: list[Edge]
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    shapes: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)
    recurrent: frozenset[Edge] = frozenset()
    order: list[str] = field(default_factory=list)
