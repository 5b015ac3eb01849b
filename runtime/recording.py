"""Collects what the probes of compiled code record, in buffers of bounded size.

A value probe has one row for each recorded step, so its array is allocated whole.  How many rows an
event probe gives is not known before: it writes into a buffer that holds the worst case of `chunk`
steps, which is copied out after each stretch of that many steps.
"""

from __future__ import annotations

import numpy as np
from spikec.dialects.constants import Array
from spikec.runtime.layout import Layout, Recorder

EVENT_BYTES = 64 << 20
ROW_BYTES = 8


class Recording:
    """The probes of one stretch of `steps` steps from step `first` on."""

    def __init__(self, layout: Layout, arena: Array, first: int, steps: int) -> None:
        self._arena = arena
        self._probes = layout.probes
        self._end = first + steps
        events = [p for p in layout.probes if p.kind == "event"]
        worst = sum(p.size * (ROW_BYTES + np.dtype(p.dtype).itemsize) for p in events)
        self.chunk = min(steps, max(1, EVENT_BYTES // worst)) if worst else steps
        self._samples = {
            p.key: np.empty((recorded(p, self._end) - recorded(p, first), *p.shape), p.dtype)
            for p in layout.probes
            if p.kind == "value"
        }
        self._first = {p.key: recorded(p, first) for p in layout.probes}
        self._rows = {p.key: np.empty((self.chunk * p.size, 2), np.int32) for p in events}
        self._values = {p.key: np.empty(self.chunk * p.size, p.dtype) for p in events if p.dtype != "bool"}
        self._taken_rows: dict[str, list[Array]] = {p.key: [] for p in events}
        self._taken_values: dict[str, list[Array]] = {key: [] for key in self._values}

    def begin(self, step: int) -> list[int]:
        """The pointers of the host table for a chunk that starts at `step`, by probe: first array, values or 0."""
        pointers = []
        for probe in self._probes:
            if probe.kind == "value":
                array = self._samples[probe.key]
                done = recorded(probe, step) - self._first[probe.key]
                pointers += [int(array.ctypes.data) + done * probe.size * array.itemsize, 0]
            else:
                values = self._values.get(probe.key)
                pointers += [int(self._rows[probe.key].ctypes.data), 0 if values is None else int(values.ctypes.data)]
                self._cursor(probe)[0] = 0
        return pointers

    def end(self) -> None:
        """Takes what the chunk gave."""
        for probe in self._probes:
            if probe.kind == "event":
                count = int(self._cursor(probe)[0])
                self._taken_rows[probe.key].append(self._rows[probe.key][:count].copy())
                if probe.key in self._values:
                    self._taken_values[probe.key].append(self._values[probe.key][:count].copy())

    def probes(self) -> dict[str, Array]:
        """Samples (samples, *shape) of value probes, int32 rows (step, flat index) of event probes."""
        empty = np.empty((0, 2), np.int32)
        return {
            p.key: self._samples[p.key] if p.kind == "value" else np.concatenate([empty, *self._taken_rows[p.key]])
            for p in self._probes
        }

    def values(self) -> dict[str, Array]:
        """The values of the events of probes whose events are not plain spikes."""
        return {
            p.key: np.concatenate([np.empty(0, p.dtype), *self._taken_values[p.key]])
            for p in self._probes
            if p.key in self._values
        }

    def _cursor(self, probe: Recorder) -> Array:
        return self._arena[probe.cursor : probe.cursor + 8].view(np.int64)


def recorded(probe: Recorder, step: int) -> int:
    """How many samples are recorded before `step`."""
    return -(-step // probe.every)
