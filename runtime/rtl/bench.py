"""A circuit in the simulator between a host's streams: words go in and come out by handshakes, so a run is one call."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass

import numpy as np
from spikec.dialects import random
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.program import Program
from spikec.runtime.rtl.circuit import Circuit, Given, Held, Label, Read, Stream, Wiring, Written, of_elements, placed
from spikec.runtime.rtl.simulator import Gated, Kept, Simulator, Values

_MOST = 10**10  # cycles of a stretch of steps


@dataclass(frozen=True)
class Ran:
    """Outputs [steps, n] and the states at the end, flat, as integers (i64) by name; `cycles` until these are there."""

    outputs: dict[str, Array]
    states: dict[str, Array]
    cycles: int


def run(circuit: Circuit, inputs: Mapping[str, Array], steps: int, seed: int = 0, sample: int = 0) -> Ran:
    """Simulates a circuit from its start; `inputs` are integers [steps, ...]."""
    bench = Bench(circuit.design.program(), circuit)
    bench.reset(seed, sample)
    flat = {name: np.asarray(array).reshape(steps, -1) for name, array in inputs.items()}
    outputs, _ = bench.advance(flat, steps)
    return Ran(outputs, {name: bench.state(name) for name in circuit.states}, bench.cycles)


class Bench:
    """The simulator of a circuit and its host, which gives words as soon as they are taken and takes all at once.

    Ports that the wiring does not name are 0.
    """

    def __init__(self, program: Program, wiring: Wiring) -> None:
        """`program` is the circuit at level `rtl`, verified."""
        self._wiring = wiring
        watched = [path for one in wiring.watched.values() for path in (one.data, one.when)]
        self._simulator = Simulator(program, watch=dict.fromkeys([*wiring.ends, *watched]))
        self._ports: dict[str, int] = {}

    def another(self) -> Bench:
        """The same circuit with a state of its own."""
        other = copy(self)
        other._simulator = self._simulator.another()
        return other

    @property
    def cycles(self) -> int:
        """Clock cycles since `reset`."""
        return self._simulator.cycles

    def reset(self, seed: int, sample: int) -> None:
        """Begins a sample, with its random numbers, as on a device: one cycle with the reset."""
        keys = {port: random.key(seed, *source) for port, source in self._wiring.keys.items()}
        self._ports = dict.fromkeys(self._simulator.inputs, 0)
        self._ports |= {port: low | high << 32 for port, (low, high) in keys.items()}
        self._ports |= dict.fromkeys(self._wiring.samples, sample)
        self._simulator.cycle(self._ports, reset=True)
        self._simulator.cycles = 0
        self._ports |= {f"{name}_ready": 1 for name in self._wiring.outputs}

    def advance(self, inputs: Mapping[str, Array], steps: int) -> tuple[dict[str, Array], dict[str, Array]]:
        """Runs more steps on integers [steps, n] by name; gives outputs and watched buffers in the same form."""
        wiring = self._wiring
        ports: dict[str, Values | Gated] = {**self._ports}
        for name, stream in wiring.inputs.items():
            ready = f"{name}_ready"
            words = pack(placed(inputs[name], stream.order), stream.elements, stream.bits)
            ports |= {f"{name}_data": Gated(words, ready), f"{name}_valid": Gated([1] * len(words) + [0], ready)}
        for core, givens in wiring.waits.items():
            ports |= _sequence(core, givens, inputs, steps)
        outputs = {f"{name}_data": Kept(f"{name}_valid", steps * one.words) for name, one in wiring.outputs.items()}
        watched = {one.data: Kept(one.when, steps * one.stream.words) for one in wiring.watched.values()}
        ends = {path: Kept(path, steps * groups) for path, groups in wiring.ends.items()}
        kept = {**outputs, **watched, **ends}
        found = self._simulator.run(_MOST, ports, kept)
        if any(len(found[name]) != one.many for name, one in kept.items()):
            raise InternalError("the circuit stands still", "simulate")
        return (
            {name: events(found[f"{name}_data"], stream) for name, stream in wiring.outputs.items()},
            {name: events(found[one.data], one.stream) for name, one in wiring.watched.items()},
        )

    def write(self, written: Written, weights: Array) -> None:
        """Gives a table its weights [sources, targets], a word a cycle."""
        shape = written.shape
        words = pack(placed(weights, shape.order), shape.lanes, written.width)
        rows = written.first + (np.arange(len(weights)) if written.order is None else written.order)
        address = (rows[:, None] * shape.groups + np.arange(shape.groups)).reshape(-1)
        port = written.port
        ports = {f"{port}_write": 1, f"{port}_address": address, f"{port}_data": words}
        self._simulator.run(len(words), {**self._ports, **ports}, record=[])

    def read(self, read: Read) -> Array:
        """A state as integers (i64), flat, by its port."""
        groups, port = read.shape.groups, read.port
        ports: dict[str, Values | Gated] = {**self._ports}
        if groups > 1:
            ports[f"{port}_address"] = np.arange(groups + 1) % groups
        self._simulator.run(read.settled, self._ports, record=[])
        words = self._simulator.run(groups + 1, ports, record=[f"{port}_data"])[f"{port}_data"][1:]
        shape = read.shape
        found = (unpack(words, shape.lanes, read.width, read.signed) >> read.shift)[: shape.size]
        return of_elements(found, shape.order)

    def label(self, label: Label) -> int:
        """A label, from its unit, of the state as it is now."""
        self._simulator.cycle({**self._ports, f"{label.output}_start": 1})
        self._simulator.run(_MOST, self._ports, record=[], stop=f"{label.output}_valid")
        return self._simulator.cycle(self._ports)[f"{label.output}_index"]

    def state(self, name: str) -> Array:
        """A state as integers (i64), flat."""
        return state(self._simulator, self._wiring.states[name])


def _sequence(core: str, givens: list[Given], inputs: Mapping[str, Array], steps: int) -> dict[str, Gated]:
    """In each step the values of one group a cycle, then the word to go, which stays until the core is ready."""
    groups = max((given.shape.groups for given in givens), default=0)
    length, ready = groups + 1, f"{core}_ready"
    places = np.arange(steps * length + 1) % length
    going = places == groups
    going[-1] = False
    free = places < groups

    def gated(values: Array) -> Gated:
        return Gated(values, ready, free)

    ports = {f"{core}_go": gated(going)}
    for given in givens:
        words = given_words(inputs[given.input], given)
        rows = np.zeros((steps * length + 1, *words.shape[1:]), words.dtype)
        rows[:-1].reshape(steps, length, *words.shape[1:])[:, :groups] = words.reshape(steps, groups, *words.shape[1:])
        writing = free.copy()
        writing[-1] = False
        ports |= {
            f"{given.port}_write": gated(writing),
            f"{given.port}_address": gated(np.minimum(places, groups - 1)),
            f"{given.port}_data": gated(rows),
        }
    return ports


def pack(values: Array, elements: int, width: int) -> Array:
    """Values [steps, n] of `width` bits as words of so many elements, the first one in the lowest bits.

    Unsigned integers [words], or uint64 [words, parts] for words of more than 64 bits: what `Simulator.memory` has.
    """
    padded = np.zeros((len(values), -(-values.shape[1] // elements) * elements), np.int64)
    padded[:, : values.shape[1]] = values
    bits = ((padded.reshape(-1, elements, 1) >> np.arange(width)) & 1).astype(np.uint8)
    flat = np.packbits(bits.reshape(len(bits), -1), axis=1, bitorder="little")
    size = next((size for size in (1, 2, 4) if flat.shape[1] <= size), -(-flat.shape[1] // 8) * 8)
    found = np.zeros((len(flat), size), np.uint8)
    found[:, : flat.shape[1]] = flat
    words = found.view(f"u{min(8, size)}")
    return words[:, 0] if size <= 8 else words


def given_words(values: Array, given: Given) -> Array:
    """The values of an input [steps, n] as the words that the host writes."""
    return pack(placed(values, given.shape.order), given.shape.lanes, given.width)


def unpack(words: Array, elements: int, width: int, signed: bool) -> Array:
    """The elements of words, one after the other (i64)."""
    places = np.arange(elements * width)
    rows = words.reshape(len(words), -1)
    size = 8 * rows.itemsize
    bits = (rows[:, places // size] >> (places % size).astype(rows.dtype)) & 1
    factors = 1 << np.arange(width, dtype=np.int64)
    if signed:
        factors[-1] = -(1 << (width - 1))
    return np.asarray((bits.reshape(-1, width).astype(np.int64) * factors).sum(1))


def events(words: Array, stream: Stream) -> Array:
    """The words of a stream as [steps, size]."""
    found = unpack(words, stream.elements, stream.bits, stream.signed)
    return of_elements(found.reshape(-1, stream.elements * stream.words)[:, : stream.size], stream.order)


def state(simulator: Simulator, held: Held) -> Array:
    """The values of a state in a simulator."""
    path = held.memory
    if held.size <= held.lanes:
        size = -(-held.lanes * held.width // 8)
        words = np.frombuffer(simulator.peek(path).to_bytes(size, "little"), np.uint8).reshape(1, -1)
    else:
        words = simulator.memory(path)
    found = (unpack(words, held.lanes, held.width, held.signed) >> held.shift)[: held.size]
    return of_elements(found, held.order)
