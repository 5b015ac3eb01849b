"""Populations that do nothing: nothing reaches them, nobody sees them, or each step is like the other.

What is said holds for every run, whatever its seed and its inputs: it rests on the intervals of `analysis.ranges`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from spikec.analysis import ranges
from spikec.analysis.intervals import Interval, element, limits
from spikec.analysis.liveness import Live
from spikec.dialects import snn
from spikec.dialects.diagnostics import Span
from spikec.dialects.functions import argument_roles, result_roles
from spikec.dialects.program import Program

# After so many steps, what still grows is taken to grow on: more would find little more.
ROUNDS = 8


@dataclass(frozen=True)
class Idle:
    """One population, the code of what is odd about it, and where it is declared."""

    code: str
    population: str
    message: str
    help: str
    span: Span | None


def find(program: Program) -> list[Idle]:
    """The populations of a program at level `snn` that warnings are due for, in the order of the program."""
    populations = list(program.ops(snn.Population))
    if not populations:
        return []
    with program.module.context:
        symbols = program.symbols()
        live = Live(program)
        seen = any(view.operation for view in program.ops(snn.Probe)) or _has_outputs(symbols)
        known = _ranges(program, populations, symbols)
        updates = {snn.Update(op).population: op for op in _ops(symbols["step"]) if op.name == snn.Update.name()}
        return [
            Idle(code, view.sym_name, message, help, _span(view.operation.location))
            for view in populations
            if view.sym_name in updates and not view.hidden
            for code, message, help in _judged(view, updates[view.sym_name], symbols, live if seen else None, known)
        ]


def _ranges(program: Program, populations: list[snn.Population], symbols: dict[str, Any]) -> ranges.Ranges:
    """Ranges in which anything may cross a step but the neurons' own states.

    What a population cannot do is then found for it alone and in a few rounds, however long the ways are on which
    populations reach each other; that one is silent because others are is not found.  The states of those that may
    spike, or not, in the first step already need no rounds at all.
    """
    anything = {state.sym_name: limits(element(state.type)) for state in program.ops(snn.State)}
    own = {name for view in populations for name in view.states}
    others = {name: interval for name, interval in anything.items() if name not in own}
    first = ranges.of_first_step(program, others)
    open_questions = own - {
        name for view in populations if _does_both(_emitted(view, symbols[view.neuron], first)) for name in view.states
    }
    if not open_questions:
        return first
    known = {name: interval for name, interval in anything.items() if name not in open_questions}
    return ranges.analyse(program, known, rounds=ROUNDS)


def _does_both(emitted: Interval | None) -> bool:
    """Whether a population may be silent and may spike: more steps can only add to that."""
    return emitted is None or emitted.nan or (emitted.low <= 0 <= emitted.high and emitted.low < emitted.high)


def _judged(
    view: snn.Population, update: Any, symbols: dict[str, Any], live: Live | None, known: ranges.Ranges
) -> Iterator[tuple[str, str, str]]:
    """The codes, messages and remedies for one population."""
    name = f"'{view.sym_name}'"
    program = symbols[view.neuron]
    if live is not None and update not in live.ops:
        yield "W0204", f"{name} reaches no output and no probe", f"add 'probe {view.sym_name}.spike', or remove it"
    emitted = _emitted(view, program, known)
    if emitted is None:
        return
    spikes = "event" in (role for role, _ in result_roles(program))
    constant = emitted.low == emitted.high and not emitted.nan
    ports = [role for role, _ in argument_roles(program) if "port" in role]
    if constant and ports and all(_is_nothing(known.of(port)) for port in update.operands):
        what = f"its value is always {emitted.low:g}"
        if spikes:
            what = "it never spikes" if emitted.low == 0 else "it spikes in every step"
        yield "W0203", f"nothing arrives at {name}, and {what}", f"project to it, or assign to a port of {name}"
    elif spikes and constant and emitted.low == 0:
        yield "W0205", f"{name} never spikes, whatever its inputs are", "compare its threshold with what can arrive"
    elif spikes and not emitted.nan and (emitted.low > 0 or emitted.high < 0):
        yield "W0206", f"{name} spikes in every step", "compare its threshold with where its states start and go"


def _span(location: Any) -> Span | None:
    """The first character of what an op was made from."""
    if not location.is_a_file():
        return None
    line, column = location.start_line, location.start_col
    return Span(location.filename, line, column, line, column + 1)


def _emitted(view: snn.Population, program: Any, known: ranges.Ranges) -> Interval | None:
    """The interval of what a population emits, None for one that has neither events nor `out`."""
    returned = program.regions[0].blocks[0].operations[-1].operation.operands
    values = {role: value for (role, _), value in zip(result_roles(program), returned, strict=True)}
    value = values.get("event", values.get("out"))
    return None if value is None else known.within(view.sym_name, value)


def _is_nothing(interval: Interval) -> bool:
    return interval.low == 0 and interval.high == 0 and not interval.nan


def _ops(function: Any) -> list[Any]:
    return [operation.operation for operation in function.regions[0].blocks[0].operations]


def _has_outputs(symbols: dict[str, Any]) -> bool:
    return any(_ops(symbols[entry])[-1].operands for entry in ("step", "finish") if entry in symbols)
