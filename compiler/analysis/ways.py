"""Whether one thing leads to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def leads(starts: Iterable[int], goal: int, following: Callable[[int], Iterable[int]]) -> bool:
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
