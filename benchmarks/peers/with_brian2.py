"""Networks in Brian2's cpp_standalone mode, one thread.

The seconds of the step loop alone are taken inside the generated program: readings of the process's CPU clock and of
the wall clock stand right before and right after its network's run.  Spikes are recorded, as in the other peers.
With `--float32` states and weights have 32 bits; Brian2's default is 64.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import brian2
import numpy as np
from brian2 import Hz, ms, mV, pA
from microcircuit import draw, numbers
from protocol import Case, Result, Task, serve

CLOCKS = """
timespec _cpu_{0}, _wall_{0};
clock_gettime(CLOCK_MONOTONIC, &_wall_{0});
clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &_cpu_{0});
"""
WRITE = """
{
  std::ofstream file("results/seconds.txt");
  file.precision(9);
  file << (_cpu_end.tv_sec - _cpu_begin.tv_sec) + 1e-9 * (_cpu_end.tv_nsec - _cpu_begin.tv_nsec) << "\\n"
       << (_wall_end.tv_sec - _wall_begin.tv_sec) + 1e-9 * (_wall_end.tv_nsec - _wall_begin.tv_nsec) << "\\n";
}
"""


def two_kinds(case: Case, cells: brian2.NeuronGroup, exc: str, inh: str, late: Any, connect: Any) -> list[Any]:
    """All cells with a spike monitor, and the synapses of each kind of them on all; `connect` of the kind's number."""
    excitatory = case["neurons"]["exc"]
    parts: list[Any] = [cells, brian2.SpikeMonitor(cells)]
    for source, effect in ((cells[:excitatory], exc), (cells[excitatory:], inh)):
        synapses = brian2.Synapses(source, cells, on_pre=effect, delay=late)
        synapses.connect(**connect(len(source)))
        parts.append(synapses)
    return parts


def vogels_abbott(case: Case, equations: str, method: str, first: Mapping[str, str], exc: str, inh: str) -> list[Any]:
    """Both networks of Vogels and Abbott; `first` are the first values."""
    cells = brian2.NeuronGroup(
        sum(case["neurons"].values()),
        equations,
        threshold="v > -50*mV",
        reset="v = -60*mV",
        refractory=5 * ms,
        method=method,
    )
    for name, value in first.items():
        setattr(cells, name, value)
    return two_kinds(case, cells, exc, inh, 0.1 * ms, lambda size: {"p": case["parameters"]["p"]})


def cuba(case: Case) -> list[Any]:
    equations = """
    dv/dt  = (ge + gi - (v + 49*mV)) / (20*ms) : volt (unless refractory)
    dge/dt = -ge / (5*ms) : volt
    dgi/dt = -gi / (10*ms) : volt
    """
    first = {"v": "-60*mV + rand() * 10*mV"}
    return vogels_abbott(case, equations, "exact", first, "ge += 1.62*mV", "gi -= 9*mV")


def coba(case: Case) -> list[Any]:
    equations = """
    dv/dt  = (10*nS * (-60*mV - v) + ge * (0*mV - v) + gi * (-80*mV - v)) / (200*pF) : volt (unless refractory)
    dge/dt = -ge / (5*ms) : siemens
    dgi/dt = -gi / (10*ms) : siemens
    """
    first = {"v": "-65*mV + 5*mV * randn()", "ge": "40*nS + 15*nS * randn()", "gi": "200*nS + 120*nS * randn()"}
    return vogels_abbott(case, equations, "euler", first, "ge += 6*nS", "gi += 67*nS")


