"""Runs cuba.snn, prints rates and the irregularity of the firing, and draws a raster.

CV is the standard deviation of a neuron's intervals between spikes over their mean, 1 for a Poisson process and
0 for a clock; printed is the mean over neurons with at least three spikes.

    python run.py [--ms 1000] [--seed 0] [-o FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec

HERE = Path(__file__).resolve().parent
STEPS_PER_MS = 10
SIZES = {"exc": 3200, "inh": 800}
RASTER_NEURONS = {"exc": 160, "inh": 40}

Rows = npt.NDArray[np.int32]  # (spikes, 2): step and neuron


def simulate(duration_ms: int, seed: int) -> spikec.Run:
    return spikec.compile(spikec.load(HERE / "cuba.snn"), seed=seed).run(steps=duration_ms * STEPS_PER_MS)


def mean_rate(rows: Rows, neurons: int, duration_ms: int) -> float:
    """Spikes per neuron and second."""
    return len(rows) / neurons / (duration_ms * 1e-3)


def mean_cv(rows: Rows, neurons: int) -> float:
    """Mean coefficient of variation of the intervals between spikes; NaN if no neuron has three spikes."""
    cvs = []
    for neuron in range(neurons):
        intervals = np.diff(rows[rows[:, 1] == neuron, 0])
        if len(intervals) >= 2:
            cvs.append(intervals.std() / intervals.mean())
    return float(np.mean(cvs)) if cvs else float("nan")


def draw(run: spikec.Run, duration_ms: int, path: Path) -> None:
    """A raster of some neurons, the population rate, and three membrane potentials."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    figure, (raster, rate, potential) = plt.subplots(3, 1, figsize=(9, 7), sharex=True, height_ratios=(4, 1.3, 2))
    draw_raster(raster, run)
    draw_rate(rate, run, duration_ms)
    draw_potentials(potential, run, duration_ms)
    figure.savefig(path)
    plt.close(figure)


def draw_raster(axes: Any, run: spikec.Run) -> None:
    base = 0
    for name, color in (("inh", "C1"), ("exc", "C0")):
        rows = run.spikes[name]
        shown = rows[rows[:, 1] < RASTER_NEURONS[name]]
        axes.scatter(shown[:, 0] / STEPS_PER_MS, shown[:, 1] + base, s=3, color=color, linewidths=0)
        base += RASTER_NEURONS[name]
    axes.set(title="Spikes of 160 excitatory (blue) and 40 inhibitory (red) neurons", ylabel="neuron", ylim=(-2, base))
    axes.grid(False)


def draw_rate(axes: Any, run: spikec.Run, duration_ms: int) -> None:
    window_ms = 5
    edges = np.arange(0, duration_ms + 1, window_ms)
    for name, color in (("inh", "C1"), ("exc", "C0")):
        counts = np.histogram(run.spikes[name][:, 0] / STEPS_PER_MS, edges)[0]
        axes.plot(edges[:-1] + window_ms / 2, counts / SIZES[name] / window_ms * 1e3, color=color, linewidth=1)
    axes.set(title="Mean rate in windows of 5 ms", ylabel="Hz", ylim=(0, None))


def draw_potentials(axes: Any, run: spikec.Run, duration_ms: int) -> None:
    time_ms = np.arange(duration_ms * STEPS_PER_MS) / STEPS_PER_MS
    for number, trace in enumerate(1e3 * run.probes["exc.V"].T):
        axes.plot(time_ms, trace, linewidth=0.9, color=("C0", "C2", "C3")[number])
    axes.axhline(-50, color="0.6", linestyle="--", linewidth=1)
    axes.set(title="Three membrane potentials", ylabel="V, mV", xlabel="time, ms", xlim=(0, duration_ms))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ms", type=int, default=1000, help="how much biological time")
    parser.add_argument("--seed", type=int, default=0, help="seed of connections and first potentials")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/cuba"), help="folder of the plot")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    run = simulate(arguments.ms, arguments.seed)
    for name, size in SIZES.items():
        rows = run.spikes[name]
        print(f"{name}: {mean_rate(rows, size, arguments.ms):.1f} Hz, CV {mean_cv(rows, size):.2f}")
    draw(run, arguments.ms, arguments.out / "cuba.png")
    print(f"plot {arguments.out / 'cuba.png'}")


if __name__ == "__main__":
    main()
