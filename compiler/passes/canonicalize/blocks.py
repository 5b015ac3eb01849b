"""One block: constants fold, identities are applied, equal values are computed once, unused ones go."""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.functions import MOVES, SCALAR_OPS
from spikec.dialects.mlir import ir
from spikec.passes import structure
from spikec.passes.canonicalize import identities

PURE = SCALAR_OPS | MOVES | {"linalg.generic", snn.Read.name(), snn.Draw.name(), snn.Clock.name()}
"""Ops without effect: a state that is read, a draw and the clock do not change within a step."""

Seen = dict[Any, Any]
"""The op that computes a value, by its structure."""


def simplify(block: Any) -> None:
    """Brings a block into canonical form."""
    seen: Seen = {}
    for op in [operation.operation for operation in block.operations]:
        for region in op.regions:
            simplify(region.blocks[0])
        if op.name in PURE:
            _visit(op, seen)
        elif op.name == snn.Propagate.name():
            _plain_events(op)
    sweep(block)


def sweep(block: Any) -> None:
    """Removes what nothing uses."""
    for op in reversed([operation.operation for operation in block.operations]):
        if op.name in PURE and not any(_used(result) for result in op.results):
            op.erase()


def _used(value: Any) -> bool:
    return next(iter(value.uses), None) is not None


def _visit(op: Any, seen: Seen) -> None:
    """Replaces an op by what is simpler, or by an equal one before it."""
    folded = _folded(op)
    value = identities.simplified(op) if folded is None else folded
    if value is None:
        _unite(op, seen)
        return
    op.results[0].replace_all_uses_with(value)
    op.erase()
    made = structure.defining(value)
    if made is not None and made.name in PURE:
        _visit(made, seen)


def _folded(op: Any) -> Any:
    """The constant that an op on constants is, or None."""
    if op.name == "arith.constant" or (op.name not in SCALAR_OPS and op.name not in MOVES):
        return None
    numbers = [identities.number(operand) for operand in op.operands]
    if not numbers or any(number is None for number in numbers):
        return None
    known = [number for number in numbers if number is not None]
    value = _moved(op, known) if op.name in MOVES else evaluated(op, known)
    if value is None:
        return None
    with ir.InsertionPoint(op), op.location:
        return identities.constant(value, op.results[0].type)


def _moved(op: Any, numbers: list[Array]) -> Array | None:
    """The one number; operands after the first are indices, but for `concat`."""
    if op.name != "tensor.concat":
        return numbers[0]
    return numbers[0] if all(number.tobytes() == numbers[0].tobytes() for number in numbers) else None


def evaluated(op: Any, operands: list[Array]) -> Array | None:
    """What the running program computes, or None where that cannot be said."""
    value = scalars.evaluate(op, operands)
    if value is None or value.dtype.kind != "f" or op.name not in ("arith.mulf", "arith.divf"):
        return value
    # numpy rounds up to the smallest normal number what flush-to-zero hardware may take for zero.
    return None if np.any(np.abs(value) == np.finfo(value.dtype).tiny) else value


def _unite(op: Any, seen: Seen) -> None:
    """Replaces an op by an equal one before it."""
    key = structure.of_op(op, lambda value: value)
    first = seen.setdefault(key, op)
    if first == op:
        return
    for result, same in zip(op.results, first.results, strict=True):
        result.replace_all_uses_with(same)
    op.erase()


def _plain_events(op: Any) -> None:
    """Takes the events of a `propagate` as they are.

    A spike that was made 1.0 or 1 adds the weight times one, which is the weight; and a projection sees its
    sources flat, in whatever shape they come.
    """
    while True:
        source = structure.defining(op.operands[0])
        if source is None:
            return
        widened = source.name in ("arith.uitofp", "arith.extui") and _is_spike(source.operands[0])
        if not widened and source.name not in ("tensor.expand_shape", "tensor.collapse_shape"):
            return
        op.operands[0] = source.operands[0]


def _is_spike(value: Any) -> bool:
    return str(value.type.element_type) == "i1"
