"""Trains the two-layer event-based GRU of model.snn on the descriptions of scikit-learn's data sets, with numpy only.

Backpropagation through time, with a triangle in place of the derivative of an event, and Adam.  The last tenth
of each text is never seen here.  Weights are rounded to multiples of 1/64, which makes the file small.

    python train.py             # some minutes; writes weights.npz beside this file
"""

from __future__ import annotations

import argparse
import importlib.resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

ALPHABET = " abcdefghijklmnopqrstuvwxyz0.,:-()'"
UNITS = 96
EMBEDDING = 48
CONTEXT = 48  # characters that a gradient goes back
BATCH = 32
HEIGHT = 0.3  # of the triangle that replaces the derivative of an event
PRICE = 0.05  # what it costs in the loss if all cells send an event in every step
GRAIN = 64  # weights are multiples of 1 / GRAIN
LAYERS = ("1", "2")


def encode(text: str) -> npt.NDArray[np.int64]:
    """Numbers of characters: all digits are 0, what is not in the alphabet is a space, spaces do not repeat."""
    plain = "".join("0" if c.isdigit() else c if c in ALPHABET else " " for c in text.lower())
    return np.array([ALPHABET.index(c) for c in " ".join(plain.split()) + " "], np.int64)


def texts() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What is trained on, and the last tenth of each text, both as one row of numbers."""
    folder = importlib.resources.files("sklearn") / "datasets" / "descr"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".rst")), key=lambda file: file.name)
    rows = [encode(file.read_text(encoding="utf-8")) for file in files]
    return np.concatenate([r[: -len(r) // 10] for r in rows]), np.concatenate([r[-len(r) // 10 :] for r in rows])


def new_weights(rng: np.random.Generator, units: int = UNITS, embedding: int = EMBEDDING) -> Arrays:
    """Weights before training; layer k has w, b (from below) and u, d (from itself), rows: update, reset, candidate."""

    def normal(rows: int, columns: int) -> Array:
        return rng.normal(0, columns**-0.5, (rows, columns))

    arrays = {"embed": rng.normal(0, 1, (len(ALPHABET), embedding))}
    for name, below in zip(LAYERS, (embedding, units), strict=True):
        arrays |= {f"w{name}": normal(3 * units, below), f"u{name}": normal(3 * units, units)}
        arrays |= {f"b{name}": np.zeros(3 * units), f"d{name}": np.zeros(3 * units)}
        arrays[f"theta{name}"] = np.full(units, 0.3)
    return arrays | {"out": normal(len(ALPHABET), units), "bias": np.zeros(len(ALPHABET))}


def sigmoid(x: Array) -> Array:
    y: Array = 1 / (1 + np.exp(-x))
    return y


def cell(weights: Arrays, layer: str, x: Array, y: Array, h: Array) -> tuple[Array, Array, tuple[Array, ...]]:
    """One step of a layer: x, the events y and the states h of the step before, each (batch, units), to y and h.

    z, r = sigmoid, g = tanh, c = z h + (1 - z) g, e = [c >= theta], y = e c, h = c - e theta.
    """
    theta = weights[f"theta{layer}"]
    n = len(theta)
    a = x @ weights[f"w{layer}"].T + weights[f"b{layer}"]
    s = y @ weights[f"u{layer}"].T + weights[f"d{layer}"]
    z, r = sigmoid(a[:, :n] + s[:, :n]), sigmoid(a[:, n : 2 * n] + s[:, n : 2 * n])
    g = np.tanh(a[:, 2 * n :] + r * s[:, 2 * n :])
    c = z * h + (1 - z) * g
    e = c >= theta
    return e * c, c - e * theta, (x, y, h, z, r, g, s[:, 2 * n :], c, e)


def cell_back(weights: Arrays, layer: str, saved: tuple[Array, ...], dy: Array, dh: Array, sums: Arrays) -> list[Array]:
    """Gradients of x, y and h from before the step, given those of y and h behind it; those of weights go to `sums`."""
    x, y, h, z, r, g, s, c, e = saved
    theta = weights[f"theta{layer}"]
    price = PRICE / (BATCH * CONTEXT * len(theta))
    event = (dy * c - dh * theta + price) * HEIGHT * np.maximum(0, 1 - np.abs(c - theta))
    dc = dh + dy * e + event
    candidate = dc * (1 - z) * (1 - g * g)
    update = dc * (h - g) * z * (1 - z)
    reset = candidate * s * r * (1 - r)
    da = np.concatenate([update, reset, candidate], axis=1)
    ds = np.concatenate([update, reset, candidate * r], axis=1)
    for name, value in (("w", da.T @ x), ("b", da.sum(0)), ("u", ds.T @ y), ("d", ds.sum(0))):
        sums[name + layer] += value
    sums[f"theta{layer}"] -= (dh * e + event).sum(0)
    return [da @ weights[f"w{layer}"], ds @ weights[f"u{layer}"], dc * z]


def loss_and_gradients(weights: Arrays, tokens: Array, state: dict[str, tuple[Array, Array]]) -> tuple[float, Arrays]:
    """Mean of -log2 p over tokens (batch, steps + 1), and its gradients; `state` is that of the layers."""
    steps = tokens.shape[1] - 1
    saved: list[dict[str, tuple[Array, ...]]] = []
    tops, errors = [], []
    bits = 0.0
    for t in range(steps):
        x = weights["embed"][tokens[:, t]]
        saved.append({})
        for layer in LAYERS:
            x, h, saved[t][layer] = cell(weights, layer, x, *state[layer])
            state[layer] = x, h
        scores = x @ weights["out"].T + weights["bias"]
        chance = np.exp(scores - scores.max(1, keepdims=True))
        chance /= chance.sum(1, keepdims=True)
        right = np.arange(len(tokens)), tokens[:, t + 1]
        bits -= float(np.log2(chance[right]).sum())
        chance[right] -= 1
        tops.append(x)
        errors.append(chance / (len(tokens) * steps))
    sums = {name: np.zeros_like(value) for name, value in weights.items()}
    back = {layer: [np.zeros_like(part) for part in state[layer]] for layer in LAYERS}
    for t in reversed(range(steps)):
        sums["out"] += errors[t].T @ tops[t]
        sums["bias"] += errors[t].sum(0)
        dx = errors[t] @ weights["out"]
        for layer in reversed(LAYERS):
            dy, dh = back[layer]
            dx, *back[layer] = cell_back(weights, layer, saved[t][layer], dx + dy, dh, sums)
        np.add.at(sums["embed"], tokens[:, t], dx)
    return bits / (len(tokens) * steps), sums


def train(text: Array, updates: int, seed: int = 0, show: bool = False) -> Arrays:
    """Adam with a rate that falls along half a cosine; each row of a batch reads its own part of the text."""
    rng = np.random.default_rng(seed)
    weights = {name: value.astype(np.float32) for name, value in new_weights(rng).items()}
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    place = rng.integers(0, len(text), BATCH)
    nothing = np.zeros((BATCH, UNITS), np.float32)
    state = dict.fromkeys(LAYERS, (nothing, nothing))
    for update in range(updates):
        tokens = text[(place[:, None] + np.arange(CONTEXT + 1)) % len(text)]
        place += CONTEXT
        bits, gradients = loss_and_gradients(weights, tokens, state)
        size = np.sqrt(sum(float((g * g).sum()) for g in gradients.values()))
        rate = 0.006 * (1 + np.cos(np.pi * update / updates)) / 2
        for name, value in weights.items():
            gradient = gradients[name] * min(1.0, 0.5 / size)
            first[name] += 0.1 * (gradient - first[name])
            second[name] += 0.01 * (gradient * gradient - second[name])
            moments = first[name] / (1 - 0.9 ** (update + 1)), second[name] / (1 - 0.99 ** (update + 1))
            value -= (rate * moments[0] / (np.sqrt(moments[1]) + 1e-8)).astype(np.float32)
            if name.startswith("theta"):
                np.maximum(value, 0.05, out=value)
        if show and (update + 1) % 50 == 0:
            active = [float((state[layer][0] != 0).mean()) for layer in LAYERS]
            print(f"{update + 1:5} {bits:.3f} bits a character, active {active[0]:.2f} {active[1]:.2f}", flush=True)
    return {name: (np.round(value * GRAIN) / GRAIN).astype(np.float32) for name, value in weights.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).with_name("weights.npz"))
    parser.add_argument("--updates", type=int, default=3500)
    arguments = parser.parse_args()
    weights = train(texts()[0], arguments.updates, show=True)
    np.savez_compressed(arguments.out, **weights)
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
