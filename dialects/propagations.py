"""The propagations of an op of level `step`: the one of a `propagate`, all those of a `sweep`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spikec.dialects import step


@dataclass(frozen=True)
class Propagation:
    """The fields of a `propagate`.  Of a table in parts, part `part - k` acts on events that are `delay - k` steps old,
    for each k < `rounds`."""

    from_: str
    delay: int
    low: int
    table: str
    into: str
    mode: str
    tally: str
    part: int | None = None
    rounds: int = 1


def propagations(op: Any) -> tuple[Propagation, ...]:
    """Those of any op, in the order in which they act in a round."""
    match op:
        case step.Propagate():
            return (Propagation(op.from_, op.delay, op.low, op.table, op.into, op.mode, op.tally),)
        case step.Sweep():
            each = zip(op.from_, op.delays, op.lows, op.tables, op.modes, op.tallies, op.parts, strict=True)
            return tuple(
                Propagation(source, delay, low, table, op.into, mode, tally, part, op.rounds)
                for source, delay, low, table, mode, tally, part in each
            )
        case _:
            return ()
