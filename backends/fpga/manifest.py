"""What the manifest of an artifact says of a circuit: the module at the top, and what its ports are for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spikec.backends.fpga.ports import Port, Ports
from spikec.runtime.rtl.circuit import Circuit, Given, Stream


def entries(circuit: Circuit) -> dict[str, Any]:
    """`top`, `ports` in their order with name, direction, width and meaning, and the `order` of elements in words.

    The meaning of a port is a text.  `order` has the place of each element where that is not its number, by the names
    of inputs, outputs and states, and for weights by those of their tables.
    """
    ports = Ports.of(circuit.design.program())
    meanings = dict(_meanings(circuit))
    shown = [_shown(Port(ports.clock, 1), "input", "clock"), _shown(Port(ports.reset, 1), "input", _RESET)]
    shown += [_shown(port, "input", meanings.get(name, "")) for name, port in ports.inputs.items()]
    shown += [_shown(port, "output", meanings.get(name, "")) for name, port in ports.outputs.items()]
    streams = {**circuit.inputs, **circuit.outputs}
    orders = {name: stream.order for name, stream in streams.items()}
    orders |= {given.input: given.shape.order for given in _givens(circuit)}
    orders |= {one.state: one.shape.order for one in circuit.reads}
    orders |= {f"{one.table}.targets": one.shape.order for one in circuit.weights}
    orders |= {f"{one.table}.rows": one.order for one in circuit.weights}
    order = {name: places.tolist() for name, places in orders.items() if places is not None}
    return {"top": ports.module, "ports": shown, "order": order}


_RESET = "begins a new sample; synchronous, active high"


def _shown(port: Port, direction: str, meaning: str) -> dict[str, Any]:
    return {"name": port.name, "direction": direction, "width": port.width, "meaning": meaning}


def _givens(circuit: Circuit) -> Iterator[Given]:
    for givens in circuit.waits.values():
        yield from givens


def _meanings(circuit: Circuit) -> Iterator[tuple[str, str]]:
    """What each port is for, by name."""
    for name, stream in circuit.inputs.items():
        yield f"{name}_valid", f"a word of input {name} is there"
        yield f"{name}_data", _word(f"input {name}", stream)
        yield f"{name}_ready", "the word is taken at the end of this cycle, if it is valid"
    for name, stream in circuit.outputs.items():
        yield f"{name}_valid", f"a word of output {name} is there"
        yield f"{name}_data", _word(f"output {name}", stream)
        yield f"{name}_ready", "the host takes the word at the end of this cycle, if it is valid"
    for core in circuit.waits:
        yield f"{core}_go", "the core may do a step; it stays 1 until the core is ready"
        yield f"{core}_ready", "the core ends a step in this cycle"
    for given in _givens(circuit):
        yield f"{given.port}_write", "writes the values of a group; not between go and ready"
        yield f"{given.port}_address", f"the number of the group, of {given.shape.groups}"
        lanes = f"{given.shape.lanes} values of {given.width} bits"
        yield f"{given.port}_data", f"{lanes} of input {given.input}, the first in the lowest bits"
    for port, (seed, path) in circuit.keys.items():
        yield port, f"the key of the random numbers {path} with seed {seed}, from the seed of the run"
    for port in circuit.samples:
        yield port, "the number of the sample, for random numbers"
    yield "begun", "a bit for each core, 1 when it begins the last pass of a step"
    yield from _written(circuit)
    yield from _read(circuit)


def _written(circuit: Circuit) -> Iterator[tuple[str, str]]:
    """The ports by which the host writes weights; several tables can share them."""
    for port in dict.fromkeys(one.port for one in circuit.weights):
        tables = [one for one in circuit.weights if one.port == port]
        rows = ", ".join(f"{one.table} from row {one.first}" for one in tables)
        lanes, groups = tables[0].shape.lanes, tables[0].shape.groups
        yield f"{port}_write", "writes weights; while the core rests"
        yield f"{port}_address", f"row * {groups} + group of targets; the sources of {rows}"
        yield (
            f"{port}_data",
            f"{lanes} weights of {tables[0].width} bits, two's complement, the first in the lowest bits",
        )


def _read(circuit: Circuit) -> Iterator[tuple[str, str]]:
    """The ports by which the host reads states and labels."""
    for one in circuit.reads:
        sign = ", two's complement" if one.signed else ""
        bits = f"{one.shape.lanes} values of {one.width} bits{sign}"
        scaled = f", times 2^{one.shift}" if one.shift else ""
        yield f"{one.port}_address", f"the number of the group, of {one.shape.groups}; its data come a cycle later"
        yield f"{one.port}_data", f"{bits} of state {one.state}{scaled}, the first in the lowest bits"
    for label in circuit.labels:
        yield f"{label.output}_start", f"looks for output {label.output} at the end of a sample"
        yield f"{label.output}_valid", f"{label.output}_index is there"
        which = "lowest" if label.lowest else "highest"
        yield f"{label.output}_index", f"the number of the first element with the {which} {label.state}"


def _word(what: str, stream: Stream) -> str:
    """How the elements of a stream lie in its words."""
    sign = "two's complement, " if stream.signed else ""
    bits = f"values of {stream.bits} bits" if stream.bits > 1 else "bits"
    count = f"{stream.words} words a step" if stream.words > 1 else "a word a step"
    first = "one value" if stream.elements == 1 and stream.bits > 1 else f"{stream.elements} {bits}"
    return f"{first} of {what}, {sign}the first in the lowest bits; {count} for {stream.size} elements"
