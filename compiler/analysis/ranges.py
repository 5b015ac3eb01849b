"""Which values can occur: an interval for each SSA value and each state of a program at level `snn`.

States start from their initial values and are followed through `@step` until an invariant is found
(`analysis.fixpoint`).  All that is said holds for every run: for inputs within their declared ranges, any seed
and any number of steps below 2^48.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.analysis.chains import repeated
from spikec.analysis.fan_in import FanIn
from spikec.analysis.fixpoint import Solver
from spikec.analysis.intervals import (
    Interval,
    Number,
    element,
    is_real,
    limits,
    point,
    signed_limits,
    width,
)
from spikec.analysis.reductions import reduction
from spikec.analysis.refinement import Body, Special, Values
from spikec.dialects import snn
from spikec.dialects.functions import argument_marks, argument_roles, result_roles, signature, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program

__all__ = ["Interval", "Ranges", "analyse", "of_first_step"]

Many = Callable[[list[Interval]], list[Interval]]
STEPS = 2**48
"""No run has more steps: at a microsecond each they would take nine years."""
_DRAWN = 2**24 - 1
_LARGEST = {32: float(np.finfo(np.float32).max), 64: float(np.finfo(np.float64).max)}


@dataclass(frozen=True)
class Ranges:
    """The intervals of one program; they are those of the module that was analysed, not of a changed copy.

    `widened` names the states of which nothing but the type (reals: nothing) bounds one end; `wraps` are the
    integer ops whose exact result may leave their type.
    """

    states: Mapping[str, Interval]
    widened: frozenset[str]
    wraps: tuple[Any, ...]
    _values: Mapping[Any, Interval]
    _populations: Mapping[str, Mapping[Any, Interval]]

    def state(self, name: str) -> Interval:
        """What a state holds at the start and after each step; its history before the start is zero."""
        return self.states[name]

    def of(self, value: Any) -> Interval:
        """The values of one SSA value, over all populations of its program.

        Those of its type where nothing is known: in the body of a `linalg.generic`, in a filter.
        """
        return self._values[value] if value in self._values else limits(value.type)

    def within(self, population: str, value: Any) -> Interval:
        """The values of an SSA value of a population's program in this population alone."""
        known = self._populations.get(population, {})
        return known[value] if value in known else self.of(value)


def analyse(
    program: Program,
    states: Mapping[str, Interval] | None = None,
    inputs: Mapping[str, Interval] | None = None,
    rounds: int = 48,
) -> Ranges:
    """The ranges of a program at level `snn`.

    `states` are intervals that some states are known to keep; they are not looked for.  `inputs` are the intervals
    of inputs by name, where they are narrower than declared.  `rounds` is how often `@step` is followed before what
    still grows is widened.
    """
    with program.module.context, ir.Location.unknown():
        return _Analysis(program, states or {}, inputs or {}).ranges(rounds)


def of_first_step(program: Program, states: Mapping[str, Interval]) -> Ranges:
    """The ranges of initial states, and those of the first step; `states` are intervals that take the place of some."""
    with program.module.context, ir.Location.unknown():
        return _Analysis(program, states, {}).of_first_step()


@dataclass(frozen=True)
class _Neurons:
    """A population: its program, and where each argument and result comes from and goes to."""

    body: Body
    arguments: list[int | str | Interval]  # the number of a port, the name of a state, or what is always there
    results: list[tuple[str, str | None]]  # role and state


@dataclass
class _Arrived:
    """What a chain of propagates has gathered: bounds per target, and of its delayed projections how many synapses they
    have for a target and the events that were counted."""

    low: Any
    high: Any
    synapses: int = 0
    events: Mapping[str, Interval] = field(default_factory=dict)


@dataclass
class _Run:
    """What one evaluation of an entry sees and leaves."""

    states: Mapping[str, Interval]
    written: dict[str, Interval] = field(default_factory=dict)
    arrived: dict[Any, _Arrived] = field(default_factory=dict)  # of each propagate
    populations: dict[str, Values] = field(default_factory=dict)


