"""What a module of GPU kernels needs of its host: the memory it works on, and the kernels in their order.

A run of the steps `begin` to `end` is `iterations(end - begin)` rounds of the kernels of `step`, one after the other.
Round number k does step k - skew of each part of the network, where that lies between `begin` and `end`: parts that
follow each other within a step work on different steps at the same time, so that a round has few kernels.

Kernels take one i32, the number of the round counted from word `ROUND` of the head, then the addresses of buffers, in
the order of `arguments`.  So a graph of launches numbered 0, 1, 2, ... does as many rounds wherever it is replayed: the
host sets `ROUND` before each replay, 0 before the first one.  Rounds beyond the last one do nothing.  A persistent
kernel begins at round 0 whatever these say, and those of `init` and `finish` know no rounds; `BEGIN` and `END` are 0
for `init` and the number of steps done for `finish`.

The grid is (`grid`, samples, 1), the block (`block`, 1, 1).  A buffer that is not `shared` has a stretch of `bytes` for
each sample; one of the host has rows for each sample, the first for the run's first (recorded) step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from spikec.dialects.constants import Array

FORMAT = 1
HEAD, BARRIER = "spikec.head", "spikec.barrier"
BEGIN, END, ROUND, SAMPLE, KEYS = 0, 1, 2, 3, 4
"""Words (i64) of the head: the run's first step, the step after its last one, the number of the first round, the number
of the first sample, then two words for each draw, then two for each host array: elements from one step to the next (0
holds an input) and from one sample to the next."""
HOST_KINDS = ("input", "output", "result", "probe")


@dataclass(frozen=True, slots=True)
class Memory:
    """A buffer on the device.

    `kind`: "state" lives from `reset` on, and starts as `init` says; "constant" is one array for all samples; "counter"
    is one i64 of statistics; "input", "output", "result" and "probe" are the host's, a row of `row` elements for each
    step (a result: one row); "head" is described above; "barrier" is one i32 for each sample, zero at the launch of the
    persistent kernel.
    `length` is the number of elements of one sample, of a host array those of a row.  `init`: None starts as zero, a
    number fills the elements of the last slot, a text names a constant that stands there (flat).  A ring has `slots`
    stretches of `stride` elements; the slot of step t is t modulo `slots`, which is a power of two.
    `bits` says that the elements are words of 32 bits, one bit for each of `size` elements, the first in the lowest.
    """

    name: str
    kind: str
    dtype: str
    length: int
    slots: int = 1
    stride: int = 0
    size: int = 0
    bits: bool = False
    init: float | str | None = None

    @property
    def shared(self) -> bool:
        return self.kind in ("constant", "head")

    @property
    def bytes(self) -> int:
        return self.length * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Kernel:
    """`arguments` are names of buffers; `shared_bytes` is what a launch gives beside static shared memory."""

    name: str
    grid: int
    block: int
    arguments: tuple[str, ...]
    shared_bytes: int = 0


@dataclass(frozen=True, slots=True)
class HostArray:
    """An input, output, result or probe: `values` and `bits` name the buffers that keep it, in the order of the head.

    `dtype` and `shape` are those of the host's array (of a step).  An event probe has a row of values for each step.
    """

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    values: str | None = None
    bits: str | None = None
    record: str = ""
    every: int = 1

    @property
    def buffers(self) -> tuple[str, ...]:
        return tuple(name for name in (self.values, self.bits) if name is not None)


@dataclass(frozen=True, slots=True)
class Launches:
    """`init` and `finish` run once each, `step` once each round; `persistent` does all rounds of a run in one launch,
    with blocks that wait for each other: all of them must be resident at once.

    `skew` is how many rounds more than steps a run has.  `draws` are (path, seed) of each draw by its key.
    `counters` are (name, buffer).
    """

    memories: tuple[Memory, ...]
    hosts: tuple[HostArray, ...]
    init: tuple[Kernel, ...]
    step: tuple[Kernel, ...]
    finish: tuple[Kernel, ...]
    persistent: Kernel | None
    skew: int
    draws: tuple[tuple[str, int], ...]
    counters: tuple[tuple[str, str], ...]
    format: int = FORMAT

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """All of them."""
        return (*self.init, *self.step, *self.finish, *([self.persistent] if self.persistent else []))

    @property
    def state_bytes(self) -> int:
        """Bytes that each sample keeps from one step to the next."""
        return sum(memory.bytes for memory in self.memories if memory.kind in ("state", "counter"))

    def iterations(self, steps: int) -> int:
        return steps + self.skew

    def host_word(self, host: int) -> int:
        """Where the strides of a host array are in the head."""
        return KEYS + 2 * len(self.draws) + 2 * host

    @property
    def head_words(self) -> int:
        """Host arrays have a pair of strides each, also those without a buffer."""
        return self.host_word(len(self.hosts))

    def keys(self, seed: int) -> Array:
        """Two words of 32 bits for each draw, as int64."""
        from spikec.dialects.random import key

        return np.array([word for path, own in self.draws for word in key(seed, own, path)], np.int64)

    def memory(self, name: str) -> Memory:
        return next(memory for memory in self.memories if memory.name == name)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Launches:
        """Raises KeyError, TypeError or ValueError where `data` is not what `to_json` gives."""
        if data["format"] != FORMAT:
            raise ValueError(f"launch format {data['format']} where {FORMAT} is needed")

        def kernels(key: str) -> tuple[Kernel, ...]:
            return tuple(kernel(one) for one in data[key])

        def kernel(one: Mapping[str, Any]) -> Kernel:
            return Kernel(**{**one, "arguments": tuple(one["arguments"])})

        return Launches(
            memories=tuple(Memory(**m) for m in data["memories"]),
            hosts=tuple(HostArray(**{**h, "shape": tuple(h["shape"])}) for h in data["hosts"]),
            init=kernels("init"),
            step=kernels("step"),
            finish=kernels("finish"),
            persistent=None if data["persistent"] is None else kernel(data["persistent"]),
            skew=int(data["skew"]),
            draws=tuple((str(path), int(seed)) for path, seed in data["draws"]),
            counters=tuple((str(name), str(buffer)) for name, buffer in data["counters"]),
        )
