"""What an op of `@step` does to a stream, as far as spikes are concerned: nothing but moves, sums, or the largest.

A stream is linear in what it stands for: it may be added, moved and multiplied by a constant, spike by spike.  The
largest of some values is not linear, but twice the values have twice the largest (homogeneous).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects.mlir import ir
from spikec.passes import structure
from spikec.passes.canonicalize.states import Fixed

MOVES = frozenset({"tensor.extract_slice", "tensor.expand_shape", "tensor.collapse_shape", "tensor.concat"})


def is_move(op: Any) -> bool:
    """Whether an op only moves elements."""
    if op.name in MOVES:
        return True
    if op.name != "linalg.generic" or len(op.results) != 1 or _inner(op):
        return False
    block = op.regions[0].blocks[0]
    return bool(block.operations[0].operation.operands[0] == block.arguments[0])


def is_sum(op: Any) -> bool:
    """Whether an op is a loop that adds up elements, from zero."""
    return (
        op.name == "linalg.generic"
        and len(op.results) == 1
        and _inner(op) == ["arith.addf"]
        and _starts_with(op, (0.0,))
        and _takes_first(op)
    )


def is_largest(op: Any) -> bool:
    """Whether an op is a loop that takes the largest of some elements."""
    return (
        op.name == "linalg.generic"
        and len(op.results) == 1
        and _inner(op) == ["arith.maximumf"]
        and _starts_with(op, (-np.inf,))
        and _takes_first(op)
    )


def is_margin(op: Any, fixed: Fixed) -> bool:
    """Whether an op puts a margin around a value that is below every element."""
    return op.name == "tensor.concat" and any(_is_all(fixed, operand, -np.inf) for operand in op.operands)


def is_homogeneous(op: Any, place: int, fixed: Fixed) -> bool:
    """Whether a positive factor of an operand may as well stand behind the op."""
    if op.name == "tensor.concat":
        others = [operand for other, operand in enumerate(op.operands) if other != place]
        return all(_is_all(fixed, operand, 0.0) or _is_all(fixed, operand, -np.inf) for operand in others)
    return place == 0 and (is_move(op) or is_sum(op) or is_largest(op))


def after(value: Any, block: Any) -> Any:
    """The insertion point behind the op that gives a value; at the begin of the block for its arguments."""
    op = structure.defining(value)
    if op is None:
        return ir.InsertionPoint.at_block_begin(block)
    ops = [operation.operation for operation in block.operations]
    return ir.InsertionPoint(ops[ops.index(op) + 1])


def _is_all(fixed: Fixed, value: Any, number: float) -> bool:
    array = fixed.array(value)
    return array is not None and bool(np.all(array == number))


def _inner(op: Any) -> list[str]:
    return [inner.operation.name for inner in op.regions[0].blocks[0].operations][:-1]


def _takes_first(op: Any) -> bool:
    """Whether a loop's body joins its first operand with the result, and only these."""
    block = op.regions[0].blocks[0]
    first, result = block.arguments[0], block.arguments[len(block.arguments) - 1]
    inner = block.operations[0].operation
    return set(inner.operands) == {first, result}


def _starts_with(op: Any, numbers: tuple[float, ...]) -> bool:
    start = structure.defining(op.operands[len(op.operands) - 1])
    if start is None or start.name != "arith.constant":
        return False
    attribute = ir.DenseElementsAttr(start.attributes["value"])
    return attribute.is_splat and attribute.get_splat_value().value in numbers
