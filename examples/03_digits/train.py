"""Trains a rectified network on digits 0 to 897 and stores it as the weights of a spiking one.

The network has 64 pixels, 256 hidden units and 10 classes.  Each epoch sees every image once, turned,
moved and stretched a little.  Converting it to integrate-and-fire neurons with threshold 1 takes one
number a layer: the activation that shall be one spike a step.  It is the 99th percentile of what the
training images cause; larger activations saturate.

    python train.py             # about ten seconds; writes weights.npz beside this file
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

TRAINING = 898  # images from this index on belong to the demonstration and are never seen here
SIDE = 8
MARGIN = 2
SPIKE_PERCENTILE = 99


def training_images() -> tuple[Array, Labels]:
    """The first 898 images as (898, 8, 8) with values from 0 to 1, and their digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images[:TRAINING] / 16).astype(np.float32), digits.target[:TRAINING].astype(np.int64)


def distort(images: Array, rng: np.random.Generator) -> Array:
    """Each image turned by up to 12 degrees, moved by up to 0.8 pixels, stretched and sheared by up to 15 %."""
    count = len(images)
    angle = np.deg2rad(rng.uniform(-12, 12, (count, 1, 1)))
    stretch_y, stretch_x = rng.uniform(0.85, 1.15, (2, count, 1, 1))
    shear = rng.uniform(-0.15, 0.15, (count, 1, 1))
    move_y, move_x = rng.uniform(-0.8, 0.8, (2, count, 1, 1))

    centre = (SIDE - 1) / 2
    y, x = np.meshgrid(np.arange(SIDE) - centre, np.arange(SIDE) - centre, indexing="ij")
    source_y = (np.cos(angle) * y - np.sin(angle) * x) * stretch_y + move_y + centre
    source_x = (np.sin(angle) * y + np.cos(angle) * x) * stretch_x + shear * y + move_x + centre
    return sample(images, source_y, source_x)


def sample(images: Array, y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> Array:
    """Values of the images at real coordinates (count, 8, 8), bilinear, zero outside."""
    padded = np.pad(images, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))
    last = SIDE + 2 * MARGIN - 1 - 1e-3
    y, x = np.clip(y + MARGIN, 0, last), np.clip(x + MARGIN, 0, last)
    row, column = y.astype(int), x.astype(int)
    down, right = y - row, x - column
    image = np.arange(len(images))[:, None, None]
    top = padded[image, row, column] * (1 - right) + padded[image, row, column + 1] * right
    bottom = padded[image, row + 1, column] * (1 - right) + padded[image, row + 1, column + 1] * right
    values: Array = (top * (1 - down) + bottom * down).astype(np.float32)
    return values


@dataclass
class Network:
    """logits = w2 relu(w1 x + b1) + b2, with the moments that Adam keeps of each array."""

    arrays: dict[str, Array]
    first: dict[str, Array] = field(default_factory=dict)
    second: dict[str, Array] = field(default_factory=dict)
    updates: int = 0

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Hidden activations (count, hidden) and logits (count, classes)."""
        hidden = np.maximum(x @ self.arrays["w1"].T + self.arrays["b1"], 0)
        return hidden, hidden @ self.arrays["w2"].T + self.arrays["b2"]

    def adam(self, gradients: dict[str, Array], rate: float, decay: float) -> None:
        self.updates += 1
        for name, gradient in gradients.items():
            first = self.first.setdefault(name, np.zeros_like(gradient))
            second = self.second.setdefault(name, np.zeros_like(gradient))
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient * gradient - second)
            size = np.sqrt(second / (1 - 0.999**self.updates)) + 1e-8
            array = self.arrays[name]
            array -= rate * (first / (1 - 0.9**self.updates) / size + (decay * array if name[0] == "w" else 0))


def new_network(hidden: int, rng: np.random.Generator) -> Network:
    def weights(rows: int, columns: int) -> Array:
        return rng.normal(0, np.sqrt(2 / columns), (rows, columns)).astype(np.float32)

    return Network(
        {
            "w1": weights(hidden, SIDE * SIDE),
            "w2": weights(10, hidden),
            "b1": np.zeros(hidden, np.float32),
            "b2": np.zeros(10, np.float32),
        }
    )


def gradients(network: Network, x: Array, digits: Labels, drop: float, rng: np.random.Generator) -> dict[str, Array]:
    """Of the mean cross entropy with labels smoothed by 5 %, hidden units dropped with probability `drop`."""
    raw = x @ network.arrays["w1"].T + network.arrays["b1"]
    passed = ((raw > 0) * (rng.random(raw.shape) >= drop) / (1 - drop)).astype(np.float32)
    hidden = raw * passed
    logits = hidden @ network.arrays["w2"].T + network.arrays["b2"]
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    wanted = np.eye(10, dtype=np.float32)[digits] * np.float32(0.95) + np.float32(0.005)
    error = (share - wanted) / np.float32(len(x))
    back = (error @ network.arrays["w2"]) * passed
    return {"w1": back.T @ x, "b1": back.sum(axis=0), "w2": error.T @ hidden, "b2": error.sum(axis=0)}


def train(
    images: Array, digits: Labels, hidden: int = 256, epochs: int = 800, batch: int = 64, seed: int = 0
) -> Network:
    """Adam with a rate that falls from 0.003 to 0 along half a cosine."""
    rng = np.random.default_rng(seed)
    network = new_network(hidden, rng)
    batches = len(images) // batch
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        x, y = distort(images[order], rng).reshape(len(images), -1), digits[order]
        for number in range(batches):
            part = slice(number * batch, (number + 1) * batch)
            done = (epoch * batches + number) / (epochs * batches)
            rate = 0.0015 * (1 + np.cos(np.pi * done))
            network.adam(gradients(network, x[part], y[part], 0.3, rng), rate, decay=0.01)
    return network


def to_spikes(network: Network, images: Array) -> dict[str, Array]:
    """The same network in units of spikes a step: each layer divided by the activation that is one spike a step."""
    hidden, logits = network.forward(images.reshape(len(images), -1))
    unit1 = np.float32(np.percentile(hidden, SPIKE_PERCENTILE))
    unit2 = np.float32(np.percentile(logits, SPIKE_PERCENTILE))
    a = network.arrays
    return {"w1": a["w1"] / unit1, "b1": a["b1"] / unit1, "w2": a["w2"] * (unit1 / unit2), "b2": a["b2"] / unit2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).with_name("weights.npz"))
    parser.add_argument("--epochs", type=int, default=800)
    arguments = parser.parse_args()
    images, digits = training_images()
    network = train(images, digits, epochs=arguments.epochs)
    right = (network.forward(images.reshape(len(images), -1))[1].argmax(axis=1) == digits).mean()
    arrays: dict[str, Any] = dict(to_spikes(network, images))
    np.savez(arguments.out, **arrays)
    print(f"{len(images)} training images, {100 * right:.1f} % right before conversion; wrote {arguments.out}")


if __name__ == "__main__":
    main()
