"""Running a compiled network: the `Executable` of the Python API, over any engine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic, UsageError
from spikec.runtime import memory
from spikec.runtime.inputs import Inputs, Source, prepare
from spikec.runtime.interface import Batches, Clocked, Divisible, Engine, Interface, Probe, Sampled, Trace, summed

_T = TypeVar("_T")

# A run that somebody watches is done in this many pieces.
PIECES = 100


@dataclass(frozen=True)
class Run:
    """What a run gave.

    outputs: name -> `(T, *shape)` for a stream, `(*shape)` otherwise, with a leading batch axis where there is a
    batch.  probes: key -> samples `(samples, *shape)`, or int32 rows (step, flat index), (batch, step, index) with a
    batch, for `pop.spike`, and the events' values under `pop.event` where they are not plain spikes.
    spikes: the rows of `pop.spike` by population.  counts: population -> number of events emitted.
    projections: projection -> weight additions done; synaptic_events: of all projections.
    seconds: wall time of the parts, `compile` and `run`.
    scales: what the integers of an output or probe are multiplied by to give reals (rank 0, or the probe's shape);
    a key that it has not is no integer that stands for a real.
    cycles: those of a circuit, of all samples, at `clock` (Hz); 0 otherwise.
    """

    steps: int
    batch: int | None
    outputs: dict[str, Array]
    probes: dict[str, Array]
    counts: dict[str, int]
    projections: dict[str, int]
    seconds: dict[str, float]
    scales: dict[str, Array] = field(default_factory=dict)
    cycles: int = 0
    clock: float = 0.0

    def real(self) -> Run:
        """The same run with the integers that stand for reals as these, in float64."""
        return replace(self, outputs=self._scaled(self.outputs), probes=self._scaled(self.probes), scales={})

    def _scaled(self, arrays: dict[str, Array]) -> dict[str, Array]:
        return {key: self._real(key, array) if key in self.scales else array for key, array in arrays.items()}

    def _real(self, key: str, array: Array) -> Array:
        scale = self.scales[key]
        if key.endswith(".event") and scale.ndim:
            scale = scale.reshape(-1)[self.probes[key.removesuffix(".event") + ".spike"][:, -1]]
        return np.asarray(array * scale, np.float64)

    @property
    def synaptic_events(self) -> int:
        return sum(self.projections.values())

    @property
    def spikes(self) -> dict[str, Array]:
        return {k.removesuffix(".spike"): rows for k, rows in self.probes.items() if k.endswith(".spike")}


@dataclass
class Executable:
    """A network that is ready to run.

    `seed` is the run seed that it was made with; where `random_structure` is set, the connections were drawn
    from it, and no other seed can be run.  `files` makes what `save` writes; None where the target makes no files.
    """

    engine: Engine = field(repr=False)
    target: str
    seed: int = 0
    random_structure: bool = False
    files: Callable[[], Mapping[str, bytes | Path]] | None = field(default=None, repr=False)
    compile_seconds: float = 0.0
    _started: bool = field(default=False, init=False, repr=False)

    @property
    def interface(self) -> Interface:
        return self.engine.interface

    def run(
        self,
        inputs: Mapping[str, Any] | None = None,
        steps: int | None = None,
        batch: int | None = None,
        seed: int | None = None,
        progress: Callable[[int], None] | None = None,
        threads: int = 1,
    ) -> Run:
        """Runs `steps` steps from the start (by default as many as the streamed inputs have).

        Inputs are arrays by name, `(T, *shape)` to stream and `(*shape)` to hold, with a leading axis of `batch`
        samples where `batch` is given; values are in SI base units.  `progress` is called with numbers of steps done.
        At most `threads` threads share out the samples of a batch, or the work of each step where there is one sample;
        the results are the same.  A network with short steps is run by one thread.
        Raises CompileError for inputs that do not fit and UsageError where the number of steps is not known.
        """
        ready = prepare(_sources(inputs), self.interface, steps, batch)
        seed = self._checked(seed)
        self._check_memory(ready)
        begin = time.perf_counter()
        if self._divisible is not None:
            self._divisible.divide(threads if (batch or 1) == 1 else 1)
        made = time.perf_counter()
        self._started = True
        threads = min(threads, batch or 1)
        run = self._at_once(ready, seed, threads) if progress is None else None
        if run is None:
            samples = self._samples(ready, seed, progress, threads)
            run = _collect(self.interface, samples, ready.steps, batch, dict(self._scales))
        run.seconds.update({"compile": self.compile_seconds + made - begin, "run": time.perf_counter() - made})
        return replace(run, clock=self._clocked.clock) if self._clocked is not None else run

    def step(self, inputs: Mapping[str, Any] | None = None) -> dict[str, Array]:
        """Runs one more step on arrays of shape `(*shape)` and returns the outputs of that step."""
        ready = prepare(_sources(inputs), self.interface, 1, None)
        if not self._started:
            self.reset(self.seed)
        trace = self.engine.advance(ready.arrays, ready.streamed, 1)
        return {name: array[0] for name, array in trace.outputs.items()}

    def reset(self, seed: int | None = None) -> None:
        """Back to the state before the first step."""
        self.engine.reset(self._checked(seed), 0)
        self._started = True

    def save(self, folder: str | Path, force: bool = False) -> None:
        """Writes the artifact, which `spikec.open` reads.  Raises CompileError where the folder exists."""
        from spikec.runtime.files import refuse_existing, write_folder

        if self.files is None:
            raise UsageError(f"the target '{self.target}' makes no files")
        refuse_existing(Path(folder), force)
        write_folder(Path(folder), self.files(), force)

    # Found once: to ask whether an engine fulfils a protocol takes longer than a short run.

    @cached_property
    def _batches(self) -> Batches | None:
        return self.engine if isinstance(self.engine, Batches) else None

    @cached_property
    def _sampled(self) -> Sampled | None:
        return self.engine if isinstance(self.engine, Sampled) else None

    @cached_property
    def _divisible(self) -> Divisible | None:
        return self.engine if isinstance(self.engine, Divisible) else None

    @cached_property
    def _clocked(self) -> Clocked | None:
        return self.engine if isinstance(self.engine, Clocked) else None

    def _checked(self, seed: int | None) -> int:
        if seed is None:
            return self.seed
        if not 0 <= seed < 2**64:
            raise UsageError(f"the seed must be in 0..2^64-1, not {seed}")
        if self.random_structure and seed != self.seed:
            message = f"the connections of {self.interface.model} were drawn with seed {self.seed}, not {seed}"
            raise CompileError([Diagnostic("E0721", "error", message, help=f"compile it again with --seed {seed}")])
        return seed

    @cached_property
    def _recorded(self) -> list[tuple[int, int]]:
        """The bytes of each row of what is recorded, and the steps from one to the next."""
        streams = [(_size(o.shape, o.dtype), 1) for o in self.interface.outputs if o.stream]
        return streams + [(_size(p.shape, p.dtype), p.every) for p in self.interface.probes if p.kind == "value"]

    def _check_memory(self, inputs: Inputs) -> None:
        """What is recorded must fit: a mistyped number of steps ends here, not in the system's killer."""
        steps = inputs.steps
        need = sum(size * -(-steps // every) for size, every in self._recorded) * (inputs.batch or 1)
        if need > memory.limit():
            message = f"what {steps} steps record takes {memory.shown(need)}, more than half of this machine's memory"
            raise CompileError([Diagnostic("E0706", "error", message, help="record less, or run fewer steps")])

    def _at_once(self, inputs: Inputs, seed: int, threads: int) -> Run | None:
        """All samples, run by the engine itself, each thread those of a stretch; None where it cannot."""
        engine, count = self._sampled, inputs.batch or 1
        room = None if engine is None else engine.room(count, inputs.steps)
        if engine is None or room is None:
            return None
        single = inputs.batch is None
        arrays = {name: array[None] for name, array in inputs.arrays.items()} if single else inputs.arrays

        def work(engine: Any, worker: int, workers: int) -> None:
            part = range(worker * count // workers, (worker + 1) * count // workers)
            engine.run_samples(room, arrays, inputs.streamed, inputs.steps, seed, part)

        self._shared(work, threads)
        outputs = {o.name: room.outputs[o.name] for o in self.interface.outputs}
        probes = {p.key: room.probes[p.key] for p in self.interface.probes}
        if single:
            outputs, probes = ({key: array[0] for key, array in part.items()} for part in (outputs, probes))
        return Run(inputs.steps, inputs.batch, outputs, probes, *engine.counted(room), {}, dict(self._scales))

    @cached_property
    def _scales(self) -> dict[str, Array]:
        scales = {o.name: np.asarray(o.scale) for o in self.interface.outputs if o.scale is not None}
        for probe in self.interface.probes:
            if probe.scale is not None:
                shape = probe.shape if isinstance(probe.scale, tuple) else ()
                scales[_values_of(probe)] = np.asarray(probe.scale).reshape(shape)
        return scales

    def _shared(self, work: Callable[[Any, int, int], _T], threads: int) -> list[_T]:
        """What `work` gives for the engine of each thread, its number, and how many there are."""
        others = [other for other in (self.engine.another() for _ in range(threads - 1)) if other is not None]
        if not others:
            return [work(self.engine, 0, 1)]
        from concurrent.futures import ThreadPoolExecutor

        engines = [self.engine, *others]
        with ThreadPoolExecutor(len(engines)) as pool:
            return list(pool.map(lambda k: work(engines[k], k, len(engines)), range(len(engines))))

    def _samples(
        self, inputs: Inputs, seed: int, progress: Callable[[int], None] | None, threads: int
    ) -> list[tuple[Trace, dict[str, Array]]]:
        """What each sample gave, in order; worker k of n takes the samples k, k + n, ..."""
        count = inputs.batch or 1
        if inputs.batch is not None and self._batches is not None:
            most = self._batches.most_samples()
            groups = (range(first, min(first + most, count)) for first in range(0, count, most))
            return [given for group in groups for given in _group(self._batches, inputs, group, seed, progress)]

        def work(engine: Any, worker: int, workers: int) -> list[tuple[Trace, dict[str, Array]]]:
            return [
                (_sample(engine, inputs, index, seed, progress), engine.finish())
                for index in range(worker, count, workers)
            ]

        shares = self._shared(work, threads)
        return [shares[index % len(shares)][index // len(shares)] for index in range(count)]


def _sample(engine: Engine, inputs: Inputs, index: int, seed: int, progress: Callable[[int], None] | None) -> Trace:
    engine.reset(seed, index)
    parts = _parts(inputs.sample(index), inputs, 0, 1, progress)
    return Trace.joined([engine.advance(part, inputs.streamed, steps) for part, steps in parts])


def _group(
    engine: Batches, inputs: Inputs, samples: range, seed: int, progress: Callable[[int], None] | None
) -> list[tuple[Trace, dict[str, Array]]]:
    """What some samples gave that ran at once."""
    engine.start(seed, samples.start, len(samples))
    arrays = {name: array[samples.start : samples.stop] for name, array in inputs.arrays.items()}
    parts = _parts(arrays, inputs, 1, len(samples), progress)
    pieces = [engine.proceed(part, inputs.streamed, steps) for part, steps in parts]
    return list(zip(map(Trace.joined, zip(*pieces, strict=True)), engine.results(), strict=True))


def _parts(
    arrays: Mapping[str, Array], inputs: Inputs, axis: int, samples: int, progress: Callable[[int], None] | None
) -> Iterator[tuple[Mapping[str, Array], int]]:
    """The arrays of consecutive stretches of steps, and how many steps they are; streams have `axis` for steps.

    A run that somebody watches is told of each stretch when it is done.
    """
    if progress is None:
        yield arrays, inputs.steps
        return
    for begin, end in _pieces(inputs.steps):
        part = {n: _cut(a, axis, begin, end) if n in inputs.streamed else a for n, a in arrays.items()}
        yield part, end - begin
        progress(samples * (end - begin))


def _cut(array: Array, axis: int, begin: int, end: int) -> Array:
    return array[begin:end] if axis == 0 else array[:, begin:end]


def _size(shape: tuple[int, ...], dtype: str) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def _sources(inputs: Mapping[str, Any] | None) -> dict[str, Source]:
    """Sources as they are, and anything else that numpy can make an array of."""
    sources = {}
    for name, value in (inputs or {}).items():
        try:
            sources[name] = value if isinstance(value, Source) else Source(np.asarray(value))
        except ValueError as error:
            message = f"input '{name}' is not an array: {error}"
            raise CompileError([Diagnostic("E0717", "error", message)]) from None
    return sources


def _pieces(steps: int) -> Iterator[tuple[int, int]]:
    length = -(-steps // PIECES)
    for begin in range(0, steps, length):
        yield begin, min(steps, begin + length)


def _collect(
    interface: Interface,
    samples: list[tuple[Trace, dict[str, Array]]],
    steps: int,
    batch: int | None,
    scales: dict[str, Array],
) -> Run:
    """The traces and last outputs of all samples as one `Run`."""
    traces = [trace for trace, _ in samples]

    def stacked(arrays: list[Array]) -> Array:
        return arrays[0] if batch is None else np.stack(arrays)

    outputs = {
        o.name: stacked([(trace.outputs if o.stream else final)[o.name] for trace, final in samples])
        for o in interface.outputs
    }
    probes: dict[str, Array] = {}
    for probe in interface.probes:
        parts = [trace.probes[probe.key] for trace in traces]
        if probe.kind == "value":
            probes[probe.key] = stacked(parts)
            continue
        probes[probe.key] = parts[0] if batch is None else _batched(parts)
        if all(probe.key in trace.values for trace in traces):
            probes[_values_of(probe)] = np.concatenate([trace.values[probe.key] for trace in traces])
    counts, added = summed([trace.emitted for trace in traces]), summed([trace.projections for trace in traces])
    cycles = sum(trace.cycles for trace in traces)
    return Run(steps, batch, outputs, probes, counts, added, {}, scales, cycles)


def _values_of(probe: Probe) -> str:
    """The key of the values that a probe records."""
    return probe.key if probe.kind == "value" else probe.key.removesuffix(".spike") + ".event"


def _batched(parts: list[Array]) -> Array:
    """Rows of events of several samples as rows (batch, step, index)."""
    rows = [np.insert(part, 0, index, axis=1) for index, part in enumerate(parts)]
    return np.concatenate(rows).astype(np.int32)
