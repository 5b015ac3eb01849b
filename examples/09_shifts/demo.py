"""Compiles shifts.snn to integers whose products are shifts, classifies images 898 to 1796 and draws what happened.

Compared are the network trained with real weights (real.npz), the one with weights 0 and +-2^k (weights.npz), and the
latter as an integer program.  The last line printed is `accuracy NN.N %, plot PATH`, for the integers; the exit
status is 1 where the program multiplies or is more than a point worse than real weights.

    python demo.py [-o FOLDER]
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
FIRST_TEST_IMAGE = 898
STEPS = 32
PIPELINE = "quantize{weights=4,scale=pow2,state=16}"
ALLOWED_LOSS = 1.0
# Name, file of weights, pipeline.
VARIANTS = (
    ("real weights", "real.npz", ""),
    ("weights 0 and ±2^k", "weights.npz", ""),
    ("the same in integers", "weights.npz", PIPELINE),
)


def test_images() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Images 898 to 1796 as (899, 64) with grey values from 0 to 16, and their digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.data[FIRST_TEST_IMAGE:].astype(np.int64), digits.target[FIRST_TEST_IMAGE:].astype(np.int64)


def spikec(*arguments: object) -> None:
    """A command, shown and run."""
    print("$", shlex.join(["spikec", *map(str, arguments)]), flush=True)
    status = subprocess.run([sys.executable, "-m", "spikec", *map(str, arguments)]).returncode
    if status:
        sys.exit(status)


def classify(weights: str, pipeline: str, folder: Path) -> dict[str, npt.NDArray[Any]]:
    """What `spikec run` writes for the images in FOLDER/images.npy."""
    path = str(HERE / weights).replace("\\", "\\\\").replace('"', '\\"')
    count = len(test_images()[1])
    passes = ["--pipeline", pipeline] if pipeline else []
    options = ["-P", f'weights = "{path}"', *passes, "-o", folder / "run.npz", "--force", "--quiet"]
    spikec("run", HERE / "shifts.snn", "--input", folder / "images.npy", "--batch", count, "--steps", STEPS, *options)
    with np.load(folder / "run.npz") as file:
        return {name: file[name] for name in file.files}


def products(ir: str) -> list[str]:
    """The lines of a program at level `step` that multiply: an op of `arith`, or a table without powers of two."""
    lines = ir.splitlines()
    found = [line for line in lines if re.search(r"\barith\.(mul|div|rem)", line)]
    return found + [line for line in lines if "step.table" in line and 'code = "pow2"' not in line]


def accuracy_over_steps(votes: npt.NDArray[Any], digits: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Percent right if the network were stopped after each step; votes are (images, steps, classes)."""
    right: npt.NDArray[np.float64] = (votes.cumsum(axis=1, dtype=np.int32).argmax(axis=2) == digits[:, None]).mean(
        axis=0
    )
    return 100 * right


def draw(curves: dict[str, npt.NDArray[np.float64]], path: Path) -> None:
    """How often each weight occurs, and accuracy over time."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    figure, (bars, lines) = plt.subplots(1, 2, figsize=(11, 3.8))
    with np.load(HERE / "weights.npz") as file:
        weights = {name: file[name].ravel() for name in ("w1", "w2")}
    values = np.unique(np.concatenate(list(weights.values())))
    bottom = np.zeros(len(values))
    for name, color, label in (("w1", "C0", "pixels to hidden"), ("w2", "C1", "hidden to classes")):
        counts = (weights[name][:, None] == values).sum(axis=0)
        bars.bar(np.arange(len(values)), counts, bottom=bottom, color=color, label=label)
        bottom += counts
    bars.set_xticks(np.arange(len(values)), [power(value) for value in values], fontsize=7)
    bars.set(title=f"{len(values)} weights are enough", ylabel="synapses")
    bars.legend()
    for (name, curve), style in zip(curves.items(), ("--", "-", ":"), strict=True):
        lines.plot(np.arange(1, STEPS + 1), curve, style, label=f"{name}: {curve[-1]:.1f} %")
    lines.set(title="Accuracy if stopped after a step", xlabel="step (1 ms)", ylabel="right, %", ylim=(50, 101))
    lines.legend(loc="lower right")
    figure.savefig(path)
    plt.close(figure)


def power(value: float) -> str:
    """A weight as a label: 0, or a signed power of two."""
    return f"${'-' if value < 0 else ''}2^{{{int(np.log2(abs(value)))}}}$" if value else "0"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/shifts"), help="folder of plot and data")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    images, digits = test_images()
    np.save(folder / "images.npy", images)

    step = folder / "shifts.mlir"
    spikec("compile", HERE / "shifts.snn", "--pipeline", PIPELINE, "--emit", "step", "-o", step, "--force")
    multiplying = products(step.read_text())
    print(f"the step's program has {len(multiplying)} multiplications")

    runs = {name: classify(weights, pipeline, folder) for name, weights, pipeline in VARIANTS}
    curves = {name: accuracy_over_steps(run["votes"], digits) for name, run in runs.items()}
    draw(curves, folder / "shifts.png")
    percent = [100 * float((run["label"] == digits).mean()) for run in runs.values()]
    for name, right in zip(runs, percent, strict=True):
        print(f"{name + ':':<24}{right:6.2f} %")
    print(f"accuracy {percent[-1]:.1f} %, plot {folder / 'shifts.png'}")
    return 0 if not multiplying and percent[0] - percent[-1] <= ALLOWED_LOSS else 1


if __name__ == "__main__":
    sys.exit(main())
