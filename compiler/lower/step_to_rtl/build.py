"""The circuit of a program: its cores, the channels between them, and the ports of the whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.analysis.dependence import entry_ops
from spikec.analysis.intervals import BOOL, Interval, limits, point
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.functions import size
from spikec.dialects.mlir import file_location, ir
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal, span_of
from spikec.dialects.rtl_builder import Design, Module, Signal
from spikec.lower.step_to_rtl.behaviour import Behaviour, behaviour
from spikec.lower.step_to_rtl.core import Channel, CoreModule
from spikec.lower.step_to_rtl.cores import Arrival, Core, Cut, cut
from spikec.lower.step_to_rtl.encoder import encoder
from spikec.lower.step_to_rtl.expressions import bits
from spikec.lower.step_to_rtl.fifo import fifo
from spikec.lower.step_to_rtl.fold import Plan, plan
from spikec.lower.step_to_rtl.shape import Shape, Stream
from spikec.lower.step_to_rtl.weights import matrix

HOST_WORD = 16
"""Bits of a word of an input's events."""


@dataclass(frozen=True)
class Held:
    """Where a state lives: `memory` has groups of `lanes` fields of `width` bits, each the state times 2^`shift`."""

    memory: str
    width: int
    signed: bool
    lanes: int
    shift: int
    size: int


@dataclass(frozen=True)
class Given:
    """An input whose values the host writes: by the ports `port`_write, _address and _data, groups of `lanes` values."""

    input: str
    port: str
    width: int
    shape: Shape


@dataclass(frozen=True)
class Circuit:
    """`inputs` and `outputs` are the host's streams by name; `states` by buffer.

    `waits` are the cores that do a step for each `go`, with what the host gives each; `keys` are (seed, path) of
    random draws by the port that takes the key, `samples` the ports that take the number of the sample.
    """

    design: Design
    top: Module
    inputs: dict[str, Stream]
    outputs: dict[str, Stream]
    states: dict[str, Held]
    waits: dict[str, list[Given]]
    keys: dict[str, tuple[int, str]]
    samples: list[str]


def build(
    program: Program,
    lanes: dict[str, int] | int = 1,
    starts: Mapping[str, Array] | None = None,
    ranges: Mapping[str, Interval] | None = None,
) -> Circuit:
    """The circuit of a program at level `step`; `lanes` of all cores, or by the name of a core.  Raises `Refusal`.

    `starts` are the states after the program's `@init`, by buffer; without them it must not compute any.
    `ranges` are intervals of input buffers, narrower than their types.
    """
    with program.module.context, ir.Location.unknown():
        return _Builder(program, lanes, starts, ranges).circuit()


@dataclass
class _Made:
    """A core with the arrays of its channels."""

    core: Core
    plan: Plan
    found: Behaviour
    matrices: list[Array]
    shape: Shape


class _Builder:
    def __init__(
        self,
        program: Program,
        lanes: dict[str, int] | int,
        starts: Mapping[str, Array] | None,
        ranges: Mapping[str, Interval] | None,
    ) -> None:
        self._program, self._lanes, self._starts = program, lanes, starts or {}
        first = next((op for _, op in entry_ops(program, "init")), None)
        if starts is None and first is not None:
            raise Refusal("E1312", "states that are computed before the first step", first.operation)
        self._ranges = dict(ranges or {})
        self._cut: Cut = cut(program)
        self._made = [self._core(core) for core in self._cut.cores]
        self._home = {name: made for made in self._made for name in made.core.sends}

    def _core(self, core: Core) -> _Made:
        matrices = [matrix(self._program, arrival.table, arrival.part) for arrival in core.arrivals]
        sums: dict[str, Interval] = {}
        values: Interval | None = None
        for arrival, array in zip(core.arrivals, matrices, strict=True):
            events = self.events(arrival.source)
            if events != BOOL:
                values = events.hull(values or point(1))
            extremes = array * int(events.low), array * int(events.high)
            low = np.minimum(np.minimum(*extremes), 0).sum(0).min()
            high = np.maximum(np.maximum(*extremes), 0).sum(0).max()
            before = sums.get(arrival.into, Interval(0, 0))
            sums[arrival.into] = Interval(int(before.low + low), int(before.high + high))
        found = behaviour(self._program, core, sums, self._starts)
        self._ranges |= {name: node.range for name, node in found.events.items()}
        weights = Interval(
            min((int(a.min()) for a in matrices), default=0), max((int(a.max()) for a in matrices), default=0)
        )
        lanes = self._lanes if isinstance(self._lanes, int) else self._lanes.get(core.name, 1)
        return _Made(core, plan(found, weights, values), found, matrices, Shape(core.size, min(lanes, core.size)))

    def circuit(self) -> Circuit:
        name = _plain(str(self._program.attribute("model")))
        design = Design(name)
        with design:
            top = _Top(self, design, name)
            top.fill()
        return Circuit(design, top.module, top.inputs, top.outputs, self._states(), top.waits, top.keys, top.samples)

    def _states(self) -> dict[str, Held]:
        found = {}
        for made in self._made:
            for number, field in enumerate(made.plan.fields):
                if field.state is not None:
                    memory = f"{made.core.name}.field{number}_{_plain(field.name)}"
                    found[field.state] = Held(
                        memory, bits(field.range), field.range.low < 0, made.shape.lanes, field.shift, made.core.size
                    )
        return found

    def width(self, name: str) -> int:
        """The bits of an element of a buffer."""
        return int(ir.IntegerType(self._cut.buffers[name].type.element_type).width)

    def stream(self, source: str) -> Stream:
        """How the events of a buffer cross: as groups of the core that makes them, or in words of the host."""
        type = self._cut.buffers[source].type
        wide = self.width(source)
        if source in self._home:
            shape = self._home[source].shape
            return Stream(shape.size, shape.lanes, wide, wide > 1)
        count = size(type)
        elements = min(HOST_WORD, 1 << max(0, count - 1).bit_length()) if wide == 1 else 1
        return Stream(count, elements, wide, wide > 1)

    def events(self, source: str) -> Interval:
        """The values of the events of a buffer."""
        found = self._ranges.get(source, limits(self._cut.buffers[source].type))
        return found