def brunel(case: Case) -> list[Any]:
    cells = brian2.NeuronGroup(
        sum(case["neurons"].values()),
        "dv/dt = (drive - v) / (20*ms) : volt (unless refractory)",
        threshold="v >= 20*mV",
        reset="v = 10*mV",
        refractory=2 * ms,
        method="exact",
        namespace={"drive": case["parameters"].get("drive_mV", 0.0) * mV},
    )
    cells.v = "20*mV * rand()"

    def connect(size: int) -> dict[str, str]:
        return {"i": f"k for k in sample(0, N_pre, size={size // 10})"}

    parts = two_kinds(case, cells, "v += 0.1*mV", "v -= 0.5*mV", 1.5 * ms, connect)
    if "outside_kHz" in case["parameters"]:
        # As many sources as there are excitatory connections, so that an event a step is rare for each.
        sources = case["neurons"]["exc"] // 10
        rate = case["parameters"]["outside_kHz"] * 1e3 / sources * Hz
        parts.append(brian2.PoissonInput(cells, "v", N=sources, rate=rate, weight=0.1 * mV))
    return parts


def microcircuit(case: Case) -> list[Any]:
    circuit = numbers(case)
    equations = """
    dv/dt = (-65*mV - v) / (10*ms) + (I + steady) / (250*pF) : volt (unless refractory)
    dI/dt = -I / (0.5*ms) : amp
    steady : amp (constant)
    """
    cells = brian2.NeuronGroup(
        circuit.sizes.sum(),
        equations,
        threshold="v >= -50*mV",
        reset="v = -65*mV",
        refractory=2 * ms,
        method="exact",
    )
    cells.v = "-58*mV + 10*mV * randn()"
    cells.steady = np.repeat(circuit.constant_pA, circuit.sizes) * pA
    drawn = draw(circuit, np.random.default_rng(1))
    synapses = brian2.Synapses(cells, cells, "w : amp (constant)", on_pre="I += w")
    synapses.connect(i=drawn.sources, j=drawn.targets)
    synapses.w = drawn.weights_pA * pA
    synapses.delay = drawn.delays_ms * ms
    parts: list[Any] = [cells, brian2.SpikeMonitor(cells), synapses]
    for first, size, afferents in zip(circuit.first, circuit.sizes, circuit.afferents, strict=True):
        outside = {"N": afferents, "rate": case["afferent_rate_Hz"] * Hz, "weight": circuit.outside_pA * pA}
        parts.append(brian2.PoissonInput(cells[first : first + size], "I", **outside))
    return parts


def prepare(parts: Callable[[Case], list[Any]], case: Case, folder: Path) -> None:
    """Builds the program of a network whose only spike monitor records all populations, one after the other."""
    brian2.set_device("cpp_standalone", build_on_run=False)
    brian2.prefs.devices.cpp_standalone.openmp_threads = 0
    if "--float32" in case["options"]:
        brian2.prefs.core.default_float_dtype = np.float32
    brian2.seed(1)
    brian2.defaultclock.dt = case["dt_ms"] * ms
    network = brian2.Network(*parts(case))
    device = brian2.get_device()
    device.insert_code("before_network_run", CLOCKS.format("begin"))
    device.insert_code("after_network_run", CLOCKS.format("end") + WRITE)
    network.run(case["steps"] * case["dt_ms"] * ms)
    device.build(directory=str(folder / "program"), compile=True, run=False)


def ready(case: Case, folder: Path) -> Callable[[], Result]:
    program = folder / "program"
    bounds = np.cumsum(list(case["neurons"].values()))

    def run() -> Result:
        subprocess.run(["./main"], cwd=program, check=True, stdout=subprocess.DEVNULL)
        (spikes,) = (program / "results").glob("_dynamic_array_spikemonitor_i*")
        senders = np.searchsorted(bounds, np.fromfile(spikes, np.int32), side="right")
        counts = np.bincount(senders, minlength=len(bounds)).tolist()
        cpu, wall = map(float, (program / "results" / "seconds.txt").read_text().split())
        return Result(cpu, wall, dict(zip(case["neurons"], counts, strict=True)))

    return run


if __name__ == "__main__":
    networks = (cuba, coba, brunel, microcircuit)
    serve(__doc__, {network.__name__: Task(ready, partial(prepare, network)) for network in networks})
