"""The reference interpreters as engines: `SnnEngine` for level `snn`, `StepEngine` for level `step`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.program import Program
from spikec.runtime.interface import ADDED, Interface, Trace, flush_subnormals
from spikec.runtime.reference.machine import Machine
from spikec.runtime.reference.network import Network
from spikec.runtime.reference.recorder import Recorder


class SnnEngine:
    """Runs a program at level `snn` (`runtime.interface.Engine`)."""

    def __init__(self, program: Program, interface: Interface) -> None:
        self.interface = interface
        self._probes = list(program.ops(snn.Probe))
        self._projections = [synapses.sym_name for synapses in program.ops(snn.Synapses)]
        self._network = Network(program)
        self.reset()

    def another(self) -> None:
        """The interpreter runs on one thread."""

    def reset(self, seed: int = 0, sample: int = 0) -> None:
        """Back to the state before the first step; `seed` draws the connections too."""
        with np.errstate(all="ignore"):
            self._network.reset(seed, sample)

    def advance(self, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int) -> Trace:
        """Runs `steps` more steps; see `runtime.interface.Engine.advance`."""
        recorder = Recorder(self.interface, counts=Counter({name + ADDED: 0 for name in self._projections}))
        self._network.counts = recorder.counts
        streams = [output.name for output in self.interface.outputs if output.stream]
        arrays = [_slices(inputs[i.name], i.dtype, i.name in streamed, steps) for i in self.interface.inputs]
        with np.errstate(all="ignore"):
            for k in range(steps):
                t = self._network.step
                outputs = self._network.advance([array[k] for array in arrays])
                for name, value in zip(streams, outputs, strict=True):
                    recorder.output(name, value)
                for probe in self._probes:
                    value = self._network.state(probe.of).reshape(-1)[probe.low : probe.high]
                    recorder.probe(probe.sym_name.removeprefix("probe."), value, t)
        return recorder.trace()

    def finish(self) -> dict[str, Array]:
        """The outputs that are computed once, over all steps since `reset`."""
        names = [output.name for output in self.interface.outputs if not output.stream]
        with np.errstate(all="ignore"):
            return {name: np.array(value) for name, value in zip(names, self._network.finish(), strict=True)}

    def state(self, name: str) -> Array:
        """A copy of a state after the last step."""
        return np.array(self._network.state(name))


class StepEngine:
    """Runs a program at level `step` (`runtime.interface.Engine`).

    Time runs through the entry `@run` where there is one, else (or where `scheduled` is false) through `@step`.
    """

    def __init__(self, program: Program, interface: Interface, scheduled: bool = True) -> None:
        self.interface = interface
        self._machine = Machine(program)
        self._scheduled = scheduled and self._machine.has("run")
        self._steps = 0
        self.reset()

    def another(self) -> None:
        """The interpreter runs on one thread."""

    def reset(self, seed: int = 0, sample: int = 0) -> None:
        """Back to the state before the first step; the connections are those of the tables."""
        self._steps = 0
        with np.errstate(all="ignore"):
            self._machine.reset(seed, sample)

    def advance(self, inputs: Mapping[str, Array], streamed: frozenset[str], steps: int) -> Trace:
        """Runs `steps` more steps; see `runtime.interface.Engine.advance`."""
        machine, first = self._machine, self._steps
        machine.first, machine.recorder = first, Recorder(self.interface)
        for i in self.interface.inputs:
            slices = _slices(inputs[i.name], i.dtype, i.name in streamed, steps)
            machine.attach(f"input.{i.name}", slices.reshape(steps, -1))
        streams = [output for output in self.interface.outputs if output.stream]
        arrays = {o.name: np.zeros((steps, *o.shape), o.dtype) for o in streams}
        for name, array in arrays.items():
            machine.attach(f"output.{name}", array.reshape(steps, -1))
        before = self._counters()
        self._steps += steps
        with np.errstate(all="ignore"):
            self._run(first, self._steps)
        counted = self._counters()
        counted.subtract(before)
        machine.recorder.counts = counted
        trace = machine.recorder.trace()
        trace.outputs = arrays
        return trace

    def finish(self) -> dict[str, Array]:
        """The outputs that are computed once, over all steps since `reset`."""
        with np.errstate(all="ignore"):
            self._machine.run("finish", self._steps)
        results = [output for output in self.interface.outputs if not output.stream]
        return {o.name: self.state(f"output.{o.name}").reshape(o.shape) for o in results}

    def finish_from(self, states: Mapping[str, Array], steps: int) -> dict[str, Array]:
        """The same for a run of so many steps that ended with some states, flat, by the names of their buffers."""
        self.reset()
        self._steps = steps
        for name in states.keys() & self._machine.buffers.keys():
            self._machine.value(name, steps - 1)[:] = states[name]
        return self.finish()

    def state(self, name: str) -> Array:
        """A copy of a buffer as it is after the last step, flat."""
        return np.array(self._machine.value(name, self._steps - 1))

    def _run(self, begin: int, end: int) -> None:
        if self._scheduled:
            self._machine.run("run", begin, end)
            return
        for t in range(begin, end):
            self._machine.run("step", t)

    def _counters(self) -> Counter[str]:
        """Events by population, and weight additions by projection."""
        names = [name for name, buffer in self._machine.buffers.items() if buffer.kind == "counter"]
        return Counter({name: int(self._machine.value(name, 0)[0]) for name in names})


def _slices(array: Array, dtype: str, streams: bool, steps: int) -> Array:
    """One slice per step: the steps of a stream, or the same array each time, subnormals flushed."""
    values: Any = flush_subnormals(np.asarray(array, dtype))
    return values[:steps] if streams else np.broadcast_to(values, (steps, *values.shape))
