"""Touches the worm at its tail (PLM) and at its head (ALM, AVM), prints which command neurons answer, and draws them.

python run.py [--current 1] [--ms 400] [-o FOLDER]
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec

HERE = Path(__file__).resolve().parent
STEPS_PER_MS = 10
SETTLE_MS = 400  # the network comes to rest
TOUCHED = {"tail": ("PLML", "PLMR"), "head": ("ALML", "ALMR", "AVM")}
SHOWN = ("PLML", "PVCL", "AVBL", "ALML", "AVDL", "AVAL")

Real = npt.NDArray[np.float64]


def names() -> list[str]:
    """The neurons in the order of the population."""
    with (HERE / "cells.csv").open(newline="") as stream:
        return [row["name"] for row in csv.DictReader(stream)]


def answers(touched: Sequence[str], current_pa: float, duration_ms: int) -> dict[str, Real]:
    """What the touch changes in the potential of each probed neuron, in mV, for each of its milliseconds."""
    network = spikec.compile(spikec.load(HERE / "celegans.snn"))
    quiet = np.zeros(((SETTLE_MS + duration_ms) * STEPS_PER_MS, len(names())))
    touch = quiet.copy()
    for name in touched:
        touch[SETTLE_MS * STEPS_PER_MS :, names().index(name)] = current_pa * 1e-12
    with_touch, without = (network.run({"touch": given}, len(given)).probes for given in (touch, quiet))
    return {
        key.split(".")[1]: 1e3 * (with_touch[key] - without[key])[SETTLE_MS:, 0].astype(np.float64) for key in without
    }


def draw(results: Mapping[str, Mapping[str, Real]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    figure, axes = plt.subplots(1, len(results), figsize=(4.5 * len(results), 3.5), sharey=True, squeeze=False)
    for panel, (place, found) in zip(axes[0], results.items(), strict=True):
        _draw_touch(panel, place, found)
    axes[0, 0].set(ylabel="change of V, mV")
    axes[0, -1].legend()
    figure.savefig(path)
    plt.close(figure)


def _draw_touch(axes: Any, place: str, found: Mapping[str, Real]) -> None:
    for name in SHOWN:
        axes.plot(np.arange(len(found[name])), found[name], label=name)
    axes.set(title=f"touch at the {place} ({', '.join(TOUCHED[place])})", xlabel="time, ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--current", type=float, default=1.0, help="into each touch cell, pA")
    parser.add_argument("--ms", type=int, default=400, help="length of the touch")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/celegans"), help="folder of the plot")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = {}
    for place, touched in TOUCHED.items():
        results[place] = answers(touched, arguments.current, arguments.ms)
        print(f"{place}: " + ", ".join(f"{name} {found[-1]:+.2f} mV" for name, found in results[place].items()))
    draw(results, arguments.out / "celegans.png")
    print(f"plot {arguments.out / 'celegans.png'}")


if __name__ == "__main__":
    main()
