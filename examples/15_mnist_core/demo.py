"""Classifies MNIST images with the network of model.snn, with real numbers and with integers of 8 and of 4 bits.

The images are the first ones of those that training did not see.  Drawn is how accuracy grows with the number of steps.
The last line printed is `accuracy NN.N % with 8 bits, plot PATH`; the exit status is 1 where integers of 8 bits lose
more than a point against real numbers.

    python demo.py [-o FOLDER] [--images N]
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
import spikec

HERE = Path(__file__).resolve().parent
STEPS = 50
ALLOWED_LOSS = 1.0
PIPELINES = {
    "real numbers": "",
    "8 bits": "quantize{weights=8,state=16,decay=shift}",
    "4 bits": "quantize{weights=4,state=16,decay=shift}",
}


def training() -> ModuleType:
    """train.py, which has the images and their spikes."""
    spec = importlib.util.spec_from_file_location("mnist_core_train", HERE / "train.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def accuracies(x: npt.NDArray[Any], labels: npt.NDArray[np.int64], pipeline: str) -> npt.NDArray[np.float64]:
    """Percent right if the network were stopped after each step; x is (images, steps, 784)."""
    net = spikec.compile(spikec.load(HERE / "model.snn"), pipeline=pipeline)
    votes = net.run({"x": x}, batch=len(x), threads=2).outputs["votes"]
    right = votes.cumsum(axis=1, dtype=np.int32).argmax(axis=2) == labels[:, np.newaxis]
    return np.asarray(100 * right.mean(axis=0))


def draw(curves: dict[str, npt.NDArray[np.float64]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    figure, axes = plt.subplots(figsize=(6, 4))
    for name, curve in curves.items():
        axes.plot(1 + np.arange(len(curve)), curve, label=name)
    axes.set(xlabel="steps", ylabel="images that are right (%)", title="784-128-10 leaky neurons on MNIST")
    axes.legend()
    figure.savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", type=Path, default=Path("build"), metavar="FOLDER", help="where the plot goes")
    parser.add_argument("--images", type=int, default=500, metavar="N", help="how many images (%(default)s)")
    arguments = parser.parse_args()
    train = training()
    _, _, grey, labels = train.images()
    chosen = np.random.default_rng(0).permutation(len(grey))[: arguments.images]
    x, labels = train.spikes(grey[chosen], STEPS, seed=0), labels[chosen]
    curves = {name: accuracies(x, labels, pipeline) for name, pipeline in PIPELINES.items()}
    for name, curve in curves.items():
        print(f"{name}: {curve[-1]:.1f} % of {len(labels)} images after {STEPS} steps")
    arguments.o.mkdir(parents=True, exist_ok=True)
    path = arguments.o / "mnist_core.png"
    draw(curves, path)
    print(f"accuracy {curves['8 bits'][-1]:.1f} % with 8 bits, plot {path}")
    return int(curves["8 bits"][-1] < curves["real numbers"][-1] - ALLOWED_LOSS)


if __name__ == "__main__":
    sys.exit(main())
