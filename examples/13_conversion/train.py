"""Trains the two networks of this example on four fifths of scikit-learn's digits, with numpy only.

Both are one layer of ReLUs and a readout: `mlp` sees an image of 64 pixels at once, `rnn` its rows of 8 one after the
other.  Backpropagation (through time) and Adam.  Every fifth image is never seen here.

    python train.py             # some seconds; writes mlp.npz and rnn.npz beside this file
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

FIFTH = 5
# Of each network: steps of a sequence, inputs of a step, hidden units.
SHAPES = {"mlp": (1, 64, 128), "rnn": (8, 8, 64)}
GREY_LEVELS = 16  # pixels are whole numbers up to this


def digits(test: bool) -> tuple[Array, Array]:
    """Images as (count, 64) whole numbers, and their digits: every fifth, or the others."""
    from sklearn.datasets import load_digits

    found = load_digits()
    chosen = (np.arange(len(found.data)) % FIFTH == FIFTH - 1) == test
    return found.data[chosen].astype(np.float32), found.target[chosen]


def new_weights(name: str, rng: np.random.Generator) -> Arrays:
    """W from the input, U from the hidden units themselves (`rnn`), V to the classes, and biases."""
    steps, inputs, hidden = SHAPES[name]
    arrays = {
        "W": rng.normal(0, (2 / inputs) ** 0.5 / GREY_LEVELS, (hidden, inputs)),
        "b": np.zeros(hidden),
        "V": rng.normal(0, hidden**-0.5, (10, hidden)),
        "c": np.zeros(10),
    }
    if steps > 1:
        arrays["U"] = 0.9 * np.linalg.qr(rng.normal(size=(hidden, hidden)))[0]
    return arrays


def forward(arrays: Arrays, x: Array) -> tuple[list[Array], Array]:
    """The hidden units after each step of x, (count, steps, inputs), and the logits after the last."""
    states = [np.zeros((len(x), len(arrays["b"])))]
    for t in range(x.shape[1]):
        back = states[-1] @ arrays["U"].T if "U" in arrays else 0.0
        states.append(np.maximum(x[:, t] @ arrays["W"].T + back + arrays["b"], 0.0))
    return states, states[-1] @ arrays["V"].T + arrays["c"]


def gradients(arrays: Arrays, x: Array, labels: Array) -> Arrays:
    """Of the mean cross entropy after the last step."""
    states, logits = forward(arrays, x)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = odds / odds.sum(axis=1, keepdims=True)
    error[np.arange(len(x)), labels] -= 1.0
    error /= len(x)
    found = {name: np.zeros_like(array) for name, array in arrays.items()}
    found["V"], found["c"] = error.T @ states[-1], error.sum(axis=0)
    flow = error @ arrays["V"]
    for t in reversed(range(x.shape[1])):
        flow = flow * (states[t + 1] > 0)
        found["W"] += flow.T @ x[:, t]
        found["b"] += flow.sum(axis=0)
        if "U" in arrays:
            found["U"] += flow.T @ states[t]
            flow = flow @ arrays["U"]
    return found


def train(name: str, epochs: int = 60, seed: int = 1) -> Arrays:
    """The weights of a network, as they are stored."""
    rng = np.random.default_rng(seed)
    images, labels = digits(test=False)
    x = images.reshape(len(images), *SHAPES[name][:2])
    arrays = new_weights(name, rng)
    mean, square = ({key: np.zeros_like(a) for key, a in arrays.items()} for _ in range(2))
    count = 0
    for epoch in range(epochs):
        rate = 3e-3 * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
        for some in np.array_split(rng.permutation(len(x)), len(x) // 48):
            count += 1
            for key, gradient in gradients(arrays, x[some], labels[some]).items():
                mean[key] += 0.1 * (gradient - mean[key])
                square[key] += 0.001 * (gradient**2 - square[key])
                step = mean[key] / (1 - 0.9**count) / (np.sqrt(square[key] / (1 - 0.999**count)) + 1e-8)
                # Weights of pixels are small, since pixels are large.
                arrays[key] -= rate * step / (GREY_LEVELS if key == "W" else 1)
    return {key: array.astype(np.float32) for key, array in arrays.items()}


def accuracy(arrays: Arrays, name: str) -> float:
    """Percent of the images that training does not see."""
    images, labels = digits(test=True)
    logits = forward(arrays, images.reshape(len(images), *SHAPES[name][:2]))[1]
    return 100 * float(np.mean(logits.argmax(axis=1) == labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).resolve().parent, help="folder of the weights")
    folder: Path = parser.parse_args().out
    for name in SHAPES:
        arrays = train(name)
        np.savez_compressed(folder / f"{name}.npz", **arrays)
        print(f"{name}: {accuracy(arrays, name):.2f} % of the images that it has not seen")


if __name__ == "__main__":
    main()
