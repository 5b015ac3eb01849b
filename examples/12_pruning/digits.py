"""Prunes the network of 03_digits to a tenth of its weights and trains on what stays, with numpy only.

Pruning goes in stages: a mask leaves ever fewer hidden neurons, those that matter most; `sparsify` chooses which of
their weights stay, these are trained on, and the others stay zero.  The network is trained as what its neurons do over
many steps: rates between 0 and 1 spike a step, and each spike has a price.  Neurons stand in the order of what they
matter, so that those that are left lie side by side and fill a few registers.

    python digits.py            # about a minute; writes digits.npz beside this file
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from train import HERE, base, descended, masks

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

DIGITS = HERE.parent / "03_digits"
STAGES = (0.7, 0.5, 0.35, 0.25, 0.18, 0.13, 0.1)
NEURONS = 64  # that are left after the last stage
VOTES = 6  # weights to the classes that a neuron keeps at least, on average
STEPS = 100  # that an image is shown: pixels are as noisy as their spikes
PIPELINE = "sparsify{{density={density},floor={floor},mask={mask}}}"
SHARPNESS = 4.0  # of the answer: a class that spikes in every step has this logit
PRICE = 0.003  # of one hidden spike a step, in units of the cross entropy
BATCH = 64


def gradients(a: Arrays, x: Array, wanted: npt.NDArray[np.int64]) -> Arrays:
    """Of the mean cross entropy, with labels smoothed by 5 %, and of the price of hidden spikes."""
    raw = x @ a["w1"].T + a["b1"]
    hidden = np.clip(raw, 0, 1)
    logits = SHARPNESS * (hidden @ a["w2"].T + a["b2"])
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    error = (share - (np.eye(10, dtype=np.float32)[wanted] * 0.95 + 0.005)) * np.float32(SHARPNESS / len(x))
    back = (error @ a["w2"] + np.float32(PRICE / len(x))) * ((raw > 0) & (raw < 1))
    return {"w1": back.T @ x, "b1": back.sum(axis=0), "w2": error.T @ hidden, "b2": error.sum(axis=0)}


def finetuned(arrays: Arrays, kept: Arrays, epochs: int) -> Arrays:
    """Trained on, where masks leave weights, with images as noisy as their spikes."""
    trained = descended(arrays, kept, gradients, epochs, 1e-3, BATCH, noisy)
    return to_rates(trained, base.training_images()[0].reshape(-1, 64))


def noisy(x: Array, rng: np.random.Generator) -> Array:
    """The share of the steps in which each pixel spikes."""
    return (rng.binomial(STEPS, np.clip(x, 0, 1)) / STEPS).astype(np.float32)


def to_rates(a: Arrays, x: Array) -> Arrays:
    """Logits from 0 (their median) to one spike a step (their 99th percentile), which changes no answer."""
    logits = np.clip(x @ a["w1"].T + a["b1"], 0, 1) @ a["w2"].T + a["b2"]
    low, high = np.percentile(logits, [50, 99]).astype(np.float32)
    return {**a, "w2": a["w2"] / (high - low), "b2": (a["b2"] - low) / (high - low)}


def ordered(a: Arrays, x: Array) -> Arrays:
    """The same network with its hidden neurons in the order of how much their rates change the answer."""
    rates = np.clip(x @ a["w1"].T + a["b1"], 0, 1)
    order = np.argsort(-rates.std(axis=0) * np.linalg.norm(a["w2"], axis=0))
    return {**a, "w1": a["w1"][order], "b1": a["b1"][order], "w2": a["w2"][:, order]}


def chosen(arrays: Arrays, density: float) -> Arrays:
    """The masks of a stage: so many weights, of the neurons that it leaves."""
    every, last = len(arrays["b1"]), STAGES[-1]
    left = round(NEURONS + (every - NEURONS) * (density - last) / (1 - last))
    stays = np.arange(every) < left
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "mask.npz"
        np.savez(mask, W1=np.tile(stays[:, np.newaxis], 64), W2=np.tile(stays, (10, 1)))
        pipeline = PIPELINE.format(density=density, floor=VOTES * left, mask=mask)
        return masks(DIGITS / "digits.snn", arrays, pipeline)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=90, help="of each stage; the last one has three times as many")
    parser.add_argument("-o", "--out", type=Path, default=HERE / "digits.npz")
    arguments = parser.parse_args()
    with np.load(DIGITS / "weights.npz") as file:
        arrays: Arrays = {name: file[name].astype(np.float32) for name in file.files}
    arrays = ordered(arrays, base.training_images()[0].reshape(-1, 64))
    for density in STAGES:
        arrays = finetuned(arrays, chosen(arrays, density), arguments.epochs * (3 if density == STAGES[-1] else 1))
    np.savez_compressed(arguments.out, **arrays)  # type: ignore[arg-type]
    left = sum(int(np.count_nonzero(arrays[name])) for name in ("w1", "w2"))
    print(f"{left} weights are left; wrote {arguments.out}")


if __name__ == "__main__":
    main()
