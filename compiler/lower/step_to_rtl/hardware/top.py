"""The module at the top: the cores, for each arrival a queue and an encoder, and the host's ports.

Events of the host come in as `NAME_valid`, `NAME_data`, `NAME_ready`, and go out likewise.  A core that waits has
`CORE_go` and `CORE_ready`.  `begun` has a bit for each core, 1 in the cycle in which it begins the last pass of a step.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from spikec.dialects import step
from spikec.dialects.mlir import file_location
from spikec.dialects.refusal import span_of
from spikec.dialects.rtl_builder import Design, Module, Signal, Wire
from spikec.lower.step_to_rtl.cores import Arrival
from spikec.lower.step_to_rtl.hardware.core import CoreModule, field_memory
from spikec.lower.step_to_rtl.hardware.encoder import encoder
from spikec.lower.step_to_rtl.hardware.fifo import fifo
from spikec.lower.step_to_rtl.hardware.names import plain
from spikec.lower.step_to_rtl.hardware.readout import Readout
from spikec.lower.step_to_rtl.plans import Planned, Plans
from spikec.lower.step_to_rtl.programs.expressions import bits
from spikec.lower.step_to_rtl.result import are_drawn
from spikec.runtime.rtl.circuit import Circuit, Given, Held, Watched, Written


@dataclass
class _Producer:
    """What fills queues with a buffer's words, and the `room` signals of these."""

    begin: Wire
    push: Wire
    data: Wire
    room: list[Signal]


