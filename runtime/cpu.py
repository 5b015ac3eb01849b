"""Runs compiled CPU code: the engine that calls it.

The code has entries of fixed signature; `host` lists the caller's arrays:

    void spikec_init(void *arena, const void *constants, const uint32_t *keys, uint32_t sample);
    void spikec_run(void *arena, const void *constants, void *const *host, const int64_t *strides,
                    int64_t begin, int64_t end);
    void spikec_finish(void *arena, const void *constants, void *const *host, int64_t steps);

and a fourth one, `spikec_samples` (`runtime.samples`), which is these for several samples.
`host` has inputs, outputs, results, then two pointers per probe (samples or rows; values of events), in the
layout's order.  `strides` are the inputs' elements from one step to the next; zero holds an input.  A pointer
of a probe may be null: it is not recorded then.  Nothing here needs MLIR or a compiler.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.runtime.interface import EMITTED, Interface, Samples, Trace, additions, flush_subnormals
from spikec.runtime.layout import Cell, Layout, aligned, pack
from spikec.runtime.recording import Recording
from spikec.runtime.samples import SampleRunner

if TYPE_CHECKING:
    from spikec.runtime.workers import Workers, WorkersCode

__all__ = ["CONSTANTS", "ENTRIES", "Code", "CpuEngine", "Layout", "pack"]

ENTRIES = ("spikec_init", "spikec_run", "spikec_finish", "spikec_samples")
CONSTANTS = "spikec_constants"
WORD = 8  # bytes of a counter


@dataclass(frozen=True, slots=True)
class Code:
    """Addresses of the entries; `owner` keeps the memory that holds them."""

    owner: Any
    init: int
    run: int
    finish: int
    samples: int


class CpuEngine:
    """Runs one compiled network (`runtime.interface.Engine`).

    `constants` is the address of the block of constants, or the block itself (uint8, kept alive).
    """

    def __init__(self, code: Code, constants: int | Array, layout: Layout, interface: Interface) -> None:
        pointer, word = ctypes.c_void_p, ctypes.c_int64
        self.interface = interface
        self.layout = layout
        self._code, self._block = code, constants  # kept alive with the engine
        self._constants = constants if isinstance(constants, int) else int(constants.ctypes.data)
        self._init = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, ctypes.c_uint32)(code.init)
        self._run = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, pointer, word, word)(code.run)
        self._finish = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, word)(code.finish)
        self._arena = aligned(layout.arena)
        self._address = int(self._arena.ctypes.data)
        self._samples = SampleRunner(code.samples, self._address, self._constants, layout)
        self._counter_names = [name for name, _ in layout.counters]
        self._counter_words = np.array([offset // WORD for _, offset in layout.counters], np.intp)
        self._steps = 0
        self._workers: Workers | None = None
        self._crew: Workers | None = None
        self._workers_code: WorkersCode | None = None
        self.code_for_workers: Callable[[], WorkersCode] | None = None
        """Makes the code for several threads; None where there is none."""
        self.reset()

    @staticmethod
    def from_library(
        path: Path, layout: Layout, interface: Interface, constants: int | Array | None = None
    ) -> CpuEngine:
        """Loads a shared library that the CPU target made; without `constants` it holds them itself."""
        try:
            library = ctypes.CDLL(str(path))
            entries = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in ENTRIES]
            if constants is None:
                constants = ctypes.addressof(ctypes.c_char.in_dll(library, CONSTANTS))
        except (OSError, AttributeError, ValueError) as error:
            message = f"not a library that runs on this machine: {error}"
            raise CompileError([Diagnostic("E0705", "error", message, file=str(path))]) from None
        return CpuEngine(Code(library, *entries), constants, layout, interface)

    def another(self) -> CpuEngine:
        """An engine of the same network with a state of its own, for another thread."""
        return CpuEngine(self._code, self._block, self.layout, self.interface)

    @property
    def threads(self) -> int:
        """How many threads may share the work of a step."""
        return self._workers.count if self._workers else 1

    def divide(self, threads: int, always: bool = False) -> None:
        """From now on at most `threads` threads share the work of a step, where that is likely to be faster.

        `always` means: in any case, and even if there are fewer processors.
        """
        self._workers = None
        if threads == 1:
            return
        from spikec.runtime.workers import MOST, Pace, Workers, processors  # most networks run on one thread

        count = min(threads, MOST, threads if always else processors())
        if count > 1 and self.code_for_workers is not None:
            self._workers_code = self._workers_code or self.code_for_workers()
            if self._crew is None or self._crew.count != count:
                self._crew = Workers(self._workers_code, self._constants, count)
            self._workers = self._crew
            self._workers.pace = None if always else self._workers.pace or Pace()

    def reset(self, seed: int = 0, sample: int = 0) -> None:
        """Back to the state before the first step; `seed` and `sample` choose the random numbers."""
        keys = self.layout.keys(seed)
        self._init(self._address, self._constants, keys.ctypes.data, sample)
        self._steps = 0

    def advance(self, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int) -> Trace:
        """Runs `steps` more steps; see `runtime.interface.Engine.advance`."""
        layout = self.layout
        arrays = {s.name: flush_subnormals(inputs[s.name]) for s in layout.inputs}
        strides = {s.name: s.size if s.name in streamed else 0 for s in layout.inputs}
        stride_words = np.array([*strides.values(), 0], np.int64)
        outputs = {s.name: np.empty((steps, *s.shape), s.dtype) for s in layout.outputs}
        recording = Recording(layout, self._arena, self._steps, steps)
        before = self._counters()
        done = 0
        while done < steps:
            chunk = min(recording.chunk, steps - done, self._workers.steps if self._workers else steps)
            host = [int(arrays[s.name].ctypes.data) + done * strides[s.name] * s.itemsize for s in layout.inputs]
            host += [int(outputs[s.name].ctypes.data) + done * s.size * s.itemsize for s in layout.outputs]
            host += [0] * len(layout.results)
            host += recording.begin(self._steps)
            begin, self._steps = self._steps, self._steps + chunk
            arrays_of_host, words = _table(host), stride_words.ctypes.data
            given = (self._address, self._constants, arrays_of_host, words, begin, self._steps)
            if self._workers is None:
                self._run(*given)
            else:
                self._workers.run(self._run, *given)
            recording.end()
            done += chunk
        counted = {name: value - before[name] for name, value in self._counters().items()}
        return Trace(outputs, recording.probes(), recording.values(), self._emitted(counted), additions(counted))

    def finish(self) -> dict[str, Array]:
        """The outputs that are computed once, over all steps since `reset`."""
        layout = self.layout
        results = {s.name: np.empty(s.shape, s.dtype) for s in layout.results}
        host = [0] * (len(layout.inputs) + len(layout.outputs))
        host += [results[s.name].ctypes.data for s in layout.results]
        self._finish(self._address, self._constants, _table(host), self._steps)
        return results

    def room(self, samples: int, steps: int) -> Samples | None:
        """Arrays for samples that the compiled code runs one after the other; None where it cannot."""
        return None if self._workers is not None else self._samples.room(samples, steps)

    def run_samples(
        self, room: Samples, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int, seed: int, part: range
    ) -> None:
        """See `runtime.interface.Sampled.run_samples`."""
        self._samples.run(room, inputs, streamed, steps, seed, part)
        self._steps = steps

    def counted(self, room: Samples) -> tuple[dict[str, int], dict[str, int]]:
        """Events and weight additions of all samples."""
        totals = room.counts.sum(axis=0) if len(room.counts) > 1 else room.counts[0]
        counted = dict(zip(self._counter_names, totals.tolist(), strict=True))
        return self._emitted(counted), additions(counted)

    def _emitted(self, counted: Mapping[str, int]) -> dict[str, int]:
        return {p: counted.get(p + EMITTED, 0) for p in self.interface.populations}

    def states(self) -> dict[str, Array]:
        """A copy of each buffer of the arena: (*shape), or (slots, *shape) for a ring of past values."""
        return {cell.name: self._cell(cell) for cell in self.layout.cells}

    def _cell(self, cell: Cell) -> Array:
        dtype = np.dtype(cell.dtype)
        size = cell.slots * cell.stride * dtype.itemsize
        rows = self._arena[cell.offset : cell.offset + size].view(dtype).reshape(cell.slots, cell.stride)
        values = rows[:, : cell.size].reshape(cell.slots, *cell.shape).copy()
        return values if cell.slots > 1 else values[0]

    def _counters(self) -> dict[str, int]:
        words = self._arena[: len(self._arena) // WORD * WORD].view(np.int64)
        return dict(zip(self._counter_names, words[self._counter_words].tolist(), strict=True))


def _table(pointers: list[int]) -> Any:
    return (ctypes.c_void_p * max(1, len(pointers)))(*pointers)
