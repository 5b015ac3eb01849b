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
from typing import ClassVar

from spikec.analysis.liveness import Live, owned
from spikec.dialects import snn
from spikec.dialects.functions import size
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Cell, Table
from spikec.dialects.program import Program
from spikec.passes import structure
from spikec.passes.canonicalize import Canonicalize

Row = tuple[Cell, ...]


@dataclass(frozen=True)
class RemoveDead:
    """Removes populations, projections and states that no output and no probe depends on; exact for what is left."""

    name: ClassVar[str] = "remove-dead"
    level: ClassVar[str] = "snn"

    def run(self, program: Program) -> Program:
        result = program.clone()
        with result.module.context, ir.Location.unknown():
            live = Live(result)
            _erase_ops(result, live)
            rows = [*_erase_populations(result, live), *_erase_projections(result)]
        result = Canonicalize().run(result)
        return result.noted(Table("Removed", ("kind", "name", "size"), tuple(rows))) if rows else result


def _erase_ops(program: Program, live: Live) -> None:
    for block in structure.entry_blocks(program.symbols()):
        for op in reversed([operation.operation for operation in block.operations]):
            if op not in live.ops:
                op.erase()


def _erase_populations(program: Program, live: Live) -> list[Row]:
    """Removes the populations that nothing sees, with their states, and the other states that nothing sees."""
    rows: list[Row] = []
    gone: set[str] = set()
    kept, updated = set(live.states), _updated(program)
    for view in list(program.ops(snn.Population)):
        if kept.isdisjoint(owned(view)) and view.sym_name not in updated:
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
    used = structure.used_synapses(program)
    for view in list(program.ops(snn.Synapses)):
        if view.sym_name not in used:
            rows.append(("projection", view.sym_name, f"{view.pre} to {view.post}"))
            view.operation.erase()
    return rows


def _updated(program: Program) -> set[str]:
    """The names of the populations that some entry point updates."""
    return {
        snn.Update(operation.operation).population
        for block in structure.entry_blocks(program.symbols())
        for operation in block.operations
        if operation.operation.name == snn.Update.name()
    }
