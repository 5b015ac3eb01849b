"""Runs circuits: the engine around the compiled simulator of level `rtl`.

Outputs come from the ports of the circuit.  Events that it sends to nobody, for counts and probes, are taken from
registers inside, and states from its memories, for which it stands still after a step.  What a run gives once is
computed by the interpreter from the states at the end, as a host of the device does it.

`stored` and `loaded` are a circuit as files: its text and constants, and its wiring.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import copy

import numpy as np
from spikec.dialects.constants import Array, Constants
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.runtime.artifact import WIRING
from spikec.runtime.interface import EMITTED, Interface, Output, Probe, Trace, additions
from spikec.runtime.reference.engine import StepEngine
from spikec.runtime.rtl import stored as wirings
from spikec.runtime.rtl.bench import Bench
from spikec.runtime.rtl.circuit import Circuit, Wiring
from spikec.runtime.rtl.observation import Observer, rows_of_events

_CIRCUIT, _RESULT = "circuit", "result"
_NUMBERS = 32 << 20
"""The most numbers that a stretch of steps takes and gives."""


class CircuitEngine:
    """Runs one circuit (`runtime.interface.Engine`).

    `program` is the circuit at level `rtl`, verified; `result` the program at level `step` whose entry `@finish`
    computes what a run gives once.  `clock` is a frequency in Hz.
    """

    def __init__(
        self, program: Program, wiring: Wiring, result: Program | None, interface: Interface, clock: float
    ) -> None:
        self.interface, self.clock = interface, clock
        self._wiring, self._result = wiring, result
        self._bench = Bench(program, wiring)
        self._finisher = self._interpreter()
        self.reset()

    def another(self) -> CircuitEngine:
        """An engine of the same circuit with a state of its own, for another thread."""
        other = copy(self)
        other._bench, other._finisher = self._bench.another(), self._interpreter()
        other.reset()
        return other

    def reset(self, seed: int = 0, sample: int = 0) -> None:
        """Back to the state before the first step; `seed` and `sample` choose the random numbers.

        Raises CompileError for a sample whose states at the start are not those of the circuit.
        """
        if self._wiring.drawn and sample:
            message = "the states at the start were drawn for one sample, and are a part of the circuit"
            raise CompileError([Diagnostic("E0721", "error", message, help="run one sample, without a batch")])
        self._bench.reset(seed, sample)
        self._observer = Observer(self._wiring.observation)
        self._steps = 0

    def advance(self, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int) -> Trace:
        """Runs `steps` more steps; see `runtime.interface.Engine.advance`."""
        first, counters, cycles = self._steps, dict(self._observer.counters), self._bench.cycles
        rows = {i.name: _rows(inputs[i.name], i.name in streamed, steps) for i in self.interface.inputs}
        samples = {probe.key: [np.empty((0, *probe.shape), probe.dtype)] for probe in self._held}
        pieces = []
        for end in self._ends(first, first + steps):
            part = {name: array[self._steps - first : end - first] for name, array in rows.items()}
            pieces.append(self._stretch(part, end - self._steps))
            self._steps = end
            for probe in self._held:
                if (end - 1) % probe.every == 0:
                    samples[probe.key].append(self._sample(probe))
        buffers = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        counted = {name: value - counters[name] for name, value in self._observer.counters.items()}
        trace = Trace(
            outputs={o.name: _shaped(buffers[f"output.{o.name}"], o) for o in self.interface.outputs if o.stream},
            probes={key: np.concatenate(found) for key, found in samples.items()},
            values={},
            emitted={name: counted.get(name + EMITTED, 0) for name in self.interface.populations},
            projections=additions(counted),
            cycles=self._bench.cycles - cycles,
        )
        for probe in self.interface.probes:
            if probe.key not in samples:
                self._record(probe, buffers, first, trace)
        return trace

    def finish(self) -> dict[str, Array]:
        """The outputs that are computed once, over all steps since `reset`."""
        return {} if self._finisher is None else self._finisher.finish_from(self.states(), self._steps)

    def states(self) -> dict[str, Array]:
        """The states that the circuit holds, by buffer, flat, as integers (i64)."""
        return {name: self._bench.state(name) for name in self._wiring.states}

    # ------------------------------------------------------------ parts of it

    def _interpreter(self) -> StepEngine | None:
        return None if self._result is None else StepEngine(self._result, self.interface)

    @property
    def _held(self) -> list[Probe]:
        """The probes that look at states, and not at what leaves a core."""
        recorded = self._wiring.observation.probes
        return [probe for probe in self.interface.probes if recorded[probe.key].buffer not in self._wiring.watched]

    def _ends(self, first: int, last: int) -> list[int]:
        """Up to which steps the circuit runs at once: states have to be seen, and what is kept at once is limited."""
        ends = {last}
        for probe in self._held:
            begin = -(-first // probe.every) * probe.every
            ends |= {step + 1 for step in range(begin, last, probe.every)}
        row = sum(one.stream.size for one in self._wiring.watched.values())
        row += sum(one.size for one in self._wiring.inputs.values())
        return sorted(ends | set(range(first, last, max(1, _NUMBERS // max(1, row)))) - {first})

    def _stretch(self, inputs: Mapping[str, Array], steps: int) -> dict[str, Array]:
        """Runs steps on inputs [steps, n]; gives all buffers that are seen, of the program at level `step`."""
        outputs, watched = self._bench.advance(inputs, steps)
        given = {f"input.{name}": array for name, array in inputs.items()}
        buffers = {**given, **watched, **{f"output.{name}": array for name, array in outputs.items()}}
        self._observer.see(buffers)
        return buffers

    def _sample(self, probe: Probe) -> Array:
        """What a probe sees of a state now, as one sample."""
        seen = self._wiring.observation.probes[probe.key]
        return _shaped(self._bench.state(seen.buffer)[np.newaxis, seen.low : seen.high], probe)

    def _record(self, probe: Probe, buffers: Mapping[str, Array], first: int, trace: Trace) -> None:
        """What a probe records of what leaves a core, from step `first` on."""
        seen = self._wiring.observation.probes[probe.key]
        values = buffers[seen.buffer][:, seen.low : seen.high]
        if probe.kind == "value":
            trace.probes[probe.key] = _shaped(values[-first % probe.every :: probe.every], probe)
            return
        trace.probes[probe.key], found = rows_of_events(values, first)
        if probe.dtype != "bool":
            trace.values[probe.key] = found.astype(probe.dtype)


def _rows(array: Array, streams: bool, steps: int) -> Array:
    """An input as [steps, n]; one that is held is the same in each step."""
    return array.reshape(steps, -1) if streams else np.broadcast_to(array.reshape(1, -1), (steps, array.size))


def _shaped(rows: Array, declared: Output | Probe) -> Array:
    """Rows [steps, n] in the shape and of the type of what they are."""
    return rows.reshape(len(rows), *declared.shape).astype(declared.dtype)


# ---------------------------------------------------------------- files


def stored(circuit: Circuit, result: Program | None) -> dict[str, bytes]:
    """A circuit, and the program of its results, as files by name."""
    files = {
        WIRING: (json.dumps(wirings.to_json(circuit)) + "\n").encode(),
        **_program(_CIRCUIT, circuit.design.program()),
    }
    return files if result is None else {**files, **_program(_RESULT, result)}


def loaded(read: Callable[[str], bytes], interface: Interface, clock: float) -> CircuitEngine:
    """The engine of a circuit whose files `read` gives by name, an OSError or KeyError for one that is not there.

    Raises KeyError, TypeError, ValueError, OSError or SafetensorError where the files are not what `stored` made.
    """
    wiring = wirings.from_json(json.loads(read(WIRING)))
    try:
        result = _read(read, _RESULT)
    except (OSError, KeyError):
        result = None
    return CircuitEngine(_read(read, _CIRCUIT), wiring, result, interface, clock)


def _program(name: str, program: Program) -> dict[str, bytes]:
    from safetensors.numpy import save

    constants = {key: program.constants[key] for key in sorted(program.constants)}
    return {f"{name}.mlir": program.text().encode(), f"{name}.safetensors": save(constants)}


def _read(read: Callable[[str], bytes], name: str) -> Program:
    from safetensors.numpy import load

    text, constants = read(f"{name}.mlir").decode(), Constants(load(read(f"{name}.safetensors")))
    try:
        return Program.parse(text, constants)
    except ir.MLIRError as error:
        raise ValueError(f"{name}.mlir is no program: {error}") from None
