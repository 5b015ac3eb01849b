"""Several threads that run one network together: how its work is shared out, and the threads.

The code has two entries of its own beside those of `runtime.cpu`; `blocks` is memory of the workers:

    void spikec_cut(const void *constants, void *blocks, int64_t worker, int64_t workers);
    void spikec_share(void *arena, const void *constants, void *const *host, const int64_t *strides, void *blocks,
                      int64_t worker, int64_t workers, int64_t begin, int64_t end);

`spikec_cut` finds out once which part of each row of synapses is a worker's.  `spikec_share` is `spikec_run` for one
of the workers, all of which must call it at the same time, as they wait for each other in it.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spikec.runtime.layout import aligned

ENTRIES = ("spikec_cut", "spikec_share")
MOST = 64
"""Workers of one network."""


@dataclass(frozen=True, slots=True)
class Division:
    """The memory of the workers: the bytes before their blocks, and those of each block."""

    head: int
    block: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Division:
        """Raises KeyError, TypeError or ValueError where `data` is not what `to_json` gives."""
        return Division(int(data["head"]), int(data["block"]))


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class WorkersCode:
    """Addresses of the two entries; `owner` keeps the memory that holds them."""

    cut: int
    share: int
    division: Division
    owner: Any = None


class Pace:
    """Decides, by the time that steps take, whether workers run them together or the calling thread alone.

    It goes by turns.  Alone, the time of a step is measured; together goes on while that is faster, but not for long
    without a new look.  After a loss comes a rest that is many times as long as what was lost, and twice that after the
    next one, so that a machine with other things to do costs little.  Times are in seconds.
    """

    SHORT = 2e-6  # steps that are not worth the waiting
    LOOK = 1e-3  # how long a look takes, at least
    LOOKS = 3  # pieces of a look: what runs first is slower
    PIECE = 5e-3  # what is run at once
    TURN = 0.25  # between two looks
    PATIENCE = 16  # times that a rest is longer than what was lost
    HOPELESS = 3  # times as long as alone: nothing more is tried

    def __init__(self) -> None:
        self.together = False
        self.steps = 4
        """How many steps are to be run next."""
        self._rest, self._losses = self.LOOK, 0
        self._turn()

    def _turn(self) -> None:
        self._spent, self._pieces, self._joint = 0.0, 0, math.inf
        if not self.together:
            self._alone = math.inf

    def ran(self, steps: int, seconds: float) -> None:
        """Takes note of the time of what was run."""
        each = seconds / steps
        self._spent += seconds
        self._pieces += 1
        if self.together:
            self._ran_together(each, seconds)
        else:
            self._alone = min(self._alone, each)
            looked = self._pieces >= self.LOOKS and self._spent >= self._rest
            if looked and self._alone > self.SHORT:
                self.together = True
                self._turn()
        lasts = self.PIECE if self._pieces else self.LOOK
        self.steps = max(1, min(4 * steps, int(lasts / max(min(each, self._alone), 1e-9))))

    def _ran_together(self, each: float, seconds: float) -> None:
        self._joint = min(self._joint, each)
        looked = self._pieces % self.LOOKS == 0
        lost = each > self.HOPELESS * self._alone or (looked and self._joint > self._alone)
        if looked:
            self._joint = math.inf
        if lost or self._spent > self.TURN:
            self._losses = self._losses + 1 if lost else 0
            self._rest = self.PATIENCE * 2**self._losses * seconds if lost else self.LOOK
            self.together = False
            self._turn()


class Workers:
    """Threads that run one network together, the calling one among them; `count` is at least 2.

    `pace` says when they do; None for always.
    """

    def __init__(self, code: WorkersCode, constants: int, count: int) -> None:
        pointer, word = ctypes.c_void_p, ctypes.c_int64
        self.count = count
        self.pace: Pace | None = None
        self._code = code  # kept alive with the threads
        self._blocks = aligned(code.division.head + count * code.division.block)
        self._share = ctypes.CFUNCTYPE(None, *[pointer] * 5, word, word, word, word)(code.share)
        from concurrent.futures import ThreadPoolExecutor  # most networks run on one thread

        # A pool for each worker: all of them must be running before one begins.
        self._threads = [ThreadPoolExecutor(1) for _ in range(count - 1)]
        cut = ctypes.CFUNCTYPE(None, pointer, pointer, word, word)(code.cut)
        self._each(lambda worker: cut(constants, self._blocks.ctypes.data, worker, count))

    @property
    def steps(self) -> int:
        """How many steps may be run at once."""
        return self.pace.steps if self.pace else sys.maxsize

    def run(
        self, alone: Callable[..., None], arena: int, constants: int, host: Any, strides: int, begin: int, end: int
    ) -> None:
        """What `alone` does, which is `spikec_run`."""
        blocks, start = self._blocks.ctypes.data, time.perf_counter()
        if self.pace is None or self.pace.together:
            self._each(lambda k: self._share(arena, constants, host, strides, blocks, k, self.count, begin, end))
        else:
            alone(arena, constants, host, strides, begin, end)
        if self.pace is not None:
            self.pace.ran(end - begin, time.perf_counter() - start)

    def _each(self, body: Callable[[int], None]) -> None:
        """Runs `body` for all workers at once."""
        others = [thread.submit(body, 1 + number) for number, thread in enumerate(self._threads)]
        body(0)
        for other in others:
            other.result()
