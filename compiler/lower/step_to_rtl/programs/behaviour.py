"""What a core computes for each of its elements in a step, as expressions of what it holds and of what arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.analysis.fixpoint import Solver
from spikec.analysis.intervals import Interval, limits
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.lower.code import python_number
from spikec.lower.step_to_rtl.cores import CODE, Core
from spikec.lower.step_to_rtl.programs.expressions import Graph, Node, above
from spikec.lower.step_to_rtl.programs.update import read

_ROUNDS = 24  # how often a step is followed before what still grows is widened
DRAWN = Interval(0, (1 << 24) - 1)
CLOCK = "clock"
STEPS = (1 << 48) - 1
"""The number of the last step."""


@dataclass(frozen=True)
class Behaviour:
    """Nodes of one element: what it holds (`states`), what arrived (`ports`), and what follows from these.

    `results` are the new values of states, `events` what is sent; `constants` are arrays with a value per element,
    `values` those of the host's inputs, `draws` random numbers, each by the name of the buffer.  `starts` are what
    states hold at first, [size].
    """

    graph: Graph
    states: dict[str, Node]
    ports: dict[str, Node]
    constants: dict[str, Node]
    values: dict[str, Node]
    draws: dict[str, Node]
    index: Node
    results: dict[str, Node]
    events: dict[str, Node]
    starts: dict[str, Array]


def behaviour(program: Program, core: Core, sums: Mapping[str, Interval], starts: Mapping[str, Array]) -> Behaviour:
    """The behaviour of a core; `sums` are the intervals of what arrives in a step, `starts` of states, by buffer."""

    def read_with(known: Mapping[str, Interval], steps: int) -> Behaviour:
        return _Reading(program, core, sums, known, starts, steps).behaviour()

    found = read_with({}, STEPS)
    steps = _told_apart(found)
    init = {name: Interval(int(start.min()), int(start.max())) for name, start in found.starts.items()}
    numbers = {sign * value for value in found.graph.constants() for sign in (1, -1)}
    solver = Solver(
        init,
        {name: node.range for name, node in found.states.items()},
        frozenset(init),
        ([], sorted(numbers)),
        lambda known: {name: node.range for name, node in read_with(known, steps).results.items()},
        _ROUNDS,
    )
    return read_with(solver.solve()[0], steps)


def _told_apart(found: Behaviour) -> int:
    """The number of the last step that is told from those behind it."""
    most = 0
    for node in above([*found.results.values(), *found.events.values()]):
        if any(arg.kind == "input" and arg.value == CLOCK for arg in node.args):
            number = node.value if node.kind == "below" else node.args[1].constant if node.kind == "same" else None
            if number is None:
                return STEPS
            most = max(most, int(number) + (node.kind == "same"))
    return max(1, min(most, STEPS))


class _Reading:
    def __init__(
        self,
        program: Program,
        core: Core,
        sums: Mapping[str, Interval],
        known: Mapping[str, Interval],
        starts: Mapping[str, Array],
        steps: int,
    ) -> None:
        self._program, self._core, self._sums, self._known, self._starts = program, core, sums, known, starts
        self._symbols = program.symbols()
        self._buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
        self._graph = Graph()
        self._now: dict[str, Node] = {}  # what buffers hold
        self._seen: set[str] = set()  # buffers that were read
        self._states: dict[str, Node] = {}
        self._ports: dict[str, Node] = {}
        self._constants: dict[str, Node] = {}
        self._values: dict[str, Node] = {}
        self._draws: dict[str, Node] = {}
        self._index = self._graph.input("index", Interval(0, core.size - 1))
        self._clock = self._graph.input(CLOCK, Interval(0, steps))

    def behaviour(self) -> Behaviour:
        for op in self._core.ops:
            self._graph.location = op.operation.location
            match op:
                case step.Copy(from_=source, into=into):
                    if self._buffers[into].kind == "state":
                        self._state(into)
                    self._now[into] = self._held(source, self._buffers[source].type)
                case step.Fill():
                    self._now[op.into] = self._graph.const(int(python_number(op.value)))
                case step.Draw():
                    self._now[op.into] = self._draws[op.into] = self._graph.input(f"draw {op.into}", DRAWN)
                case step.Propagate() | step.Sweep():
                    self._arrive(op.into, op)
                case step.Update():
                    self._update(op)
        return Behaviour(
            self._graph,
            self._states,
            self._ports,
            self._constants,
            self._values,
            self._draws,
            self._index,
            {name: self._now.get(name, node) for name, node in self._states.items()},
            {name: self._now[name] for name in self._core.sends},
            {name: self._start(name) for name in self._states},
        )

    def _arrive(self, name: str, op: Any) -> None:
        """Lets what comes through synapses be added to a buffer."""
        if name in self._seen:
            raise Refusal(CODE, "synapses to what was read in this step", op.operation)
        if name not in self._ports:
            self._ports[name] = self._graph.input(f"port {name}", self._sums[name])
            total = self._graph.add(self._value(name), self._ports[name])
            self._now[name] = self._graph.wrap(total, self._width(name))
            self._seen.discard(name)

    def _update(self, op: step.Update) -> None:
        types = [argument.type for argument in self._symbols[op.program].regions[0].blocks[0].arguments]
        arguments = [self._argument(arg, type) for arg, type in zip(op.args, types, strict=True)]
        with op.operation.location:
            results = read(self._graph, self._symbols[op.program], arguments)
        for attribute, value in zip(op.results_, results, strict=True):
            name = symbol_of(attribute)
            if name is not None:
                if name not in self._core.sends:  # events are told, and held only if they are looked at
                    self._state(name)
                self._now[name] = value

    def _argument(self, attribute: Any, type: Any) -> Node:
        name = symbol_of(attribute)
        if name is None:
            return (
                self._index if isinstance(attribute, ir.UnitAttr) else self._graph.const(int(python_number(attribute)))
            )
        return self._held(name, type)

    def _held(self, name: str, type: Any) -> Node:
        """An element of a buffer."""
        if name in self._core.clocks:
            return self._clock
        if self._buffers[name].kind == "input":
            self._values[name] = self._graph.input(f"value {name}", limits(type))
            return self._values[name]
        if self._buffers[name].kind != "constant":
            return self._value(name)
        array = self._program.constants[name]
        if array.size == 1 or bool((array == array.flat[0]).all()):
            return self._graph.const(int(array.flat[0]))
        self._constants[name] = self._graph.input(f"constant {name}", Interval(int(array.min()), int(array.max())))
        return self._constants[name]

    def _value(self, name: str) -> Node:
        self._seen.add(name)
        if name not in self._now:
            self._now[name] = self._state(name)
        return self._now[name]

    def _state(self, name: str) -> Node:
        """What a state holds from the step before; a buffer that is no state is not asked for that."""
        buffer = self._buffers[name]
        if name not in self._states and buffer.kind == "state":
            around = limits(buffer.type.element_type)
            self._states[name] = self._graph.input(f"state {name}", self._known.get(name, around))
        return self._states.get(name) or self._graph.const(0)

    def _start(self, name: str) -> Array:
        if name in self._starts:
            return self._starts[name].astype(np.int64).reshape(-1)
        init = self._buffers[name].init
        if init is None:
            return np.zeros(self._core.size, np.int64)
        of = symbol_of(init)
        start = np.asarray(python_number(init)) if of is None else self._program.constants[of].reshape(-1)
        return np.broadcast_to(start.astype(np.int64), (self._core.size,))

    def _width(self, name: str) -> int:
        return int(ir.IntegerType(self._buffers[name].type.element_type).width)
