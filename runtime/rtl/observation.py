"""What a run tells beside its outputs: counts of events and of weight additions, and what probes record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from spikec.dialects.constants import Array


@dataclass(frozen=True)
class Additions:
    """Events of `source` that are `delay` steps old make weight additions, which `counter` counts.

    `counts` is how many an event of element `low`, `low` + 1, ... makes.
    """

    counter: str
    source: str
    delay: int
    low: int
    counts: Array


@dataclass(frozen=True)
class Recorded:
    """A probe records the elements `low` to `high` - 1 of a buffer."""

    buffer: str
    low: int
    high: int


@dataclass(frozen=True)
class Observation:
    """`tallies` are the buffers whose events are counted, by counter; `probes` by key; `counters` are all that exist.

    Buffers are those of the program at level `step`.
    """

    tallies: dict[str, str] = field(default_factory=dict)
    additions: list[Additions] = field(default_factory=list)
    probes: dict[str, Recorded] = field(default_factory=dict)
    counters: list[str] = field(default_factory=list)


class Observer:
    """Counts for one sample, from its start on: `counters` by name."""

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self.counters = dict.fromkeys(observation.counters, 0)
        # Of each entry of `additions`, what the events of the last `delay` steps will add.
        self._waiting: list[Array] = [np.zeros(one.delay, np.int64) for one in observation.additions]

    def see(self, buffers: Mapping[str, Array]) -> None:
        """Takes some steps: buffers [steps, n] by name."""
        for counter, name in self._observation.tallies.items():
            self.counters[counter] += int(np.count_nonzero(buffers[name]))
        for k, one in enumerate(self._observation.additions):
            events = buffers[one.source][:, one.low : one.low + len(one.counts)] != 0
            added = np.concatenate([self._waiting[k], events @ one.counts])
            self.counters[one.counter] += int(added[: len(events)].sum())
            self._waiting[k] = added[len(events) :]


def rows_of_events(values: Array, first: int) -> tuple[Array, Array]:
    """What [steps, n] has from step `first` on: int32 rows (step, flat index), and the values of these events."""
    steps, places = np.nonzero(values)
    return np.stack([steps + first, places], axis=1).astype(np.int32), values[steps, places]
