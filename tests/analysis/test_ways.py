"""Ways in graphs, compared with networkx on random ones."""

from __future__ import annotations

import random

import networkx
import pytest
from spikec.analysis import ways


@pytest.mark.parametrize("seed", range(200))
def test_orders_and_loops_are_those_of_networkx(seed: int) -> None:
    draw = random.Random(seed)
    nodes = draw.sample(range(20), draw.randint(1, 12))
    pairs = [(draw.choice(nodes), draw.choice(nodes)) for _ in range(draw.randint(0, 20))]
    if seed % 2:
        pairs = [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]
    graph = networkx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(pairs)

    def key(node: int) -> int:
        return node * 7 % 5

    order = ways.ordered(nodes, graph.successors, key)
    if networkx.is_directed_acyclic_graph(graph):
        assert order == list(networkx.lexicographical_topological_sort(graph, key))
    else:
        assert order is None
    tied = ways.components(nodes, graph.successors)
    assert {frozenset(one) for one in tied} == {frozenset(one) for one in networkx.strongly_connected_components(graph)}
    place = {node: number for number, one in enumerate(tied) for node in one}
    assert all(place[after] <= place[before] for before, after in pairs)
    for node in nodes:
        led = {other for other in nodes if ways.leads([node], other, graph.successors)}
        assert led == {later for one in graph.successors(node) for later in {one, *networkx.descendants(graph, one)}}
