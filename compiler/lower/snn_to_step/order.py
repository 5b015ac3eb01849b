"""The order of a step: what must come before what, and the stages that follow.

Two graphs are kept acyclic together: one of nodes, and its quotient of *groups* (all nodes that feed one
population's update are one group, any other node is its own).  Edges are

1. from the node that makes a value to each node that uses it (never a loop: the source is SSA);
2. from each node that uses a state's value of the start of the step to the state's first writer.

An edge of kind 2 that would close a loop is refused, and the caller keeps the old value elsewhere.
A loop among groups is refused as well, since a stage runs as a whole.  Why kind 1 alone never makes a loop
of groups: what leaves a group comes from its update, and every other node of it leads to that update.

This module is the only one of the lowering that knows networkx.
"""

from __future__ import annotations

import networkx

FLOW = "flow"
"""The group of nodes that belong to no population's stage."""


class Order:
    """Nodes are numbers in program order; a group is a population's name or, for other nodes, the node."""

    def __init__(self) -> None:
        self._nodes = networkx.DiGraph()
        self._groups = networkx.DiGraph()
        self._group: dict[int, str | int] = {}

    def add(self, node: int, group: str | None, after: set[int]) -> None:
        self._group[node] = group if group is not None else node
        self._nodes.add_node(node)
        self._groups.add_node(self._group[node])
        for earlier in after:
            self._nodes.add_edge(earlier, node)

    def close(self) -> None:
        """Ends the adding of nodes: the edges of the groups follow from those of the nodes."""
        for earlier, later in self._nodes.edges:
            self._link_groups(earlier, later)

    def before(self, first: int, second: int) -> bool:
        """Orders two nodes; False, and nothing done, where that would close a loop."""
        one, other = self._group[first], self._group[second]
        if one == other:
            if networkx.has_path(self._nodes, second, first):
                return False
        elif networkx.has_path(self._groups, other, one):
            return False
        self._nodes.add_edge(first, second)
        self._link_groups(first, second)
        return True

    def all_before(self, firsts: list[int], second: int) -> bool:
        """Orders every one of `firsts` before `second`, or none and False."""
        nodes, groups = self._nodes.copy(), self._groups.copy()
        if all(self.before(first, second) for first in firsts):
            return True
        self._nodes, self._groups = nodes, groups
        return False

    def stages(self) -> list[tuple[str, list[int]]]:
        """(group or `FLOW`, its nodes) in order; the last node of a group decides its place among free ones."""
        members: dict[str | int, list[int]] = {}
        for node, group in self._group.items():
            members.setdefault(group, []).append(node)
        ordered: list[tuple[str, list[int]]] = []
        for group in networkx.lexicographical_topological_sort(self._groups, key=lambda g: max(members[g])):
            nodes = self._inside(members[group])
            if isinstance(group, int) and ordered and ordered[-1][0] == FLOW:
                ordered[-1][1].extend(nodes)
            else:
                ordered.append((FLOW if isinstance(group, int) else group, nodes))
        return ordered

    def _inside(self, nodes: list[int]) -> list[int]:
        return list(networkx.lexicographical_topological_sort(self._nodes.subgraph(nodes)))

    def _link_groups(self, earlier: int, later: int) -> None:
        one, other = self._group[earlier], self._group[later]
        if one != other:
            self._groups.add_edge(one, other)
