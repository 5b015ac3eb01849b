"""Lines of a neuron over its population: neighbours on a ring, reductions; against numpy, and on every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import spikec

from .engines import Array, differences, run_everywhere

MODEL = """
model Lines {
  step 1 ms
  neuron Ring(leak = 0.8, pull = 0.25, theta = 1.0) {
    in  I
    var V = 0.1, sent : int = 0
    U = leak * V + I
    V[i] := (1 - 2 * pull) * U[i] + pull * (U[i - 1] + U[i + 1])
    m = mean(V)
    W = V - m
    spike when W >= theta { V -= theta; sent += 1 }
  }
  neuron Crowd(tau: time = 5 ms, theta = 1.0, s = 1.0) {
    in  I, ge
    var V = 0.1, W = 0, turns : int = 0
    V'  = (I - V + ge) / tau
    ge' = -ge / 3 ms
    spike when V >= theta { V := 0; hold V for 2 ms }
    best   = argmax(V)
    some   = any(V > 0.4)
    soft   = softmax(2 * V)
    others[i] = sum[k](V[k]) - V[i]
    turns := if some and index == best then turns + 1 else turns
    V := V + 0.01 * soft - 0.02 * others
    W[j] += 0.5 * W[j - 2] + s[j]
    out V
  }
  input x : real[8]
  r = Ring[8](x, theta = 0.3)
  g = Ring[2, 4](reshape(x, 2, 4), pull = 0.1, theta = 0.5)
  pop c : Crowd[8](theta = 0.3 + 0.05 * index, s = x) { V = uniform(0, 0.4) seed 1 }
  c.I = 2 * x
  proj c -> c.ge { connect prob(0.5) seed 2; weight 0.2; delay 1 ms }
  output rings = r
  probe r.V, r.sent, g.V, c.V, c.W, c.turns
}
"""
STEPS = 25


def ring(x: Array, pull: float, theta: float) -> Array:
    """V after each step, with x [steps, ..., n]."""
    V, found = np.full(x.shape[1:], 0.1), []
    for now in x:
        U = 0.8 * V + now
        V = (1 - 2 * pull) * U + pull * (np.roll(U, 1, -1) + np.roll(U, -1, -1))
        V = np.where(V - V.mean() >= theta, V - theta, V)
        found.append(V)
    return np.array(found)


def test_lines_over_a_population(tmp_path: Path) -> None:
    path = tmp_path / "lines.snn"
    path.write_text(MODEL, "utf-8")
    x = np.random.default_rng(2).random((STEPS, 8)).astype(np.float32)
    runs = run_everywhere(path, {"x": x}, STEPS, seed=1)
    assert not differences(runs)
    run = runs["cpu"]
    wide = x.astype(np.float64)
    assert np.allclose(run.probes["r.V"], ring(wide, 0.25, 0.3), atol=1e-4)
    assert np.allclose(run.probes["g.V"], ring(wide.reshape(STEPS, 2, 4), 0.1, 0.5), atol=1e-4)
    assert run.counts["r"] == run.probes["r.sent"][-1].sum() > 0
    assert run.counts["c"] > 0
    W = np.zeros(8)
    for step, now in enumerate(wide):
        W = W + 0.5 * np.roll(W, 2) + now
        assert np.allclose(run.probes["c.W"][step], W, rtol=1e-4)
    turned = np.diff(run.probes["c.turns"], axis=0)
    assert set(np.unique(turned)) == {0, 1}
    assert (turned.sum(axis=1) <= 1).all()


def test_reals_of_64_bits(tmp_path: Path) -> None:
    path = tmp_path / "lines.snn"
    path.write_text(MODEL, "utf-8")
    x = np.random.default_rng(3).random((8, 8))
    assert not differences(run_everywhere(path, {"x": x}, 8, real=64))


def test_where_a_line_stands_counts(tmp_path: Path) -> None:
    """It sees what the lines before it made of the states in this step, not what comes after."""
    text = """model Order {
      step 1 steps
      neuron N { in I; var V = 0; before = sum(V); V := V + I; between = sum(V); V := V * 2; out 100 * before + between }
      input x : real[3]
      y = N[3](x)
      output y = y
    }"""
    (path := tmp_path / "order.snn").write_text(text.replace("; ", "\n"), "utf-8")
    run = spikec.compile(spikec.load(path)).run({"x": np.ones((2, 3), np.float32)}, steps=2)
    assert run.outputs["y"].tolist() == [[3.0] * 3, [609.0] * 3]


def test_indices_run_over_the_population(tmp_path: Path) -> None:
    """Also where no value has an index alone; and a neuron of two axes that no population uses is no mistake."""
    text = """model Both {
      step 1 steps
      neuron N { in I; var V = 0; U = V + I; V[i] := U[i - 1] - 2 * U[i + 1]; out V }
      neuron Unused { in I; var V = 0; U = V + I; V[i, j] := U[i - 1, j] + U[i, j + 1]; out V }
      input x : real[5]
      y = N[5](x)
      output y = y
    }"""
    (path := tmp_path / "both.snn").write_text(text, "utf-8")
    x = np.random.default_rng(1).random((6, 5))
    runs = run_everywhere(path, {"x": x}, 6, real=64)
    assert not differences(runs)
    V = np.zeros(5)
    for given, found in zip(x, runs["cpu"].outputs["y"], strict=True):
        V = np.roll(V + given, 1) - 2 * np.roll(V + given, -1)
        assert np.allclose(found, V, rtol=1e-12)
