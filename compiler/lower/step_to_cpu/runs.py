"""Propagates one after the other that differ in their delay alone, made one loop over the delays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spikec.dialects import step


@dataclass(frozen=True)
class Run:
    """`ops` are those of the largest delay; what follows them are the same ops with delays smaller by 1, `count` times.

    An op that no such ops follow is a run of its own, with the count 1.
    """

    ops: Sequence[Any]
    count: int = 1


def runs(ops: Sequence[Any]) -> Iterator[Run]:
    """All ops of a stage in order."""
    first = 0
    while first < len(ops):
        found = _run(ops, first)
        yield found
        first += len(found.ops) * found.count


def _run(ops: Sequence[Any], first: int) -> Run:
    alone = Run([ops[first]])
    if not _has_part(ops[first]):
        return alone
    last = next((n for n in range(first, len(ops)) if not _has_part(ops[n])), len(ops))
    period = next((n - first for n in range(first + 1, last) if _follows(ops[first], ops[n], 1)), 0)
    if not period:
        return alone
    count = 1
    while first + period * (count + 1) <= last and all(
        _follows(ops[n], ops[n + period * count], count) for n in range(first, first + period)
    ):
        count += 1
    return Run(ops[first : first + period], count) if count > 1 else alone


def _has_part(op: Any) -> bool:
    return isinstance(op, step.Propagate) and op.part is not None


def _follows(one: step.Propagate, other: step.Propagate, by: int) -> bool:
    """Whether `other` is `one` with a delay that is smaller by so many steps."""
    return (_what(one), one.delay - by, one.part - by) == (_what(other), other.delay, other.part)


def _what(op: step.Propagate) -> tuple[Any, ...]:
    return op.from_, op.low, op.table, op.into, op.mode, op.tally
