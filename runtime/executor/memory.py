"""The memory of the device: buffers with their bounds, addressed by number and offset.

An address is `number << 40 | offset`; numbers are never used again, so that a pointer to freed memory stays
wrong.  The compiled code reads the table of buffers: host address, size, whether constant, shadow of the race check.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray
from spikec.runtime.executor import layout
from spikec.runtime.executor.errors import ExecutionError

ALIGN = 256
Bytes = NDArray[np.uint8]


def aligned(size: int, zero: bool = True) -> Bytes:
    """Host memory whose address is a multiple of 256."""
    raw = np.zeros(size + ALIGN, np.uint8) if zero else np.empty(size + ALIGN, np.uint8)
    start = -raw.ctypes.data % ALIGN
    return raw[start : start + size]


class DeviceMemory:
    """Buffers by address; `limit` is the device's memory in bytes, or None."""

    def __init__(self, limit: int | None, races: bool, poison: np.random.Generator | None) -> None:
        self._limit = limit
        self._races = races
        self._poison = poison
        self._buffers: dict[int, tuple[Bytes, Bytes]] = {}
        self.sizes: dict[int, int] = {}
        """The size of every buffer there ever was, by number."""
        self.used = 0
        self.table = np.zeros((64, 4), np.int64)
        self.count = 1

    def allocate(self, size: int) -> int:
        """The address of `size` new bytes, zero (or a pattern, with poison)."""
        if size < 0:
            raise ExecutionError(f"{size} bytes cannot be allocated")
        if self._limit is not None and self.used + size > self._limit:
            raise MemoryError(f"{size} bytes are asked for, {self._limit - self.used} of {self._limit} are free")
        memory = aligned(size)
        if self._poison is not None:
            memory[:] = np.frombuffer(self._poison.bytes(size), np.uint8)
        shadow = aligned(size * layout.CELL if self._races else 0)
        number = self.count
        if number == len(self.table):
            self.table = np.concatenate([self.table, np.zeros_like(self.table)])
        self.table[number] = memory.ctypes.data, size, 0, shadow.ctypes.data
        self._buffers[number] = memory, shadow
        self.sizes[number] = size
        self.count += 1
        self.used += size
        return number << layout.OFFSET_BITS

    def free(self, address: int) -> None:
        """Give a buffer back; any later access to it fails."""
        number, offset = self.split(address)
        if offset or number not in self._buffers:
            raise ExecutionError(f"{self.name(address)} is not the start of a buffer")
        del self._buffers[number]
        self.used -= self.sizes[number]
        self.table[number] = 0

    def protect(self, address: int) -> None:
        """Make a buffer constant."""
        self.table[self.split(address)[0], 2] = 1

    def forget_accesses(self) -> None:
        """Clear the race check's records."""
        for _, shadow in self._buffers.values():
            shadow[:] = 0

    def view(self, address: int, offset: int, size: int) -> Bytes:
        """The bytes of a buffer, from an address on."""
        number, start = self.split(address + offset)
        if number not in self._buffers or start < 0 or start + size > self.sizes[number]:
            raise ExecutionError(f"{size} bytes at {self.name(address + offset)} are not in a buffer")
        return self._buffers[number][0][start : start + size]

    def write(self, address: int, array: NDArray[np.generic], offset: int) -> None:
        """Copy an array to the device."""
        data = np.ascontiguousarray(array)
        self.view(address, offset, data.nbytes)[:] = data.reshape(-1).view(np.uint8)

    def read(self, address: int, dtype: DTypeLike, count: int, offset: int) -> NDArray[np.generic]:
        """A copy of `count` elements."""
        kind = np.dtype(dtype)
        return self.view(address, offset, count * kind.itemsize).copy().view(kind)

    @staticmethod
    def split(address: int) -> tuple[int, int]:
        """Buffer number and offset; a small step before a buffer is its negative offset."""
        number, offset = address >> layout.OFFSET_BITS, address & ((1 << layout.OFFSET_BITS) - 1)
        if offset >> (layout.OFFSET_BITS - 1):
            return number + 1, offset - (1 << layout.OFFSET_BITS)
        return number, offset

    def name(self, address: int) -> str:
        """An address for people."""
        number, offset = self.split(address)
        if number in self._buffers:
            return f"offset {offset} of buffer {number} ({self.sizes[number]} bytes)"
        if number in self.sizes:
            return f"offset {offset} of buffer {number}, which was freed"
        return f"the address {address % (1 << 64):#x}, which belongs to no buffer"
