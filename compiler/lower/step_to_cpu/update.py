"""`step.update`: runs a neuron program on all neurons, in blocks of vector lanes."""

from __future__ import annotations

from typing import Any

from spikec.dialects import step
from spikec.dialects.mlir import arith, ir
from spikec.lower import scalars
from spikec.lower.code import Value, index, integer, lanes, nonzero, number, python_number, splat
from spikec.lower.step_to_cpu import events
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
        self.entries = frame.list_of(held, 0)[0] if held.listed else None


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

    def block(first: Value, width: int, valid: int, counts: list[Value]) -> list[Value]:
        values = scalars.run(program, [a.at(first, width) for a in arguments], width)
        left = iter(counts)
        return [
            count
            for value, result in zip(values, results, strict=True)
            if result is not None
            for count in _keep(frame, result, value, first, width, valid, left)
        ]

    counts = events.blocks(frame.plan, op.size, padded, block, [index(0) for _ in listed])
    for result, count in zip(listed, counts, strict=True):
        events.set_count(frame, result.held, count)


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
