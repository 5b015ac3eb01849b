"""Collects what one stretch of steps gives: outputs, probes and counts, as a `Trace`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from spikec.dialects.constants import Array
from spikec.runtime.interface import EMITTED, Interface, Probe, Trace, additions


@dataclass
class Recorder:
    """`counts` are the counters of a program at level `step` by name: events by population, additions by projection."""

    interface: Interface
    outputs: dict[str, list[Array]] = field(default_factory=dict)
    samples: dict[str, list[Array]] = field(default_factory=dict)
    values: dict[str, list[Array]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def output(self, name: str, value: Array) -> None:
        """The slice of an output stream in the next step."""
        self.outputs.setdefault(name, []).append(np.array(value))

    def probe(self, key: str, value: Array, step: int) -> None:
        """What a probe sees after `step`: the recorded stretch of its state, flat; rows of events index the stretch."""
        self._probe(next(p for p in self.interface.probes if p.key == key), value, step)

    def _probe(self, probe: Probe, value: Array, step: int) -> None:
        samples = self.samples.setdefault(probe.key, [])
        if probe.kind == "event":
            places = np.flatnonzero(value)
            samples.append(np.stack([np.full_like(places, step), places], axis=1).astype(np.int32))
            self.values.setdefault(probe.key, []).append(value[places])
        elif step % probe.every == 0:
            samples.append(value.reshape(probe.shape).copy())

    def trace(self) -> Trace:
        streams = [output for output in self.interface.outputs if output.stream]
        probes = self.interface.probes
        return Trace(
            outputs={s.name: _stacked(self.outputs.get(s.name, []), s.shape, s.dtype) for s in streams},
            probes={
                p.key: _rows(self.samples.get(p.key, []))
                if p.kind == "event"
                else _stacked(self.samples.get(p.key, []), p.shape, p.dtype)
                for p in probes
            },
            values={
                p.key: np.concatenate([np.empty(0, p.dtype), *self.values.get(p.key, [])])
                for p in probes
                if p.kind == "event" and p.dtype != "bool"
            },
            emitted={p: self.counts[p + EMITTED] for p in self.interface.populations},
            projections=additions(self.counts),
        )


def _stacked(slices: list[Array], shape: tuple[int, ...], dtype: str) -> Array:
    return np.stack(slices) if slices else np.empty((0, *shape), dtype)


def _rows(rows: list[Array]) -> Array:
    return np.concatenate([np.empty((0, 2), np.int32), *rows])
