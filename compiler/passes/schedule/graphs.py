"""Orders and loops of small graphs of numbers; the only module of the pass that knows networkx."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

import networkx
from spikec.analysis.ways import leads

Pairs = Iterable[tuple[int, int]]


def ordered(nodes: Collection[int], pairs: Pairs, key: Callable[[int], object] | None = None) -> list[int] | None:
    """The nodes with the first of each pair before the second, the least `key` first; None where pairs make a loop."""
    graph = _graph(nodes, pairs)
    try:
        return list(networkx.lexicographical_topological_sort(graph, key=key))
    except networkx.NetworkXUnfeasible:
        return None


def components(nodes: Collection[int], pairs: Pairs) -> list[list[int]]:
    """The sets of nodes that are tied by loops, in an order that follows the pairs between them; nodes ascend."""
    graph = _graph(nodes, pairs)
    condensed = networkx.condensation(graph)
    members = {number: sorted(data["members"]) for number, data in condensed.nodes(data=True)}
    following = networkx.lexicographical_topological_sort(condensed, key=lambda number: members[number][0])
    return [members[number] for number in following]


class Quotient:
    """Parts of a graph's nodes, which can be joined unless a third part stands between two of them.

    `part` has the name of the part of each node.
    """

    def __init__(self, part: Iterable[int], pairs: Pairs) -> None:
        self.part = list(part)
        self._members: dict[int, list[int]] = defaultdict(list)
        for node, name in enumerate(self.part):
            self._members[name].append(node)
        self._after: dict[int, set[int]] = {name: set() for name in self._members}
        self._before: dict[int, set[int]] = {name: set() for name in self._members}
        for first, second in pairs:
            one, other = self.part[first], self.part[second]
            if one != other:
                self._after[one].add(other)
                self._before[other].add(one)

    def join(self, first: int, second: int) -> None:
        """Joins the parts of two nodes, unless a way leads from one to the other through a third one."""
        one, other = self.part[first], self.part[second]
        if one == other or self._leads(one, other) or self._leads(other, one):
            return
        for node in self._members[other]:
            self.part[node] = one
        self._members[one] += self._members.pop(other)
        for ways, back in ((self._after, self._before), (self._before, self._after)):
            for third in ways.pop(other):
                back[third].discard(other)
                if third != one:
                    ways[one].add(third)
                    back[third].add(one)

    def _leads(self, first: int, last: int) -> bool:
        """Whether a way goes from one part to another by others."""
        others = (part for part in self._after[first] if part != last)
        return leads(others, last, lambda part: self._after[part] if part != first else ())


def _graph(nodes: Collection[int], pairs: Pairs) -> networkx.DiGraph:
    graph = networkx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(pairs)
    return graph
