"""Processor time of what runs in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def least(runs: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Seconds of each run, the best of several rounds; runs take turns, since the speed of a machine drifts."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for number, run in enumerate(runs):
            begin = time.process_time()
            run()
            best[number] = min(best[number], time.process_time() - begin)
    return best
