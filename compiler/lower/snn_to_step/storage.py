"""Which buffers keep the states.

- A state that is read with delay 1 alone has one slot and is updated in place.
- What is read further back is a *stream*, a ring of as many slots as the longest delay needs, provided
  that it starts as zero and no program works on it in place.  Otherwise the state keeps its one slot
  and a stream beside it, `NAME.history`, gets a copy each step.
- An event or `out` that only this step reads is a temporary.
- A state that nothing writes and that starts as an array is that array.

Slots are minimal: `delay` + 1 for a read in the step, which comes beside this step's write, and
`delay` for one after the last step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects import snn
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower.snn_to_step.buffers import Buffers
from spikec.lower.snn_to_step.dataflow import Dataflow
from spikec.lower.snn_to_step.nodes import Access
from spikec.lower.snn_to_step.types import shape_of


@dataclass
class Usage:
    """How a program uses one state."""

    stepped: set[int] = field(default_factory=set)  # delays of reads in @step
    finished: set[int] = field(default_factory=set)  # delays of reads in @finish and @init
    in_place: bool = False  # a neuron program has it as a state
    emitted: bool = False  # the event or `out` of a population
    written: bool = False
    started: bool = False  # written by @init
    probed: bool = False


@dataclass
class Plan:
    """`buffer` keeps the newest value; `history` the older ones where they need a buffer of their own."""

    state: str
    buffer: str
    stream: bool
    history: str | None
    streamable: bool
    used: bool


class Storage:
    """The plan of each state, made on first use."""

    def __init__(self, program: Program, flows: dict[str, Dataflow], buffers: Buffers) -> None:
        self._buffers = buffers
        self._states = {state.sym_name: state for state in program.ops(snn.State)}
        self._usage = _usage(program, flows, self._states)
        self.plans = {name: self._plan(name) for name in self._states}

    def access(self, state: str, delay: int) -> Access:
        """The use of a state as it was `delay` steps ago."""
        plan, shape = self.plans[state], shape_of(self._states[state].type)
        if plan.stream:
            return Access(plan.buffer, shape, delay)
        if delay > 1:
            assert plan.history is not None
            return Access(plan.history, shape, delay)
        return Access(plan.buffer, shape, old=state)

    def to_stream(self, state: str) -> None:
        """Gives a state that was to be updated in place two slots, so that its old value outlives the update."""
        plan, buffer = self.plans[state], self._buffers[self.plans[state].buffer]
        plan.stream = True
        buffer.kind, buffer.slots, buffer.init = "stream", 2, None

    def _plan(self, name: str) -> Plan:
        state, usage = self._states[name], self._usage[name]
        constant = symbol_of(state.init) if state.init is not None else None
        changed = usage.in_place or usage.emitted or usage.written or usage.started
        deepest = max([*usage.stepped, *usage.finished], default=0)
        if constant is not None and not changed and deepest <= 1 and self._is_array(state, constant):
            return Plan(name, self._buffers.constant(constant), False, None, False, usage.probed or deepest == 1)
        zero = _is_zero(state.init)
        streamable = zero and not usage.in_place and not usage.started
        slots = max([1, *(d + 1 for d in usage.stepped), *usage.finished]) if deepest > 1 and streamable else 1
        temporary = usage.emitted and deepest == 0
        kind = "stream" if slots > 1 else "temp" if temporary else "state"
        init = None if slots > 1 or temporary else self._init(state)
        location = state.operation.location
        buffer = self._buffers.declare(
            name, kind, state.type, location, slots=slots, init=init, listable=zero or usage.started
        )
        history = None
        if deepest > 1 and slots == 1:
            history = self._history(state, usage, location)
        return Plan(name, buffer, slots > 1, history, streamable, deepest > 0 or usage.probed)

    def _history(self, state: snn.State, usage: Usage, location: Any) -> str:
        older = [d + 1 for d in usage.stepped if d > 1] + [d for d in usage.finished if d > 1]
        return self._buffers.declare(
            f"{state.sym_name}.history", "stream", state.type, location, slots=max(older), listable=True
        )

    def _init(self, state: snn.State) -> Any:
        if state.init is None:
            return None
        name = symbol_of(state.init)
        return state.init if name is None else ir.FlatSymbolRefAttr.get(self._buffers.constant(name))

    def _is_array(self, state: snn.State, constant: str) -> bool:
        buffer = self._buffers[self._buffers.constant(constant)]
        return shape_of(buffer.type) == shape_of(state.type) and buffer.type.element_type == state.type.element_type


def _usage(program: Program, flows: dict[str, Dataflow], states: dict[str, snn.State]) -> dict[str, Usage]:
    usage = {name: Usage() for name in states}
    for entry, flow in flows.items():
        for read in flow.reads():
            (usage[read.of].stepped if entry == "step" else usage[read.of].finished).add(read.delay)
        for write in flow.writes():
            usage[write.to].written |= entry == "step"
            usage[write.to].started |= entry == "init"
    for population in program.ops(snn.Population):
        for name in population.states:
            usage[name].in_place = True
        for name in (population.event, population.out):
            if name is not None:
                usage[name].emitted = True
    for probe in program.ops(snn.Probe):
        usage[probe.of].probed = True
    return usage


def _is_zero(init: Any) -> bool:
    """Whether a state starts as +0; `None` stands for a state without `init`, which starts as zero."""
    if init is None:
        return True
    if symbol_of(init) is not None:
        return False
    value = float(init.value)
    return value == 0.0 and math.copysign(1.0, value) > 0
