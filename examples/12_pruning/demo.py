"""Prunes the network of model.snn and compares accuracy and work on images that no training saw.

    python demo.py [-o FOLDER]

Pruning alone costs accuracy; training on what stays brings it back.  The exit status is 1 where a tenth of the weights,
trained again, loses more than two points against all of them.
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
FIRST_TEST_IMAGE = 898
STEPS = 12
ALLOWED_POINTS = 2.0

# What is run: the weights' file, and the pipeline.
NETWORKS = {
    "all weights": ("dense.npz", ""),
    "half of them": ("dense.npz", "sparsify{density=0.5,floor=512}"),
    "a tenth": ("dense.npz", "sparsify{density=0.1,floor=512}"),
    "a tenth, trained again": ("sparse.npz", "sparsify"),
    "and in 8 bits": ("sparse.npz", "sparsify,quantize{weights=8}"),
}


def test_images() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Images 898 to 1796 as (899, 64) with values from 0 to 1, and their digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.data[FIRST_TEST_IMAGE:] / 16).astype(np.float32), digits.target[FIRST_TEST_IMAGE:].astype(np.int64)


def network(weights: str, pipeline: str) -> Any:
    """The program at level `snn` after the pipeline."""
    program = spikec.load(HERE / "model.snn", params={"weights": str(HERE / weights)})
    return spikec.pipeline(f"canonicalize,{pipeline}" if pipeline else "canonicalize")(program)


def measured(weights: str, pipeline: str) -> tuple[float, float]:
    """Percent right, and synaptic events for an image."""
    images, digits = test_images()
    run = spikec.compile(network(weights, pipeline), "cpu").run({"x": images}, STEPS, len(images))
    return 100 * float((run.outputs["label"] == digits).mean()), run.synaptic_events / len(images)


def draw(rows: dict[str, tuple[float, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), sharey=True)
    names = list(rows)
    for one, values, label in zip(axes, zip(*rows.values(), strict=True), ("right, %", "events"), strict=True):
        one.barh(names, values)
        one.bar_label(one.containers[0], fmt="%.1f" if "%" in label else "%.0f", padding=3)
        one.set(xlabel=label, xlim=(0, 1.2 * max(values)))
        one.grid(False)
    axes[0].set(title="Accuracy on unseen digits")
    axes[1].set(title="Synaptic events for an image")
    axes[0].invert_yaxis()
    figure.savefig(path)
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/pruning"), help="folder of the plot")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    rows = {name: measured(*what) for name, what in NETWORKS.items()}
    for name, (percent, events) in rows.items():
        print(f"{name:<24} {percent:5.1f} % right, {events:8.0f} synaptic events for an image")
    draw(rows, folder / "pruning.png")
    lost = rows["all weights"][0] - rows["a tenth, trained again"][0]
    print(f"a tenth of the weights loses {lost:.1f} points, plot {folder / 'pruning.png'}")
    return 0 if lost <= ALLOWED_POINTS else 1


if __name__ == "__main__":
    sys.exit(main())
