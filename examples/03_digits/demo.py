"""Compiles digits.snn, lets it classify images 898 to 1796 and draws what happened.

The weights beside this file come from `train.py`, which saw images 0 to 897 only.  The last line printed is
`accuracy NN.N %, plot PATH`; the exit status is 1 below 95 %.

    python demo.py [-o FOLDER]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
FIRST_TEST_IMAGE = 898
STEPS = 100
WANTED_PERCENT = 95.0


def test_images() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Images 898 to 1796 as (899, 64) with values from 0 to 1, and their digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.data[FIRST_TEST_IMAGE:] / 16).astype(np.float32)
    return pixels, digits.target[FIRST_TEST_IMAGE:].astype(np.int64)


def classify(images: npt.NDArray[np.float32], folder: Path) -> dict[str, npt.NDArray[Any]]:
    """What `spikec run` writes for a batch of images (count, 64)."""
    np.save(folder / "images.npy", images)
    command = [sys.executable, "-m", "spikec", "run", str(HERE / "digits.snn")]
    command += ["--input", f"x={folder / 'images.npy'}", "--batch", str(len(images)), "--steps", str(STEPS)]
    command += ["-o", str(folder / "run.npz"), "--force"]
    print("$ spikec", *command[3:], flush=True)
    status = subprocess.run(command).returncode
    if status:
        sys.exit(status)
    with np.load(folder / "run.npz") as file:
        return {name: file[name] for name in file.files}


def accuracy_over_steps(votes: npt.NDArray[Any], digits: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Percent right if the network were stopped after each step; votes are (images, steps, classes)."""
    leading = votes.cumsum(axis=1, dtype=np.int32).argmax(axis=2)
    right: npt.NDArray[np.float64] = (leading == digits[:, None]).mean(axis=0)
    return 100 * right


def draw(
    images: npt.NDArray[np.float32], digits: npt.NDArray[np.int64], run: dict[str, npt.NDArray[Any]], path: Path
) -> None:
    """Accuracy over time, the confusion matrix, and the spikes of the image that was hardest to tell."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    figure, ((over_time, confusion), (spikes, votes)) = plt.subplots(2, 2, figsize=(9.5, 7.4))
    draw_accuracy(over_time, accuracy_over_steps(run["votes"], digits))
    draw_confusion(confusion, digits, run["label"])
    image = closest_call(run["votes"])
    draw_spikes(spikes, run["hidden.spike"], image)
    draw_votes(votes, run["votes"][image], images[image], int(digits[image]), int(run["label"][image]))
    figure.savefig(path)
    plt.close(figure)


def draw_accuracy(axes: Any, percent: npt.NDArray[np.float64]) -> None:
    axes.plot(np.arange(1, len(percent) + 1), percent)
    axes.axhline(WANTED_PERCENT, color="0.6", linestyle="--", linewidth=1)
    axes.annotate(f"{percent[-1]:.1f} %", (len(percent), percent[-1]), (0, 6), textcoords="offset points", ha="right")
    axes.set(title="Accuracy if stopped after a step", xlabel="step (1 ms)", ylabel="right, %", ylim=(50, 103))


def draw_confusion(axes: Any, digits: npt.NDArray[np.int64], labels: npt.NDArray[Any]) -> None:
    matrix = np.zeros((10, 10), np.int64)
    np.add.at(matrix, (digits, labels), 1)
    errors = np.where(np.eye(10, dtype=bool), 0, matrix)
    axes.imshow(errors, cmap="Oranges", vmin=0, vmax=max(12, errors.max()))
    for row, column in zip(*np.nonzero(matrix), strict=True):
        color = "0.6" if row == column else "0"
        axes.text(column, row, matrix[row, column], ha="center", va="center", fontsize=8, color=color)
    axes.set(title=f"{errors.sum()} mistakes in {len(digits)} images", xlabel="answer", ylabel="digit")
    axes.set(xticks=range(10), yticks=range(10))
    axes.grid(False)


def closest_call(votes: npt.NDArray[Any]) -> int:
    """The first image whose two leading classes are nearest to each other, among those with lively answers."""
    counts = np.sort(votes.sum(axis=1), axis=1)
    first, second = counts[:, -1], counts[:, -2]
    lively = first >= min(first.max(), STEPS // 5)
    return int(np.where(lively, first - second, STEPS).argmin())


def draw_spikes(axes: Any, rows: npt.NDArray[Any], image: int) -> None:
    spikes = rows[rows[:, 0] == image]
    axes.scatter(spikes[:, 1], spikes[:, 2], s=5, marker="|", color="C0")
    axes.set(title=f"The closest call, image {FIRST_TEST_IMAGE + image}: hidden spikes", xlabel="step (1 ms)")
    axes.set(xlim=(-1, STEPS), ylim=(-1, 64), ylabel="neuron (64 of 256)")
    axes.grid(False)


def draw_votes(axes: Any, votes: npt.NDArray[Any], pixels: npt.NDArray[np.float32], digit: int, label: int) -> None:
    counts = votes.cumsum(axis=0, dtype=np.int32)
    final = counts[-1]
    leading = [number for number in range(10) if number == digit or final[number] > 0.5 * final.max()]
    for number in range(10):
        color = "C1" if number == digit else "C0" if number in leading else "0.8"
        axes.plot(counts[:, number], color=color, zorder=3 if number in leading else 2)
    for height in {int(final[number]) for number in leading}:
        names = ", ".join(str(number) for number in leading if final[number] == height)
        axes.annotate(f" {names}", (len(counts), height), va="center")
    axes.set(
        title=f"Spikes of its classes: a {digit} (red), answered {label}", xlabel="step (1 ms)", ylabel="spikes so far"
    )
    corner = axes.inset_axes((0.04, 0.64, 0.26, 0.32))
    corner.imshow(pixels.reshape(8, 8), cmap="gray_r")
    corner.set(xticks=[], yticks=[])
    corner.spines[["top", "right"]].set_visible(True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/digits"), help="folder of plot and data")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    images, digits = test_images()
    run = classify(images, folder)
    draw(images, digits, run, folder / "digits.png")
    percent = 100 * float((run["label"] == digits).mean())
    print(f"accuracy {percent:.1f} %, plot {folder / 'digits.png'}")
    return 0 if percent >= WANTED_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
