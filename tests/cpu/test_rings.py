"""Rings of sums that are made ahead: the interpreter's bits and counts, in whatever stretches a network runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.dialects import step
from spikec.lower import snn_to_step
from spikec.lower.step_to_cpu.synapses.rings import rings

MODEL = """model M {
  step 1 ms
  neuron LIF { in I; var V = 0; V := 0.9 * V + I; spike when V >= 1 { V := 0 } }
  input x : spikes[12]
  input g : real[5] in [-4, 4]
  pop a : LIF[70]
  pop b : LIF[30]
  proj x -> a.I { connect prob(0.5) seed 1; weight normal(0.2, 0.1) seed 2; delay uniform(SHORTEST, 9 ms) seed 3 }
  proj g -> a.I { connect all; weight 0.05; delay uniform(2 ms, 300 ms) seed 4 }
  proj a -> a.I { connect fixed_in(20) repeat seed 5; weight uniform(-0.1, 0.1) seed 6; delay uniform(3 ms, 5 ms) seed 7 }
  proj a -> b.I { connect prob(0.3) seed 8; weight 0.1; delay uniform(1 ms, 20 ms) seed 9 }
  probe a.V, a.spike, b.spike
}
"""
STEPS = 400


def given(steps: int = STEPS) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "x": rng.random((steps, 12)) < 0.2,
        "g": (rng.random((steps, 5)) < 0.1) * rng.integers(-3, 4, (steps, 5)).astype(np.float32),
    }


@pytest.fixture(params=["1 ms", "0 ms"])
def shortest(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def program(shortest: str, tmp_path: Path) -> spikec.Program:
    (tmp_path / "m.snn").write_text(MODEL.replace("SHORTEST", shortest))
    return spikec.load(tmp_path / "m.snn")


def stretches(engine: Any, threads: Mapping[int, int]) -> dict[str, Any]:
    """States and counts after all steps, which are run in unequal stretches; `threads` by the number of a stretch."""
    x, begin, number = given(), 0, 0
    counts: dict[str, int] = {}
    while begin < STEPS:
        end = min(STEPS, begin + (1, 7, 40, 2, 90)[number % 5])
        if number in threads:
            engine.divide(threads[number], always=True)
        trace = engine.advance({name: a[begin:end] for name, a in x.items()}, frozenset(x), end - begin)
        for name, count in {**trace.emitted, "events": trace.synaptic_events}.items():
            counts[name] = counts.get(name, 0) + count
        begin, number = end, number + 1
    return {**engine.states(), **counts}


def test_which_sums_have_rings(program: spikec.Program, shortest: str) -> None:
    lowered = snn_to_step.lower(program)
    with lowered.module.context:
        found = {ring.depth: [one.op.table for one in ring.arrivals] for ring in rings(lowered)}
    # What has no delay is taken before the step's own events of `a` are known.
    assert sorted(len(tables) for tables in found.values()) == ([1, 3] if shortest == "1 ms" else [1])
    assert all(depth >= 19 for depth in found)
    assert sum(table.parts is not None for table in lowered.ops(step.Table)) == 4


def test_the_same_as_the_interpreter(program: spikec.Program) -> None:
    runs = [spikec.compile(program, target).run(given(), STEPS) for target in ("cpu", "reference")]
    assert runs[0].counts == runs[1].counts and min(runs[0].counts.values()) > 50
    assert runs[0].synaptic_events == runs[1].synaptic_events
    for name, wanted in runs[1].probes.items():
        np.testing.assert_array_equal(runs[0].probes[name], wanted, err_msg=name)


def test_the_same_in_stretches_and_by_several_threads(program: spikec.Program) -> None:
    net = spikec.compile(program)
    net.reset()
    whole = net.engine.advance(given(), frozenset(given()), STEPS)
    wanted = {**net.engine.states(), **whole.emitted, "events": whole.synaptic_events}
    for threads in ({}, {3: 2, 5: 1, 8: 3, 9: 1}):
        net.reset()
        found = stretches(net.engine, threads)
        for name, value in wanted.items():
            np.testing.assert_array_equal(found[name], value, err_msg=f"{name} with {threads}")
