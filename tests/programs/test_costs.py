"""`spikec.cost` of random programs: what a run counted comes back, and every other count is possible."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest
import spikec

from .generator import write_case

PROGRAMS = 100 if os.environ.get("SPIKEC_FULL") == "1" else 5


@pytest.mark.parametrize("number", range(PROGRAMS))
def test_costs_of_random_programs(number: int, tmp_path: Path) -> None:
    case = write_case(Random(number), wide=True)
    program = spikec.load(case.write(tmp_path))
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
