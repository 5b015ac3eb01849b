"""Ways in graphs: whether one thing leads to another, what is tied by loops, and orders that follow the ways."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any, TypeVar

N = TypeVar("N", bound=Hashable)
Following = Callable[[N], Iterable[N]]
"""The nodes to which a way of one step leads."""


def leads(starts: Iterable[N], goal: N, following: Following[N]) -> bool:
    """Whether a way of one step or more goes from one of `starts` to `goal`."""
    pending = list(starts)
    seen = set(pending)
    while pending:
        for other in following(pending.pop()):
            if other == goal:
                return True
            if other not in seen:
                seen.add(other)
                pending.append(other)
    return False


def ordered(nodes: Iterable[N], following: Following[N], key: Callable[[N], Any] | None = None) -> list[N] | None:
    """The nodes, each before those that follow it, of the free ones that of least `key` first; None for a loop.

    Ways to other nodes do not count.
    """
    missing = dict.fromkeys(nodes, 0)  # how many of those before it are still to come
    for node in missing:
        for other in following(node):
            if other in missing:
                missing[other] += 1
    ranks = {node: (node if key is None else key(node), place) for place, node in enumerate(missing)}
    free = [(ranks[node], node) for node, count in missing.items() if not count]
    heapify(free)
    result = []
    while free:
        _, node = heappop(free)
        result.append(node)
        for other in following(node):
            if other in missing:
                missing[other] -= 1
                if not missing[other]:
                    heappush(free, (ranks[other], other))
    return result if len(result) == len(missing) else None


def components(nodes: Iterable[N], following: Following[N]) -> list[list[N]]:
    """The sets of nodes that are tied by loops, by the algorithm of Tarjan (1972); each set after those it leads to."""
    number: dict[N, int] = {}
    lowest: dict[N, int] = {}  # of the nodes that are reached and in no set yet
    waiting: list[N] = []  # these nodes, as they were reached
    way: list[tuple[N, Iterator[N]]] = []
    found: list[list[N]] = []

    def reach(node: N) -> None:
        number[node] = lowest[node] = len(number)
        waiting.append(node)
        way.append((node, iter(following(node))))

    for root in nodes:
        if root not in number:
            reach(root)
        while way:
            node, others = way[-1]
            other = next((one for one in others if one not in number or one in lowest), None)
            if other is None:
                way.pop()
                if way:
                    lowest[way[-1][0]] = min(lowest[way[-1][0]], lowest[node])
                if lowest[node] == number[node]:
                    found.append([])
                    while not found[-1] or found[-1][-1] != node:
                        found[-1].append(waiting.pop())
                        del lowest[found[-1][-1]]
            elif other in number:
                lowest[node] = min(lowest[node], number[other])
            else:
                reach(other)
    return found
