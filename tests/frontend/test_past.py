"""prev and delay of events that are no plain spikes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec

from tests.programs.engines import differences, run_everywhere

MODEL = """model Signed {
  step 1 ms
  neuron N { in I; var V = 0; V := V + I; spike when V >= 1 { V -= 1 }; spike when V < -1 emit -1 { V += 1 } }
  input x : real[5]
  pop a : N[5]
  a.I += x
  later = delay(a, 3 ms)
  y = prev(later) * 0.5
  output out = y
  output now = a
}"""


def test_signed_events_have_a_past(tmp_path: Path) -> None:
    model = tmp_path / "model.snn"
    model.write_text(MODEL)
    x = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    runs = run_everywhere(model, {"x": x}, 40)
    assert not differences(runs)
    outputs = runs["cpu"].outputs
    assert set(np.unique(outputs["now"])) == {-1, 0, 1}
    assert np.array_equal(outputs["out"][4:], 0.5 * outputs["now"][:-4])


@pytest.mark.parametrize("call", ['prev("a.npz")', 'delay("a.npz", 2 ms)', "prev(2.5)"])
@pytest.mark.parametrize("use", ["y = {}", "y[i] = x[i] + {}[i]"])
def test_what_is_no_stream_has_no_past(tmp_path: Path, call: str, use: str) -> None:
    model = tmp_path / "model.snn"
    model.write_text(f"model M {{\n  step 1 ms\n  input x : real[5]\n  {use.format(call)}\n  output out = y\n}}")
    with pytest.raises(spikec.CompileError, match="has no past") as caught:
        spikec.load(model)
    assert [one.code for one in caught.value.diagnostics] == ["E0302"]
