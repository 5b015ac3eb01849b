"""Orders and loops of small graphs of numbers; the only module of the pass that knows networkx."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import networkx

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


def leads(pairs: Pairs, first: int, last: int) -> bool:
    """Whether a way of at least two pairs leads from one node to another (a single pair does not count)."""
    graph = _graph((first, last), pairs)
    if graph.has_edge(first, last):
        graph.remove_edge(first, last)
    return bool(networkx.has_path(graph, first, last))


def _graph(nodes: Collection[int], pairs: Pairs) -> networkx.DiGraph:
    graph = networkx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(pairs)
    return graph