class _Analysis:
    def __init__(self, program: Program, states: Mapping[str, Interval], inputs: Mapping[str, Interval]) -> None:
        self._program = program
        self._symbols = program.symbols()
        self._types = {state.sym_name: state.type for state in program.ops(snn.State)}
        self._invariants = {**self._declared_bits(), **states}
        self._programs: dict[str, Body] = {}
        self._fans: dict[str, FanIn] = {}
        self._neurons: dict[str, _Neurons] = {}
        self._latest: dict[str, tuple[list[Interval], Values]] = {}
        self._now = _Run({})
        self._repeated = repeated(self._symbols)
        moves = ("extract", "splat", "extract_slice", "expand_shape", "collapse_shape")
        self._specials: dict[str, Special] = {
            **{f"tensor.{name}": _moved for name in moves},
            "tensor.concat": _joined,
            "linalg.generic": lambda op: reduction(op, self._specials),
            snn.Read.name(): self._read,
            snn.Write.name(): self._write,
            snn.Draw.name(): self._draw,
            snn.Clock.name(): lambda op: ([], lambda found: [Interval(0, STEPS)]),
            snn.Propagate.name(): self._propagate,
            snn.Update.name(): self._update,
        }
        entries: list[str] = [name for name in ("init", "step", "finish") if name in self._symbols]
        self._entries = {name: Body(self._symbols[name].regions[0].blocks[0], self._specials) for name in entries}
        self._inputs = self._input_ranges(inputs)
        self._given = states

    # ------------------------------------------------------------ the whole

    def ranges(self, rounds: int) -> Ranges:
        before, started, init = self._begun()
        solver = Solver(
            {name: found for name, found in init.items() if name not in self._given},
            {name: self._invariants.get(name, limits(type)) for name, type in self._types.items()},
            frozenset(name for name, type in self._types.items() if not is_real(type)),
            self._stops(),
            lambda now: self._after({**now, **self._given}),
            rounds,
        )
        found, widened = solver.solve()
        return self._gathered(started, before, {**found, **self._given}, widened - self._invariants.keys())

    def of_first_step(self) -> Ranges:
        before, started, init = self._begun()
        return self._gathered(started, before, init, frozenset())

    def _begun(self) -> tuple[dict[str, Interval], _Run, dict[str, Interval]]:
        """States before `@init`, its run, and states after it."""
        before = {name: self._kept(name, self._start(state)) for name, state in self._declared_states().items()}
        started = self._run("init", before)
        init = {name: self._kept(name, started.written.get(name, found)) for name, found in before.items()}
        return before, started, {**init, **self._given}

    def _after(self, states: Mapping[str, Interval]) -> dict[str, Interval]:
        written = self._run("step", states).written
        return {name: self._kept(name, found) for name, found in written.items()}

    def _kept(self, name: str, found: Interval) -> Interval:
        """A value of a state, cut to what is known of it anyway."""
        return found.meet(self._invariants[name]) or self._invariants[name] if name in self._invariants else found

    def _run(self, entry: str, states: Mapping[str, Interval]) -> _Run:
        self._now = _Run(states)
        if entry in self._entries:
            self._evaluated(entry)
        return self._now

    def _evaluated(self, entry: str) -> Values:
        return self._entries[entry].run(self._inputs if entry == "step" else [])

    def _gathered(
        self, started: _Run, before: Mapping[str, Interval], states: dict[str, Interval], widened: frozenset[str]
    ) -> Ranges:
        values: dict[Any, Interval] = {}
        populations: dict[str, dict[Any, Interval]] = {}
        wraps: dict[Any, None] = {}
        for entry, seen in (("init", before), ("step", states), ("finish", states)):
            if entry not in self._entries:
                continue
            self._now = _Run(seen)
            found = self._evaluated(entry)
            _collect(self._entries[entry], found, values, wraps)
            for name, inside in self._now.populations.items():
                own = populations[name] = {}
                _collect(self._neurons[name].body, inside, own, wraps)
                for value, interval in own.items():
                    values[value] = values[value].hull(interval) if value in values else interval
        return Ranges(states, widened, tuple(wraps), values, populations)

    def _stops(self) -> tuple[list[Number], list[Number]]:
        """Numbers of the program at which bounds may come to rest: constants and parameters, and their negatives."""
        bodies = [*self._entries.values(), *self._programs.values()]
        constants = [node for body in bodies for node in body.nodes if node.name == "arith.constant"]
        found = [node.transfer() for node in constants if node.transfer is not None]
        for neurons in self._neurons.values():
            found += [argument for argument in neurons.arguments if isinstance(argument, Interval)]
        ends = {end for interval in found for end in interval if math.isfinite(end)}
        both = sorted({sign * end for end in ends for sign in (1, -1)})
        return [end for end in both if isinstance(end, float)], [end for end in both if isinstance(end, int)]

    # ------------------------------------------------------------ declarations

    def _declared_states(self) -> dict[str, Any]:
        return {state.sym_name: state for state in self._program.ops(snn.State)}

    def _declared_bits(self) -> dict[str, Interval]:
        return {
            state.sym_name: signed_limits(int(ir.IntegerAttr(state.operation.attributes["bits"]).value))
            for state in self._program.ops(snn.State)
            if "bits" in state.operation.attributes and not is_real(state.type) and width(state.type) > 1
        }

    def _start(self, state: Any) -> Interval:
        """What a state holds before `@init`."""
        return self._number(state.init, state.type) if state.init is not None else _zero(state.type)

    def _number(self, attribute: Any, type: Any) -> Interval:
        """The extremes of a number or of a constant, as elements of `type`."""
        name = symbol_of(attribute)
        if name is None:
            value = scalars.number(attribute)
            found = int(ir.IntegerAttr(attribute).value) if value is None else value.item()
            return point(float(found) if is_real(type) else int(found))
        if name not in self._program.constants:  # an array that is drawn
            return limits(type)
        array = self._program.constants[name]
        low, high = array.min(), array.max()
        if is_real(type):
            nan = bool(np.isnan(low))
            return Interval(-math.inf, math.inf, True) if nan else Interval(float(low), float(high))
        return Interval(int(low), int(high))

    def _input_ranges(self, given: Mapping[str, Interval]) -> list[Interval]:
        if "step" not in self._symbols:
            return []
        step = self._symbols["step"]
        found = []
        for marks, type in zip(argument_marks(step), signature(step).inputs, strict=True):
            name = ir.StringAttr(marks[snn.NAME]).value if snn.NAME in marks else ""
            declared = _declared_input(marks, type)
            found.append((given[name].meet(declared) or declared) if name in given else declared)
        return found

    # ------------------------------------------------------------ ops

    def _read(self, op: Any) -> tuple[list[Any], Many]:
        read = snn.Read(op)
        name, past, zero = read.of, read.delay > 1, _zero(self._types[read.of])

        def transfer(found: list[Interval]) -> list[Interval]:
            now = self._now.states[name]
            return [now.hull(zero) if past else now]

        return [], transfer

    def _write(self, op: Any) -> tuple[list[Any], Many]:
        name = snn.Write(op).to

        def transfer(found: list[Interval]) -> list[Interval]:
            self._now.written[name] = found[0]
            return []

        return list(op.operands), transfer

    def _draw(self, op: Any) -> tuple[list[Any], Many]:
        real = is_real(op.results[0].type)
        drawn = Interval(0.0, 1.0 - 2.0**-24) if real else Interval(0, _DRAWN)
        return [], lambda found: [drawn]

    def _propagate(self, op: Any) -> tuple[list[Any], Many]:
        name = snn.Propagate(op).synapses
        if name not in self._fans:
            self._fans[name] = FanIn.of(self._program, snn.Synapses(self._symbols[name]), self._symbols)
        return list(op.operands), partial(self._arrived, op, self._fans[name])

    def _arrived(self, op: Any, fan: FanIn, found: list[Interval]) -> list[Interval]:
        """What arrives per target is kept for a propagate that goes on from there."""
        (source, init), result, (events, start) = op.operands, op.results[0], found
        before = self._now.arrived.get(init) or _Arrived(np.asarray(start.low), np.asarray(start.high))
        name, delayed = snn.Propagate(op).synapses, snn.Propagate(op).delay is not None
        if op in self._repeated and name in before.events and before.events[name].covers(events):
            self._now.arrived[result] = before  # all that the projection's synapses can add is in there
            return [start]
        real, bits = is_real(result.type), width(result.type)
        low, high = fan.arrive(
            events, before.low, before.high, bits if real else 0, width(source.type) > 1, before.synapses
        )
        after = _Arrived(low, high)
        if delayed:
            after = _Arrived(low, high, before.synapses + fan.synapses, {**before.events, name: events})
        if not real:
            around = Interval(int(low.min()), int(high.max()))
            if limits(result.type).covers(around):
                self._now.arrived[result] = after
            return [around]
        nan = events.nan or start.nan or not events.is_bounded or not np.all(np.isfinite((low.min(), high.max())))
        around = Interval(float(low.min()), float(high.max()), nan)
        if not nan:
            self._now.arrived[result] = after
        return [_finite(around, bits)]

    def _update(self, op: Any) -> tuple[list[Any], Many]:
        name = snn.Update(op).population
        neurons = self._neurons[name] = self._population(snn.Population(self._symbols[name]))
        emitted = bool(len(op.results))

        def transfer(found: list[Interval]) -> list[Interval]:
            states = self._now.states
            arguments = [
                found[a] if isinstance(a, int) else states[a] if isinstance(a, str) else a for a in neurons.arguments
            ]
            # In most rounds most populations see what they saw in the last.
            if name not in self._latest or self._latest[name][0] != arguments:
                self._latest[name] = arguments, neurons.body.run(arguments)
            values = self._now.populations[name] = self._latest[name][1]
            told: dict[str, Interval] = {}
            for (role, state), slot in zip(neurons.results, neurons.body.returned, strict=True):
                told[role] = values.slots[slot]
                if state is not None:
                    self._now.written[state] = told[role]
            return [told["event"] if "event" in told else told["out"]] if emitted else []

        return list(op.operands), transfer

    def _population(self, population: Any) -> _Neurons:
        neuron = self._symbols[population.neuron]
        if population.neuron not in self._programs:
            self._programs[population.neuron] = Body(neuron.regions[0].blocks[0])
        types = signature(neuron).inputs
        ports, states, params = iter(range(len(types))), iter(population.states), iter(population.params)
        arguments: list[int | str | Interval] = []
        for (role, _), type in zip(argument_roles(neuron), types, strict=True):
            state = next(states) if "state" in role else ""
            if "port" in role:
                arguments.append(next(ports))
            elif state:
                arguments.append(state)
            elif role == "index":
                arguments.append(Interval(0, math.prod(population.shape) - 1))
            else:
                arguments.append(self._number(snn.Param(self._symbols[next(params)]).value, type))
        kept = {"event": population.event, "out": population.out}
        targets = iter(population.states)
        results = [(role, next(targets) if role == "state" else kept[role]) for role, _ in result_roles(neuron)]
        return _Neurons(self._programs[population.neuron], arguments, results)


