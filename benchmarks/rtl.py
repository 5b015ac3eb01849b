"""Cycles per second of the compiled simulator of circuits, and of the reference interpreter.

    python benchmarks/rtl.py

The circuit is a time-multiplexed layer of leaky neurons (`tests/rtl/cores.py`), 64 inputs and 32 neurons, fed with
random tokens in every cycle.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from spikec.runtime.reference.rtl import RtlInterpreter
from spikec.runtime.rtl.simulator import Simulator

from benchmarks.timing import least
from tests.rtl.cores import Layer, layer

CYCLES = 1_000_000
SLOW_CYCLES = 500


def measure(lanes: int) -> tuple[float, float]:
    """Cycles per second of the simulator and of the interpreter."""
    rng = np.random.default_rng(0)
    shape = Layer(rng.integers(-100, 100, (64, 32)).astype(np.int8), lanes)
    program = layer(shape)
    simulator, interpreter = Simulator(program), RtlInterpreter(program)
    columns = {"valid": np.ones(CYCLES, np.uint8), "kind": rng.integers(0, 8, CYCLES) == 0}
    inputs = {**columns, "source": rng.integers(0, 64, CYCLES)}
    rows = [{name: int(column[k]) for name, column in inputs.items()} for k in range(SLOW_CYCLES)]

    def slow() -> None:
        for row in rows:
            interpreter.cycle(row)

    fast_time, slow_time = least([lambda: simulator.run(CYCLES, inputs, record=["spikes"]), slow], rounds=5)
    return CYCLES / fast_time, SLOW_CYCLES / slow_time


def main() -> None:
    for lanes in (1, 4, 16):
        fast, slow = measure(lanes)
        print(f"{lanes:2} lanes: {fast / 1e6:6.2f} M cycles/s compiled, {slow:6.0f} cycles/s interpreted")


if __name__ == "__main__":
    main()
