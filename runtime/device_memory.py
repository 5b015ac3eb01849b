"""The memory of a launch plan on a device: allocated, given its first values, and found by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.runtime import device_rows
from spikec.runtime.devices import Device
from spikec.runtime.launches import HOST_KINDS, Launches, Memory
from spikec.runtime.memory import shown

WORD_BYTES = 4
ROW_KINDS = ("input", "output", "probe")


class DeviceMemory:
    """What all samples share is there from the beginning, the rest is made for a number of samples.

    All samples share `shared_bytes`; each has `sample_bytes` of its own, and `row_bytes` for each step of a run.
    Raises CompileError where the device has not enough memory.
    """

    def __init__(self, device: Device, launches: Launches, constants: Mapping[str, Array]) -> None:
        self._device = device
        self._memories = {memory.name: memory for memory in launches.memories}
        self._constants = constants
        self._addresses: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._samples = 0
        check_size(launches, device.memory())
        rows = [memory for memory in launches.memories if memory.kind in ROW_KINDS]
        shared = [memory for memory in launches.memories if memory.shared]
        self.shared_bytes, self.row_bytes = bytes_of(shared), bytes_of(rows)
        self.sample_bytes = bytes_of(launches.memories) - self.shared_bytes - self.row_bytes
        for memory in launches.memories:
            if memory.shared:
                self.provide(memory.name, memory.bytes)
            if memory.kind == "constant":
                device.write(self[memory.name], device_rows.constant(memory, constants[memory.name]))

    def __getitem__(self, name: str) -> int:
        """The address of a buffer."""
        return self._addresses[name]

    def provide(self, name: str, size: int) -> bool:
        """Makes sure that a buffer has `size` bytes; true where it has another address now, and no content."""
        if self._sizes.get(name, -1) >= size:
            return False
        self._release(name)
        whole = -(-max(size, 1) // WORD_BYTES) * WORD_BYTES
        try:
            self._addresses[name] = self._device.allocate(whole)
        except MemoryError:
            held = sum(self._sizes.values()) + whole
            raise too_large(f"{shown(held)} and more", self._device.memory()) from None
        self._sizes[name] = whole
        return True

    def start(self, samples: int) -> bool:
        """Gives `samples` samples what they start from; true where they are more or less than before."""
        changed = samples != self._samples
        if changed:
            self._samples = samples
            for memory in self._memories.values():
                if not memory.shared:
                    self._release(memory.name)
        for memory in self._memories.values():
            if memory.shared or memory.kind in HOST_KINDS:
                continue
            self.provide(memory.name, samples * memory.bytes)
            if memory.init is None:
                self.clear(memory.name)
                continue
            value = self._constants[memory.init] if isinstance(memory.init, str) else memory.init
            self._device.write(self[memory.name], np.tile(device_rows.initial(memory, value), samples))
        return changed

    def _release(self, name: str) -> None:
        if name in self._addresses:
            self._device.free(self._addresses.pop(name))
            del self._sizes[name]

    def clear(self, name: str) -> None:
        """Writes zero everywhere."""
        self._device.fill(self[name], 0, self._sizes[name] // WORD_BYTES)


def bytes_of(memories: Iterable[Memory]) -> int:
    """Bytes of one sample of some buffers; of a host array, of one row."""
    return sum(memory.bytes for memory in memories)


def check_size(launches: Launches, limit: int) -> None:
    """Raises CompileError where one sample, with one row of each host array, takes more than `limit` bytes."""
    needed = bytes_of(launches.memories)
    if needed > limit:
        raise too_large(shown(needed), limit)


def too_large(needed: str, limit: int) -> CompileError:
    """The error for a network that takes more memory than there is."""
    message = f"the network takes {needed} of the device's memory, which has {shown(limit)}"
    help = "fewer or narrower weights (quantize, sparsify), or another device"
    return CompileError([Diagnostic("E0725", "error", message, help=help)])
