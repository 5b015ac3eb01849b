"""The ops on whole tensors that stand in an entry point at level `snn`."""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.mlir import ir
from spikec.runtime.reference.arithmetic import Kernel
from spikec.runtime.reference.blocks import PROGRAM_OPS, Instruction, Lower, Scope, Slots, elementwise
from spikec.runtime.reference.elements import shape
from spikec.runtime.reference.nests import Access, Nest, affine_map, extents


def _extract(op: Any) -> Kernel:
    return lambda tensor, *index: np.asarray(tensor[tuple(int(i) for i in index)])


def _splat(op: Any) -> Kernel:
    to = shape(op.results[0].type)
    return lambda scalar: np.broadcast_to(scalar, to)


def _slice(op: Any) -> Kernel:
    offsets, sizes = (list(ir.DenseI64ArrayAttr(op.attributes[f"static_{which}"])) for which in ("offsets", "sizes"))
    window = tuple(slice(offset, offset + size) for offset, size in zip(offsets, sizes, strict=True))
    to = shape(op.results[0].type)
    return lambda tensor: tensor[window].reshape(to)


def _concat(op: Any) -> Kernel:
    axis = int(ir.IntegerAttr(op.attributes["dim"]).value)
    return lambda *tensors: np.concatenate(tensors, axis)


def _reshape(op: Any) -> Kernel:
    to = shape(op.results[0].type)
    return lambda tensor: tensor.reshape(to)


def _generic(op: Any, scope: Scope) -> Instruction:
    """`linalg.generic`: a loop nest from the values of its init tensors on."""
    iterators = ir.ArrayAttr(op.attributes["iterator_types"])
    kinds = ["reduction" if "reduction" in str(kind) else "parallel" for kind in iterators]
    maps = [affine_map(a, len(kinds)) for a in ir.ArrayAttr(op.attributes["indexing_maps"])]
    shapes = [shape(value.type) for value in op.operands]
    inputs = len(op.operands) - len(op.results)
    accesses = [Access.of(map) for map in maps]
    nest = Nest(extents(maps, shapes), tuple(kinds), tuple(accesses[:inputs]), tuple(accesses[inputs:]))
    operands, results = scope.slots(op.operands), scope.slots(op.results)
    body = scope.block(op.regions[0].blocks[0])

    def run(slots: Slots) -> None:
        values: list[Array] = [slots[operand] for operand in operands]
        written = [np.array(value) for value in values[inputs:]]
        nest.run(values[:inputs], written, lambda *scalars: body.run(slots, scalars))
        for slot, value in zip(results, written, strict=True):
            slots[slot] = value

    return run


TENSOR_OPS: dict[str, Lower] = {
    **PROGRAM_OPS,
    "tensor.extract": elementwise(_extract),
    "tensor.splat": elementwise(_splat),
    "tensor.extract_slice": elementwise(_slice),
    "tensor.concat": elementwise(_concat),
    "tensor.expand_shape": elementwise(_reshape),
    "tensor.collapse_shape": elementwise(_reshape),
    "linalg.generic": _generic,
}
"""What stands in an entry point at level `snn` beside the dialect's own ops; `linalg.yield` ends a body."""
