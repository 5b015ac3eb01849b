"""Which edges of a graph carry the value of the previous step, and in which order its nodes are computed.

An edge u -> v is recurrent where v dominates u: every way from an input to u passes v.  Without the recurrent
edges a graph must be acyclic.  The order does not depend on the order of the edges in the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import networkx
import numpy as np
from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.nir.graph import NEURONS, Edge, Graph, report, shown

_ROOT = ""  # leads to all inputs; no node of a file has an empty name


def order(graph: Graph, diagnostics: Diagnostics) -> None:
    """Sets `graph.recurrent` and `graph.order`; reports cycles that cannot be cut, warns of those without memory."""
    network = _network(graph, graph.edges)
    if not _all_reached(graph, network, diagnostics):
        return
    graph.recurrent = _recurrent(network, graph)
    forward = _network(graph, [edge for edge in graph.edges if edge not in graph.recurrent])
    if _acyclic(graph, forward, diagnostics):
        graph.order = _sorted(forward)
    _warn_of_algebraic_loops(graph, diagnostics)


def behind(graph: Graph, delayed: frozenset[str]) -> tuple[list[str], frozenset[Edge]]:
    """Order and recurrent edges where every edge that leaves one of `delayed` takes the value of the previous step.

    These edges order nothing and close no cycle; recurrent are only edges on cycles without such a node.
    """
    network = _network(graph, [edge for edge in graph.edges if edge[0] not in delayed])
    component = {
        name: number for number, names in enumerate(networkx.strongly_connected_components(network)) for name in names
    }
    left = frozenset(
        edge for edge in graph.recurrent if network.has_edge(*edge) and component[edge[0]] == component[edge[1]]
    )
    network.remove_edges_from(left)
    return _sorted(network), left


def on_cycles(graph: Graph) -> frozenset[Edge]:
    """The edges that lie on a cycle."""
    network = _network(graph, graph.edges)
    component = {
        name: number for number, names in enumerate(networkx.strongly_connected_components(network)) for name in names
    }
    return frozenset(edge for edge in graph.edges if component[edge[0]] == component[edge[1]])


def _network(graph: Graph, edges: Iterable[Edge]) -> Any:
    network = networkx.DiGraph()
    network.add_nodes_from(sorted(graph.nodes))
    network.add_edges_from(sorted(edges))
    return network


def _sorted(network: Any) -> list[str]:
    return list(networkx.lexicographical_topological_sort(network))


def _all_reached(graph: Graph, network: Any, diagnostics: Diagnostics) -> bool:
    """Whether a way from an input leads to every node; what is left lies on or behind a cycle of its own."""
    reached = set(graph.inputs)
    waiting = list(graph.inputs)
    while waiting:
        new = [name for name in network.successors(waiting.pop()) if name not in reached]
        reached.update(new)
        waiting += new
    lost = sorted(set(graph.nodes) - reached)
    if not lost:
        return True
    cycle = [source for source, _ in networkx.find_cycle(network.subgraph(lost))]
    text = "no way from an input leads here, only the cycle " + _way(_from_smallest(cycle))
    report(diagnostics, graph.file, "E1014", text, node=min(cycle))
    return False


def _recurrent(network: Any, graph: Graph) -> frozenset[Edge]:
    rooted = network.copy()
    rooted.add_edges_from((_ROOT, name) for name in graph.inputs)
    above = networkx.immediate_dominators(rooted, _ROOT)
    first, last = _intervals(above)
    return frozenset((u, v) for u, v in graph.edges if first[v] <= first[u] and last[u] <= last[v])


def _intervals(above: dict[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    """When a walk over the tree of dominators enters and leaves each node; v dominates u if it encloses u."""
    # Depending on its version, networkx lists the root itself or does not.
    below: dict[str, list[str]] = {name: [] for name in (*above, _ROOT)}
    for name, parent in above.items():
        if name != _ROOT:
            below[parent].append(name)
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    stack, clock = [_ROOT], 0
    while stack:
        name = stack[-1]
        clock += 1
        if name in first:
            last[stack.pop()] = clock
        else:
            first[name] = clock
            stack += below[name]
    return first, last


def _acyclic(graph: Graph, forward: Any, diagnostics: Diagnostics) -> bool:
    cycles = [sorted(names) for names in networkx.strongly_connected_components(forward) if len(names) > 1]
    for names in sorted(cycles):
        cycle = _from_smallest([source for source, _ in networkx.find_cycle(forward.subgraph(names))])
        text = f"irreducible cycle {_way(cycle)}: it is entered at several nodes, so no edge is the recurrent one"
        help = "let all edges that enter the cycle meet in one node"
        report(diagnostics, graph.file, "E1013", text, node=cycle[0], help=help)
    return not cycles


def _warn_of_algebraic_loops(graph: Graph, diagnostics: Diagnostics) -> None:
    memory = {name for name, node in graph.nodes.items() if node.type in NEURONS or _delays(graph, name)}
    rest = _network(graph, graph.edges)
    rest.remove_nodes_from(memory)
    for names in sorted(map(sorted, networkx.strongly_connected_components(rest))):
        if len(names) == 1 and not rest.has_edge(names[0], names[0]):
            continue
        cycle = _from_smallest([source for source, _ in networkx.find_cycle(rest.subgraph(names))])
        cut = [f"'{shown(u)}' -> '{shown(v)}'" for u, v in sorted(graph.recurrent) if u in names and v in names]
        text = f"no node of the cycle {_way(cycle)} has memory"
        text += f"; {', '.join(cut[:4])} takes the value of the previous step" if cut else ""
        report(diagnostics, graph.file, "W1003", text, node=cycle[0])


def _delays(graph: Graph, name: str) -> bool:
    delay = graph.nodes[name].fields.get("delay")
    return graph.nodes[name].type == "Delay" and delay is not None and bool(np.any(np.asarray(delay) > 0))


def _from_smallest(cycle: list[str]) -> list[str]:
    start = cycle.index(min(cycle))
    return cycle[start:] + cycle[:start]


def _way(cycle: list[str]) -> str:
    names = [shown(name) for name in (*cycle, cycle[0])]
    return " -> ".join(names if len(names) <= 12 else [*names[:6], "...", *names[-5:]])
