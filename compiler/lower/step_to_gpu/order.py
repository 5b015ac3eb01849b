"""In which kernel of which round each section runs: a pipeline over steps.

A round is L kernels.  A section of order o runs in kernel o modulo L, on the step of o / L rounds ago: so sections that
follow each other within a step are at work on different steps at the same time.  Where section v must come after
section u, d steps later, order(v) + L d > order(u).  A step of a network without loops needs one kernel; where a loop
needs n sections one after the other before its d-th next step, L is at least n / d.
"""

from __future__ import annotations

from dataclasses import dataclass

from spikec.analysis.dependence import Dependences
from spikec.dialects.accesses import Use, conflicts
from spikec.lower.step_to_gpu.sections import Section, owns


@dataclass(frozen=True)
class Order:
    """`order` of each section, `kernels` of a round, and how many rounds the last section comes after the first."""

    order: tuple[int, ...]
    kernels: int

    @property
    def skew(self) -> int:
        return max((o // self.kernels for o in self.order), default=0)

    def kernel(self, k: int) -> list[int]:
        """The sections of the k-th kernel of a round."""
        return [section for section, o in enumerate(self.order) if o % self.kernels == k]


def pipeline(dependences: Dependences, sections: list[Section]) -> Order:
    """The order with the fewest kernels a round, and each section as early as it can be."""
    home = _home(dependences, sections)
    edges = dependences.quotient(home)
    for kernels in range(1, len(sections) + 1):
        order = _longest(len(sections), {pair: 1 - kernels * far for pair, far in edges.items()})
        if order is not None:
            return Order(tuple(order), kernels)
    return Order((), 1)


def levels(dependences: Dependences, sections: list[Section]) -> Order:
    """The order of sections that run once, each after those that it needs."""
    edges = dependences.quotient(_home(dependences, sections), below=1)
    order = _longest(len(sections), dict.fromkeys(edges, 1)) or []
    return Order(tuple(order), max(order, default=-1) + 1 or 1)


def grow(dependences: Dependences, sections: list[Section], order: Order) -> dict[str, int]:
    """The slots of each renewed buffer, so that no value is overwritten before its last use."""
    home = _home(dependences, sections)

    def gap(u: int, one: Use, v: int, two: Use) -> int:
        first, second = home[u], home[v]
        if first == second:
            return 0 if u < v and owns(dependences, u, one) and owns(dependences, v, two) else 1
        return -((order.order[second] - order.order[first] - 1) // order.kernels)

    def slots(name: str) -> int:
        pairs = conflicts(dependences.uses[name])
        return max([1, *(gap(u, one, v, two) + one.delay - two.delay for (u, one), (v, two) in pairs)])

    return {name: slots(name) for name in sorted(dependences.renewed)}


def _home(dependences: Dependences, sections: list[Section]) -> list[int]:
    home = [0] * len(dependences.ops)
    for number, section in enumerate(sections):
        for one in section.ops:
            home[one] = number
    return home


def _longest(count: int, lengths: dict[tuple[int, int], int]) -> list[int] | None:
    """The longest way to each node from any other; None where a loop makes it endless."""
    order = [0] * count
    for _ in range(count + 1):
        changed = False
        for (u, v), length in lengths.items():
            if order[u] + length > order[v]:
                order[v], changed = order[u] + length, True
        if not changed:
            return order
    return None
