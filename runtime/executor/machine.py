"""The device: memory, modules, launches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray
from spikec.runtime.executor.errors import ExecutionError
from spikec.runtime.executor.kernel import Kernel, Module, code, kernel, parsed
from spikec.runtime.executor.launch import Argument, Device, Extent, Launch
from spikec.runtime.executor.memory import DeviceMemory
from spikec.runtime.executor.module import Array


class Machine:
    """A device that executes PTX.

    `seed` permutes the order in which lanes, warps and blocks run; `resident` is the number of
    blocks that run at a time; `races` checks that accesses are ordered; `poison` fills new memory (which is zero
    otherwise) with a pattern; `memory` is the size of the device's memory in bytes; `limit` the most
    steps (a thread resumed once) of a launch.
    """

    def __init__(
        self,
        seed: int = 0,
        resident: int | None = None,
        races: bool = False,
        poison: bool = False,
        memory: int | None = None,
        limit: int = 1 << 34,
    ) -> None:
        if resident is not None and resident < 1:
            raise ExecutionError(f"{resident} blocks cannot be resident")
        pattern = np.random.default_rng(seed + 1) if poison else None
        device_memory = DeviceMemory(memory, races, pattern)
        self._device = Device(np.random.default_rng(seed), resident, races, poison, limit, device_memory)
        self.resumes = 0
        """Steps of all launches so far."""

    # Memory

    def allocate(self, nbytes: int) -> int:
        """The address of new memory, aligned to 256 bytes; `MemoryError` beyond the device's."""
        return self._device.memory.allocate(nbytes)

    def free(self, address: int) -> None:
        """Give memory back."""
        self._device.memory.free(address)

    def write(self, address: int, array: NDArray[np.generic], offset: int = 0) -> None:
        """Copy an array to `address + offset` (bytes)."""
        self._device.memory.write(address, array, offset)

    def read(self, address: int, dtype: DTypeLike, count: int, offset: int = 0) -> NDArray[np.generic]:
        """`count` elements from `address + offset` (bytes)."""
        return self._device.memory.read(address, dtype, count, offset)

    # Modules

    def load(self, text: str) -> Module:
        """Parse and translate a PTX text; `ExecutionError` for whatever is not known in it."""
        whole = parsed(text)
        codes = {name: code(text, name, self._device.races) for name in whole.entries}
        addresses = [self._place(a) for a in whole.arrays.values() if a.space != "shared"]
        kernels: dict[str, Kernel] = {}
        module = Module(whole, kernels, np.array(addresses or [0], np.int64))
        for name, entry in whole.entries.items():
            kernels[name] = kernel(module, entry, codes[name])
        return module

    def _place(self, array: Array) -> int:
        address = self._device.memory.allocate(array.size)
        memory = self._device.memory
        if self._device.poison:
            memory.view(address, 0, array.size)[:] = 0
        memory.write(address, np.frombuffer(array.data, np.uint8), 0)
        if array.space == "const":
            memory.protect(address)
        return address

    # Launches

    def launch(
        self,
        kernel: Kernel,
        grid: Extent,
        block: Extent,
        shared: int = 0,
        arguments: Sequence[Argument] = (),
        cooperative: bool = False,
    ) -> None:
        """Run a grid to its end; `ExecutionError` names the line, block and thread of what goes wrong.

        `shared` is the dynamic shared memory in bytes.  A cooperative launch has all its blocks resident.
        """
        launch = Launch(self._device, kernel, grid, block, shared, arguments, cooperative)
        failed = launch.run()
        self._device.clock = launch.clock
        self.resumes += launch.resumes
        if failed:
            raise ExecutionError(launch.report())
