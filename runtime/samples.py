"""Several samples of one network, run by compiled code one after the other, without Python between them.

The code has an entry for that beside those of `runtime.cpu`:

    void spikec_samples(void *arena, const void *constants, const uint32_t *keys, void *const *host,
                        const int64_t *strides, const int64_t *jumps, int64_t *counts,
                        int64_t first, int64_t samples, int64_t steps);

It is `spikec_init`, `spikec_run` from step 0 and `spikec_finish` for each of the samples `first`, `first` + 1, ...
`jumps` are the bytes of a host array from one sample to the next; each sample leaves a row of `counts`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import numpy as np
from spikec.dialects.constants import Array
from spikec.runtime.interface import Samples, flush_subnormals
from spikec.runtime.layout import Layout
from spikec.runtime.recording import recorded

AT_ONCE = 16
"""Samples of one call: who interrupts a run waits for these."""


class SampleRunner:
    """Calls the entry at the address `code`; what is the same in each call is made once."""

    def __init__(self, code: int, arena: int, constants: int, layout: Layout) -> None:
        pointer, word = ctypes.c_void_p, ctypes.c_int64
        self._call = ctypes.CFUNCTYPE(None, *[pointer] * 7, word, word, word)(code)
        self._arena, self._constants, self._layout = arena, constants, layout
        self._written = [stream.name for stream in (*layout.outputs, *layout.results)]
        table = word * (len(layout.inputs) + len(self._written) + 2 * len(layout.probes))
        self._host, self._jumps = table(), table()
        self._are_sized = all(probe.kind == "value" for probe in layout.probes)
        self._chosen: tuple[int, frozenset[str]] | None = None

    def room(self, samples: int, steps: int) -> Samples | None:
        """Arrays for what samples give; None where events are recorded: nobody knows how many there will be."""
        if not self._are_sized:
            return None
        layout = self._layout
        outputs = {s.name: np.empty((samples, steps, *s.shape), s.dtype) for s in layout.outputs}
        outputs |= {s.name: np.empty((samples, *s.shape), s.dtype) for s in layout.results}
        probes = {p.key: np.empty((samples, recorded(p, steps), *p.shape), p.dtype) for p in layout.probes}
        return Samples(outputs, probes, np.empty((samples, len(layout.counters)), np.int64))

    def run(
        self, room: Samples, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int, seed: int, part: range
    ) -> None:
        """Runs the samples `part`; the arrays of inputs have an axis of all samples in front, as those of the room."""
        if self._chosen != (seed, streamed):
            self._choose(seed, streamed)
        for first in range(part.start, part.stop, AT_ONCE):
            samples = slice(first, min(first + AT_ONCE, part.stop))
            given = [flush_subnormals(inputs[s.name][samples]) for s in self._layout.inputs]
            self._place(given, room, samples)
            self._call(*self._same, room.counts[samples].ctypes.data, first, samples.stop - first, steps)

    def _choose(self, seed: int, streamed: frozenset[str]) -> None:
        """Keys, and the elements of each input from one step to the next, which are none where it is held."""
        strides = np.array([s.size if s.name in streamed else 0 for s in self._layout.inputs], np.int64)
        keys = self._layout.keys(seed)
        self._kept = keys, strides
        host, jumps = ctypes.addressof(self._host), ctypes.addressof(self._jumps)
        self._same = self._arena, self._constants, keys.ctypes.data, host, strides.ctypes.data, jumps
        self._chosen = seed, streamed

    def _place(self, given: list[Array], room: Samples, samples: slice) -> None:
        """Writes the host's tables for some samples; probes have a second pointer, for events."""
        arrays = [*given, *(room.outputs[name][samples] for name in self._written)]
        for entry, array in enumerate(arrays):
            self._host[entry], self._jumps[entry] = array.ctypes.data, array.strides[0]
        for number, probe in enumerate(self._layout.probes):
            array, entry = room.probes[probe.key][samples], len(arrays) + 2 * number
            self._host[entry], self._jumps[entry] = array.ctypes.data, array.strides[0]
