"""The static estimate: what it counts is what a run counts, and what it says of targets follows the formulas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.analysis.cost_model import ASSUMED, DRAM, ENERGY, HAZARD, LANES, LAUNCH, ON_CHIP
from spikec.analysis.estimate import COLUMNS, Row, estimate, tables
from spikec.dialects.program import Program
from spikec.lower import snn_to_step
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import StepEngine

MODEL = """model M {
  step 1 ms
  neuron Cell {
    in I
    var V = 0.0
    V := 0.5 * V + I
    spike when V >= 1 { V := 0 }
  }
  input x : spikes[40]
  pop a : Cell[%(a)d]
  pop b : Cell[24]
  proj x -> a.I { connect all; weight 0.5 }
  proj a -> b.I { connect prob(0.5) seed 1; weight 0.5 }
}
"""

Load = Callable[..., Program]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def made(a: int = 64) -> Program:
        path = tmp_path / "m.snn"
        path.write_text(MODEL % {"a": a})
        return spikec.load(path)

    return made


def rows(program: Program, target: str, rates: dict[str, float] | float) -> dict[str, Row]:
    return {row.stage: row for row in estimate(snn_to_step.lower(program), target, rates).rows}


@pytest.mark.parametrize("target", ["cpu", "ptx", "fpga"])
def test_counts_are_those_of_a_run_at_its_own_rates(load: Load, target: str) -> None:
    network = load()
    interface, program = Interface.of(network), snn_to_step.lower(network)
    engine = StepEngine(program, interface)
    engine.reset(0, 0)
    x = np.random.default_rng(0).random((50, 40)) < 0.1
    trace = engine.advance({"x": x}, frozenset({"x"}), 50)
    rates = {"x": x.mean(), "a": trace.emitted["a"] / 50 / 64}
    total = estimate(program, target, rates).total
    # Rows of a random table differ in length, so that the average is near and not exact.
    assert total.synaptic * 50 == pytest.approx(trace.synaptic_events, rel=0.05)
    assert total.events * 50 == pytest.approx(x.sum() + trace.emitted["a"])
    assert total.updates == 64 + 24


def test_operations_of_programs_are_counted_one_by_one(load: Load) -> None:
    row = rows(load(), "cpu", 0.0)["b"]
    # V := 0.5 * V + I is a product and a sum; then a comparison and a selection.
    assert (row.multiplications, row.additions, row.updates) == (24, 3 * 24, 24)
    assert row.events == row.synaptic == row.weights == 0
    addition, product = ENERGY["f32"]
    assert row.energy > 24 * (product + 2 * addition) / 1000


def test_more_events_cost_more(load: Load) -> None:
    network = load()
    for target in ("cpu", "ptx", "fpga"):
        quiet, busy = (estimate(snn_to_step.lower(network), target, rate).total for rate in (0.01, 0.2))
        assert busy.cycles > quiet.cycles
        assert busy.energy > quiet.energy
        assert busy.weights == pytest.approx(20 * quiet.weights)


@pytest.mark.parametrize("count", [16, 200])
def test_an_fpga_adds_one_event_to_one_group_a_cycle(load: Load, count: int) -> None:
    found = rows(load(count), "fpga", {"x": 0.25, "*": 0.0})
    groups = max(-(-count // LANES), HAZARD)
    assert found["a"].cycles == groups * (0.25 * 40 + 2)
    made = estimate(snn_to_step.lower(load(count)), "fpga", {"x": 0.25, "*": 0.0})
    assert made.total.cycles == max(row.cycles for row in made.rows)


def test_a_gpu_pays_a_launch_for_each_stage(load: Load) -> None:
    made = estimate(snn_to_step.lower(load()), "ptx")
    assert made.total.cycles == pytest.approx(len(made.rows) * LAUNCH, rel=0.01)
    assert made.total.cycles > len(made.rows) * LAUNCH


def test_rates_are_found_by_population_input_buffer_or_star(load: Load) -> None:
    network = load()
    for name in ("a", "a.spike"):
        assert rows(network, "cpu", {name: 0.5})["b"].events == 32
    assert rows(network, "cpu", {"*": 0.25})["b"].events == 16
    assert rows(network, "cpu", {})["b"].events == pytest.approx(ASSUMED * 64)


def test_tables_off_the_chip_cost_their_way(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load()
    near = rows(network, "fpga", 0.1)["b"]
    monkeypatch.setitem(ON_CHIP, "fpga", 100.0)  # type: ignore[misc]
    far = rows(network, "fpga", 0.1)["b"]
    assert far.energy * 1000 > far.weights * DRAM > near.energy * 1000


def test_reports_say_what_they_assume(load: Load) -> None:
    program = snn_to_step.lower(load())
    (table,) = tables(program, "cpu:aarch64-linux-gnu")
    assert "assumed 0.05 events per neuron and step" in table.title
    assert table.columns == COLUMNS
    assert table.rows[-1][0] == "all"
    assert all(len(row) == len(COLUMNS) for row in table.rows)
    (table,) = tables(program, "fpga", 0.5)
    assert "0.5 events" in table.title and "assumed" not in table.title
    assert tables(program, "reference") == ()
    with pytest.raises(ValueError, match="reference"):
        estimate(program, "reference")