class _Top:
    """The module at the top: cores, and for each arrival a queue and an encoder."""

    def __init__(self, builder: _Builder, design: Design, name: str) -> None:
        self._builder, self._design = builder, design
        self._cores = [(made, self._core_module(made)) for made in builder._made]
        self._top = self.module = design.module(name)
        self.inputs: dict[str, Stream] = {}
        self.outputs: dict[str, Stream] = {}
        self.waits: dict[str, list[Given]] = {}
        self.keys: dict[str, tuple[int, str]] = {}
        self.samples: list[str] = []
        self._rooms: dict[str, list[Signal]] = {made.core.name: [] for made, _ in self._cores}
        self._sent: dict[str, tuple[Signal, Signal, Signal]] = {}  # by buffer: begin, push, data
        self._wires: dict[str, dict[str, Any]] = {}
        arrivals = [arrival for core in builder._cut.cores for arrival in core.arrivals]
        self._consumers = Counter(one.source for one in (*arrivals, *builder._cut.outputs))

    def _core_module(self, made: _Made) -> CoreModule:
        channels = []
        for arrival, array in zip(made.core.arrivals, made.matrices, strict=True):
            stream = self._builder.stream(arrival.source)
            rows = np.zeros((stream.elements * stream.words, array.shape[1]), np.int64)
            rows[arrival.low : arrival.low + len(array)] = array
            channels.append(Channel(arrival.into, stream, rows))
        constants = {name: self._builder._program.constants[name] for name in made.found.constants}
        with file_location(span_of(made.core.location)):
            return CoreModule(
                self._design,
                f"{made.core.name}_unit",
                made.shape,
                made.plan,
                channels,
                constants,
                {name: self._builder.width(name) for name in made.found.values},
                list(made.found.draws),
                [self._builder.stream(name) for name in made.core.sends],
            )

    def fill(self) -> None:
        """Everything in the module at the top."""
        top = self._top
        for made, _ in self._cores:
            core = made.core
            self._wires[core.name] = {
                name: top.wire(f"{core.name}_{name}", width)
                for name, width in [
                    ("begin", 1),
                    ("push", 1),
                    *((f"send{k}", self._builder.stream(buffer).width) for k, buffer in enumerate(core.sends)),
                ]
            }
            for k, buffer in enumerate(core.sends):
                wires = self._wires[core.name]
                self._sent[buffer] = (wires["begin"], wires["push"], wires[f"send{k}"])
        tokens = {
            made.core.name: [self._channel(made, k, one) for k, one in enumerate(made.core.arrivals)]
            for made, _ in self._cores
        }
        for output in self._builder._cut.outputs:
            self._output(output.source, _plain(output.into.removeprefix("output.")))
        self._inputs()
        for made, module in self._cores:
            self._place(made, module, tokens[made.core.name])
        self._top.output(
            "begun", self._top.concat(*(self._wires[made.core.name]["begin"] for made, _ in reversed(self._cores)))
        )

    def _channel(self, made: _Made, k: int, arrival: Arrival) -> dict[str, Any]:
        """The encoder of an arrival, and a queue before it; its tokens."""
        name = f"{made.core.name}_channel{k}"
        unit = encoder(self._design, f"{name}_encoder", self._builder.stream(arrival.source), arrival.delay)
        ready, taken = self._top.wire(f"{name}_ready", 1), self._top.wire(f"{name}_taken", 1)
        valid, data = self._words(arrival.source, name, arrival.delay, taken)
        ports = self._top.instance(unit, f"{name}_encoder_i", {"in_valid": valid, "in_data": data, "ready": ready})
        taken.drive(ports["in_ready"])
        return {**ports, "ready": ready}

    def _words(self, source: str, name: str, delay: int, ready: Signal) -> tuple[Signal, Signal]:
        """The words of a buffer for one consumer: valid and data."""
        if source not in self._sent:
            return self._host(source, name, delay, ready)
        begin, push, data = self._sent[source]
        stream = self._builder.stream(source)
        queue = fifo(self._design, f"{name}_fifo", stream.width, stream.words, 1 << (delay + 1).bit_length())
        ports = {"begin": begin, "push": push, "data": data, "out_ready": ready}
        found = self._top.instance(queue, f"{name}_fifo_i", ports)
        home = self._builder._home.get(source)
        self._rooms[home.core.name if home else source].append(found["room"])
        return found["out_valid"], found["out_data"]

    def _host(self, source: str, name: str, delay: int, ready: Signal) -> tuple[Signal, Signal]:
        """The words of a host's stream: of its ports, or of a queue for each of several consumers.

        The host holds back what a delayed consumer has not taken yet.
        """
        if self._consumers[source] == 1:
            valid, data = self._stream(source)
            self._top.output(f"{_plain(source.removeprefix('input.'))}_ready", ready)
            return valid, data
        if source not in self._sent:
            self._sent[source] = tuple(
                self._top.wire(f"{_plain(source)}_{n}", w)
                for n, w in (("begin", 1), ("push", 1), ("data", self._builder.stream(source).width))
            )  # type: ignore[assignment]
            self._rooms[source] = []
        return self._words(source, name, delay, ready)

    def _stream(self, source: str) -> tuple[Signal, Signal]:
        name = _plain(source.removeprefix("input."))
        self.inputs[name] = self._builder.stream(source)
        return self._top.input(f"{name}_valid", 1), self._top.input(f"{name}_data", self.inputs[name].width)

    def _inputs(self) -> None:
        """Takes the words of a stream of several consumers when all have room for a step."""
        top = self._top
        for source in self._builder._cut.inputs:
            if source not in self._sent:
                continue
            begin, push, data = self._sent[source]
            valid, word = self._stream(source)
            words = self._builder.stream(source).words
            number = top.reg("word", max(1, (words - 1).bit_length()), init=0)
            start = number.eq(0)
            ready = ~start
            room = self._rooms[source][0]
            for other in self._rooms[source][1:]:
                room = room & other
            ready = ~start | room
            taken = ready & valid
            number.next(top.mux(number.eq(words - 1), 0, number + 1), enable=taken)
            begin.drive(taken & start)  # type: ignore[attr-defined]
            push.drive(taken)  # type: ignore[attr-defined]
            data.drive(word)  # type: ignore[attr-defined]
            top.output(f"{_plain(source.removeprefix('input.'))}_ready", ready)

    def _output(self, source: str, name: str) -> None:
        """A stream of the host: a queue and the ports `NAME_valid`, `NAME_data`, `NAME_ready`."""
        ready = self._top.input(f"{name}_ready", 1)
        valid, data = self._words(source, f"{name}_output", 0, ready)
        self._top.output(f"{name}_valid", valid)
        self._top.output(f"{name}_data", data)
        self.outputs[name] = self._builder.stream(source)

    def _place(self, made: _Made, module: CoreModule, tokens: list[dict[str, Any]]) -> None:
        top, core = self._top, made.core
        rooms = self._rooms[core.name]
        room = rooms[0] if rooms else top.constant(1, 1)
        for other in rooms[1:]:
            room = room & other
        ports: dict[str, Signal] = {"room": room}
        for k, token in enumerate(tokens):
            ports |= {f"token{k}_{name}": token[name] for name in ("valid", "last", "index", "value")}
        if module.waits:
            ports["go"] = top.input(f"{core.name}_go", 1)
            self.waits[core.name] = [self._given(made, k, name, ports) for k, name in enumerate(made.found.values)]
        draws = {op.into: op for op in core.ops if isinstance(op, step.Draw)}
        for k, name in enumerate(made.found.draws):
            self.keys[f"{core.name}_key{k}"] = draws[name].seed, draws[name].path
            ports[f"key{k}"] = top.input(f"{core.name}_key{k}", 64)
        if made.found.draws:
            self.samples.append(f"{core.name}_sample")
            ports["sample"] = top.input(self.samples[-1], 32)
        found = top.instance(module.module, core.name, ports)
        for k, token in enumerate(tokens):
            token["ready"].drive(found[f"token{k}_ready"])
        if module.waits:
            top.output(f"{core.name}_ready", found["ready"])
        wires = self._wires[core.name]
        for name, wire in wires.items():
            wire.drive(found[name])

    def _given(self, made: _Made, k: int, name: str, ports: dict[str, Signal]) -> Given:
        """The ports by which the host writes values, a group at a time."""
        top, width, shape = self._top, self._builder.width(name), made.shape
        port = _plain(f"{made.core.name}_{name.removeprefix('input.')}")
        ports[f"value{k}_write"] = top.input(f"{port}_write", 1)
        ports[f"value{k}_address"] = top.input(f"{port}_address", max(1, (shape.groups - 1).bit_length()))
        ports[f"value{k}_data"] = top.input(f"{port}_data", shape.lanes * width)
        return Given(name.removeprefix("input."), port, width, shape)


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name)