class Top:
    """Builds the module; `circuit` is the result."""

    def __init__(self, plans: Plans, design: Design, name: str) -> None:
        self._plans, self._design = plans, design
        units = [self._unit(one) for one in plans.cores]
        self._module: Module = design.module(name)
        self.circuit = Circuit(design=design, top=self._module, states=_states(plans), drawn=are_drawn(plans.program))
        self._readout = Readout(design, self.circuit, plans.labels)
        arrivals = [arrival for one in plans.cores for arrival in one.core.arrivals]
        self._consumers = Counter([arrival.source for arrival in arrivals] + [one.source for one in plans.cut.outputs])
        self._producers = {name: self._producer(name) for name in self._consumers if self._is_queued(name)}
        tokens = [self._tokens(*one) for one in zip(plans.cores, units, strict=True)]
        for output in plans.cut.outputs:
            self._output(output.source, plain(output.into.removeprefix("output.")))
        for source in plans.cut.inputs:
            if source in self._producers:
                self._fork(source)
        begun = [self._place(*one) for one in zip(plans.cores, units, tokens, strict=True)]
        self._module.output("begun", self._module.concat(*begun[::-1]))

    def _unit(self, one: Planned) -> CoreModule:
        with file_location(span_of(one.core.location)):
            return CoreModule(self._design, f"{one.core.name}_unit", self._plans.parts(one))

    # ------------------------------------------------------------ what crosses

    def _is_queued(self, source: str) -> bool:
        """Not the words of a host for one consumer: it holds back what is not taken yet."""
        return self._plans.home(source) is not None or self._consumers[source] > 1

    def _producer(self, source: str) -> _Producer:
        widths = {"begin": 1, "push": 1, "data": self._plans.stream(source).width}
        wires = {name: self._module.wire(f"{plain(source)}_{name}", width) for name, width in widths.items()}
        return _Producer(**wires, room=[])

    def _tokens(self, one: Planned, unit: CoreModule) -> list[tuple[dict[str, Signal], Wire]]:
        """What the encoders of a core's arrivals offer, and the wires that take it."""
        arrivals = enumerate(one.core.arrivals)
        return [self._channel(f"{one.core.name}_{k}", arrival, unit.quick) for k, arrival in arrivals]

    def _channel(self, name: str, arrival: Arrival, eager: bool) -> tuple[dict[str, Signal], Wire]:
        unit = encoder(self._design, f"{name}_encoder", self._plans.stream(arrival.source), arrival.delay, eager)
        ready, taken = self._module.wire(f"{name}_ready", 1), self._module.wire(f"{name}_taken", 1)
        valid, data = self._words(arrival.source, name, arrival.delay, taken)
        ports = self._module.instance(unit, f"{name}_tokens", {"in_valid": valid, "in_data": data, "ready": ready})
        taken.drive(ports.pop("in_ready"))
        return ports, ready

    def _words(self, source: str, name: str, delay: int, ready: Signal) -> tuple[Signal, Signal]:
        """The words of a buffer for one consumer: `valid` and `data`."""
        if source not in self._producers:
            self._module.output(f"{_host(source)}_ready", ready)
            return self._stream(source)
        producer, stream = self._producers[source], self._plans.stream(source)
        queue = fifo(self._design, f"{name}_fifo", stream.width, stream.words, 1 << (delay + 1).bit_length())
        ports = {"begin": producer.begin, "push": producer.push, "data": producer.data, "out_ready": ready}
        found = self._module.instance(queue, f"{name}_queue", ports)
        producer.room.append(found["room"])
        return found["out_valid"], found["out_data"]

    def _stream(self, source: str) -> tuple[Signal, Signal]:
        """The ports of a stream of the host but `ready`."""
        name, stream = _host(source), self._plans.stream(source)
        self.circuit.inputs[name] = stream
        return self._module.input(f"{name}_valid", 1), self._module.input(f"{name}_data", stream.width)

    def _fork(self, source: str) -> None:
        """Takes the words of a host's stream for several consumers, a step when all have room for it."""
        module, producer = self._module, self._producers[source]
        valid, data = self._stream(source)
        words = self._plans.stream(source).words
        number = module.reg(f"{_host(source)}_word", max(1, (words - 1).bit_length()), init=0)
        start = number.eq(0)
        ready = ~start | _all(module, producer.room)
        taken = (ready & valid).named(f"{_host(source)}_taken")
        number.next(module.mux(number.eq(words - 1), 0, number + 1), enable=taken)
        producer.begin.drive(taken & start)
        producer.push.drive(taken)
        producer.data.drive(data)
        module.output(f"{_host(source)}_ready", ready)

    def _output(self, source: str, name: str) -> None:
        """A stream to the host."""
        ready = self._module.input(f"{name}_ready", 1)
        valid, data = self._words(source, f"{name}_output", 0, ready)
        self._module.output(f"{name}_valid", valid)
        self._module.output(f"{name}_data", data)
        self.circuit.outputs[name] = self._plans.stream(source)

    # ------------------------------------------------------------ cores

    def _place(self, one: Planned, unit: CoreModule, tokens: list[tuple[dict[str, Signal], Wire]]) -> Signal:
        """The instance of a core; gives its `begin`."""
        module, core = self._module, one.core
        # What nobody consumes is there for simulations alone.
        producers = {k: self._producers[name] for k, name in enumerate(core.sends) if name in self._producers}
        ports = {"room": _all(module, [room for producer in producers.values() for room in producer.room])}
        ports |= {f"token{k}_{name}": signal for k, (token, _) in enumerate(tokens) for name, signal in token.items()}
        if one.waits:
            ports["go"] = module.input(f"{core.name}_go", 1)
            givens = [self._given(one, k, name, ports) for k, name in enumerate(one.found.values)]
            self.circuit.waits[core.name] = givens
        if one.found.draws:
            self._keys(one, ports)
        if self._plans.writable and core.arrivals:
            self._weights(one, unit, ports)
        places, reads = self._readout.add(self._plans.cores.index(one), one, unit)
        found = module.instance(unit.module, core.name, ports | places)
        self._readout.connect(reads, places, found)
        for k, (_, ready) in enumerate(tokens):
            ready.drive(found[f"token{k}_ready"])
        if one.waits:
            module.output(f"{core.name}_ready", found["ready"])
        for k, producer in producers.items():
            producer.begin.drive(found["begin"])
            producer.push.drive(found["push"])
            producer.data.drive(found[f"send{k}"])
        self._watch(one)
        return found["begin"]

    def _watch(self, one: Planned) -> None:
        """The registers of a core that simulations look at."""
        push = f"{one.core.name}.push"
        self.circuit.ends[push] = one.shape.groups
        for k, name in enumerate(one.core.sends):
            self.circuit.watched[name] = Watched(self._plans.stream(name), f"{one.core.name}.events{k}", push)

    def _given(self, one: Planned, k: int, name: str, ports: dict[str, Signal]) -> Given:
        """The ports by which the host writes values."""
        shape, width = one.shape, self._plans.width(name)
        given = Given(name.removeprefix("input."), f"{one.core.name}_{_host(name)}", width, shape)
        ports[f"value{k}_write"] = self._module.input(f"{given.port}_write", 1)
        ports[f"value{k}_address"] = self._module.input(
            f"{given.port}_address", max(1, (shape.groups - 1).bit_length())
        )
        ports[f"value{k}_data"] = self._module.input(f"{given.port}_data", shape.lanes * width)
        return given

    def _weights(self, one: Planned, unit: CoreModule, ports: dict[str, Signal]) -> None:
        """The ports by which the host writes weights, and what it finds where."""
        port = f"{one.core.name}_weights"
        for name in ("weights_write", "weights_address", "weights_data"):
            ports[name] = self._module.input(f"{one.core.name}_{name}", unit.module.inputs[name])
        width = unit.module.inputs["weights_data"] // one.shape.lanes
        for arrival, first in zip(one.core.arrivals, unit.before, strict=True):
            table, order = arrival.table, self._plans.stream(arrival.source).order
            if order is None:
                first += arrival.low
            else:
                order = order[arrival.low : arrival.low + table.pre]
            self.circuit.weights.append(Written(table.sym_name, arrival.part, port, width, one.shape, first, order))

    def _keys(self, one: Planned, ports: dict[str, Signal]) -> None:
        """The ports that random numbers depend on."""
        draws = {op.into: op for op in one.core.ops if isinstance(op, step.Draw)}
        for k, name in enumerate(one.found.draws):
            port = f"{one.core.name}_key{k}"
            self.circuit.keys[port] = draws[name].seed, draws[name].path
            ports[f"key{k}"] = self._module.input(port, 64)
        self.circuit.samples.append(f"{one.core.name}_sample")
        ports["sample"] = self._module.input(f"{one.core.name}_sample", 32)


def _states(plans: Plans) -> dict[str, Held]:
    found = {}
    for one in plans.cores:
        for number, field in enumerate(one.plan.fields):
            if field.state is not None:
                memory = f"{one.core.name}.{field_memory(number, field.name)}"
                width, signed = bits(field.range), field.range.low < 0
                shape = one.shape
                found[field.state] = Held(memory, width, signed, shape.lanes, field.shift, shape.size, shape.order)
    return found


def _host(buffer: str) -> str:
    """What the host calls an input."""
    return plain(buffer.removeprefix("input."))


def _all(module: Module, signals: list[Signal]) -> Signal:
    """Whether all of some signals are 1."""
    found = None
    for signal in signals:
        found = signal if found is None else found & signal
    return module.constant(1, 1) if found is None else found
