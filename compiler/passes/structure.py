"""Equality of code by its structure: two blocks are equal when only the names of their values differ."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from spikec.dialects import connectors, snn
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program

Number = Callable[[Any], Hashable]
"""What a value from outside of a block is known by."""

RESHAPES = ("tensor.expand_shape", "tensor.collapse_shape")


def attributes(op: Any, without: frozenset[str] = frozenset()) -> Hashable:
    """The attributes of an op by name, comparable within one context."""
    return tuple((name, op.attributes[name]) for name in sorted(op.attributes) if name not in without)


def of_op(op: Any, number: Number, without: frozenset[str] = frozenset()) -> Hashable:
    """An op and its regions; operands and captured values are known by `number`."""
    types = tuple(result.type for result in op.results)
    operands = tuple(number(operand) for operand in op.operands)
    inner = tuple(of_block(block, number) for region in op.regions for block in region.blocks)
    return (op.name, attributes(op, without), operands, types, inner)


def of_block(block: Any, number: Number) -> Hashable:
    """The ops of a block in order."""
    own: dict[Any, int] = {argument: place for place, argument in enumerate(block.arguments)}

    def numbered(value: Any) -> Hashable:
        return ("own", own[value]) if value in own else number(value)

    found: list[Hashable] = [tuple(argument.type for argument in block.arguments)]
    for operation in block.operations:
        found.append(of_op(operation.operation, numbered))
        for result in operation.operation.results:
            own[result] = len(own)
    return tuple(found)


def of_function(function: Any) -> Hashable:
    """A function without its name: its signature, the marks of arguments and results, and its body."""
    return of_op(function, _nothing, frozenset({"sym_name"}))


def _nothing(value: Any) -> Hashable:
    raise ValueError(f"{value} is of another function")


def fresh(wished: str, taken: set[str]) -> str:
    """A symbol name like the one that is wished for, which is taken from then on."""
    name, count = wished, 1
    while name in taken:
        name, count = f"{wished}.{count}", count + 1
    taken.add(name)
    return name


def entry_blocks(symbols: dict[str, Any]) -> list[Any]:
    """The blocks of the entry points of a program at level `snn`."""
    return [symbols[name].regions[0].blocks[0] for name in ("init", "step", "finish") if name in symbols]


def used_synapses(program: Program) -> set[str]:
    """The names of the synapses that events go through, and of those that they are derived from."""
    symbols = program.symbols()
    found = set()
    for block in entry_blocks(symbols):
        for operation in block.operations:
            if operation.operation.name == snn.Propagate.name():
                view = snn.Synapses(symbols[snn.Propagate(operation.operation).synapses])
                found |= {view.sym_name, connectors.pairs_of(view, symbols).sym_name}
    return found


def users(value: Any) -> list[Any]:
    """The ops that take a value, once for each operand."""
    return [use.owner.operation for use in value.uses]


def defining(value: Any) -> Any:
    """The op that gives a value, or None for an argument of a block."""
    return None if isinstance(value, ir.BlockArgument) else value.owner.operation


def splat(number: Any, type: Any) -> Any:
    """A number attribute as the constant attribute of a type, which may be a tensor."""
    return ir.DenseElementsAttr.get_splat(type, number) if isinstance(type, ir.RankedTensorType) else number
