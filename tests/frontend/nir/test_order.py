"""Recurrent edges, irreducible cycles, loops without memory, and an order that does not depend on the file's."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import networkx
import pytest
from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.nir import order
from spikec.frontend.nir.graph import Graph, Node

Run = Callable[..., Any]


def ordered(edges: Iterable[tuple[str, str]], kinds: dict[str, str] | None = None) -> tuple[Graph, list[str]]:
    """The graph of these edges, its Inputs those whose names begin with 'in'; other nodes are Scales."""
    names = sorted({name for edge in edges for name in edge})
    kind = {name: "Input" if name.startswith("in") else "Scale" for name in names} | (kinds or {})
    nodes = {name: Node(name, kind[name], {}) for name in names}
    graph = Graph(nodes, list(edges), [name for name in names if kind[name] == "Input"])
    diagnostics = Diagnostics()
    order.order(graph, diagnostics)
    return graph, [d.render().removeprefix(": ") for d in diagnostics.items]


def dominates(graph: Graph, v: str, u: str) -> bool:
    """The definition: without v, no way leads from an input to u."""
    if u == v:
        return True
    network = networkx.DiGraph(graph.edges)
    network.add_nodes_from(graph.nodes)
    network.add_edges_from(("root", name) for name in graph.inputs)
    network.remove_node(v)
    return not networkx.has_path(network, "root", u)


@pytest.mark.parametrize(
    ("edges", "recurrent"),
    [
        ([("in", "l"), ("l", "w"), ("w", "l"), ("l", "o")], {("w", "l")}),
        ([("in", "w"), ("w", "l"), ("l", "w"), ("l", "o")], {("l", "w")}),
        ([("in", "l"), ("l", "l")], {("l", "l")}),
        ([("in", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "b")], {("c", "a"), ("c", "b")}),
        ([("in1", "a"), ("in2", "b"), ("a", "c"), ("b", "c"), ("c", "d"), ("d", "c")], {("d", "c")}),
        ([("in", "a"), ("in", "b"), ("a", "c"), ("b", "c")], set()),
    ],
)
def test_recurrent_edges(edges: list[tuple[str, str]], recurrent: set[tuple[str, str]]) -> None:
    graph, _ = ordered(edges, {"l": "LIF", "a": "LIF", "c": "LIF"})
    assert graph.recurrent == recurrent


def test_random_graphs_against_the_definition() -> None:
    for seed in range(150):
        draw = random.Random(seed)
        names = ["in1", "in2", *"abcdefg"]
        edges = {("in1", "a"), *((draw.choice(names), draw.choice(names[2:])) for _ in range(draw.randint(3, 14)))}
        entered = {target for _, target in edges}
        edges |= {("in2", source) for source, _ in edges if source not in entered and source in names[2:]}
        graph, messages = ordered(sorted(edges))
        if "E1014" in "".join(messages):
            continue
        assert graph.recurrent == {(u, v) for u, v in graph.edges if dominates(graph, v, u)}
        rest = networkx.DiGraph([e for e in graph.edges if e not in graph.recurrent])
        acyclic = networkx.is_directed_acyclic_graph(rest)
        assert acyclic == (not [m for m in messages if "E1013" in m])
        assert sorted(graph.order) == (sorted(graph.nodes) if acyclic else [])
        place = {name: at for at, name in enumerate(graph.order)}
        assert all(place[u] < place[v] for u, v in rest.edges if acyclic)


def test_the_order_of_the_edges_does_not_matter() -> None:
    edges = [("in", "a"), ("in", "b"), ("a", "c"), ("b", "c"), ("c", "d"), ("d", "a1"), ("a1", "c"), ("d", "z")]
    first, _ = ordered(edges)
    assert first.order == ["in", "a", "b", "c", "d", "a1", "z"]
    for seed in range(20):
        random.Random(seed).shuffle(edges)
        again, _ = ordered(edges)
        assert (again.order, again.recurrent) == (first.order, first.recurrent)


def test_an_irreducible_cycle() -> None:
    graph, messages = ordered([("in", "a"), ("in", "b"), ("a", "b"), ("b", "a")], {"a": "LIF"})
    assert messages == [
        "error[E1013]: node 'a': irreducible cycle a -> b -> a: it is entered at several nodes, so no edge is the "
        "recurrent one\n  help: let all edges that enter the cycle meet in one node"
    ]
    assert graph.order == []


def test_a_cycle_that_no_input_reaches() -> None:
    _, messages = ordered([("in", "a"), ("c", "b"), ("b", "c"), ("c", "a")], {"b": "LIF"})
    assert messages == [
        "error[E1014]: node 'b': no way from an input leads here, only the cycle b -> c -> b",
    ]


def test_a_loop_without_memory_is_warned_of() -> None:
    loop = [("in", "a"), ("a", "b"), ("b", "a"), ("b", "o")]
    graph, messages = ordered(loop)
    assert messages == [
        "warning[W1003]: node 'a': no node of the cycle a -> b -> a has memory; "
        "'b' -> 'a' takes the value of the previous step"
    ]
    assert graph.order == ["in", "a", "b", "o"]
    for memory in ("LIF", "IF", "LI", "I", "CubaLI", "CubaLIF"):
        assert ordered(loop, {"b": memory})[1] == []


def test_delays_are_memory_unless_they_are_zero(specs: Any, read: Run) -> None:
    nodes = {"x": specs.input(1), "s": specs.scale(1), "y": specs.output(1)}
    edges = [("x", "s"), ("s", "d"), ("d", "s"), ("s", "y")]
    assert read(specs.net({**nodes, "d": {"type": "Delay", "delay": [0.001]}}, edges)).codes == []
    assert read(specs.net({**nodes, "d": {"type": "Delay", "delay": [0.0]}}, edges)).codes == ["W1003"]


def test_edges_behind_neurons_order_nothing() -> None:
    edges = [("in", "l"), ("l", "w"), ("w", "l"), ("l", "o"), ("o", "p"), ("p", "o")]
    graph, _ = ordered(edges, {"l": "LIF"})
    sequence, recurrent = order.behind(graph, frozenset({"l"}))
    assert recurrent == {("p", "o")}
    assert sequence.index("w") < sequence.index("l")


def test_a_long_chain() -> None:
    edges = [(f"n{k:05}", f"n{k + 1:05}") for k in range(5000)]
    graph, messages = ordered([("in", "n00000"), *edges, ("n05000", "n00000")], {"n00000": "LIF"})
    assert messages == []
    assert graph.recurrent == {("n05000", "n00000")}
    assert graph.order == ["in", *sorted(set(graph.nodes) - {"in"})]
