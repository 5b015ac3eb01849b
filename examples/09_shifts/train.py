"""Trains a network on digits 0 to 897 whose weights are 0 or +-2^k, and stores it as the weights of a spiking one.

The weights that are trained are real; each batch sees them projected to the nearest of 0 and +-2^k, with k from -6 to
0 (4 bits), and changes the real ones by the gradient there.  Images, their distortions, the loss and Adam are those of
`03_digits/train.py`, and so is the conversion: one threshold a layer, the activation that shall be one spike a step.

    python train.py             # about twenty seconds; writes weights.npz and, with real weights, real.npz
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

HERE = Path(__file__).resolve().parent
HIDDEN = 128
EXPONENTS = range(-6, 1)
GREY_LEVELS = 16


def digits_example() -> ModuleType:
    """The training script of the example 03_digits."""
    spec = importlib.util.spec_from_file_location("digits_train", HERE.parent / "03_digits" / "train.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


base = digits_example()


def projected(weights: Array) -> Array:
    """The nearest of 0 and +-2^k to each weight, with k in EXPONENTS."""
    size = np.abs(weights)
    with np.errstate(divide="ignore"):
        below = np.clip(np.floor(np.log2(size)), EXPONENTS[0], EXPONENTS[-1])
    power = np.exp2(below + (size > 1.5 * np.exp2(below)))
    power = np.minimum(power, 2.0 ** EXPONENTS[-1])
    values: Array = (np.sign(weights) * np.where(size < 2.0 ** (EXPONENTS[0] - 1), 0, power)).astype(np.float32)
    return values


def shifting(network: Any) -> Any:
    """The network with projected weights; biases stay."""
    return base.Network({name: projected(a) if name[0] == "w" else a for name, a in network.arrays.items()})


def train(images: Array, digits: Labels, real: bool = False, epochs: int = 800, batch: int = 64, seed: int = 0) -> Any:
    """The trained network, its weights powers of two, or, for comparison, `real`."""
    rng = np.random.default_rng(seed)
    network = base.new_network(HIDDEN, rng)
    batches = len(images) // batch
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        x, y = base.distort(images[order], rng).reshape(len(images), -1), digits[order]
        for number in range(batches):
            part = slice(number * batch, (number + 1) * batch)
            done = (epoch * batches + number) / (epochs * batches)
            rate = 0.0015 * (1 + np.cos(np.pi * done))
            seen = network if real else shifting(network)
            network.adam(base.gradients(seen, x[part], y[part], 0.3, rng), rate, decay=0.01)
    return network if real else shifting(network)


def to_spikes(network: Any, images: Array) -> dict[str, Array]:
    """The same network on pixels from 0 to 16: weights as they are, biases and a threshold for each layer."""
    hidden, logits = network.forward(images.reshape(len(images), -1))
    unit1 = np.percentile(hidden, base.SPIKE_PERCENTILE)
    unit2 = np.percentile(logits, base.SPIKE_PERCENTILE)
    a = network.arrays
    return {
        "w1": a["w1"],
        "b1": (a["b1"] * GREY_LEVELS).astype(np.float32),
        "t1": np.full(HIDDEN, unit1 * GREY_LEVELS, np.float32),
        "w2": a["w2"],
        "b2": (a["b2"] / unit1).astype(np.float32),
        "t2": np.full(len(a["b2"]), unit2 / unit1, np.float32),
    }


def accuracy(network: Any, images: Array, digits: Labels) -> float:
    """Percent right of the network without spikes."""
    return 100 * float((network.forward(images.reshape(len(images), -1))[1].argmax(axis=1) == digits).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=HERE, help="folder of the files")
    parser.add_argument("--epochs", type=int, default=800)
    arguments = parser.parse_args()
    images, digits = base.training_images()
    for name, real in (("weights.npz", False), ("real.npz", True)):
        network = train(images, digits, real, arguments.epochs)
        arrays = to_spikes(network, images)
        np.savez_compressed(arguments.out / name, **arrays)
        right = accuracy(network, images, digits)
        print(f"{len(images)} training images, {right:.1f} % right before conversion; wrote {arguments.out / name}")


if __name__ == "__main__":
    main()
