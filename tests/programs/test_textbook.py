"""Well-known networks of models/: what theory says of them, and the same equations in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import spikec
from spikec.runtime.run import Run

from .engines import Array

MODELS = Path(__file__).parent / "models"


def run(name: str, inputs: Mapping[str, Array], steps: int, params: Mapping[str, object] | None = None) -> Run:
    program = spikec.load(MODELS / f"{name}.snn", params=params, real=64)
    return spikec.compile(program, seed=3).run(inputs, steps=steps)


def raster(run: Run, key: str, shape: tuple[int, ...]) -> Array:
    """Which cells spiked in which step, from the rows (step, cell) of a probe."""
    found = np.zeros(shape, bool)
    rows = run.probes[key]
    found[rows[:, 0], rows[:, 1]] = True
    return found


def close(found: Any, expected: Any, tolerance: float = 1e-11) -> bool:
    return bool(np.abs(np.asarray(found) - np.asarray(expected)).max() < tolerance)


def test_resources_are_used_up_by_the_spikes_of_their_source() -> None:
    found = run("short_term_plasticity", {}, 400)
    spikes = raster(found, "exc.spike", (400, 32))
    assert spikes.any(axis=0).all()
    u, x, y = np.zeros(32), np.ones(32), np.zeros(32)
    decay = np.exp(-0.5 / 3), np.exp(-0.5 / 800)
    # x' = (1 - x - y) / 800 and y' = -y / 3 together, in milliseconds.
    shared = 3 / (800 - 3) * (decay[1] - decay[0])
    late = np.vstack([np.zeros((2, 32), bool), spikes[:-2]])
    for now, seen_x, seen_u in zip(late, found.probes["ee.x"], found.probes["ee.u"], strict=True):
        u, x, y = u * np.exp(-0.5), 1 + (x - 1) * decay[1] - y * shared, y * decay[0]
        u = np.where(now, u + 0.5 * (1 - u), u)
        y = np.where(now, y + u * x, y)
        x = np.where(now, x - u * x, x)
        assert close(seen_x, x, 1e-9) and close(seen_u, u)


def test_a_place_for_each_difference_of_arrival_times() -> None:
    for difference in (-20, -8, 0, 8, 20):  # steps by which the right ear is later
        ears = {"left": np.zeros((80, 1), bool), "right": np.zeros((80, 1), bool)}
        ears["left"][25], ears["right"][25 + difference] = True, True
        found = run("sound_localisation", ears, 80)
        assert found.outputs["where"] == 10 + difference // 2


def test_a_direction_is_remembered() -> None:
    for place in (3, 17):
        cue = np.zeros((600, 24))
        cue[:100, place] = 1
        found = run("ring_attractor", {"cue": cue}, 600)
        angle = np.arange(24) * 2 * np.pi / 24
        remembered = np.angle(found.outputs["rates"][50:] @ np.exp(1j * (angle - angle[place])))
        assert np.abs(remembered).max() < np.pi / 24
        r = np.full(24, 0.1)
        W, rates = (-3 + 8 * np.cos(angle[:, np.newaxis] - angle)) / 24, np.zeros(24)
        for given, seen in zip(cue, found.outputs["rates"], strict=True):
            target = np.clip(W @ rates + given + 0.2, 0, 1)
            r = rates = target + (r - target) * np.exp(-0.1)
            assert close(seen, rates, 1e-8)


def test_coupling_makes_oscillators_fall_into_step() -> None:
    alone, joined = (run("phase_oscillators", {}, 1500, {"K": K}) for K in ("0 Hz", "40 Hz"))
    assert joined.outputs["order"][-300:].min() > 0.95 > alone.outputs["order"][-300:].mean() + 0.3
    angles = joined.outputs["angles"]
    omega = (alone.outputs["angles"][1] - alone.outputs["angles"][0]) / 1e-3
    pull = np.sin(angles[:-1, np.newaxis, :] - angles[:-1, :, np.newaxis]).sum(axis=2) * 40 / 16
    assert close(angles[1:], angles[:-1] + 1e-3 * (omega + pull), 1e-9)


def test_a_potential_spreads_along_a_cable() -> None:
    x = np.zeros((300, 3, 16))
    x[:, 0, 0], x[:, 1, 8] = 1, 1
    V = np.zeros((3, 16))
    for given, seen in zip(x, run("cable", {"x": x}, 300).outputs["V"], strict=True):
        U = V + 0.01 * (given - V)
        beyond = np.pad(U, ((0, 0), (1, 1)), mode="edge")  # nothing flows through the ends
        V = U + 0.15 * (beyond[:, :-2] + beyond[:, 2:] - 2 * U)
        assert close(seen, V)
    assert np.all(np.diff(V[0]) < 0) and V[1].argmax() == 8 and not V[2].any()


def test_a_damaged_pattern_is_completed() -> None:
    stored = run("associative_memory", {"cue": np.zeros((1, 64))}, 1).outputs["stored"][0]
    for number, pattern in enumerate(stored):
        cue = (pattern > 0).astype(np.float64)
        cue[:8] = 1 - cue[:8]
        found = run("associative_memory", {"cue": np.tile(cue, (8, 1))}, 8).outputs
        assert found["overlaps"][0, number] == 0.75 and found["overlaps"][-1, number] == 1
        assert np.array_equal(found["state"][-1], pattern)


def test_a_volley_needs_enough_spikes() -> None:
    for first, arrives in ((10, True), (3, False)):
        start = np.zeros((400, 10), bool)
        start[0, :first] = True
        volleys = run("synfire_chain", {"start": start}, 400).outputs["volleys"]
        assert volleys.sum(axis=0).tolist() == ([10] * 6 if arrives else [0] * 6)
        if arrives:
            assert np.all(np.diff(volleys.argmax(axis=0)) > 10)


def test_a_liquid_keeps_apart_what_was_heard_before() -> None:
    """Two streams of spikes that end alike leave different states; without connections the trace is shorter lived."""
    heard = np.random.default_rng(1).random((2, 120, 8)) < 0.2
    heard[1, 60:] = heard[0, 60:]
    found = [run("liquid", {"x": x}, 120) for x in heard]
    assert np.array_equal(np.sort(np.unique(found[0].outputs["signs"])), [-1, 1])
    assert not close(found[0].outputs["y"][80], found[1].outputs["y"][80], 1e-3)
    trace = np.zeros(60)
    spikes = raster(found[0], "liquid.spike", (120, 60))
    traces = []
    for step in spikes:
        trace = trace * np.exp(-1 / 30) + step
        traces.append(trace)
    W, _, rank, _ = np.linalg.lstsq(np.array(traces), found[0].outputs["y"], rcond=None)
    assert rank > 30 and close(np.array(traces) @ W, found[0].outputs["y"], 1e-9) and np.abs(W).max() < 0.5


def test_drawn_weights_delays_and_thresholds() -> None:
    x = np.random.default_rng(2).random((80, 14)) < 0.2
    found = run("delay_layer", {"x": x}, 80)
    W, D, theta = (found.outputs[name][0] for name in ("weights", "delays", "thresholds"))
    assert D.min() >= 0 and D.max() < 8 and theta.min() >= 0.5 and theta.max() < 1
    late = np.rint(D).astype(int)
    V = found.probes["cells.V"][0] - sum_of(x, W, late, 0) + np.where(found.outputs["spikes"][0], theta, 0)
    assert np.all((V >= 0) & (0.45 * theta > V)) and np.unique(V / theta).size == 10
    V = found.probes["cells.V"][0]
    for step in range(1, 80):
        V = 0.9 * V + sum_of(x, W, late, step)
        spikes = theta <= V
        V = np.where(spikes, V - theta, V)
        assert np.array_equal(spikes, found.outputs["spikes"][step]) and close(V, found.probes["cells.V"][step])


def sum_of(x: Array, W: Array, late: Array, step: int) -> Array:
    """What arrives in a step: of each source the spike that is as old as the synapse is slow."""
    heard = np.array([[late[i, j] <= step and x[step - late[i, j], i] for j in range(W.shape[1])] for i in range(14)])
    total: Array = (W * heard).sum(axis=0)
    return total


def test_magnesium_blocks_slow_receptors_at_rest() -> None:
    """The gate of a receptor follows the spikes of its source; the block is a matter of the target."""
    x = np.zeros((1500, 12), bool)
    x[100:1300:60, :6] = True
    found = run("receptors", {"x": x}, 1500)
    spikes = raster(found, "exc.spike", (1500, 12))
    assert spikes[:, :6].sum() >= 50
    gate, rise = np.zeros(12), np.zeros(12)
    late = np.vstack([np.zeros((5, 12), bool), spikes[:-5]])
    for now, seen in zip(late, found.probes["slow.s"], strict=True):
        slope = [-gate / 100 + 0.5 * rise * (1 - gate)]
        ahead, risen = gate + 0.1 * slope[0], rise * (1 - 0.1 / 2)
        slope.append(-ahead / 100 + 0.5 * risen * (1 - ahead))
        gate, rise = gate + 0.05 * (slope[0] + slope[1]), rise * (1 - 0.05 + 0.05**2 / 2)
        rise = rise + now
        assert close(seen, gate, 1e-9)
    assert gate.max() > 0.5
