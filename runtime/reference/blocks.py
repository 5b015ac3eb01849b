"""Straight-line MLIR as closures: values are numbered slots, each op one small function over the slots.

A table names the ops that may stand in a block: op name -> `Lower`, which reads an op once and gives
the instruction that runs it.  A region nested in an op shares the slots of what surrounds it, so it can
use outer values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import InternalError
from spikec.runtime.reference.arithmetic import SCALAR, Factory

Slots = list[Any]
Instruction = Callable[[Slots], None]


@dataclass
class Scope:
    """The slots of one function and the ops that it may hold."""

    table: Mapping[str, Lower]
    numbers: dict[Any, int] = field(default_factory=dict)

    def slot(self, value: Any) -> int:
        """The slot of an MLIR value."""
        return self.numbers.setdefault(value, len(self.numbers))

    def slots(self, values: Any) -> list[int]:
        return [self.slot(value) for value in values]

    def block(self, block: Any) -> Body:
        """Makes the instructions of a block."""
        arguments = self.slots(block.arguments)
        *operations, last = (operation.operation for operation in block.operations)
        return Body(arguments, [self._instruction(op) for op in operations], self.slots(last.operands))

    def _instruction(self, op: Any) -> Instruction:
        if op.name not in self.table:
            raise InternalError(f"the reference interpreter does not know '{op.name}'", "reference", str(op))
        return self.table[op.name](op, self)


Lower = Callable[[Any, Scope], Instruction]


@dataclass(frozen=True)
class Body:
    """A block made runnable: slots of its arguments, instructions, slots of what its terminator returns."""

    arguments: list[int]
    instructions: list[Instruction]
    results: list[int]

    def run(self, slots: Slots, arguments: Sequence[Any]) -> list[Any]:
        for slot, value in zip(self.arguments, arguments, strict=True):
            slots[slot] = value
        for instruction in self.instructions:
            instruction(slots)
        return [slots[slot] for slot in self.results]


class Function:
    """A `func.func` as a function of arrays; it returns a list."""

    def __init__(self, op: Any, table: Mapping[str, Lower]) -> None:
        scope = Scope(table)
        self._body = scope.block(op.regions[0].blocks[0])
        self._slots = len(scope.numbers)

    def __call__(self, *arguments: Any) -> list[Any]:
        return self._body.run([None] * self._slots, arguments)


def elementwise(factory: Factory) -> Lower:
    """An op of one result that is a function of its operands' arrays."""

    def lower(op: Any, scope: Scope) -> Instruction:
        kernel = factory(op)
        operands, result = scope.slots(op.operands), scope.slot(op.results[0])

        def run(slots: Slots) -> None:
            slots[result] = kernel(*[slots[operand] for operand in operands])

        return run

    return lower


def nothing(op: Any, scope: Scope) -> Instruction:
    return lambda slots: None


PROGRAM_OPS: dict[str, Lower] = {name: elementwise(factory) for name, factory in SCALAR.items()}
"""What stands in the program of a neuron, a filter or a map."""


def program(op: Any) -> Callable[..., list[Array]]:
    """A program over scalars as a function of arrays that are broadcast against each other."""
    return Function(op, PROGRAM_OPS)
