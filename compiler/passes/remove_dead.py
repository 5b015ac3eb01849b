"""Removes what no output and no probe depends on: populations, projections and states.

    %u = "snn.update"(%a) {population = @seen} ...                     %u = "snn.update"(%a) {population = @seen} ...
    %p = "snn.propagate"(%u, %zero) {synapses = @w} ...       -->      return %u
    %v = "snn.update"(%p) {population = @unseen} ...
    return %u

Exact for all outputs and probes.  A run then reports neither the populations that are gone nor the weight
additions of the projections that are gone; the pass says which those are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from spikec.dialects import snn
from spikec.dialects.functions import size, walk
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Cell, Table
from spikec.dialects.program import Program
from spikec.passes import structure
from spikec.passes.canonicalize import Canonicalize
from spikec.passes.canonicalize.states import owned

Row = tuple[Cell, ...]


@dataclass(frozen=True)
class RemoveDead:
    """Removes populations, projections and states that no output and no probe depends on; exact for what is left."""

    name: ClassVar[str] = "remove-dead"
    level: ClassVar[str] = "snn"

    def run(self, program: Program) -> Program:
        result = program.clone()
        with result.module.context, ir.Location.unknown():
            live = _Live(result)
            live.spread()
            _erase_ops(result, live)
            rows = [*_erase_populations(result, live), *_erase_projections(result)]
        result = Canonicalize().run(result)
        return result.noted(Table("Removed", ("kind", "name", "size"), tuple(rows))) if rows else result


class _Live:
    """What outputs and probes depend on: `ops` of entry points and `states`."""

    def __init__(self, program: Program) -> None:
        self.ops: set[Any] = set()
        self.states: set[str] = set()
        self._populations = {view.sym_name: view for view in program.ops(snn.Population)}
        self._writers: dict[str, list[Any]] = {}
        self._waiting: list[Any] = []
        for block in structure.entry_blocks(program.symbols()):
            for operation in block.operations:
                op = operation.operation
                for state in self._written(op):
                    self._writers.setdefault(state, []).append(op)
                if op.name == "func.return":
                    self._reach(op)
        for probe in program.ops(snn.Probe):
            self._read(probe.of)

    def spread(self) -> None:
        while self._waiting:
            op = self._waiting.pop()
            for inner in walk(op):
                for operand in inner.operands:
                    self._reach(structure.defining(operand))
            if op.name == snn.Read.name():
                self._read(snn.Read(op).of)
            for state in self._written(op):
                # An update reads its states; whoever else writes one of them (its first value) counts too.
                self._read(state)

    def _reach(self, op: Any) -> None:
        if op is not None and op not in self.ops:
            self.ops.add(op)
            self._waiting.append(op)

    def _read(self, state: str) -> None:
        self.states.add(state)
        for writer in self._writers.get(state, []):
            self._reach(writer)

    def _written(self, op: Any) -> list[str]:
        if op.name == snn.Write.name():
            return [snn.Write(op).to]
        return owned(self._populations[snn.Update(op).population]) if op.name == snn.Update.name() else []


def _erase_ops(program: Program, live: _Live) -> None:
    for block in structure.entry_blocks(program.symbols()):
        for op in reversed([operation.operation for operation in block.operations]):
            if op not in live.ops:
                op.erase()


def _erase_populations(program: Program, live: _Live) -> list[Row]:
    """Removes the populations that nothing sees, with their states, and the other states that nothing sees."""
    rows: list[Row] = []
    gone: set[str] = set()
    kept = set(live.states)
    for view in list(program.ops(snn.Population)):
        if kept.isdisjoint(owned(view)) and not _is_named(program, snn.Update, "population", view.sym_name):
            rows.append(("population", view.sym_name, math.prod(view.shape)))
            gone.update(owned(view))
            view.operation.erase()
        else:
            kept.update(owned(view))
    for state in list(program.ops(snn.State)):
        if state.sym_name not in kept:
            if state.sym_name not in gone:
                rows.append(("state", state.sym_name, size(state.type)))
            state.operation.erase()
    return rows


def _erase_projections(program: Program) -> list[Row]:
    rows: list[Row] = []
    for view in list(program.ops(snn.Synapses)):
        if not _is_named(program, snn.Propagate, "synapses", view.sym_name):
            rows.append(("projection", view.sym_name, f"{view.pre} to {view.post}"))
            view.operation.erase()
    return rows


def _is_named(program: Program, cls: type[Any], field: str, name: str) -> bool:
    """Whether an op of a class refers to a symbol."""
    for block in structure.entry_blocks(program.symbols()):
        for operation in block.operations:
            if operation.operation.name == cls.name() and getattr(cls(operation.operation), field) == name:
                return True
    return False
