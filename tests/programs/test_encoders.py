"""Encoders: their events in numpy, element by element, and the same bits on every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spikec.dialects.random import key, uniform
from spikec.runtime.reference.elementary import evaluate

from .engines import Array, differences, run_everywhere

STEPS = 60
MODEL = """
model Encoders {
  step 0.5 ms
  neuron Sum { in I; var V = 0; V := 0.9 * V + I; spike when V >= 3 { V -= 3 } }
  input x : real[2, 5]
  input v : voltage[6]
  param W : real[4, 10] = 0.25
  param steps_of : voltage[6] = [0.1, 0.2, 0.3, 0.1, 0.2, 0.3]
  param fixed : real[5] = [0.2, 0.4, 0.6, 0.8, 1]
  soon   = latency(x, 10 ms)
  named  = latency(window = 3.3 ms, x = x)
  still  = latency(fixed, 10 ms)
  level  = delta(v, 0.25 V)
  levels = delta(v, threshold = steps_of)
  analog = s_analog(10 * x, 15)
  counts = poisson_count(x * 4 kHz) seed 5
  many   = poisson_count(120 kHz) seed 6
  few    = fixed * 300 Hz |> poisson_count()
  pop h : Sum[4]
  h.I = W @ flatten(analog) + W @ flatten(counts)
  proj levels -> h[0:2].I { connect all; weight 0.1; delay 1 ms }
  output y_soon = soon
  output y_named = named
  output y_still = still
  output y_level = level
  output y_levels = levels
  output y_analog = analog
  output y_counts = counts
  output y_many = many
  output y_few = few
  output y_h = h
  output total = over_time(sum, level)
  output mean = over_time(mean, counts)
  probe h.V
}
"""


def latency(x: Array, steps: float) -> Array:
    """One spike for each element, in the first step t >= round((1 - x) n)."""
    late = np.round((np.float32(1) - x) * np.float32(steps))
    time = np.arange(len(x), dtype=np.float32).reshape(-1, *[1] * (x.ndim - 1))
    due = (time >= late) & (x > 0)
    return due & (np.cumsum(due, axis=0) == 1)


def delta(v: Array, threshold: Array) -> Array:
    reference = np.zeros(v.shape[1:], np.float32)
    events = []
    for value in v:
        up, down = value >= reference + threshold, value <= reference - threshold
        reference = np.where(up, reference + threshold, np.where(down, reference - threshold, reference))
        events.append(up.astype(np.int64) - down)
    return np.array(events)


def count(u: np.float32, mean: np.float32) -> int:
    """Inverse transform: the terms of the distribution are added until they exceed u or change nothing."""
    p = below = np.float32(evaluate("exp", np.asarray(-mean, np.float32)))
    k = 0
    while u >= below:
        p = np.float32(np.float32(p * mean) / np.float32(k + 1))
        following = np.float32(below + p)
        if not following > below:
            break
        below = following
        k += 1
    return k


def counts(mean: Array, path: str, seed: int) -> Array:
    found = []
    for t, row in enumerate(mean):
        u = uniform(key(0, seed, path), np.arange(row.size), t, 0).astype(np.float32)
        found.append([count(*pair) for pair in zip(u, row.astype(np.float32).ravel(), strict=True)])
    return np.array(found).reshape(mean.shape)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Array], dict[str, Array]]:
    path = tmp_path_factory.mktemp("encoders") / "encoders.snn"
    path.write_text(MODEL, encoding="utf-8")
    rng = np.random.default_rng(1)
    x = np.repeat(rng.uniform(-0.2, 1.2, (1, 2, 5)), STEPS, axis=0).astype(np.float32)
    x[:, 1, 3:] = rng.uniform(0, 1, (STEPS, 2))
    x[:, 0, :2] = [0, 1]
    v = np.cumsum(rng.normal(0, 0.3, (STEPS, 6)), axis=0).astype(np.float32)
    inputs = {"x": x, "v": v}
    found = run_everywhere(path, inputs, STEPS)
    assert differences(found) == []
    return inputs, dict(found["reference of snn"].outputs)


def test_latency_is_one_spike_the_sooner_the_larger(runs: tuple[dict[str, Array], dict[str, Array]]) -> None:
    inputs, outputs = runs
    fixed = np.broadcast_to(np.array([0.2, 0.4, 0.6, 0.8, 1], np.float32), (STEPS, 5))
    assert np.array_equal(outputs["y_soon"], latency(inputs["x"], 20))
    assert np.array_equal(outputs["y_named"], latency(inputs["x"], 6.6))
    assert np.array_equal(outputs["y_still"], latency(fixed, 20))
    times = outputs["y_still"].argmax(axis=0)
    assert np.all(np.abs(times - (1 - fixed[0]) * 20) <= 0.5)


def test_delta_follows_the_signal(runs: tuple[dict[str, Array], dict[str, Array]]) -> None:
    inputs, outputs = runs
    assert np.array_equal(outputs["y_level"], delta(inputs["v"], np.float32(0.25)))
    thresholds = np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.3], np.float32)
    assert np.array_equal(outputs["y_levels"], delta(inputs["v"], thresholds))
    assert np.array_equal(outputs["total"], outputs["y_level"].astype(np.int64).sum(axis=0))
    assert {-1, 0, 1} == set(outputs["y_level"].ravel().tolist())


def test_s_analog_is_given_once(runs: tuple[dict[str, Array], dict[str, Array]]) -> None:
    inputs, outputs = runs
    first = np.round(np.clip(np.float32(10) * inputs["x"][0], 0, 15))
    assert np.array_equal(outputs["y_analog"][0], first)
    assert not outputs["y_analog"][1:].any()


def test_poisson_count_is_the_inverse_transform(runs: tuple[dict[str, Array], dict[str, Array]]) -> None:
    inputs, outputs = runs
    mean = np.clip(inputs["x"] * np.float32(4000) * np.float32(0.0005), 0, None)
    assert np.array_equal(outputs["y_counts"], counts(mean, "counts/poisson_count#0", 5))
    assert abs(outputs["y_counts"].mean() - mean.mean()) < 3 * np.sqrt(mean.mean() / mean.size)


def test_poisson_count_of_a_large_mean(tmp_path: Path) -> None:
    """62 events a step: mean and variance, and the extremes of the draws."""
    path = tmp_path / "many.snn"
    path.write_text(
        "model M {\n  step 1 ms\n  input r : rate[4000]\n  output n = poisson_count(r)\n}\n",
        encoding="utf-8",
    )
    runs = run_everywhere(path, {"r": np.tile(np.repeat(np.float32([6.2e4, 3e5]), 2000), (2, 1))}, 2)
    assert differences(runs) == []
    n = runs["cpu"].outputs["n"].astype(np.float64)
    for part, mean in ((n[0, :2000], 62), (n[0, 2000:], 64)):
        assert abs(part.mean() - mean) < 3 * np.sqrt(mean / 2000)
        assert abs(part.var() / mean - 1) < 0.1


def test_poisson_count_ends_with_the_distribution() -> None:
    """The largest draw below 1 gives a finite count for every mean, the smallest gives zero."""
    for mean in (1e-6, 0.1, 1.0, 17.0, 64.0):
        assert count(np.float32(0), np.float32(mean)) == 0
        assert count(np.float32(1 - 2.0**-24), np.float32(mean)) <= 2 * mean + 60
