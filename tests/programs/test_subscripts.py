"""Subscripts that divide, and elements whose place a stream names: against numpy, and on every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .engines import differences, run_everywhere

MODEL = """
model Subscripts {
  step 1 ms
  input x : real[4, 6]
  input t : int[5]
  input b : spikes[6]
  param K : int[3] = [2, 0, 7]
  param W : real[3, 4] = normal(0, 1) seed 1

  wider[i, j]  = x[i, j // 2]
  ahead[i]     = x[0, (i - 3) // 2] + x[1, i]
  mixed[i, j]  = x[i, j] + x[(i + 1) % 2, j % 3] + x[2, (2 * i - 7) % 5]
  turned[i]    = x[0, 5 - i]
  flat         = sum[k](x[k // 6, k % 6] * (k + 1) * x[0, k // 4])
  rows[i, j]   = x[t[i], j]
  fixed[i]     = x[0, K[i]] * 2 + i
  flags[i]     = b[t[i] + 1]
  words[i, d]  = W[t[i], d]
  twice[i]     = t[t[K[i]]]
  total        = sum[i](x[t[i], t[i]])
  past[i]      = 0.5 * prev(past)[i] + x[t[i], 0]
  output wider = wider
  output ahead = ahead
  output mixed = mixed
  output turned = turned
  output flat = flat
  output rows = rows
  output fixed = fixed
  output flags = flags
  output words = words
  output words_of = W
  output twice = twice
  output total = total
  output past = past
}
"""
STEPS = 12


def test_elements(tmp_path: Path) -> None:
    path = tmp_path / "subscripts.snn"
    path.write_text(MODEL, "utf-8")
    random = np.random.default_rng(5)
    x = random.random((STEPS, 4, 6)).astype(np.float32)
    t, b = random.integers(-1, 6, (STEPS, 5)), random.random((STEPS, 6)) < 0.5
    runs = run_everywhere(path, {"x": x, "t": t, "b": b}, STEPS)
    assert not differences(runs)
    found = runs["cpu"].outputs
    i, j = np.arange(6), np.arange(6)

    def at(array: np.ndarray, place: int) -> np.ndarray:  # type: ignore[type-arg]
        return array[place] if 0 <= place < len(array) else np.zeros_like(array[0])

    past = np.zeros(5, np.float32)
    for s in range(STEPS):
        assert np.array_equal(found["wider"][s], np.repeat(x[s], 2, axis=1))
        assert np.array_equal(found["ahead"][s], x[s, 0, (i - 3) // 2] + x[s, 1])
        rows = np.arange(4)[:, None]
        mixed = x[s] + x[s][(rows + 1) % 2, j % 3] + x[s, 2, (2 * rows - 7) % 5]
        assert np.array_equal(found["mixed"][s], mixed)
        assert np.array_equal(found["turned"][s], x[s, 0, ::-1])
        k = np.arange(24)
        assert np.isclose(found["flat"][s], (x[s].reshape(-1) * (k + 1) * x[s, 0, k // 4]).sum(), rtol=1e-5)
        assert np.array_equal(found["rows"][s], [at(x[s], place) for place in t[s]])
        assert np.array_equal(found["fixed"][s], [at(x[s, 0], place) * 2 + n for n, place in enumerate((2, 0, 7))])
        assert np.array_equal(found["flags"][s], [at(b[s], place + 1) for place in t[s]])
        assert np.array_equal(found["words"][s], [at(found["words_of"][s], place) for place in t[s]])
        assert np.array_equal(found["twice"][s], [at(t[s], at(t[s], place)) for place in (2, 0, 7)])
        assert np.isclose(found["total"][s], sum(at(at(x[s], place), place) for place in t[s]), rtol=1e-6)
        past = np.float32(0.5) * past + np.array([at(x[s], place)[0] for place in t[s]])
        assert np.array_equal(found["past"][s], past)
