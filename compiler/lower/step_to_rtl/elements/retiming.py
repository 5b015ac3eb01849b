"""What a step computes for the next one, moved over the border between them.

A population that sees in each step what arrived in the step before has a state for that, which is written behind the
population's own events: within one step each waits for the other.  Since nobody looks at the state until the next step,
it need not be held: its events arrive one step later, before the population's update, and its value follows then.  In
the first step it is the state's start.

Events that a state tells before it is written are those of the step before; they too begin with the state's start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from spikec.analysis.dependence import entry_ops
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.propagations import propagations
from spikec.lower.code import python_number
from spikec.lower.step_to_rtl.elements.rewriting import Rewriting, made, reference
from spikec.lower.step_to_rtl.rows.weights import synapses
from spikec.runtime.reference.blocks import program as evaluator
from spikec.runtime.reference.elements import number, stored


def delay_states(rewriting: Rewriting) -> frozenset[str]:
    """Computes states that wait for what sees them one step later; the buffers to which events come later now."""
    kept = {name for _, op in entry_ops(rewriting.program, "finish") for name in read(op)}
    kept |= {buffer.of for buffer in rewriting.buffers.values() if buffer.kind == "probe"}
    late: set[str] = set()
    for name, buffer in list(rewriting.buffers.items()):
        if buffer.kind == "state" and name not in kept:
            late |= _State(rewriting, name, kept).delay()
    return frozenset(late)


def read(op: Any) -> Iterator[str]:
    """The buffers that an op reads."""
    if isinstance(op, step.Update):
        yield from (name for name in map(symbol_of, op.args) if name is not None)
    elif isinstance(op, step.Map):
        yield from op.args
    elif isinstance(op, step.Copy):
        yield op.from_
    yield from (one.from_ for one in propagations(op))


class _State:
    """A state, which one op writes, the ops that read it, and those that make what is written."""

    def __init__(self, rewriting: Rewriting, name: str, kept: set[str]) -> None:
        self._rewriting, self._name, self._kept, self._ops = rewriting, name, kept, rewriting.ops
        self._writers = [k for k, op in enumerate(self._ops) if name in made(op)]
        self._readers = [k for k, op in enumerate(self._ops) if name in read(op)]

    def delay(self) -> set[str]:
        """Moves the writer to the next step if it may and must be there; the buffers to which events come later now."""
        rewriting = self._rewriting
        if len(self._writers) != 1 or not self._readers or max(self._readers) >= self._writers[0]:
            return set()
        writer, first = self._ops[self._writers[0]], self._ops[self._readers[0]]
        moved = self._what_is_moved(writer)
        if moved is None or not self._waits(moved):
            return set()
        for k in moved:
            _make_again(rewriting, self._ops[k], first)
        value = self._value(writer, first)
        start = rewriting.start(self._name)
        if not np.array_equal(self._at_rest(writer), start):
            later = value
            value = rewriting.buffer(f"{self._name}.seen", rewriting.element(later), rewriting.shape(later))
            rewriting.started(first, start, later, value)
        for k in self._readers:
            _read_instead(self._ops[k], self._name, value)
        late = {self._ops[k].into for k in moved}
        for op in [*(self._ops[k] for k in moved), writer]:
            op.operation.erase()
        rewriting.buffers.pop(self._name).operation.erase()
        return late

    def _what_is_moved(self, writer: Any) -> list[int] | None:
        """The ops that make what arrives for the writer, None if it sees something else or tells more."""
        if not isinstance(writer, step.Update | step.Copy) or len(made(writer)) != 1:
            return None
        if isinstance(writer, step.Copy) and writer.delay:
            return None
        found: list[int] = []
        for name in read(writer):
            if self._rewriting.buffers[name].kind == "constant":
                continue
            writers = [k for k, op in enumerate(self._ops) if name in made(op)]
            readers = [op for op in self._ops if name in read(op)]
            arrive = all(isinstance(self._ops[k], step.Fill) or propagations(self._ops[k]) for k in writers)
            is_seen = name in self._kept or self._rewriting.buffers[name].kind != "temp"
            if not arrive or len(readers) != 1 or is_seen:
                return None
            found += writers
        return sorted(set(found))

    def _waits(self, moved: list[int]) -> bool:
        """Whether what arrives depends on an op that sees the state."""
        reached = set(self._readers)
        told = {name for k in self._readers for name in made(self._ops[k])}
        for k in range(self._readers[0], self._writers[0]):
            if told.intersection(read(self._ops[k])):
                reached.add(k)
                told.update(made(self._ops[k]))
        return bool(reached.intersection(moved))

    def _value(self, writer: Any, first: Any) -> str:
        """A buffer with what the state is in the step that sees it."""
        if isinstance(writer, step.Copy):
            return str(writer.from_)
        rewriting = self._rewriting
        value = rewriting.buffer(f"{self._name}.late", rewriting.element(self._name), rewriting.shape(self._name))
        results = [value if symbol_of(result) else None for result in writer.results_]
        rewriting.update(first, writer.program, writer.args, results, writer.size)
        return value

    def _at_rest(self, writer: Any) -> Array:
        """What is written where nothing arrives."""
        rewriting = self._rewriting
        fills = {op.into: number(op.value) for op in self._ops if isinstance(op, step.Fill)}
        if isinstance(writer, step.Copy):
            return np.broadcast_to(fills[writer.from_].astype(np.int64), writer.size)
        args: list[Any] = []
        for arg in writer.args:
            name = symbol_of(arg)
            if name is None:
                args.append(np.arange(writer.size) if isinstance(arg, ir.UnitAttr) else number(arg))
            elif rewriting.buffers[name].kind == "constant":
                args.append(stored(rewriting.program.constants[name], rewriting.buffers[name].type).reshape(-1))
            else:
                args.append(fills[name])
        results = evaluator(rewriting.symbols[writer.program])(*args)
        which = next(k for k, result in enumerate(writer.results_) if symbol_of(result))
        return np.broadcast_to(np.asarray(results[which], np.int64), writer.size)


def _make_again(rewriting: Rewriting, op: Any, at: Any) -> None:
    """A fill, or the same synapses with events that are one step older."""
    copy = rewriting.again(at, op)
    for name in {one.from_: one for one in propagations(op)}:
        rewriting.remember(name, max(one.delay for one in propagations(op)) + 2)
        _delay(copy, name)


def _delay(op: Any, source: str) -> None:
    """Lets an op take the events of a buffer a step later."""
    i64 = ir.IntegerType.get_signless(64)
    if isinstance(op, step.Propagate):
        op.operation.attributes["delay"] = ir.IntegerAttr.get(i64, op.delay + 1)
        return
    delays = [delay + (name == source) for name, delay in zip(op.from_, op.delays, strict=True)]
    op.operation.attributes["delays"] = ir.ArrayAttr.get([ir.IntegerAttr.get(i64, delay) for delay in delays])


def _read_instead(op: Any, name: str, other: str) -> None:
    """Lets an op read another buffer."""
    attributes = op.operation.attributes
    for key in ("args", "from"):
        if key in attributes:
            attributes[key] = _renamed(attributes[key], name, other)


def _renamed(attribute: Any, name: str, other: str) -> Any:
    if isinstance(attribute, ir.ArrayAttr):
        return ir.ArrayAttr.get([_renamed(entry, name, other) for entry in attribute])
    return reference(other) if symbol_of(attribute) == name else attribute


# ------------------------------------------------------------ events of states


def tell_earlier(rewriting: Rewriting) -> None:
    """Events that a state tells before it is written become those of the step before."""
    ops = rewriting.ops
    told: dict[str, str] = {}
    starts: dict[str, Array] = {}
    for place, op in enumerate(ops):
        for name in {one.from_: one for one in propagations(op)}:
            last = max((k for k, other in enumerate(ops) if name in made(other)), default=-1)
            if rewriting.buffers[name].kind != "state" or last < place:
                continue
            if name not in told:
                told[name] = rewriting.history(f"{name}.told", name)
                rewriting.copy(ops[last], name, told[name], after=True)
            starts[op.into] = starts.get(op.into, 0) + _brought(rewriting, op, name)
            _delay(op, name)
            _read_instead(op, name, told[name])
            _walk_all(op)
    for into, total in starts.items():
        if total.any():
            _start_from(rewriting, into, total)


def _walk_all(op: Any) -> None:
    """Lets an op look at all sources, of which there may be no list."""
    dense, attributes = ir.StringAttr.get("dense"), op.operation.attributes
    if isinstance(op, step.Propagate):
        attributes["mode"] = dense
    else:
        attributes["modes"] = ir.ArrayAttr.get([dense for _ in op.from_])


def _brought(rewriting: Rewriting, op: Any, state: str) -> Array:
    """What the start of a state brings."""
    start, total = rewriting.start(state), np.zeros(rewriting.count(op.into), np.int64)
    for one in propagations(op):
        if one.from_ == state and one.delay == 0:
            rows = synapses(rewriting.program, step.Table(rewriting.symbols[one.table]), one.part)
            np.add.at(total, rows.target, np.asarray(rows.weight) * start[one.low + rows.numbers()])
    return total


def _start_from(rewriting: Rewriting, into: str, total: Array) -> None:
    """Lets what arrives in the first step be added to an array."""
    fill = next(op for op in rewriting.ops if isinstance(op, step.Fill) and op.into == into)
    rewriting.started(fill, total + int(python_number(fill.value)), fill.value, into)
    fill.operation.erase()
