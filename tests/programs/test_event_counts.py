"""`input x : events[...]`: how often each pixel had an event in a step, from arrays and from event files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.dialects.diagnostics import CompileError
from spikec.runtime.inputs import read
from spikec.runtime.interface import Interface

from .engines import differences, run_everywhere

MODEL = """
model Counts {
  step 1 ms
  neuron Cell {
    in  I
    var V = 0
    V := 0.5 * V + I
    spike when V >= 2 { V -= 2 }
  }
  input ev : events[2, 3, 4]
  param W : real[5, 24] = normal(0, 0.4) seed 1
  param K : real[3, 2, 2, 2] = uniform(-0.2, 0.6) seed 2
  pop a : Cell[24]
  pop b : Cell[5]
  proj ev -> a.I { connect one_to_one; weight 0.75 }
  b.I = W @ flatten(ev)
  c = Cell[3, 2, 3](conv2d(ev, K))
  output sums = sum_pool2d(ev, 2, stride = 1)
  output peak = max_pool2d(ev, 2, stride = 1)
  output total = over_time(sum, ev)
  output late = delay(ev, 2 ms)
  probe a.spike, b.V, c.spike
}
"""
STEPS = 6


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (path := tmp_path / "counts.snn").write_text(MODEL, "utf-8")
    return path


def test_counts_weigh_as_often_as_they_say(model: Path) -> None:
    ev = np.random.default_rng(3).integers(0, 4, (STEPS, 2, 3, 4))
    runs = run_everywhere(model, {"ev": ev}, STEPS)
    assert not differences(runs)
    found = runs["cpu"]
    assert np.array_equal(found.outputs["total"], ev.sum(axis=0))
    assert np.array_equal(found.outputs["late"][2:], ev[:-2])
    windows = np.lib.stride_tricks.sliding_window_view(ev, (2, 2), axis=(2, 3))
    assert np.array_equal(found.outputs["sums"], windows.sum(axis=(4, 5)))
    assert np.array_equal(found.outputs["peak"], windows.max(axis=(4, 5)))
    V, spikes = np.zeros(24), 0
    for now in ev.reshape(STEPS, 24):
        V = 0.5 * V + 0.75 * now
        spikes += int((V >= 2).sum())
        V = np.where(V >= 2, V - 2, V)
    assert found.counts["a"] == spikes > 0


def test_an_event_file_is_counted(model: Path, tmp_path: Path) -> None:
    t = np.array([0, 400, 900, 1000, 1500, 5999])
    events = {"t": t, "x": np.array([1, 1, 1, 3, 3, 0]), "y": np.array([2, 2, 2, 0, 0, 1]), "p": [1, 1, 0, 1, 1, -1]}
    np.savez(tmp_path / "recording.npz", **events)
    program = spikec.load(model)
    sources = read([f"ev={tmp_path / 'recording.npz'}"], Interface.of(program))
    run = spikec.compile(program).run(sources, steps=STEPS)
    total = np.zeros((2, 3, 4), int)
    total[1, 2, 1], total[0, 2, 1], total[1, 0, 3], total[0, 1, 0] = 2, 1, 2, 1
    assert np.array_equal(run.outputs["total"], total)


def test_what_is_no_count_is_refused(model: Path) -> None:
    network = spikec.compile(spikec.load(model), "reference")
    for wrong, text in ((-1, "counts"), (0.5, "not an integer")):
        ev = np.zeros((STEPS, 2, 3, 4))
        ev[0, 1, 2, 3] = wrong
        with pytest.raises(CompileError) as caught:
            network.run({"ev": ev}, steps=STEPS)
        assert caught.value.diagnostics[0].code == "E0717"
        assert text in caught.value.diagnostics[0].message
