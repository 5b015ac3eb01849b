"""The example 07_egru: equal to its equations, sparse, and a language model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import spikec

from tests.examples import scripts
from tests.programs.engines import differences, run_everywhere

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "07_egru"
MODEL = EXAMPLE / "model.snn"
Array = np.ndarray[Any, Any]


def train() -> ModuleType:
    """The script that trains."""
    return scripts.script("examples/07_egru/train.py")


def stored() -> dict[str, Array]:
    with np.load(EXAMPLE / "weights.npz") as file:
        return {name: file[name].astype(np.float64) for name in file.files}


def held_out(count: int) -> Array:
    text: Array = train().texts()[1][:count, None]
    return text


def sigmoid(x: Array) -> Array:
    y: Array = 1 / (1 + np.exp(-x))
    return y


def reference(weights: dict[str, Array], tokens: Array) -> dict[str, Array]:
    """The equations of the cell, one step after the other, in float64."""
    n = len(weights["theta1"])
    h, y = np.zeros((2, n)), np.zeros((2, n))
    found: dict[str, list[Array]] = {name: [] for name in ("next", "h1", "h2", "e1", "e2")}
    for token in tokens[:, 0]:
        x = weights["embed"][token]
        for k in (0, 1):
            below, own = (f"{name}{k + 1}" for name in "wu")
            a = weights[below] @ x + weights[f"b{k + 1}"]
            s = weights[own] @ y[k] + weights[f"d{k + 1}"]
            z, r = sigmoid(a[:n] + s[:n]), sigmoid(a[n : 2 * n] + s[n : 2 * n])
            g = np.tanh(a[2 * n :] + r * s[2 * n :])
            c = z * h[k] + (1 - z) * g
            e = (c >= weights[f"theta{k + 1}"]).astype(float)
            h[k] = c - e * weights[f"theta{k + 1}"]
            x = y[k] = e * c
            found[f"h{k + 1}"].append(h[k].copy())
            found[f"e{k + 1}"].append(e)
        scores = weights["out"] @ x + weights["bias"]
        found["next"].append(np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum())
    return {name: np.array(rows) for name, rows in found.items()}


def small(folder: Path, theta: float | None = None, units: int = 6, seed: int = 3) -> Path:
    """Weights of a network with few cells, drawn."""
    weights = train().new_weights(np.random.default_rng(seed), units, 5)
    if theta is not None:
        weights |= {"theta1": np.full(units, theta), "theta2": np.full(units, theta)}
    path = folder / "small.npz"
    np.savez(path, **{name: value.astype(np.float32) for name, value in weights.items()})
    return path


def test_equals_the_equations() -> None:
    tokens = held_out(400)
    wanted = reference(stored(), tokens)
    run = spikec.compile(spikec.load(MODEL, real=64)).run({"token": tokens}, steps=400)
    assert np.abs(run.outputs["next"] - wanted["next"]).max() < 1e-6
    for number, layer in (("1", "first/y"), ("2", "second/y")):
        assert np.abs(run.probes[f"{layer}.h"] - wanted[f"h{number}"]).max() < 1e-6
        assert np.array_equal(run.probes[f"{layer}.spike"], np.argwhere(wanted[f"e{number}"]))


def test_single_precision_equals_the_equations_until_an_event_differs() -> None:
    tokens = held_out(200)
    wanted = reference(stored(), tokens)
    run = spikec.compile(spikec.load(MODEL)).run({"token": tokens}, steps=200)
    events = np.zeros_like(wanted["e1"])
    events[tuple(run.probes["first/y.spike"].T)] = 1
    differing = np.nonzero((events != wanted["e1"]).any(axis=1))[0]
    until = int(differing[0]) if len(differing) else 200
    assert until >= 20
    assert np.abs(run.probes["first/y.h"] - wanted["h1"])[:until].max() < 1e-5


def test_every_engine_gives_the_same_bits(tmp_path: Path) -> None:
    model = tmp_path / "model.snn"
    model.write_text(MODEL.read_text())
    small(tmp_path).rename(tmp_path / "weights.npz")
    for real in (32, 64):
        runs = run_everywhere(model, {"token": held_out(12)}, steps=12, real=real)
        assert differences(runs) == []
        assert all(count > 0 for count in runs["cpu"].counts.values())


def test_without_a_threshold_it_is_a_gru_whose_positive_part_is_seen(tmp_path: Path) -> None:
    """theta = 0: h is c, as in a GRU, and what is sent is c where c > 0."""
    path = small(tmp_path, theta=0.0)
    with np.load(path) as file:
        weights = {name: file[name].astype(np.float64) for name in file.files}
    n, tokens = 6, held_out(60)
    h, wanted = np.zeros(n), []
    for token in tokens[:, 0]:
        a = weights["w1"] @ weights["embed"][token]
        s = weights["u1"] @ np.maximum(h, 0)
        z, r = sigmoid((a + s)[:n]), sigmoid((a + s)[n : 2 * n])
        h = z * h + (1 - z) * np.tanh(a[2 * n :] + r * s[2 * n :])
        wanted.append(h)
    run = spikec.compile(spikec.load(MODEL, {"weights": path}, real=64)).run({"token": tokens}, steps=60)
    assert np.abs(run.probes["first/y.h"] - wanted).max() < 1e-9
    sent = np.zeros((60, n))
    sent[tuple(run.probes["first/y.spike"].T)] = run.probes["first/y.event"]
    assert np.abs(sent - np.maximum(wanted, 0)).max() < 1e-9


def test_gradients_of_the_training(tmp_path: Path) -> None:
    """Against finite differences, where they are exact: in the readout's weights."""
    script = train()
    weights = script.new_weights(np.random.default_rng(1), 6, 5)
    tokens = held_out(24).reshape(2, 12)

    def bits() -> tuple[float, dict[str, Array]]:
        found: tuple[float, dict[str, Array]] = script.loss_and_gradients(
            weights, tokens, {layer: (np.zeros((2, 6)), np.zeros((2, 6))) for layer in script.LAYERS}
        )
        return found

    gradients = bits()[1]
    for name, place in (("out", (3, 2)), ("bias", (5,))):
        weights[name][place] += 1e-5
        above = bits()[0]
        weights[name][place] -= 2e-5
        below = bits()[0]
        weights[name][place] += 1e-5
        assert gradients[name][place] == pytest.approx((above - below) / 2e-5 * np.log(2), abs=1e-6)


def test_the_demonstration(tmp_path: Path) -> None:
    """More than 60 % of the cells are silent, and it knows more than which character follows which."""
    done = subprocess.run([sys.executable, EXAMPLE / "demo.py", "-o", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, last = done.stdout.splitlines()
    assert float(last.split()[0]) < 3.2
    assert Path(last.split()[-1]).read_bytes().startswith(b"\x89PNG")
    assert (EXAMPLE / "weights.npz").stat().st_size < 200_000
