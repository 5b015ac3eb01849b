"""A NIR graph on its way out: nodes, and links that say how many steps late a value arrives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution

Shape = tuple[int, ...]
Field = Array | str

NEURONS = ("LIF", "IF", "LI", "I", "CubaLI", "CubaLIF")
ELEMENTWISE = (*NEURONS, "Scale", "Threshold", "Delay")


@dataclass
class Node:
    """One primitive.  The arrays of an elementwise node are flat, one number or one per element, until the end;
    `entering` and `leaving` are what the node takes and gives."""

    type: str
    fields: dict[str, Field]
    entering: Shape
    leaving: Shape
    op: Any = None  # where it comes from, for messages
    geometry: Convolution | None = None  # of a convolution or pooling

    @property
    def size(self) -> int:
        return math.prod(self.leaving)

    @property
    def elementwise(self) -> bool:
        return self.type in ELEMENTWISE


@dataclass(frozen=True)
class Link:
    """`target` takes what `source` gave `delay` steps ago; `before` is what it takes one step before the first."""

    source: str
    target: str
    delay: int = 0
    before: Array = field(default_factory=lambda: np.zeros(()))


@dataclass
class Graph:
    """Nodes by name, in the order in which they were made."""

    nodes: dict[str, Node] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def reserve(self, name: str) -> None:
        """Keeps a name for a node that will be made with `exact`."""
        self._taken.add(name)

    def add(self, name: str, node: Node, exact: bool = False) -> str:
        """Adds a node under a name like the one that is wished for."""
        if not exact:
            # '/' would be a path in the file.
            wished = name = name.replace("/", ".").replace("#", "_") or "node"
            count = 1
            while name in self._taken:
                count += 1
                name = f"{wished}_{count}"
        self._taken.add(name)
        self.nodes[name] = node
        return name

    def into(self, name: str) -> Iterator[Link]:
        return (link for link in self.links if link.target == name)
