"""`max_pool2d`, `softmax`, `layer_norm` and `batch_norm`: their arithmetic in numpy, and the same bits on every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spikec.runtime.reference.elementary import evaluate

from .engines import Array, differences, run_everywhere

MODEL = """
model Norms {
  step 1 ms
  neuron Levels {
    in  I
    var V = 0
    V := 0.5 * V + I
    spike when V >= 1    emit 2  { V -= 1 }
    spike when V <= -0.3 emit -1 { V += 1 }
  }
  input x : real[2, 5, 6]
  input s : spikes[2, 5, 6]
  param g : real[6] = [1, 2, 3, 4, 5, 6]
  param m : real[2] = [0.1, 0.3]
  param W : real[4, 12] = 0.25
  l = Levels[2, 5, 6](x - 0.2)
  seen = max_pool2d(s, 2)
  output spikes  = seen
  output levels  = max_pool2d(l, [2, 3], pad = [1, 0])
  output reals   = x |> max_pool2d([3, 2], stride = 2, pad = [1, 0])
  output arrived = W @ flatten(seen)
  output soft    = softmax(9 * x)
  output flat    = softmax(flatten(x))
  output layer   = layer_norm(x, g, beta = 0.5 * g, eps = 1e-3)
  output plain   = layer_norm(flatten(x))
  output batch   = batch_norm(x, m, 2 * m, gamma = m)
  output scaled  = batch_norm(s)
  output count   = over_time(count, seen)
  probe l.spike
}
"""


def pooled(x: Array, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int], least: float) -> Array:
    x = np.pad(x, ((0, 0), (pad[0], pad[0]), (pad[1], pad[1])), constant_values=least)
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel, (1, 2))
    return np.asarray(windows[:, :: stride[0], :: stride[1]].max((3, 4)))


def total(x: Array) -> Array:
    """The sum along the last axis, from zero in ascending index."""
    found = np.zeros(x.shape[:-1], x.dtype)
    for index in range(x.shape[-1]):
        found = found + x[..., index]
    return found[..., None]


def softmax(x: Array) -> Array:
    powers = evaluate("exp", x - x.max(-1, keepdims=True))
    return np.asarray(powers / total(powers))


def layer_norm(x: Array, eps: float) -> Array:
    one = x.dtype.type
    deviation = x - total(x) / one(x.shape[-1])
    variance = total(deviation * deviation) / one(x.shape[-1])
    return np.asarray(deviation / np.sqrt(variance + one(eps)))


@pytest.mark.parametrize("real", [32, 64])
def test_values(tmp_path: Path, real: int) -> None:
    path = tmp_path / "norms.snn"
    path.write_text(MODEL)
    rng = np.random.default_rng(3)
    element = np.float32 if real == 32 else np.float64
    x = rng.normal(0, 0.6, (6, 2, 5, 6)).astype(element)
    s = rng.random((6, 2, 5, 6)) < 0.2
    runs = run_everywhere(path, {"x": x, "s": s}, 6, real=real)
    assert not differences(runs)
    found = runs["cpu"].outputs
    gain, mean = np.arange(1, 7).astype(element), np.array([0.1, 0.3])[:, None, None]
    scale = (mean / np.sqrt(2 * mean + 1e-5)).astype(element)
    shift = (0 - mean * (mean / np.sqrt(2 * mean + 1e-5))).astype(element)
    for t in range(6):
        seen = pooled(s[t], (2, 2), (2, 2), (0, 0), 0)
        expected = {
            "spikes": seen,
            "reals": pooled(x[t], (3, 2), (2, 2), (1, 0), -np.inf),
            "arrived": np.full(4, 0.25 * seen.sum()),
            "soft": softmax(x[t] * element(9)),
            "flat": softmax(x[t].reshape(-1)),
            "layer": layer_norm(x[t], 1e-3) * gain + gain / 2,
            "plain": layer_norm(x[t].reshape(-1), 1e-5),
            "batch": x[t] * scale + shift,
            "scaled": s[t] * element(1 / np.sqrt(1 + 1e-5)),
        }
        for name, value in expected.items():
            assert np.array_equal(found[name][t], value), name
    assert found["levels"].dtype == np.int8 and found["levels"].shape == (6, 2, 3, 2)
    assert set(np.unique(found["levels"])) == {-1, 0, 2}
    assert found["spikes"].dtype == np.bool_ and found["count"].sum() == found["spikes"].sum()
