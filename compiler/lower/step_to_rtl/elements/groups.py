"""Groups of ops that wait for each other: joined only as long as there is an order in which they can work."""

from __future__ import annotations

from spikec.analysis.ways import leads


class Groups:
    """At first each op is a group of its own."""

    def __init__(self, count: int) -> None:
        self._group = list(range(count))
        self._waits: list[tuple[int, int, bool]] = []

    def of(self, op: int) -> int:
        """The group of an op."""
        return self._group[op]

    def wait(self, first: int, then: int, apart: bool) -> None:
        """Op `then` needs what `first` made; `apart`: from other elements, so that one group cannot do both."""
        self._waits.append((first, then, apart))

    def join(self, one: int, other: int) -> None:
        """Puts two ops into one group, whatever follows."""
        keep, gone = self._group[one], self._group[other]
        self._group = [keep if group == gone else group for group in self._group]

    def try_to_join(self, one: int, other: int) -> None:
        """Puts two ops into one group unless groups would wait for each other then."""
        if self._group[one] == self._group[other]:
            return
        before = self._group
        self.join(one, other)
        if self._waits_for_itself(self._group[one]):
            self._group = before

    def _waits_for_itself(self, group: int) -> bool:
        following: dict[int, set[int]] = {}
        for first, then, apart in self._waits:
            a, b = self._group[first], self._group[then]
            if a != b:
                following.setdefault(a, set()).add(b)
            elif apart and a == group:
                return True
        return leads([group], group, lambda other: following.get(other, ()))
