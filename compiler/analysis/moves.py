"""Movements of data (reshapes, slices, concatenations) on numpy arrays, as tensors of level `snn` have them."""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.mlir import ir


def moved(op: Any, *arrays: Array) -> Array:
    """The result of an op in `dialects.functions.MOVES`, from arrays of its operands' shapes."""
    if op.name == "tensor.concat":
        return np.concatenate(arrays, axis=ir.IntegerAttr(op.attributes["dim"]).value)
    (array,) = arrays
    if op.name == "tensor.extract":
        return array.reshape(())
    shape = tuple(op.results[0].type.shape)
    if op.name == "tensor.splat":
        return np.broadcast_to(array.reshape(()), shape)
    if op.name == "tensor.extract_slice":
        pairs = zip(_integers(op, "static_offsets"), _integers(op, "static_sizes"), strict=True)
        array = array[tuple(slice(offset, offset + size) for offset, size in pairs)]
    return array.reshape(shape)


def _integers(op: Any, name: str) -> list[int]:
    return list(ir.DenseI64ArrayAttr(op.attributes[name]))
