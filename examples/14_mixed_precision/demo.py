"""Shares out bytes among the layers of a digits network, and compares with one width for all.

Each budget of bytes is given to `quantize{budget=...}`, which measures on 32 training images what each layer loses
at each width.  Beside it stands the widest uniform precision that fits in as many bytes.  Both classify images 898 to
1796.  The last lines are W4A8 (weights of 4 bits, states of 8) and `plot PATH`; the exit status is 1 where a budget is
exceeded or the uniform precision does better.

    python demo.py [-o FOLDER] [--budgets 3000 3500 4000 5000 7000]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import spikec

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "03_digits" / "digits.snn"
FIRST_TEST_IMAGE = 898
CALIBRATION = 32  # training images
UNITS = 128
STEPS = 100
WEIGHTS = UNITS * (64 + 10)

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Result:
    """A network of integers: the bits of each layer's weights, their bytes, and percent of images that are right."""

    bits: tuple[int, ...]
    bytes: int
    accuracy: float

    def __str__(self) -> str:
        return f"{'/'.join(map(str, self.bits)):>5} bits {self.bytes:6d} bytes {self.accuracy:6.2f} %"


def images() -> tuple[Array, Labels]:
    """All 1797 images as (1797, 64) with values from 0 to 1, and their digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.data / 16).astype(np.float32), digits.target.astype(np.int64)


def quantized(options: str, calibration: Path) -> spikec.Program:
    """The network as integers, with ranges from the calibration images."""
    network = spikec.load(MODEL, params={"weights": HERE / "weights.npz", "units": UNITS})
    return spikec.pipeline(f'quantize{{{options},calibrate="{calibration}",steps=32}}')(network)


def classified(program: spikec.Program, x: Array, digits: Labels) -> Result:
    """How well it classifies images, and what its weights take."""
    rows = next(note.rows for note in program.notes if getattr(note, "title", "") == "quantize: weights")
    bits = tuple(int(row[2]) for row in rows)
    size = sum(int(row[1]) * int(row[2]) for row in rows)
    run = spikec.compile(program).run({"x": x}, steps=STEPS, batch=len(x))
    return Result(bits, -(-size // 8), 100 * float((run.outputs["label"] == digits).mean()))


def draw(pairs: dict[int, tuple[Result, Result]], path: Path) -> None:
    """Accuracy against bytes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    figure, axes = plt.subplots(figsize=(6.5, 3.8))
    for number, (name, marker) in enumerate((("one width for all", "s"), ("shared out", "o"))):
        results = [pair[1 - number] for pair in pairs.values()]
        axes.plot(list(pairs), [result.accuracy for result in results], marker=marker, label=name)
        for budget, result in zip(pairs, results, strict=True):
            shift = (0, 7) if number else (0, -13)
            axes.annotate(
                "/".join(map(str, result.bits)),
                (budget, result.accuracy),
                shift,
                textcoords="offset points",
                ha="center",
            )
    axes.set(title="Bits of the two layers, by budget", xlabel="bytes of weights", ylabel="right, %")
    axes.margins(y=0.2)
    axes.legend(loc="lower right")
    figure.savefig(path)
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/mixed_precision"), help="folder of plot and data")
    parser.add_argument("--budgets", type=int, nargs="+", default=[3000, 3500, 4000, 5000, 7000], help="bytes")
    arguments = parser.parse_args()
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    x, digits = images()
    calibration = folder / "calibration.npy"
    np.save(calibration, x[:CALIBRATION])
    x, digits = x[FIRST_TEST_IMAGE:], digits[FIRST_TEST_IMAGE:]

    pairs: dict[int, tuple[Result, Result]] = {}
    uniform: dict[int, Result] = {}
    for budget in arguments.budgets:
        width = min(8, budget * 8 // WEIGHTS)
        if width not in uniform:
            uniform[width] = classified(quantized(f"weights={width}", calibration), x, digits)
        pairs[budget] = classified(quantized(f"budget={budget}", calibration), x, digits), uniform[width]
        print(f"{budget:6d} bytes: shared out {pairs[budget][0]}   one width {pairs[budget][1]}", flush=True)
    print(f"W4A8: {classified(quantized('weights=4,state=8', calibration), x, digits)}")
    draw(pairs, folder / "mixed_precision.png")
    print(f"plot {folder / 'mixed_precision.png'}")
    good = all(m.bytes <= budget and m.accuracy >= u.accuracy for budget, (m, u) in pairs.items())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
