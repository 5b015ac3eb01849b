"""prev and delay of events that are no plain spikes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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
