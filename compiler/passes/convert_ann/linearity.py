"""What an op of `@step` does to a stream, as far as spikes are concerned: nothing but moves, sums, or the largest.

A stream is linear in what it stands for: it may be added, moved and multiplied by a constant, spike by spike.  The
largest of some values is not linear, but twice the values have twice the largest (homogeneous).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.passes.canonicalize import identities
from spikec.passes.canonicalize.states import OF_ARRAYS, Fixed


def is_move(op: Any) -> bool:
    """Whether an op only moves elements."""
    if op.name in OF_ARRAYS:
        return True
    if op.name != "linalg.generic" or len(op.results) != 1 or _inner(op):
        return False
    block = op.regions[0].blocks[0]
    return bool(block.operations[0].operation.operands[0] == block.arguments[0])


def is_sum(op: Any) -> bool:
    """Whether an op is a loop that adds up elements, from zero."""
    return _joins(op, "arith.addf", 0.0)


def is_largest(op: Any) -> bool:
    """Whether an op is a loop that takes the largest of some elements."""
    return _joins(op, "arith.maximumf", -np.inf)


def is_margin(op: Any, fixed: Fixed) -> bool:
    """Whether an op puts a margin around a value that is below every element."""
    return op.name == "tensor.concat" and any(_is_all(fixed, operand, -np.inf) for operand in op.operands)


def is_homogeneous(op: Any, place: int, fixed: Fixed) -> bool:
    """Whether a positive factor of an operand may as well stand behind the op."""
    if op.name == "tensor.concat":
        others = [operand for other, operand in enumerate(op.operands) if other != place]
        return all(_is_all(fixed, operand, 0.0) or _is_all(fixed, operand, -np.inf) for operand in others)
    return place == 0 and (is_move(op) or is_sum(op) or is_largest(op))


def is_zero(value: Any) -> bool:
    """Whether a value is the number zero everywhere."""
    number = identities.number(value)
    return number is not None and not np.any(number)


def _is_all(fixed: Fixed, value: Any, number: float) -> bool:
    array = fixed.array(value)
    return array is not None and bool(np.all(array == number))


def _inner(op: Any) -> list[str]:
    return [inner.operation.name for inner in op.regions[0].blocks[0].operations][:-1]


def _joins(op: Any, inner: str, start: float) -> bool:
    """Whether an op is a loop that joins its first operand with the result, and only these, from a number on."""
    if op.name != "linalg.generic" or len(op.results) != 1 or _inner(op) != [inner]:
        return False
    number = identities.number(op.operands[len(op.operands) - 1])
    if number is None or number != start:
        return False
    block = op.regions[0].blocks[0]
    first, result = block.arguments[0], block.arguments[len(block.arguments) - 1]
    return set(block.operations[0].operation.operands) == {first, result}
