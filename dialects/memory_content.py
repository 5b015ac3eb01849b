"""What a memory of the `rtl` level holds at the start: rows of lanes of the constants store as words of bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from spikec.dialects.constants import Array


def problems(array: Array, depth: int, width: int) -> Iterator[str]:
    """Why an array cannot fill a memory of `depth` words of `width` bits."""
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2):
        yield f"content of type {array.dtype} and shape {list(array.shape)}, where rows of integers are needed"
        return
    rows, lanes = array.shape[0], array.shape[1] if array.ndim == 2 else 1
    if rows > depth:
        yield f"content of {rows} rows for {depth} words"
    if lanes == 0 or width % lanes:
        yield f"{lanes} lanes do not divide words of {width} bits"
        return
    bits = width // lanes
    low, high = -(1 << (bits - 1)), (1 << bits) - 1
    if array.size and not (low <= int(array.min()) and int(array.max()) <= high):
        yield f"content from {array.min()} to {array.max()} in lanes of {bits} bits"


def image(array: Array | None, depth: int, width: int, stride: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The words as bytes [depth, stride], the least significant first; the bits beyond the width are 0."""
    result = np.zeros((depth, stride), np.uint8)
    if array is not None and array.size:
        rows = array.reshape(len(array), -1)
        lane = width // rows.shape[1]
        # A lane wider than its type goes on with copies of the sign.
        shifts = np.minimum(np.arange(lane), 8 * rows.itemsize - 1).astype(rows.dtype)
        ones = (rows[:, :, None] >> shifts) & rows.dtype.type(1)
        if rows.dtype.kind == "u":
            ones[:, :, 8 * rows.itemsize :] = 0
        packed = np.packbits(ones.reshape(len(rows), width).astype(np.uint8), axis=1, bitorder="little")
        result[: len(rows), : packed.shape[1]] = packed
    return result


def words(array: Array | None, depth: int, width: int) -> list[int]:
    """The words as unsigned numbers."""
    return [int.from_bytes(row.tobytes(), "little") for row in image(array, depth, width, -(-width // 8))]
