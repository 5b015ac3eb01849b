"""CUBA in Brian2's cpp_standalone mode, one thread: `prepare FOLDER` builds the program, `run FOLDER` times it.

The CPU time of the step loop alone is taken inside the generated program: two readings of the process's CPU
clock stand right before and right after its network's run.  Spikes are recorded, as in the other peers.
`prepare FOLDER --float32` makes states and weights of 32 bits; Brian2's default is 64.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from protocol import Result, serve

CLOCK = "timespec _cpu_{0}; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &_cpu_{0});"
WRITE = """
{
  std::ofstream file("results/cpu_seconds.txt");
  file.precision(9);
  file << (_cpu_end.tv_sec - _cpu_begin.tv_sec) + 1e-9 * (_cpu_end.tv_nsec - _cpu_begin.tv_nsec);
}
"""
EQUATIONS = """
dv/dt  = (ge + gi - (v + 49*mV)) / (20*ms) : volt (unless refractory)
dge/dt = -ge / (5*ms) : volt
dgi/dt = -gi / (10*ms) : volt
"""


def prepare(folder: Path, options: Sequence[str]) -> None:
    import brian2
    from brian2 import ms, second

    brian2.set_device("cpp_standalone", build_on_run=False)
    brian2.prefs.devices.cpp_standalone.openmp_threads = 0
    if "--float32" in options:
        import numpy

        brian2.prefs.core.default_float_dtype = numpy.float32
    brian2.seed(1)
    brian2.defaultclock.dt = 0.1 * ms
    cells = brian2.NeuronGroup(
        4000, EQUATIONS, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * ms, method="exact"
    )
    cells.v = "-60*mV + rand() * 10*mV"
    parts: list[Any] = [cells, brian2.SpikeMonitor(cells)]
    for source, effect in ((cells[:3200], "ge += 1.62*mV"), (cells[3200:], "gi -= 9*mV")):
        synapses = brian2.Synapses(source, cells, on_pre=effect, delay=0.1 * ms)
        synapses.connect(p=0.02)
        parts.append(synapses)
    device = brian2.get_device()
    device.insert_code("before_network_run", CLOCK.format("begin"))
    device.insert_code("after_network_run", CLOCK.format("end") + WRITE)
    brian2.Network(*parts).run(1 * second)
    device.build(directory=str(folder), compile=True, run=False)


def run(folder: Path) -> Result:
    import numpy

    subprocess.run(["./main"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    results = folder / "results"
    (spikes,) = results.glob("_dynamic_array_spikemonitor_i*")
    senders = numpy.fromfile(spikes, numpy.int32)
    seconds = float((results / "cpu_seconds.txt").read_text())
    return Result(seconds, {"exc": int((senders < 3200).sum()), "inh": int((senders >= 3200).sum())})


if __name__ == "__main__":
    serve(__doc__, prepare, run)
