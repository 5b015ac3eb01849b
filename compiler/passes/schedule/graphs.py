"""Orders and loops of small graphs of numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

from spikec.analysis import ways

Pairs = Iterable[tuple[int, int]]


def ordered(nodes: Collection[int], pairs: Pairs, key: Callable[[int], object] | None = None) -> list[int] | None:
    """The nodes with the first of each pair before the second, the least `key` first; None where pairs make a loop."""
    return ways.ordered(nodes, _following(pairs).__getitem__, key)


def components(nodes: Collection[int], pairs: Pairs) -> list[list[int]]:
    """The sets of nodes that are tied by loops, in an order that follows the pairs between them; nodes ascend."""
    following = _following(pairs)
    members = {min(tied): sorted(tied) for tied in ways.components(nodes, following.__getitem__)}
    least = {node: first for first, tied in members.items() for node in tied}
    after = {
        first: {least[other] for node in tied for other in following[node]} - {first} for first, tied in members.items()
    }
    order = ways.ordered(members, after.__getitem__)
    assert order is not None
    return [members[first] for first in order]


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
        for there, back in ((self._after, self._before), (self._before, self._after)):
            for third in there.pop(other):
                back[third].discard(other)
                if third != one:
                    there[one].add(third)
                    back[third].add(one)

    def _leads(self, first: int, last: int) -> bool:
        """Whether a way goes from one part to another by others."""
        others = (part for part in self._after[first] if part != last)
        return ways.leads(others, last, lambda part: self._after[part] if part != first else ())


def _following(pairs: Pairs) -> defaultdict[int, set[int]]:
    """The second of each pair by the first."""
    following: defaultdict[int, set[int]] = defaultdict(set)
    for first, second in pairs:
        following[first].add(second)
    return following