def _collect(body: Body, found: Values, into: dict[Any, Interval], wraps: dict[Any, None]) -> None:
    for value, slot in body.values.items():
        into[value] = found.slots[slot]
    wraps.update(dict.fromkeys(found.wrapped))


def _moved(op: Any) -> tuple[list[Any], Many]:
    """Elements of one tensor at other places."""
    return [op.operands[0]], lambda found: [found[0]]


def _joined(op: Any) -> tuple[list[Any], Many]:
    def transfer(found: list[Interval]) -> list[Interval]:
        around = found[0]
        for interval in found[1:]:
            around = around.hull(interval)
        return [around]

    return list(op.operands), transfer


def _finite(around: Interval, bits: int) -> Interval:
    """Ends beyond the largest number of the type are infinite."""
    top = _LARGEST[bits]
    low = around.low if around.low >= -top else -math.inf
    high = around.high if around.high <= top else math.inf
    return Interval(low, high, around.nan)


def _zero(type: Any) -> Interval:
    return point(0.0 if is_real(type) else 0)


def _declared_input(marks: Mapping[str, Any], type: Any) -> Interval:
    """What the host lets through: numbers within the range, of the type, finite."""
    declared = [ir.FloatAttr(end).value for end in marks[snn.RANGE]] if snn.RANGE in marks else None
    if is_real(type):
        top = _LARGEST[width(type)]
        low, high = declared or (-top, top)
        to = np.float32 if width(type) == 32 else np.float64
        return Interval(float(to(low)), float(to(high)))
    anything = limits(element(type))
    if declared is None:
        return anything
    scale = ir.FloatAttr(marks[snn.SCALE]).value if snn.SCALE in marks else 1.0
    low, high = (int(np.clip(np.rint(end / scale), -(2.0**63), 2.0**63)) for end in declared)
    return Interval(min(max(low, anything.low), anything.high), max(min(high, anything.high), anything.low))
