"""`--fast-math`: other roundings where they are permitted, and only there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec import api

MODEL = """model M {
  step 1 ms
  neuron Leaky { in I; var V = 0; V := V + (I - V) / 7 }
  input x : real[64]
  a = Leaky[64](x)
  probe a.V
}
"""


@pytest.fixture
def program(tmp_path: Path) -> spikec.Program:
    (tmp_path / "m.snn").write_text(MODEL)
    return spikec.load(tmp_path / "m.snn")


def test_other_roundings_are_near(program: spikec.Program) -> None:
    x = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    runs = {fast: api.compile(program, fast_math=fast).run({"x": x}, 50).probes["a.V"] for fast in (False, True)}
    reference = api.compile(program, "reference").run({"x": x}, 50).probes["a.V"]
    np.testing.assert_array_equal(runs[False], reference)
    np.testing.assert_allclose(runs[True], reference, rtol=1e-5, atol=1e-6)


def test_what_the_code_may_do(program: spikec.Program) -> None:
    from spikec.backends.cpu.target import CpuTarget
    from spikec.lower import snn_to_step, step_to_cpu

    target, lowered = CpuTarget.parse("cpu"), snn_to_step.lower(program)
    codes = [step_to_cpu.lower(lowered, target, fast).llvm for fast in (False, True)]
    assert "fdiv arcp contract" in codes[1] and "fdiv arcp" not in codes[0] and " contract " not in codes[0]
