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

    A look measures pieces of a run, one alone and one together in turn, and the lower median time of a step
    wins.  That stands for a while, and for twice as long after each look that finds the same, so that looks cost
    little; but one thread goes on where workers turn out slower than it was.  Times are in seconds.
    """

    SHORT = 2e-6  # steps that are not worth the waiting
    PIECE = 1e-3  # of a look, or at least half of it
    PIECES = 3  # of each kind: what else the machine does may spoil one
    HOPELESS = 10  # times as long as alone: no more pieces are needed
    STRETCH = 20e-3  # what is run at once between looks, and long enough to judge workers by
    REST, LONGEST = 0.2, 5.0  # between two looks

    def __init__(self) -> None:
        self.together = False
        self.steps = 4
        """How many steps are to be run next."""
        self._decided, self._rest = False, self.REST
        self._look()

    def ran(self, steps: int, seconds: float) -> None:
        """Takes note of the time of what was run."""
        self._ran += steps
        self._spent += seconds
        each = seconds / steps
        if self._looking:
            if self._spent > self.PIECE / 2:
                self._measured(self._spent / self._ran)
        elif self.together and seconds > self.STRETCH / 2 and each > self._alone:
            self._decide(False)
        elif self._spent > self._rest:
            self._look()
        lasts = self.PIECE if self._looking else self.STRETCH
        self.steps = max(1, int(lasts / max(each, 1e-9)))

    def _look(self) -> None:
        self._looking = True
        self._pieces: tuple[list[float], list[float]] = ([], [])
        self._begin(together=False)

    def _begin(self, together: bool) -> None:
        self.together, self._ran, self._spent = together, 0, 0.0

    def _measured(self, each: float) -> None:
        """Takes note of the time of a step in one piece of a look."""
        alone, joint = self._pieces
        (joint if self.together else alone).append(each)
        if alone[0] < self.SHORT or each > self.HOPELESS * alone[-1]:
            self._decide(False)
        elif len(joint) == self.PIECES:
            self._decide(_median(joint) < _median(alone))
        else:
            self._begin(not self.together)

    def _decide(self, together: bool) -> None:
        self._rest = min(2 * self._rest, self.LONGEST) if together == self._decided else self.REST
        self._looking, self._decided, self._alone = False, together, _median(self._pieces[0])
        self._begin(together)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


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
