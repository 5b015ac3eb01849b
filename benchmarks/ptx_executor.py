"""How long the PTX executor takes for an example: 100 steps of one digit, with three orders of threads.

    python benchmarks/ptx_executor.py [--model FILE] [--steps N]

A line is an order: seconds from the text to results (its machine code is made in the first run), processor time too.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from spikec import driver
from spikec.compilation import Compilation, Options
from spikec.runtime.devices.emulated import EmulatedDevice
from spikec.runtime.gpu import GpuEngine
from spikec.runtime.interface import Interface
from spikec.runtime.run import Executable

DIGITS = Path(__file__).parents[1] / "examples" / "03_digits" / "digits.snn"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, default=DIGITS)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()
    made = driver.emit(Compilation(arguments.model, Options(target="ptx")), ["ptx"])
    interface = Interface.of(made.programs["snn"])
    rng = np.random.default_rng(0)
    inputs = {one.name: rng.random(one.shape).astype(one.dtype) for one in interface.inputs}
    for seed in range(3):
        wall, processor = time.perf_counter(), time.process_time()
        device = EmulatedDevice(seed=seed)
        engine = GpuEngine(device, made.files["ptx"].decode(), made.module.launches, made.module.constants, interface)
        run = Executable(engine, "ptx").run(inputs, steps=arguments.steps)
        seconds, used = time.perf_counter() - wall, time.process_time() - processor
        events = f"{sum(run.counts.values())} spikes, {run.synaptic_events} synaptic events"
        print(f"order {seed}: {seconds:.1f} s, {used:.1f} s of the processor; {events}", flush=True)


if __name__ == "__main__":
    main()
