"""A device that is this processor: PTX text executed by `runtime.executor`, with every access checked.

What a kernel does wrong is an `ExecutionError`.  A graph is the list of its launches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from spikec.dialects.constants import Array
from spikec.runtime import memory as machine_memory
from spikec.runtime.devices.device import Launch
from spikec.runtime.executor import Machine

RESIDENT = 1024
"""Blocks of a cooperative launch that are resident at once: about as many as a GPU holds."""


class EmulatedDevice:
    """`devices.device.Device` without a GPU.

    `seed` permutes the order in which threads, warps and blocks go on, `races` looks for accesses that no barrier
    orders, `poison` fills fresh memory with a pattern instead of zeros, `memory` is how many bytes there are.
    `resident` blocks run at once, by default `RESIDENT` of a cooperative launch and some of any other.  Threads may be
    resumed `limit` times in a launch, all together.
    """

    def __init__(
        self,
        seed: int = 0,
        races: bool = False,
        poison: bool = False,
        resident: int | None = None,
        memory: int | None = None,
        limit: int = 1 << 34,
    ) -> None:
        self._memory = machine_memory.limit() if memory is None else memory
        self._resident = resident
        self._machine = Machine(
            seed=seed, resident=resident, races=races, poison=poison, memory=self._memory, limit=limit
        )

    def memory(self) -> int:
        return self._memory

    def allocate(self, size: int) -> int:
        return self._machine.allocate(size)

    def free(self, address: int) -> None:
        self._machine.free(address)

    def fill(self, address: int, word: int, count: int) -> None:
        self._machine.write(address, np.full(count, word, np.uint32))

    def write(self, address: int, array: Array, offset: int = 0) -> None:
        self._machine.write(address, array, offset)

    def read(self, address: int, dtype: DTypeLike, count: int, offset: int = 0) -> Array:
        return self._machine.read(address, dtype, count, offset)

    def load(self, text: str) -> Any:
        return self._machine.load(text)

    def function(self, module: Any, name: str, shared: int = 0) -> Any:
        return module.kernels[name]

    def launch(self, launch: Launch) -> None:
        self._machine.launch(
            launch.function,
            grid=(*launch.grid, 1),
            block=(launch.block, 1, 1),
            shared=launch.shared,
            arguments=[launch.number, *launch.addresses],
            cooperative=launch.cooperative,
        )

    def record(self, launches: Sequence[Launch]) -> Any:
        return tuple(launches)

    def replay(self, graph: Any) -> None:
        for launch in graph:
            self.launch(launch)

    def discard(self, graph: Any) -> None:
        pass

    def resident(self, function: Any, block: int, shared: int) -> int:
        return RESIDENT if self._resident is None else self._resident

    def has_quick_barriers(self) -> bool:
        return False

    def synchronize(self) -> None:
        pass

    def close(self) -> None:
        pass
