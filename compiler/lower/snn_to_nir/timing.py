"""Which links of a graph are recurrent, and where its delays stand.

NIR has no delay on an edge.  An edge u -> v carries the value of the step before if v dominates u, that is, if every
way from an Input to u leads through v; any other delay is a node of its own.  A node without memory may be computed
`ahead` of its time, so that its delay stands at the edge that NIR delays:

    g.spike --(1 step)--> W ----> g        is        g ----> W --(recurrent)--> g

W is one step ahead here.  What is carried before the first step must then be the same too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from spikec.dialects.constants import Array
from spikec.lower.snn_to_nir.graph import NEURONS, Graph, Link
from spikec.lower.snn_to_nir.idle import idle_values
from spikec.lower.snn_to_nir.refusal import TIMING, Refusal

PUNCTUAL = (*NEURONS, "Input", "Output", "Delay")
"""Nodes that are never ahead: they have a memory, or are seen from outside."""


class WrongStart(Refusal):
    """The graph is right from the second step on."""


@dataclass(frozen=True)
class Edge:
    """A link as NIR has it: behind a Delay of `steps` (0: without one)."""

    link: Link
    recurrent: bool
    steps: int


def edges(graph: Graph, zero_current: bool) -> list[Edge]:
    """The edges of a graph, for a reader whose recurrent edges carry zero before the first step or else
    (not `zero_current`) what their path gives without spikes.

    Raises Refusal where NIR would delay other edges than the program, WrongStart where only the start differs.
    """
    _reachable_from_inputs(graph)
    recurrent = _recurrent(graph)
    _acyclic(graph, recurrent)
    ahead = _ahead(graph, recurrent)
    idle = idle_values(graph)
    found = []
    for link in graph.links:
        total = link.delay + ahead[link.source] - ahead[link.target]
        is_recurrent = (link.source, link.target) in recurrent
        steps = total - is_recurrent
        if steps < 0:
            message = f"NIR delays the edge from '{link.source}' to '{link.target}' by a step, and the model does not"
            raise Refusal(TIMING, message, graph.nodes[link.target].op, _RULE)
        edge = Edge(link, is_recurrent, steps)
        _check_start(graph, edge, ahead, idle[link.source], zero_current)
        found.append(edge)
    return found


_RULE = "in NIR the edge u -> v of a cycle carries the value of the step before if all ways to u lead through v"


def _targets(graph: Graph) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for link in graph.links:
        targets[link.source].append(link.target)
    return targets


def _reached(starts: list[str], targets: dict[str, list[str]], without: str | None = None) -> set[str]:
    """What the ways from some nodes lead to that avoid one node."""
    reached = {name for name in starts if name != without}
    stack = list(reached)
    while stack:
        for target in targets[stack.pop()]:
            if target not in reached and target != without:
                reached.add(target)
                stack.append(target)
    return reached


def _inputs(graph: Graph) -> list[str]:
    return [name for name, node in graph.nodes.items() if node.type == "Input"]


def _reachable_from_inputs(graph: Graph) -> None:
    reached = _reached(_inputs(graph), _targets(graph))
    for name, node in graph.nodes.items():
        if name not in reached:
            message = f"'{name}' depends on no input"
            raise Refusal(TIMING, message, node.op, "the nodes of a NIR graph are driven by its inputs")


def _recurrent(graph: Graph) -> set[tuple[str, str]]:
    targets, inputs = _targets(graph), _inputs(graph)
    found = set()
    for target in graph.nodes:
        cycle = _reached([target], targets)
        sources = {link.source for link in graph.into(target) if link.source in cycle}
        if sources:
            elsewhere = _reached(inputs, targets, without=target)
            found |= {(source, target) for source in sources if source == target or source not in elsewhere}
    return found


def _acyclic(graph: Graph, recurrent: set[tuple[str, str]]) -> None:
    """Raises Refusal for a cycle that is left when the recurrent edges are cut."""
    pairs = {(link.source, link.target) for link in graph.links} - recurrent
    waiting = {name: sum(target == name for _, target in pairs) for name in graph.nodes}
    ready = [name for name, count in waiting.items() if count == 0]
    while ready:
        name = ready.pop()
        del waiting[name]
        for source, target in pairs:
            if source == name:
                waiting[target] -= 1
                if waiting[target] == 0:
                    ready.append(target)
    cyclic = [name for name in waiting if graph.nodes[name].type in NEURONS] or list(waiting)
    if cyclic:
        names = ", ".join(f"'{name}'" for name in cyclic)
        message = f"the cycle through {names} is entered in more than one place, so NIR cannot say where its delay is"
        raise Refusal(TIMING, message, graph.nodes[cyclic[0]].op, _RULE)


def _ahead(graph: Graph, recurrent: set[tuple[str, str]]) -> dict[str, int]:
    """How many steps ahead each node is computed: as few as its edges allow."""
    ahead = dict.fromkeys(graph.nodes, 0)
    movable = [link for link in graph.links if graph.nodes[link.source].type not in PUNCTUAL]
    for _ in graph.nodes:
        before = dict(ahead)
        for link in movable:
            least = ahead[link.target] - link.delay + ((link.source, link.target) in recurrent)
            ahead[link.source] = max(ahead[link.source], least)
        if ahead == before:
            break
    for name, steps in ahead.items():
        if steps > 1:
            message = f"'{name}' would have to be computed {steps} steps ahead of its time"
            raise Refusal(TIMING, message, graph.nodes[name].op, _RULE)
    return ahead


def _check_start(graph: Graph, edge: Edge, ahead: dict[str, int], idle: Array, zero_current: bool) -> None:
    """Raises WrongStart where an edge carries something else than the link before the source has given anything."""
    link, zero = edge.link, np.zeros(())

    def program(step: int) -> Array:
        """The source's value at a step before its first that NIR knows."""
        if step >= 0:
            return idle
        return link.before if step == -1 and link.delay == 1 else zero

    at_rest = idle if edge.steps == 0 else zero
    carried = at_rest if edge.recurrent and not zero_current else zero
    steps = range(edge.steps + edge.recurrent)
    pairs = [(program(step + ahead[link.target] - link.delay), carried) for step in steps]
    if ahead[link.target]:
        # The value that the target has in its first step is the one that NIR carries before the first step.
        pairs.append((program(-link.delay), at_rest))
    for wanted, given in pairs:
        if not np.all(wanted.astype(np.float32) == given.astype(np.float32)):
            message = f"what '{link.source}' gives '{link.target}' before the first step is not what NIR's delays hold"
            help = "NIR's delays start at zero, its recurrent edges with what their path gives without spikes"
            raise WrongStart(TIMING, message, graph.nodes[link.target].op, help)
