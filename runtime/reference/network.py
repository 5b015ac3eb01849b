"""Level `snn`: the ops of the dialect over named states."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import numpy as np
from spikec.dialects import random, snn
from spikec.dialects.constants import Array
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.verify import argument_roles, result_roles
from spikec.runtime.interface import ADDED, EMITTED
from spikec.runtime.reference import synapses
from spikec.runtime.reference.blocks import Function, Instruction, Lower, Scope, Slots, program
from spikec.runtime.reference.connectors import Connectors
from spikec.runtime.reference.drawn import Constants
from spikec.runtime.reference.elements import dtype, number, shape, size, stored, width
from spikec.runtime.reference.tensors import TENSOR_OPS


class Network:
    """The states of a network and its entry points, which run on them."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._symbols = program.symbols()
        self._states = {state.sym_name: state for state in program.ops(snn.State)}
        self._history: dict[str, deque[Array]] = {}
        self._written: dict[str, Array] = {}
        self.counts: Counter[str] = Counter()
        self.step = self.seed = self.sample = 0
        self._make(0)
        table = {**TENSOR_OPS, **self.table()}
        self._entries = {
            name: Function(self._symbols[name], table) for name in ("init", "step", "finish") if name in self._symbols
        }

    def table(self) -> dict[str, Lower]:
        """The ops of the dialect that stand in entry points."""
        return {
            snn.Propagate.name(): self._propagate,
            snn.Update.name(): self._update,
            snn.Read.name(): self._read,
            snn.Write.name(): self._write,
            snn.Draw.name(): self._draw,
            snn.Clock.name(): self._clock,
        }

    def reset(self, seed: int, sample: int) -> None:
        """States as before the first step; arrays and connections are drawn under `seed` when they are first used."""
        if seed != self.seed:
            self._make(seed)
        self.step, self.seed, self.sample = 0, seed, sample
        self._history = {name: self._start(state) for name, state in self._states.items()}
        self._run("init")
        for name, value in self._written.items():
            self._history[name][0] = value

    def _make(self, seed: int) -> None:
        self._synapses: dict[str, dict[int | None, synapses.Synapses]] = {}
        self._constants = Constants(self._program, seed)
        self._connectors = Connectors(self._program, self._constants)

    def advance(self, inputs: list[Array]) -> list[Array]:
        """Runs one step and returns its outputs."""
        outputs = self._run("step", *inputs)
        for name, history in self._history.items():
            # A full deque drops its oldest value.
            history.appendleft(self._written.get(name, history[0]))
        self.step += 1
        return outputs

    def finish(self) -> list[Array]:
        """What `@finish` returns; it changes no state."""
        return self._run("finish")

    def state(self, name: str) -> Array:
        """The value of a state after the last step."""
        return self._history[name][0]

    def _run(self, entry: str, *inputs: Array) -> list[Array]:
        self._written = {}
        return self._entries[entry](*inputs) if entry in self._entries else []

    def _start(self, state: Any) -> deque[Array]:
        before = np.zeros(shape(state.type), dtype(state.type))
        init = before if state.init is None else self._value(state.init, state.type)
        return deque([init, *[before] * (state.depth - 1)], maxlen=state.depth)

    def _value(self, attribute: Any, type: Any) -> Array:
        """A number or the name of a constant, as an array of `type`."""
        if isinstance(attribute, ir.FlatSymbolRefAttr):
            return stored(self._constants[attribute.value], type)
        return np.full(shape(type), number(attribute), dtype(type))

    def _weight(self, attribute: Any, to: tuple[int, ...]) -> Array:
        """A number (rank 0), or a constant in the shape `to`."""
        if not isinstance(attribute, ir.FlatSymbolRefAttr):
            return number(attribute)
        constant = snn.Constant(self._symbols[attribute.value])
        return stored(self._constants[constant.sym_name], constant.type).reshape(to)

    def _propagate(self, op: Any, scope: Scope) -> Instruction:
        name, delay = snn.Propagate(op).synapses, snn.Propagate(op).delay
        (events, init), result = scope.slots(op.operands), scope.slot(op.results[0])
        bits = width(op.results[0].type)

        def run(slots: Slots) -> None:
            into = np.array(slots[init])
            if name not in self._synapses:
                self._synapses[name] = self._connectors.connect(snn.Synapses(self._symbols[name]), self.seed)
            made = self._synapses[name][delay]
            added = synapses.propagate(made, slots[events].reshape(-1), into.reshape(-1), bits)
            self.counts[name + ADDED] += added
            slots[result] = into

        return run

    def _update(self, op: Any, scope: Scope) -> Instruction:
        population = snn.Population(self._symbols[snn.Update(op).population])
        neuron = self._symbols[population.neuron]
        function, extents = program(neuron), tuple(population.shape)
        arguments = self._arguments(population, argument_roles(neuron), scope.slots(op.operands))
        targets = self._targets(population, result_roles(neuron))
        emitted = [(scope.slot(result), shape(result.type)) for result in op.results]
        name = population.sym_name

        def run(slots: Slots) -> None:
            results = function(*[argument(slots) for argument in arguments])
            told: dict[str, Array] = {}
            for (role, state), value in zip(targets, results, strict=True):
                told[role] = np.broadcast_to(value, extents)
                if state is not None:
                    self._written[state] = told[role].reshape(shape(self._states[state].type))
            if "event" in told:
                self.counts[name + EMITTED] += int(np.count_nonzero(told["event"]))
            for slot, to in emitted:
                slots[slot] = (told["event"] if "event" in told else told["out"]).reshape(to)

        return run

    def _arguments(
        self, population: Any, roles: list[tuple[str, str]], operands: list[int]
    ) -> list[Callable[[Slots], Array]]:
        """For each argument of the program, where its array comes from; a port that is a state is a port."""
        extents = tuple(population.shape)
        ports, states, params = iter(operands), iter(population.states), iter(population.params)
        index = np.arange(int(np.prod(extents))).reshape(extents)

        def port(slot: int) -> Callable[[Slots], Array]:
            return lambda slots: slots[slot].reshape(extents)

        def state(name: str) -> Callable[[Slots], Array]:
            return lambda slots: self.state(name).reshape(extents)

        def fixed(value: Array) -> Callable[[Slots], Array]:
            return lambda slots: value

        def param(name: str) -> Callable[[Slots], Array]:
            value = snn.Param(self._symbols[name]).value
            return lambda slots: self._weight(value, extents)

        found = []
        for role, _ in roles:
            name = next(states) if "state" in role else ""
            if "port" in role:
                found.append(port(next(ports)))
            elif role == "state":
                found.append(state(name))
            else:
                found.append(fixed(index) if role == "index" else param(next(params)))
        return found

    def _targets(self, population: Any, roles: list[tuple[str, str]]) -> list[tuple[str, str | None]]:
        """For each result of the program, its role and the state that keeps it."""
        states = iter(population.states)
        kept = {"event": population.event, "out": population.out}
        return [(role, next(states) if role == "state" else kept[role]) for role, _ in roles]

    def _read(self, op: Any, scope: Scope) -> Instruction:
        read, result = snn.Read(op), scope.slot(op.results[0])
        name, age = read.of, read.delay - 1

        def run(slots: Slots) -> None:
            # The first step sees `init` one step back; what lies further back than the start is zero.
            value = self._history[name][age]
            slots[result] = value if age == 0 or self.step > age else np.zeros_like(value)

        return run

    def _write(self, op: Any, scope: Scope) -> Instruction:
        name, value = snn.Write(op).to, scope.slot(op.operands[0])

        def run(slots: Slots) -> None:
            self._written[name] = slots[value]

        return run

    def _draw(self, op: Any, scope: Scope) -> Instruction:
        draw, result, type = snn.Draw(op), scope.slot(op.results[0]), op.results[0].type
        source, extents, to = (draw.seed, draw.path), shape(type), dtype(type)
        elements = np.arange(size(type))
        draw_numbers = random.integers if to.kind == "i" else random.uniform

        def run(slots: Slots) -> None:
            drawn = draw_numbers(random.key(self.seed, *source), elements, self.step, self.sample)
            slots[result] = drawn.astype(to).reshape(extents)

        return run

    def _clock(self, op: Any, scope: Scope) -> Instruction:
        result = scope.slot(op.results[0])

        def run(slots: Slots) -> None:
            slots[result] = np.asarray(self.step, np.int64)

        return run
