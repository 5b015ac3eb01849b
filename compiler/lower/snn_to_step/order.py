"""The order of a step: what must come before what, and the stages that follow.

Two graphs are kept acyclic together: one of nodes, and its quotient of *groups* (all nodes that feed one
population's update are one group, any other node is its own).  Edges are

1. from the node that makes a value to each node that uses it (never a loop: the source is SSA);
2. from each node that uses a state's value of the start of the step to the state's first writer.

An edge of kind 2 that would close a loop is refused, and the caller keeps the old value elsewhere.
A loop among groups is refused as well, since a stage runs as a whole.  Why kind 1 alone never makes a loop
of groups: what leaves a group comes from its update, and every other node of it leads to that update.
"""

from __future__ import annotations

from spikec.analysis.ways import leads, ordered

FLOW = "flow"
"""The group of nodes that belong to no population's stage."""


class Order:
    """Nodes are numbers in program order; a group is a population's name or, for other nodes, the node."""

    def __init__(self) -> None:
        self._nodes: dict[int, set[int]] = {}  # what each is before
        self._groups: dict[str | int, set[str | int]] = {}
        self._group: dict[int, str | int] = {}

    def add(self, node: int, group: str | None, after: set[int]) -> None:
        self._group[node] = group if group is not None else node
        self._nodes.setdefault(node, set())
        self._groups.setdefault(self._group[node], set())
        for earlier in after:
            self._nodes.setdefault(earlier, set()).add(node)

    def close(self) -> None:
        """Ends the adding of nodes: the edges of the groups follow from those of the nodes."""
        for earlier, others in self._nodes.items():
            for later in others:
                self._link_groups(earlier, later)

    def before(self, first: int, second: int) -> bool:
        """Orders two nodes; False, and nothing done, where that would close a loop."""
        one, other = self._group[first], self._group[second]
        if one == other:
            if first == second or leads([second], first, self._nodes.__getitem__):
                return False
        elif leads([other], one, self._groups.__getitem__):
            return False
        self._nodes[first].add(second)
        self._link_groups(first, second)
        return True

    def all_before(self, firsts: list[int], second: int) -> bool:
        """Orders every one of `firsts` before `second`, or none and False."""
        nodes = {node: set(others) for node, others in self._nodes.items()}
        groups = {group: set(others) for group, others in self._groups.items()}
        if all(self.before(first, second) for first in firsts):
            return True
        self._nodes, self._groups = nodes, groups
        return False

    def stages(self) -> list[tuple[str, list[int]]]:
        """(group or `FLOW`, its nodes) in order; the last node of a group decides its place among free ones."""
        members: dict[str | int, list[int]] = {}
        for node, group in self._group.items():
            members.setdefault(group, []).append(node)
        stages: list[tuple[str, list[int]]] = []
        groups = ordered(self._groups, self._groups.__getitem__, key=lambda group: max(members[group]))
        assert groups is not None
        for group in groups:
            nodes = self._inside(members[group])
            if isinstance(group, int) and stages and stages[-1][0] == FLOW:
                stages[-1][1].extend(nodes)
            else:
                stages.append((FLOW if isinstance(group, int) else group, nodes))
        return stages

    def _inside(self, nodes: list[int]) -> list[int]:
        found = ordered(nodes, self._nodes.__getitem__)
        assert found is not None
        return found

    def _link_groups(self, earlier: int, later: int) -> None:
        one, other = self._group[earlier], self._group[later]
        if one != other:
            self._groups[one].add(other)
