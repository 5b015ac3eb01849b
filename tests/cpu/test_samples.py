"""Samples that compiled code runs one after the other give what each gives step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.runtime.run import Executable, Run
from spikec.runtime.samples import AT_ONCE

MODEL = """
model M {
  step 1 ms
  neuron N { in I : real; var V = 0; V := 0.9 * V + I; spike when V > 1 { V := 0 } }
  input x : spikes[20]
  input bias : real[30]
  noise = bernoulli(bias) seed 1
  pop a : N[30]
  proj x -> a.I { connect all; weight 0.05 }
  proj a -> a.I { connect all; weight -0.01; delay 3 ms }
  a.I += 0.3 * noise + bias
  PROBES
  output out = a
  output y = over_time(count, a)
}
"""
STEPS, SAMPLES = 25, 2 * AT_ONCE + 5


def compiled(folder: Path, probes: str = "") -> Executable:
    (folder / "net.snn").write_text(MODEL.replace("PROBES", probes))
    return spikec.compile(spikec.load(folder / "net.snn"))


def inputs() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    bias = rng.uniform(0, 0.2, (SAMPLES, 30)).astype(np.float32)
    bias[::2, :5] = 1e-42  # counts as zero
    return {"x": rng.random((SAMPLES, STEPS, 20)) < 0.3, "bias": bias}


def equal(a: Run, b: Run) -> None:
    assert (a.counts, a.projections) == (b.counts, b.projections)
    for mine, others in ((a.outputs, b.outputs), (a.probes, b.probes)):
        assert list(mine) == list(others)
        for key, array in mine.items():
            np.testing.assert_array_equal(array, others[key], strict=True)


@pytest.mark.parametrize("probes", ["", "probe a.V every 4 ms", "probe a.V, a.spike"], ids=["none", "values", "events"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_batch_is_what_it_is_step_by_step(tmp_path: Path, probes: str, threads: int) -> None:
    net = compiled(tmp_path, probes)
    at_once = net.run(inputs(), batch=SAMPLES, seed=5, threads=threads)
    watched = net.run(inputs(), batch=SAMPLES, seed=5, progress=lambda steps: None)
    equal(at_once, watched)
    assert at_once.counts["a"] > 1000
    assert len(np.unique(at_once.outputs["y"], axis=0)) == SAMPLES


def test_each_sample_begins_anew_and_draws_its_own_numbers(tmp_path: Path) -> None:
    net = compiled(tmp_path)
    alone = {name: array[0] for name, array in inputs().items()}
    same = {name: np.stack([array] * 3) for name, array in alone.items()}
    batch, single = net.run(same, batch=3), net.run(alone)
    np.testing.assert_array_equal(batch.outputs["out"][0], single.outputs["out"])
    assert not np.array_equal(batch.outputs["out"][0], batch.outputs["out"][1])
    equal(net.run(alone), single)
    assert not np.array_equal(net.run(alone, seed=1).outputs["out"], single.outputs["out"])


def test_steps_go_on_after_a_run(tmp_path: Path) -> None:
    net, other = compiled(tmp_path), compiled(tmp_path)
    alone = {name: array[0] for name, array in inputs().items()}
    net.run(alone, steps=STEPS - 1)
    last = net.step({"x": alone["x"][-1], "bias": alone["bias"]})
    np.testing.assert_array_equal(last["out"], other.run(alone).outputs["out"][-1])
