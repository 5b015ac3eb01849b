"""Spends a budget of bits in all ways: on steps, on weights and on spikes, and shows which accuracy each one buys.

A synapse of the network costs T * b_w * b_s: steps, bits of a weight, bits of a spike.  For all powers of two with a
product of at most 32 the network classifies digits 898 to 1796.  The last line printed is
`accuracy NN.N %, plot PATH` of the best one; the exit status is 1 where it is below 95 %.

    python demo.py [-o FOLDER] [--budget BITS] [--images N]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec

HERE = Path(__file__).resolve().parent
FIRST_TEST_IMAGE = 898
WEIGHT_BITS, SPIKE_BITS = (1, 2, 4, 8), (1, 2, 4)
TARGETS = ("cpu", "ptx", "fpga")
WANTED_PERCENT = 95.0


@dataclass(frozen=True)
class Way:
    """One way to spend a budget, the accuracy in percent, and what `spikec cost` says of the run on each target."""

    steps: int
    weight_bits: int
    spike_bits: int
    percent: float
    costs: dict[str, dict[str, Any]]

    @property
    def budget(self) -> int:
        """As `spikec cost` counts it from the program: steps * weight_bits * spike_bits."""
        return int(self.costs["cpu"]["bit_budget"])

    @property
    def name(self) -> str:
        return f"{self.steps} x {self.weight_bits} x {self.spike_bits}"


def test_images(count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Images from 898 on as (count, 64) with values from 0 to 1, and their digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    part = slice(FIRST_TEST_IMAGE, FIRST_TEST_IMAGE + count)
    return (digits.data[part] / 16).astype(np.float32), digits.target[part].astype(np.int64)


def ways(budget: int, images: npt.NDArray[np.float32], digits: npt.NDArray[np.int64]) -> Iterator[Way]:
    """Every way to spend at most `budget`."""
    for spike_bits in SPIKE_BITS:
        program = spikec.load(HERE / "model.snn", {"bits": spike_bits})
        for weight_bits in WEIGHT_BITS:
            integers = spikec.pipeline(f"quantize{{weights={weight_bits},state=24}}")(program)
            network = spikec.compile(integers)
            steps = 1
            while steps * weight_bits * spike_bits <= budget:
                run = network.run({"x": images}, steps, len(images))
                percent = 100 * float((run.outputs["label"] == digits).mean())
                costs = {target: spikec.cost(integers, run, target) for target in TARGETS}
                yield Way(steps, weight_bits, spike_bits, percent, costs)
                steps *= 2


def best_of(found: list[Way]) -> dict[int, Way]:
    """The most accurate way of each budget."""
    best: dict[int, Way] = {}
    for way in found:
        if way.budget not in best or way.percent > best[way.budget].percent:
            best[way.budget] = way
    return dict(sorted(best.items()))


def show(best: dict[int, Way], target: str) -> None:
    """What an image costs on a target in the best way of each budget, from what its run counted."""
    print(f"\n{target}, for one image, in the best way to spend each budget")
    print(
        f"{'budget':>8}{'T x b_w x b_s':>15}{'right, %':>10}{'syn. events':>13}{'NS-ACE':>10}{'kbit moved':>12}", end=""
    )
    print(f"{'energy, nJ':>12}{'latency, us':>13}")
    for budget, way in best.items():
        cost = way.costs[target]
        run, images = cost["total"]["run"], cost["batch"]
        counts = ("synaptic_events", "ns_ace", "bits_moved", "energy_nj")
        events, ace, moved, energy = (run[name] / images for name in counts)
        line = f"{budget:>8}{way.name:>15}{way.percent:>10.1f}{events:>13.0f}{ace:>10.0f}{moved / 1e3:>12.0f}"
        print(f"{line}{energy:>12.1f}{1e6 * cost['seconds']['run']:>13.2f}")


def draw(found: list[Way], best: dict[int, Way], path: Path) -> None:
    """Accuracy against budget, a panel for each width of weights and a line for each width of spikes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    budgets = sorted(best)
    figure, panels = plt.subplots(1, len(WEIGHT_BITS), figsize=(11, 3.6), sharey=True)
    for axes, weight_bits in zip(panels, WEIGHT_BITS, strict=True):
        axes.plot(budgets, [best[budget].percent for budget in budgets], color="0.8", linewidth=5, label="best of all")
        for spike_bits in SPIKE_BITS:
            line = [way for way in found if (way.weight_bits, way.spike_bits) == (weight_bits, spike_bits)]
            label = f"spikes of {spike_bits} bit{'s' * (spike_bits > 1)}"
            axes.plot([way.budget for way in line], [way.percent for way in line], "o-", markersize=4, label=label)
        axes.set_xscale("log", base=2)
        axes.set_xticks(budgets, [str(budget) for budget in budgets])
        axes.set(title=f"weights of {weight_bits} bit{'s' * (weight_bits > 1)}", xlabel="bit budget")
    panels[0].set(ylabel="right, %")
    panels[2].legend(loc="lower right")
    figure.savefig(path)
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/bit_budget"), help="folder of the plot")
    parser.add_argument("--budget", type=int, default=32, help="the largest product of steps and bits")
    parser.add_argument("--images", type=int, default=899, help="how many images are classified")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = list(ways(arguments.budget, *test_images(arguments.images)))
    best = best_of(found)
    for target in TARGETS:
        show(best, target)
    draw(found, best, arguments.out / "bit_budget.png")
    percent = max(way.percent for way in found)
    print(f"\naccuracy {percent:.1f} %, plot {arguments.out / 'bit_budget.png'}")
    return 0 if percent >= WANTED_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
