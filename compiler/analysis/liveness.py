"""What outputs and probes depend on, in a program at level `snn`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spikec.dialects import snn
from spikec.dialects.functions import walk
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program

ENTRIES = ("init", "step", "finish")


def owned(population: snn.Population) -> list[str]:
    """The states that the update of a population writes."""
    return [*population.states, *(name for name in (population.event, population.out) if name is not None)]


class Live:
    """What outputs and probes depend on: `ops` of entry points and `states`."""

    def __init__(self, program: Program) -> None:
        self.ops: set[Any] = set()
        self.states: set[str] = set()
        self._populations = {view.sym_name: view for view in program.ops(snn.Population)}
        self._writers: dict[str, list[Any]] = {}
        self._waiting: list[Any] = []
        symbols = program.symbols()
        for block in (symbols[name].regions[0].blocks[0] for name in ENTRIES if name in symbols):
            self._enter(operation.operation for operation in block.operations)
        for probe in program.ops(snn.Probe):
            self._read(probe.of)
        self._spread()

    def _enter(self, ops: Iterable[Any]) -> None:
        for op in ops:
            for state in self._written(op):
                self._writers.setdefault(state, []).append(op)
            if op.name == "func.return":
                self._reach(op)

    def _spread(self) -> None:
        while self._waiting:
            op = self._waiting.pop()
            for inner in walk(op):
                for operand in inner.operands:
                    if not isinstance(operand, ir.BlockArgument):
                        self._reach(operand.owner.operation)
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
