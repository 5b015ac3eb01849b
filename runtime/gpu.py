"""Runs compiled GPU code: the engine that launches its kernels on a device.

The samples of a batch run side by side, in the y direction of every grid.  A long run is done in stretches of so many
steps that their host arrays fit into `ROWS_BYTES`; within one, the kernels of a round are launched as a graph of
`GRAPH_ROUNDS` rounds that is replayed, or one persistent kernel does all rounds.  `runtime.launches` says what kernels
expect.  Nothing here needs MLIR or a compiler.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic, UsageError
from spikec.runtime import device_rows
from spikec.runtime.device_memory import DeviceMemory
from spikec.runtime.devices import Device
from spikec.runtime.devices.device import Launch
from spikec.runtime.inputs import MAX_STEPS
from spikec.runtime.interface import EMITTED, Interface, Trace, additions, flush_subnormals
from spikec.runtime.launches import BARRIER, BEGIN, HEAD, KEYS, ROUND, SAMPLE, HostArray, Kernel, Launches

GRAPH_ROUNDS = 64
ROWS_BYTES = 64 << 20
# The y direction of a grid.
MOST_SAMPLES = 65535
Shape = Literal["auto", "graph", "persistent"]


class GpuEngine:
    """Runs one compiled network (`runtime.interface.Batches`).

    `constants` are the arrays that the plan names.  The device is the engine's own and is closed with it.  `shape` is
    that of a run: a "graph" of kernels, one "persistent" kernel, or "auto", the latter where it fits and the device has
    quick barriers.
    Raises CompileError where the device does not take the text, or has too little memory or too few places for blocks.
    """

    def __init__(
        self,
        device: Device,
        text: str,
        launches: Launches,
        constants: Mapping[str, Array],
        interface: Interface,
        shape: Shape = "auto",
    ) -> None:
        self.interface = interface
        self._device, self._launches, self._shape = device, launches, shape
        weakref.finalize(self, device.close).atexit = False
        self._memories = {memory.name: memory for memory in launches.memories}
        self._memory = DeviceMemory(device, launches, constants)
        module = device.load(text)
        self._functions = {k.name: device.function(module, k.name, k.shared_bytes) for k in launches.kernels}
        self._head: Array = np.zeros(launches.head_words, np.int64)
        self._graph: Any = None
        self._persistent = False
        self._samples = self._steps = 0
        self.reset()

    def another(self) -> None:
        """The samples of a batch run at once as it is."""

    # ------------------------------------------------------------ one sample

    def reset(self, seed: int = 0, sample: int = 0) -> None:
        """Back to the state before the first step; `seed` and `sample` choose the random numbers."""
        self.start(seed, sample, 1)

    def advance(self, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int) -> Trace:
        """Runs `steps` more steps; see `runtime.interface.Engine.advance`."""
        (trace,) = self.proceed({name: array[np.newaxis] for name, array in inputs.items()}, streamed, steps)
        return trace

    def finish(self) -> dict[str, Array]:
        """The outputs that are computed once, over all steps since `reset`."""
        (results,) = self.results()
        return results

    # ------------------------------------------------------------ samples side by side

    def most_samples(self) -> int:
        """How many samples can run at once: as many as memory holds with enough rows of the host's arrays."""
        memory = self._memory
        free = self._device.memory() - memory.shared_bytes
        most = min(MOST_SAMPLES, free // max(1, memory.sample_bytes + memory.row_bytes))
        most = min(most, ROWS_BYTES // max(1, GRAPH_ROUNDS * memory.row_bytes))
        kernel = self._launches.persistent
        if kernel is not None and self._shape == "persistent":
            most = min(most, self._resident(kernel) // kernel.grid)
        return max(1, most)

    def start(self, seed: int, first: int, samples: int) -> None:
        """Puts the samples `first`, `first` + 1, ... before their first step."""
        if self._memory.start(samples):
            self._forget_graph()
        self._samples, self._steps = samples, 0
        self._persistent = self._is_persistent()
        self._head[KEYS : KEYS + 2 * len(self._launches.draws)] = self._launches.keys(seed)
        self._head[SAMPLE] = first
        self._once(self._launches.init)

    def proceed(self, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int) -> list[Trace]:
        """Runs `steps` more steps; arrays have a leading axis of samples, and each sample gives a trace."""
        if self._steps + steps + self._launches.skew > MAX_STEPS:
            raise UsageError(f"at most {MAX_STEPS - self._launches.skew} steps can be run without a reset")
        arrays = {name: flush_subnormals(array) for name, array in inputs.items()}
        pieces = []
        chunk = self._chunk(steps)
        for done in range(0, steps, chunk):
            count = min(chunk, steps - done)
            part = {n: a[:, done : done + count] if n in streamed else a for n, a in arrays.items()}
            pieces.append(self._stretch(part, streamed, count))
        return [Trace.joined(list(parts)) for parts in zip(*pieces, strict=True)]

    def results(self) -> list[dict[str, Array]]:
        """The outputs of each sample that are computed once, over all steps since `start`."""
        hosts = [host for host in self._launches.hosts if host.kind == "result"]
        for host in hosts:
            self._provide(host, 1)
        self._once(self._launches.finish)
        made = {host.name: self._read(host, 1) for host in hosts}
        return [{name: rows[sample][0] for name, rows in made.items()} for sample in range(self._samples)]

    # ------------------------------------------------------------ a stretch of steps

    def _chunk(self, steps: int) -> int:
        """How many steps are run at once: as many as the rows of host arrays have memory for."""
        memory = self._memory
        free = self._device.memory() - memory.shared_bytes - memory.sample_bytes * self._samples
        return max(1, min(steps, min(ROWS_BYTES, free) // max(1, memory.row_bytes * self._samples)))

    def _stretch(self, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int) -> list[Trace]:
        """Runs the next `steps` steps."""
        recorded = {}
        for host in self._launches.hosts:
            if host.kind == "input" and host.buffers:
                self._upload(host, inputs[host.name], host.name in streamed)
            elif host.kind in ("output", "probe"):
                recorded[host] = device_rows.recorded(host.every, self._steps, steps)
                self._provide(host, recorded[host])
        before, begin = self._counters(), self._steps
        self._steps += steps
        self._write_head(begin)
        self._rounds(self._launches.iterations(steps))
        rows = {(host.kind, host.name): self._read(host, count) for host, count in recorded.items()}
        counted = {name: values - before[name] for name, values in self._counters().items()}
        return [self._trace(rows, counted, sample, begin) for sample in range(self._samples)]

    def _rounds(self, rounds: int) -> None:
        """All rounds of a stretch."""
        kernel = self._launches.persistent
        if self._persistent and kernel is not None:
            self._memory.clear(BARRIER)
            self._device.launch(self._launch(kernel, 0, cooperative=True))
            return
        whole, rest = divmod(rounds, GRAPH_ROUNDS)
        if whole and self._graph is None:
            self._graph = self._device.record(self._launches_of(GRAPH_ROUNDS))
        for replay in range(whole):
            self._set_round(replay * GRAPH_ROUNDS)
            self._device.replay(self._graph)
        self._set_round(whole * GRAPH_ROUNDS)
        for launch in self._launches_of(rest):
            self._device.launch(launch)

    def _set_round(self, number: int) -> None:
        """Without a copy, for which the host would wait; the upper half of the word stays zero."""
        self._device.fill(self._memory[HEAD] + ROUND * self._head.itemsize, number, 1)

    def _launches_of(self, rounds: int) -> list[Launch]:
        return [self._launch(kernel, number) for number in range(rounds) for kernel in self._launches.step]

    def _once(self, kernels: tuple[Kernel, ...]) -> None:
        """The kernels of the start or the end."""
        self._write_head(self._steps)
        for kernel in kernels:
            self._device.launch(self._launch(kernel, 0))

    def _write_head(self, begin: int) -> None:
        self._head[BEGIN : ROUND + 1] = begin, self._steps, 0
        self._device.write(self._memory[HEAD], self._head)

    def _launch(self, kernel: Kernel, number: int, cooperative: bool = False) -> Launch:
        addresses = tuple(self._memory[name] for name in kernel.arguments)
        grid, function = (kernel.grid, self._samples), self._functions[kernel.name]
        return Launch(function, grid, kernel.block, number, addresses, kernel.shared_bytes, cooperative)

    def _is_persistent(self) -> bool:
        """Whether runs are one launch; raises CompileError where they must be and the device has too few places."""
        kernel = self._launches.persistent
        if kernel is None or self._shape == "graph":
            return False
        if self._shape == "auto" and not self._device.has_quick_barriers():
            return False
        blocks, resident = kernel.grid * self._samples, self._resident(kernel)
        if blocks > resident and self._shape == "persistent":
            message = f"the persistent kernel has {blocks} blocks, and the device holds {resident} of them at once"
            help = "write launch=graph, or launch=auto, which takes a graph where it must"
            raise CompileError([Diagnostic("E0726", "error", message, help=help)])
        return blocks <= resident

    def _resident(self, kernel: Kernel) -> int:
        return self._device.resident(self._functions[kernel.name], kernel.block, kernel.shared_bytes)

    def _forget_graph(self) -> None:
        """A graph holds addresses, so it ends with one of them."""
        if self._graph is not None:
            self._device.discard(self._graph)
            self._graph = None

    # ------------------------------------------------------------ host arrays

    def _provide(self, host: HostArray, rows: int, held: bool = False) -> None:
        """Memory for some rows of a host array, and its strides in the head; a held row is there for all steps."""
        (name,) = host.buffers
        memory = self._memories[name]
        if self._memory.provide(name, self._samples * rows * memory.bytes):
            self._forget_graph()
        word = self._launches.host_word(self._launches.hosts.index(host))
        self._head[word : word + 2] = 0 if held else memory.length, rows * memory.length

    def _upload(self, host: HostArray, array: Array, streams: bool) -> None:
        (name,) = host.buffers
        rows = array.reshape(self._samples, -1, host.size)
        self._provide(host, rows.shape[1], not streams)
        self._device.write(self._memory[name], device_rows.to_device(self._memories[name], rows))

    def _read(self, host: HostArray, rows: int) -> Array:
        """Rows of a host array: (samples, rows, *shape)."""
        (name,) = host.buffers
        memory = self._memories[name]
        flat = self._device.read(self._memory[name], memory.dtype, self._samples * rows * memory.length)
        elements = device_rows.from_device(memory, flat, (self._samples, rows), host.dtype)
        return elements.reshape(self._samples, rows, *host.shape)

    def _counters(self) -> dict[str, Array]:
        """Each counter of all samples."""
        return {
            name: self._device.read(self._memory[buffer], np.int64, self._samples)
            for name, buffer in self._launches.counters
        }

    def _trace(
        self, rows: Mapping[tuple[str, str], Array], counted: Mapping[str, Array], sample: int, begin: int
    ) -> Trace:
        """One sample of a stretch from step `begin` on."""
        counts = {name: int(values[sample]) for name, values in counted.items()}
        emitted = {p: counts.get(p + EMITTED, 0) for p in self.interface.populations}
        trace = Trace({}, {}, {}, emitted, additions(counts))
        for output in self.interface.outputs:
            if output.stream:
                trace.outputs[output.name] = rows["output", output.name][sample]
        for probe in self.interface.probes:
            found = rows["probe", probe.key][sample]
            if probe.kind == "value":
                trace.probes[probe.key] = found
                continue
            trace.probes[probe.key], values = device_rows.events(found.reshape(len(found), -1), begin)
            if probe.dtype != "bool":
                trace.values[probe.key] = values
        return trace
