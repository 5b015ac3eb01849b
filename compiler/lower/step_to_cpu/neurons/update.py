"""`step.update`: runs a neuron program on all neurons, in blocks of vector lanes."""

from __future__ import annotations

from typing import Any

from spikec.dialects import step
from spikec.dialects.mlir import arith, ir
from spikec.lower import scalars
from spikec.lower.code import Value, element_of, index, integer, lanes, nonzero, number, python_number, splat
from spikec.lower.step_to_cpu import events
from spikec.lower.step_to_cpu.neurons import levels
from spikec.lower.step_to_cpu.places import Frame, Place
from spikec.lower.step_to_cpu.plan import Held


class _Argument:
    """Where one argument of the program comes from: `at(i, width)` gives its value."""

    def __init__(self, frame: Frame, attribute: Any, delay: int, type: Any, size: int) -> None:
        self.type = type
        self.number: float | int | None = None
        self.place: Place | None = None
        self.shared: Value | None = None
        if isinstance(attribute, ir.FlatSymbolRefAttr):
            name = ir.FlatSymbolRefAttr(attribute).value
            self.place = frame.place(name, delay)
            if frame.held(name).size == 1 and size > 1:
                self.shared = self.place.load(index(0))
        elif not isinstance(attribute, ir.UnitAttr):
            self.number = python_number(attribute)

    def at(self, i: Value, width: int) -> Value:
        if self.number is not None:
            type = ir.VectorType.get([width], self.type) if width > 1 else self.type
            return number(self.number, type)
        if self.shared is not None:
            return splat(self.shared, width)
        if self.place is not None:
            return self.place.load(i, width)
        first = splat(arith.index_cast(integer(64), i), width)
        return arith.addi(first, lanes(integer(64), width)) if width > 1 else first


class _Result:
    """Where one result of the program goes."""

    def __init__(self, frame: Frame, held: Held) -> None:
        self.held = held
        self.place = frame.place(held.name) if held.on_host or held.values >= 0 else None
        self.entries = frame.written_list(held)[0] if held.listed else None


def lower(frame: Frame, op: step.Update, symbols: dict[str, Any]) -> None:
    program = symbols[op.program]
    types = [a.type for a in program.regions[0].blocks[0].arguments]
    arguments = [
        _Argument(frame, attribute, delay, type, op.size)
        for attribute, delay, type in zip(op.args, op.delays, types, strict=True)
    ]
    results: list[_Result | None] = [
        _Result(frame, frame.held(ir.FlatSymbolRefAttr(a).value)) if isinstance(a, ir.FlatSymbolRefAttr) else None
        for a in op.results_
    ]
    used = [
        frame.held(ir.FlatSymbolRefAttr(a).value)
        for a in [*op.args, *op.results_]
        if isinstance(a, ir.FlatSymbolRefAttr)
    ]
    padded = all(held.size in (op.size, 1) and not held.on_host for held in used)
    listed = [r for r in results if r is not None and r.entries is not None]
    stretch = frame.stretch(op.size)
    begin = None if stretch is None or frame.tile is not None else stretch[0]
    before = [events.count_so_far(frame, r.held) for r in listed]

    def block(first: Value, width: int, valid: int, counts: list[Value]) -> list[Value]:
        instead = levels.counts(program, width) if frame.plan.compress else {}
        values = scalars.run(program, [a.at(first, width) for a in arguments], width, instead)
        if len(listed) == 1 and valid == width > 1:
            event = values[results.index(listed[0])]
            if element_of(event.type) == integer(1):
                return [_keep_rare(frame, results, values, event, first, counts[0], begin)]
        left = iter(counts)
        return [
            count
            for value, result in zip(values, results, strict=True)
            if result is not None
            for count in _keep(frame, result, value, first, width, valid, left)
        ]

    counts = events.blocks(frame.plan, op.size, padded, block, before, stretch)
    for result, count in zip(listed, counts, strict=True):
        events.set_count(frame, result.held, count)


def _keep_rare(
    frame: Frame,
    results: list[_Result | None],
    values: list[Value],
    event: Value,
    first: Value,
    count: Value,
    begin: Value | None,
) -> Value:
    """Stores the results of a block; the new length of its one list, which began with the element `begin` (else 0).

    What is selected by the event, such as a reset, is selected only where there is one in the block, if they are rare.
    """
    kept = [(r, v) for r, v in zip(results, values, strict=True) if r is not None and r.place is not None]
    selected = [_selected_by(value, event) for _, value in kept]
    entries = next(r.entries for r in results if r is not None and r.entries is not None)
    count, *chosen = events.append_and_choose(
        frame.plan, entries, count, event, first, [pair for pair in selected if pair is not None], begin
    )
    left = iter(chosen)
    for (result, value), pair in zip(kept, selected, strict=True):
        assert result.place is not None
        result.place.store(value if pair is None else next(left), first)
    return count


def _selected_by(value: Value, event: Value) -> tuple[Value, Value] | None:
    """What a value is where the event is true and where it is not, if it is selected by it."""
    op = value.owner
    if isinstance(op, ir.Block) or op.name != "arith.select" or ir.Value(op.operands[0]) != ir.Value(event):
        return None
    return op.operands[1], op.operands[2]


def _keep(
    frame: Frame, result: _Result, value: Value, first: Value, width: int, valid: int, counts: Any
) -> list[Value]:
    """Stores one result of a block; the new length of its list, where it has one."""
    if result.entries is None:
        if result.place is not None:
            result.place.store(value, first)
        return []
    active = nonzero(value)
    if width > 1 and valid < width:
        active = events.within(active, valid)
        value = arith.select(active, value, number(0, value.type))
    if result.place is not None:
        result.place.store(value, first)
    return [events.append(frame.plan, result.entries, next(counts), active, first)]
