"""Host arrays as the device keeps them: rows of numbers, or of truth values as bits of 32-bit words.

Bit k of word w stands for element 32 w + k.
"""

from __future__ import annotations

import numpy as np
from spikec.dialects.constants import Array
from spikec.runtime.launches import Memory

WORD = np.dtype("<u4")


def to_device(memory: Memory, array: Array) -> Array:
    """Rows (..., size) as rows (..., length); elements of a memory of bits are true where they are not zero."""
    if memory.bits:
        bits = np.packbits(array != 0, axis=-1, bitorder="little")
        return _padded(bits, memory.length * WORD.itemsize).view(WORD)
    return _padded(np.asarray(array, memory.dtype), memory.length)


def from_device(memory: Memory, flat: Array, rows: tuple[int, ...], dtype: str) -> Array:
    """The elements of rows as the host's `dtype`: (*rows, size)."""
    if memory.bits:
        octets = np.asarray(flat, WORD).view(np.uint8).reshape(*rows, memory.length * WORD.itemsize)
        return np.unpackbits(octets, axis=-1, count=memory.size, bitorder="little").view(np.bool_)
    values = flat.reshape(*rows, memory.length)[..., : memory.size]
    return values != 0 if dtype == "bool" else values.astype(dtype)


def constant(memory: Memory, array: Array) -> Array:
    """An array of the program as the flat memory of the device; arrays that the lowering packed are as they are."""
    flat = np.asarray(array).reshape(-1)
    if memory.bits and flat.dtype != np.bool_:
        return _padded(flat, memory.length)
    return to_device(memory, flat)


def initial(memory: Memory, value: float | Array) -> Array:
    """One sample of a buffer that starts as a number, or as an array, in its last slot and as zero in all others."""
    if isinstance(value, (int, float)):
        row = np.full(memory.size, value, np.bool_ if memory.bits else None)
    else:
        row = np.asarray(value).reshape(-1)
    slots = np.zeros((memory.slots, memory.stride), memory.dtype)
    slot = Memory(memory.name, memory.kind, memory.dtype, memory.stride, size=memory.size, bits=memory.bits)
    slots[-1] = constant(slot, row)
    return slots.reshape(-1)


def recorded(every: int, begin: int, steps: int) -> int:
    """How many of the `steps` steps from `begin` on are recorded, if step 0 and every `every`-th one after it is."""
    return -(-(begin + steps) // every) + -begin // every


def events(values: Array, first: int) -> tuple[Array, Array]:
    """What is not zero in rows (steps, size) from step `first` on: int32 rows (step, flat index), and the values."""
    steps, places = np.nonzero(values)
    return np.stack([steps + first, places], axis=1).astype(np.int32), values[steps, places]


def _padded(rows: Array, length: int) -> Array:
    if rows.shape[-1] == length:
        return np.ascontiguousarray(rows)
    padded = np.zeros((*rows.shape[:-1], length), rows.dtype)
    padded[..., : rows.shape[-1]] = rows
    return padded
