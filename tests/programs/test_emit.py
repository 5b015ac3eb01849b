"""What handlers emit: signed, multi-level and graded events, their types, and the same bits on every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .engines import Array, differences, run_everywhere

MODEL = """
model Emit {
  step 1 ms
  neuron Signed {
    in  I
    var V = 0
    V += I
    spike when V >= 1  emit 1  { V -= 1 }
    spike when V <= -1 emit -1 { V += 1 }
  }
  neuron Counting {                          # each spike is one larger than the one before
    in  I
    var V = 0, n : int = 0
    V += I
    spike when V >= 1 emit n + 1 { V -= 1; n += 1 }
    spike when V <= -1 emit -2 { V += 1 }
  }
  neuron Graded {
    in  I
    var V = 0
    V += I
    spike when V >= 1 emit V { V := 0 }
  }
  neuron Sum { in I; var V = 0; V := I }
  input x : real[4]
  param W : real[3, 4] = [[1, 2, 3, 4], [0.5, 0, 0.5, 0], [-1, 0.25, 2, 8]]
  s = Signed[4](3 * x - 1.5)
  c = Counting[4](2 * x - 0.4)
  g = Graded[4](x)
  pop r : Sum[3]
  proj c -> r.I { connect all; weight 0.5 }
  proj s -> r.I { connect all; weight 2; delay 2 ms }
  output s = s
  output c = c
  output g = g
  output ws = W @ s
  output wc = W @ c
  output wg = W @ g
  output total = over_time(sum, c)
  output most  = over_time(max, c)
  probe r.V, c.spike
}
"""


def test_types_and_sums(tmp_path: Path) -> None:
    path = tmp_path / "emit.snn"
    path.write_text(MODEL)
    x: Array = np.random.default_rng(4).random((12, 4), np.float32)
    runs = run_everywhere(path, {"x": x}, 12)
    assert not differences(runs)
    found = runs["cpu"].outputs
    s, c, g = found["s"], found["c"], found["g"]
    assert (s.dtype, c.dtype, g.dtype) == (np.int8, np.int64, np.float32)
    assert set(np.unique(s)) == {-1, 0, 1}
    for column in c.T:
        sizes = column[column > 0]
        assert np.array_equal(sizes, np.arange(1, len(sizes) + 1))
    assert np.all((g == 0) | (g >= 1)) and len(np.unique(g)) > 5
    weights = np.array([[1, 2, 3, 4], [0.5, 0, 0.5, 0], [-1, 0.25, 2, 8]], np.float32)
    assert np.array_equal(found["ws"], s @ weights.T) and np.array_equal(found["wc"], c @ weights.T)
    assert np.allclose(found["wg"], g @ weights.T, rtol=1e-6)
    assert np.array_equal(found["total"], c.sum(0)) and np.array_equal(found["most"], c.max(0))
    late = np.vstack([np.zeros((2, 4)), s[:-2]])
    arrived = 0.5 * c.sum(1) + 2 * late.sum(1)
    assert np.array_equal(runs["cpu"].probes["r.V"], np.repeat(arrived[:, None], 3, 1))
