"""Trains the network of model.snn on digits 0 to 897, and prunes it, with numpy and spikec.

Backpropagation through time with a triangle in place of the derivative of a spike, and Adam.  Pruning goes in stages:
`sparsify` chooses which weights stay, these are trained on, and the others stay zero.  Weights are rounded to
multiples of 1/256, which makes the files small.

    python train.py             # about a minute; writes dense.npz
    python train.py --prune     # about two minutes more; reads dense.npz and writes sparse.npz
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec
from spikec.dialects import snn

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Labels = npt.NDArray[np.int64]

HERE = Path(__file__).resolve().parent
STEPS = 12
DECAY = float(np.exp(-1 / 10))  # of a membrane in a step of 1 ms
HEIGHT = 0.5  # of the triangle
BATCH = 32
GRAIN = 256
SHARPNESS = 4.0  # of the answer: votes a step are this much of a logit
FLOOR = 512  # weights of each layer at least
STAGES = (0.5, 0.25, 0.15, 0.1)  # the densities on the way


def digits_example() -> ModuleType:
    """The training script of the example 03_digits."""
    spec = importlib.util.spec_from_file_location("digits_train", HERE.parent / "03_digits" / "train.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


base = digits_example()


def new_weights(rng: np.random.Generator) -> Arrays:
    def normal(rows: int, columns: int, gain: float) -> Array:
        return rng.normal(0, gain / np.sqrt(columns), (rows, columns)).astype(np.float32)

    biases = {name: np.zeros(256, np.float32) for name in ("b1", "b2")}
    return {"w1": normal(256, 64, 1.0), "w2": normal(256, 256, 2.0), "w3": normal(10, 256, 1.0), **biases}


@dataclass
class Layer:
    """A layer of leaky neurons in all steps: what it emitted, and the triangle of each membrane at its threshold."""

    V: Array
    spikes: list[Array] = field(default_factory=list)
    slopes: list[Array] = field(default_factory=list)

    def step(self, current: Array) -> Array:
        V = self.V * np.float32(DECAY) + current
        spikes = (V >= 1).astype(np.float32)
        self.V = V - spikes
        self.spikes.append(spikes)
        self.slopes.append(HEIGHT * np.maximum(0, 1 - np.abs(V - 1)).astype(np.float32))
        return spikes


def forward(a: Arrays, x: Array) -> tuple[Layer, Layer, Array]:
    """Both layers and the mean votes (count, 10)."""
    first, second = (Layer(np.zeros((len(x), 256), np.float32)) for _ in range(2))
    current = x @ a["w1"].T + a["b1"]
    votes = np.zeros((len(x), 10), np.float32)
    for _ in range(STEPS):
        votes += second.step(first.step(current) @ a["w2"].T + a["b2"]) @ a["w3"].T
    return first, second, votes / STEPS


def gradients(a: Arrays, x: Array, wanted: Labels) -> Arrays:
    """Of the mean cross entropy, with labels smoothed by 5 %.  A reset counts as no function of the membrane."""
    first, second, votes = forward(a, x)
    share = np.exp(SHARPNESS * (votes - votes.max(axis=1, keepdims=True)))
    share /= share.sum(axis=1, keepdims=True)
    error = (share - (np.eye(10, dtype=np.float32)[wanted] * 0.95 + 0.005)) * np.float32(SHARPNESS / STEPS / len(x))
    found = {
        "w3": error.T @ np.sum(second.spikes, axis=0),
        **{k: np.zeros_like(a[k]) for k in ("w1", "b1", "w2", "b2")},
    }
    back1, back2 = np.zeros_like(first.V), np.zeros_like(second.V)
    from_votes, total = error @ a["w3"], np.zeros_like(first.V)
    for t in reversed(range(STEPS)):
        back2 = from_votes * second.slopes[t] + np.float32(DECAY) * back2
        found["w2"] += back2.T @ first.spikes[t]
        found["b2"] += back2.sum(axis=0)
        back1 = (back2 @ a["w2"]) * first.slopes[t] + np.float32(DECAY) * back1
        total += back1
    found["w1"], found["b1"] = total.T @ x, total.sum(axis=0)
    return found


def train(arrays: Arrays, epochs: int, rate: float, masks: Arrays | None = None) -> Arrays:
    """The weights after training, as multiples of 1/256."""
    trained = descended(arrays, masks or {}, gradients, epochs, rate, BATCH)
    return {name: (np.round(array * GRAIN) / GRAIN).astype(np.float32) for name, array in trained.items()}


def descended(
    arrays: Arrays,
    masks: Arrays,
    gradients: Callable[[Arrays, Array, Labels], Arrays],
    epochs: int,
    rate: float,
    batch: int,
    shown: Callable[[Array, np.random.Generator], Array] = lambda x, rng: x,
) -> Arrays:
    """Adam with a rate that falls to zero along half a cosine; where a mask is zero, weights are and stay zero.

    `shown` makes what the network sees of images (count, 64).
    """
    rng = np.random.default_rng(0)
    images, answers = base.training_images()
    network = base.Network({name: (array * masks.get(name, 1)).astype(np.float32) for name, array in arrays.items()})
    batches = len(images) // batch
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        x = shown(base.distort(images[order], rng).reshape(len(images), -1), rng)
        for number in range(batches):
            part = slice(number * batch, (number + 1) * batch)
            now = 0.5 * rate * (1 + np.cos(np.pi * (epoch + number / batches) / epochs))
            network.adam(gradients(network.arrays, x[part], answers[order[part]]), now, decay=0.0)
            for name, mask in masks.items():
                network.arrays[name] *= mask
    found: Arrays = network.arrays
    return found


def accuracy(a: Arrays, x: Array, y: Labels) -> float:
    """Percent."""
    return 100 * float((forward(a, x)[2].argmax(axis=1) == y).mean())


def masks(model: Path, arrays: Arrays, pipeline: str) -> Arrays:
    """Which weights of a model with these arrays a pruning pass keeps: 1 or 0, for w1, w2 and so on."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "weights.npz", **arrays)  # type: ignore[arg-type]
        network = spikec.load(model, params={"weights": str(Path(folder) / "weights.npz")})
    pruned = spikec.pipeline(pipeline)(network)
    kept = [pruned.constants[view.weight.value] != 0 for view in pruned.ops(snn.Synapses)]
    # `W1 @ x` stores W1 with a row for each source.
    return {f"w{number}": mask.T.astype(np.float32) for number, mask in enumerate(kept, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--prune", action="store_true", help="prune dense.npz instead of training it")
    parser.add_argument("--epochs", type=int, help="of the training (200), or of each stage (150)")
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    if arguments.prune:
        with np.load(HERE / "dense.npz") as file:
            arrays = {name: file[name].astype(np.float32) for name in file.files}
        for density in STAGES:
            kept = masks(HERE / "model.snn", arrays, f"sparsify{{density={density},floor={FLOOR}}}")
            arrays = train(arrays, arguments.epochs or 150, 1e-3, kept)
    else:
        arrays = train(new_weights(np.random.default_rng(0)), arguments.epochs or 200, 2e-3)
    out = arguments.out or HERE / ("sparse.npz" if arguments.prune else "dense.npz")
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    images, answers = base.training_images()
    print(
        f"{accuracy(arrays, images.reshape(len(images), -1), answers):.1f} % of the training images right; wrote {out}"
    )


if __name__ == "__main__":
    main()
