"""Networks in NEST, one thread.

What is timed is one call of `Run` after `Prepare`.  The neurons are NEST's own; those with conductances choose their
own steps (Runge-Kutta-Fehlberg), all others are exact as in the other peers.  Every run builds its network again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nest
import numpy as np
from microcircuit import DELAYS_MS, numbers
from protocol import Case, Result, Stopwatch, Task, serve

normal, uniform = nest.random.normal, nest.random.uniform

Populations = dict[str, Any]


def populations(case: Case, model: str, values: dict[str, Any]) -> Populations:
    return {name: nest.Create(model, size, params=values) for name, size in case["neurons"].items()}


def project(cells: Populations, source: str, rule: dict[str, Any], weight: float, delay_ms: float) -> None:
    """Connects a population to all, with one weight that is stored once."""
    nest.CopyModel("static_synapse_hom_w", f"of_{source}", {"weight": weight, "delay": delay_ms})
    for target in cells.values():
        nest.Connect(cells[source], target, rule, {"synapse_model": f"of_{source}"})


def cuba(case: Case) -> Populations:
    # With these, a current of 10 pA drives a cell as far as 1 mV of the equations does.
    cell = {"C_m": 200.0, "tau_m": 20.0, "E_L": -49.0, "V_th": -50.0, "V_reset": -60.0, "t_ref": 5.0}
    synapse = {"tau_syn_ex": 5.0, "tau_syn_in": 10.0}
    cells = populations(case, "iaf_psc_exp", {**cell, **synapse, "V_m": uniform(-60.0, -50.0)})
    rule = {"rule": "pairwise_bernoulli", "p": case["parameters"]["p"]}
    project(cells, "exc", rule, 16.2, 0.1)
    project(cells, "inh", rule, -90.0, 0.1)
    return cells


def coba(case: Case) -> Populations:
    cell = {"C_m": 200.0, "g_L": 10.0, "E_L": -60.0, "V_th": -50.0, "V_reset": -60.0, "t_ref": 5.0}
    synapse = {"tau_syn_ex": 5.0, "tau_syn_in": 10.0, "E_ex": 0.0, "E_in": -80.0}
    first = {"V_m": normal(-65.0, 5.0), "g_ex": normal(40.0, 15.0), "g_in": normal(200.0, 120.0)}
    cells = populations(case, "iaf_cond_exp", {**cell, **synapse, **first})
    rule = {"rule": "pairwise_bernoulli", "p": case["parameters"]["p"]}
    project(cells, "exc", rule, 6.0, 0.1)
    project(cells, "inh", rule, -67.0, 0.1)
    return cells


def brunel(case: Case) -> Populations:
    cell = {"C_m": 250.0, "tau_m": 20.0, "E_L": 0.0, "V_th": 20.0, "V_reset": 10.0, "t_ref": 2.0}
    drive_pA = case["parameters"].get("drive_mV", 0.0) * cell["C_m"] / cell["tau_m"]
    cells = populations(case, "iaf_psc_delta", {**cell, "I_e": drive_pA, "V_m": uniform(0.0, 20.0)})
    for name, weight in (("exc", 0.1), ("inh", -0.5)):
        rule = {"rule": "fixed_indegree", "indegree": len(cells[name]) // 10, "allow_multapses": False}
        project(cells, name, rule, weight, 1.5)
    if "outside_kHz" in case["parameters"]:
        outside = nest.Create("poisson_generator", params={"rate": case["parameters"]["outside_kHz"] * 1e3})
        for target in cells.values():
            nest.Connect(outside, target, syn_spec={"weight": 0.1, "delay": 1.5})
    return cells


def microcircuit(case: Case) -> Populations:
    circuit = numbers(case)
    cell = {"C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_th": -50.0, "V_reset": -65.0, "t_ref": 2.0}
    synapse = {"tau_syn_ex": 0.5, "tau_syn_in": 0.5}
    cells = populations(case, "iaf_psc_exp", {**cell, **synapse, "V_m": normal(-58.0, 10.0)})
    by_number = list(cells.values())
    for (target, source), count in np.ndenumerate(circuit.synapses):
        weight_pA, delay_ms = circuit.weights_pA[target, source], DELAYS_MS[source % 2]
        drawn = {
            "weight": normal(weight_pA, 0.1 * abs(weight_pA)),
            "delay": nest.math.max(normal(delay_ms, 0.5 * delay_ms), 0.1),
        }
        rule = {"rule": "fixed_total_number", "N": int(count)}
        if count:
            nest.Connect(by_number[source], by_number[target], rule, drawn)
    for population, constant_pA, afferents in zip(by_number, circuit.constant_pA, circuit.afferents, strict=True):
        population.I_e = constant_pA
        outside = nest.Create("poisson_generator", params={"rate": float(afferents * case["afferent_rate_Hz"])})
        nest.Connect(outside, population, syn_spec={"weight": circuit.outside_pA, "delay": 1.5})
    return cells


def ready(build: Callable[[Case], Populations], case: Case, folder: Path) -> Callable[[], Result]:
    nest.verbosity = nest.VerbosityLevel.ERROR

    def run() -> Result:
        nest.ResetKernel()
        nest.set(resolution=case["dt_ms"], local_num_threads=1, rng_seed=1)
        recorders = {}
        for name, cells in build(case).items():
            recorders[name] = nest.Create("spike_recorder")
            # A delay of its own, or the default would be what the kernel takes for the shortest.
            nest.Connect(cells, recorders[name], syn_spec={"delay": 1.5})
        nest.Prepare()
        with Stopwatch() as taken:
            nest.Run(case["steps"] * case["dt_ms"])
        nest.Cleanup()
        spikes = {name: recorder.n_events for name, recorder in recorders.items()}
        return Result(taken.cpu_seconds, taken.wall_seconds, spikes)

    return run


if __name__ == "__main__":
    networks = (cuba, coba, brunel, microcircuit)
    serve(__doc__, {network.__name__: Task(partial(ready, network)) for network in networks})
