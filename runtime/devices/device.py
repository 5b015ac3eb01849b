"""What the runtime needs of a device that runs kernels: memory, modules, launches, graphs of launches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import DTypeLike
from spikec.dialects.constants import Array


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel over a grid.

    `function` is what `Device.function` gave.  `grid` is the number of blocks in x and y, `block` the threads of each,
    `shared` the bytes of dynamic shared memory.  The parameters are a 32-bit `number`, then 64-bit `addresses`.
    A `cooperative` launch needs all its blocks resident at once, and is refused otherwise.
    """

    function: Any
    grid: tuple[int, int]
    block: int
    number: int
    addresses: tuple[int, ...]
    shared: int = 0
    cooperative: bool = False


class Device(Protocol):
    """Everything that is done happens in order; `read` and `synchronize` wait until it is done.

    A kernel that fails is noticed at the latest there.  Addresses are byte addresses; offsets and sizes are bytes.
    """

    def memory(self) -> int:
        """Bytes that can be allocated in all."""

    def allocate(self, size: int) -> int:
        """The address of `size` fresh bytes, at least aligned to 256.  Raises MemoryError where they are not there."""

    def free(self, address: int) -> None:
        """Gives back what `allocate` gave."""

    def fill(self, address: int, word: int, count: int) -> None:
        """Writes `count` times the same 32-bit word, unsigned."""

    def write(self, address: int, array: Array, offset: int = 0) -> None:
        """Copies an array to the device; it may change as soon as this returns."""

    def read(self, address: int, dtype: DTypeLike, count: int, offset: int = 0) -> Array:
        """A copy of `count` elements, flat."""

    def load(self, text: str) -> Any:
        """A module of the PTX text.  Raises CompileError where the device cannot run it."""

    def function(self, module: Any, name: str, shared: int = 0) -> Any:
        """A kernel of a module, ready for launches with up to `shared` bytes of dynamic shared memory."""

    def launch(self, launch: Launch) -> None:
        """Runs one kernel."""

    def record(self, launches: Sequence[Launch]) -> Any:
        """Launches, none of them cooperative, as one graph."""

    def replay(self, graph: Any) -> None:
        """Runs the launches of a graph in their order."""

    def discard(self, graph: Any) -> None:
        """Gives back what `record` gave."""

    def resident(self, function: Any, block: int, shared: int) -> int:
        """How many blocks of a kernel the device can hold at once."""

    def has_quick_barriers(self) -> bool:
        """Whether blocks wait for each other in less time than a kernel takes to start."""

    def synchronize(self) -> None:
        """Waits until all is done that was asked for."""

    def close(self) -> None:
        """Gives everything back; no method may be called after it."""
