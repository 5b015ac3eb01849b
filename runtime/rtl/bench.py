"""A bench around a circuit: memories that feed its streams and take what comes out, so that a run is one call.

The bench is the module `bench` of the same design: words of inputs wait in the memory `in_NAME`, values in
`PORT_values`, and those of outputs arrive in `out_NAME`; keys of draws and the sample are its own ports.  `done` rises
when all outputs are there and every core has begun its last step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.dialects import random
from spikec.dialects.constants import Array
from spikec.dialects.rtl_builder import Module, Signal
from spikec.runtime.rtl.circuit import Circuit, Given, Held, Stream
from spikec.runtime.rtl.simulator import Simulator

BENCH = "bench"
_DRAIN = 400  # cycles after `done` in which the last passes end
_MOST = 10**9  # cycles of a run


@dataclass(frozen=True)
class Ran:
    """Outputs [steps, n] and the states at the end, flat, as integers (i64) by name; `cycles` until the last output."""

    outputs: dict[str, Array]
    states: dict[str, Array]
    cycles: int


def run(circuit: Circuit, inputs: Mapping[str, Array], steps: int, seed: int = 0, sample: int = 0) -> Ran:
    """Simulates a circuit, to which no bench was added yet, from its start; `inputs` are integers [steps, ...]."""
    add_bench(circuit, steps)
    simulator = Simulator(circuit.design.program(), BENCH)
    flat = {name: np.asarray(array).reshape(steps, -1) for name, array in inputs.items()}
    for name, stream in circuit.inputs.items():
        simulator.memory(f"in_{name}")[:] = pack(flat[name], stream.elements, stream.bits)
    for given in (given for givens in circuit.waits.values() for given in givens):
        simulator.memory(f"{given.port}_values")[:] = pack(flat[given.input], given.shape.lanes, given.width)
    keys = {port: random.key(seed, *source) for port, source in circuit.keys.items()}
    ports: dict[str, Any] = {port: low | high << 32 for port, (low, high) in keys.items()}
    ports |= dict.fromkeys(circuit.samples, sample)
    simulator.run(_MOST, ports, record=[], stop="done")
    cycles = simulator.cycles
    simulator.run(_DRAIN, ports, record=[])
    outputs = {name: events(simulator.memory(f"out_{name}"), stream) for name, stream in circuit.outputs.items()}
    return Ran(outputs, {name: state(simulator, held) for name, held in circuit.states.items()}, cycles)


def add_bench(circuit: Circuit, steps: int) -> None:
    """Adds the bench for runs of so many steps."""
    design = circuit.design
    with design:
        top = circuit.top
        bench = design.module(BENCH)
        ports: dict[str, Signal] = {}
        taken = {name: bench.wire(f"{name}_taken", 1) for name in circuit.inputs}
        for name, stream in circuit.inputs.items():
            width, words = stream.width, stream.words
            place, valid = _counter(bench, f"{name}_place", steps * words, taken[name])
            ports |= {
                f"{name}_valid": valid,
                f"{name}_data": bench.mem(f"in_{name}", steps * words, width, style="huge").look(
                    place[: _bits(steps * words)]
                ),
            }
        ports |= {f"{name}_ready": bench.constant(1, 1) for name in circuit.outputs}
        ports |= {name: bench.input(name, top.inputs[name]) for name in (*circuit.keys, *circuit.samples)}
        readies = {core: bench.wire(f"{core}_ready", 1) for core in circuit.waits}
        for core, givens in circuit.waits.items():
            ports |= _sequence(bench, core, givens, steps, readies[core])
        found = bench.instance(top, "top", ports)
        going = []
        for name, wire in taken.items():
            wire.drive(found[f"{name}_ready"] & ports[f"{name}_valid"])
        for core, wire in readies.items():
            wire.drive(found[f"{core}_ready"])
        for name, stream in circuit.outputs.items():
            width, words = stream.width, stream.words
            place, more = _counter(bench, f"{name}_place", steps * words, found[f"{name}_valid"])
            memory = bench.mem(f"out_{name}", steps * words, width, style="huge")
            memory.write(place[: _bits(steps * words)], found[f"{name}_data"], found[f"{name}_valid"] & more)
            going.append(more)
        for k in range(found["begun"].width):
            going.append(_counter(bench, f"begun_{k}", steps, found["begun"][k])[1])
        busy = going[0]
        for other in going[1:]:
            busy = busy | other
        bench.output("done", ~busy)


def _sequence(bench: Module, core: str, givens: list[Given], steps: int, ready: Signal) -> dict[str, Signal]:
    """Writes the values of a step, group by group, then lets the core do it."""
    _, more = _counter(bench, f"{core}_steps", steps, ready)
    groups = max((given.shape.groups for given in givens), default=0)
    if not groups:
        return {f"{core}_go": more}
    place, _ = _counter(bench, f"{core}_place", steps * groups, writing := bench.wire(f"{core}_writing", 1))
    group = bench.reg(f"{core}_group", groups.bit_length(), init=0)
    writing.drive(group.ne(groups))
    group.next(bench.mux(ready, 0, group + writing.zext(group.width)))
    ports = {f"{core}_go": more & ~writing}
    for given in givens:
        words = bench.mem(f"{given.port}_values", steps * groups, given.shape.lanes * given.width, style="huge")
        ports |= {
            f"{given.port}_write": writing,
            f"{given.port}_address": group[: max(1, (groups - 1).bit_length())],
            f"{given.port}_data": words.look(place[: _bits(steps * groups)]),
        }
    return ports


def _bits(count: int) -> int:
    return max(1, (count - 1).bit_length())


def _counter(bench: Module, name: str, most: int, go: Signal) -> tuple[Any, Signal]:
    """A counter up to a number, and whether it has not reached it yet."""
    place = bench.reg(name, most.bit_length(), init=0)
    more = place.ne(most)
    place.next(place + 1, enable=go & more)
    return place, more


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


def unpack(words: Array, elements: int, width: int, signed: bool) -> Array:
    """The elements of words, one after the other (i64)."""
    places = np.arange(elements * width)
    rows = words.reshape(len(words), -1)
    size = 8 * rows.itemsize
    bits = (rows[:, places // size] >> (places % size).astype(rows.dtype)) & 1
    factors = 1 << np.arange(width, dtype=np.int64)
    if signed:
        factors[-1] = -factors[-1]
    return np.asarray((bits.reshape(-1, width).astype(np.int64) * factors).sum(1))


def events(words: Array, stream: Stream) -> Array:
    """The words of a stream as [steps, size]."""
    found = unpack(words, stream.elements, stream.bits, stream.signed)
    return found.reshape(-1, stream.elements * stream.words)[:, : stream.size]


def state(simulator: Simulator, held: Held) -> Array:
    """The values of a state in a bench that has run."""
    path = f"top.{held.memory}"
    if held.size <= held.lanes:
        size = -(-held.lanes * held.width // 8)
        words = np.frombuffer(simulator.peek(path).to_bytes(size, "little"), np.uint8).reshape(1, -1)
    else:
        words = simulator.memory(path)
    return (unpack(words, held.lanes, held.width, held.signed) >> held.shift)[: held.size]
