"""`spikec.cost` of random programs: what a run counted comes back, and every other count is possible."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import spikec
from hypothesis import HealthCheck, Phase, given, settings

from .generator import Case, cases

PROGRAMS = 100 if os.environ.get("SPIKEC_FULL") == "1" else 5


@settings(
    max_examples=PROGRAMS,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(cases())
def test_costs_of_random_programs(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = spikec.load(case.write(Path(folder)))
        run = spikec.compile(program).run(case.inputs, case.steps)
        cost = spikec.cost(program, run)
        assert (cost["spikes"], cost["projections"]) == (run.counts, run.projections)
        assert cost["synaptic_events"] == run.synaptic_events
        for layer in cost["layers"]:
            counts = layer["run"]
            assert counts["synaptic_events"] == run.projections.get(layer["name"], 0) <= counts["additions"]
            assert 0 <= counts["ns_ace"] <= counts["s_ace"]
            assert all(isinstance(counts[name], int) for name in ("additions", "multiplications", "s_ace", "ns_ace"))
        assert sum(layer["run"]["synaptic_events"] for layer in cost["layers"]) <= run.synaptic_events
        assert spikec.cost(program, target="fpga")["rates"] == "assumed"
