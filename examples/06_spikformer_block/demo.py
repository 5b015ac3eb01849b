"""Compiles model.snn twice, with real numbers and with integers, and lets both classify 359 digits.

The images are every fifth of scikit-learn's digits, which `train.py` never read.  The last line printed is
`accuracy NN.N %, with 8-bit weights NN.N %`; the exit status is 1 if the first is below 95 % or the second more than
one point lower.

    python demo.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec

HERE = Path(__file__).resolve().parent
STEPS = 4
INTEGERS = "quantize{weights=8,state=16}"
WANTED_PERCENT = 95.0
MOST_LOST = 1.0

Array = npt.NDArray[Any]


def test_images() -> tuple[Array, Array]:
    """Images (359, 1, 8, 8) with values from 0 to 1, and their digits: those whose number is 4 modulo 5."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images[4::5, None] / 16).astype(np.float32), digits.target[4::5].astype(np.int64)


def classify(title: str, images: Array, digits: Array, pipeline: str = "") -> float:
    """Percent right; prints it with time, and how many spikes and additions it took."""
    net = spikec.compile(spikec.load(HERE / "model.snn"), pipeline=pipeline)
    run = net.run({"x": images}, STEPS, len(images))
    percent = 100 * float((run.outputs["label"] == digits).mean())
    seconds = f"{run.seconds['run']:.2f} s after {run.seconds['compile']:.2f} s of compiling"
    print(f"{title}: {percent:.1f} % of {len(images)} images, {seconds}")
    spikes = {name: count / len(images) for name, count in run.counts.items()}
    additions = run.synaptic_events / len(images)
    print(f"  {sum(spikes.values()):.0f} spikes and {additions:.0f} additions of a weight for an image")
    attention = ", ".join(f"{spikes[f'c4/{name}']:.0f} of {name}" for name in "qkvt")
    print(f"  attention: {attention}", flush=True)
    return percent


def main() -> int:
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None).parse_args()
    images, digits = test_images()
    real = classify("real numbers", images, digits)
    whole = classify("8-bit weights, 16-bit states", images, digits, INTEGERS)
    print(f"accuracy {real:.1f} %, with 8-bit weights {whole:.1f} %")
    return 0 if real >= WANTED_PERCENT and whole >= real - MOST_LOST else 1


if __name__ == "__main__":
    sys.exit(main())
