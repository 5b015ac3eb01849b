"""Runs brunel.snn in the regimes of the paper, prints what tells them apart, and draws rasters and population rates.

CV          standard deviation of a neuron's intervals between spikes over their mean, a mean over neurons: 1 for a
            Poisson process, 0 for a clock
synchrony   variance of the population rate in bins of 0.5 ms over its squared mean, without the part that neurons
            independent of each other have: 0 if they are, 1 if the rate swings as far as it is large
rhythm      frequency of the largest power of the population rate, and the rate's autocorrelation after about one
            period: 1 for an endless oscillation

    python run.py [--regime SR|AI|fast|slow] [--ms 500] [--excitatory 8000] [--seed 0] [-o FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec

HERE = Path(__file__).resolve().parent
STEPS_PER_MS = 10
INHIBITORY_SHARE = 4  # excitatory neurons for each inhibitory one
WARM_UP_MS = 100  # the network forgets its first potentials
LOWEST_HZ, HIGHEST_HZ = 10, 500  # where a rhythm is looked for
BLUR = 5  # steps, a spike's width in the autocorrelation
RASTER_NEURONS = 60
SHOWN_MS = 200

Rows = npt.NDArray[np.int64]  # (spikes, 2): step and neuron
Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Regime:
    """A point of the plane of g and eta, with the paper's name for what happens there."""

    title: str
    g: float
    eta: float


REGIMES = {
    "SR": Regime("synchronous, regular", g=3, eta=2),
    "AI": Regime("asynchronous, irregular", g=5, eta=2),
    "fast": Regime("synchronous, irregular, fast", g=6, eta=4),
    "slow": Regime("synchronous, irregular, slow", g=4.5, eta=0.9),
}


@dataclass(frozen=True)
class Measures:
    """What tells the regimes apart: rates and frequencies in Hz."""

    rate: float
    cv: float
    synchrony: float
    frequency: float
    rhythm: float

    def __str__(self) -> str:
        return (
            f"{self.rate:.1f} Hz, CV {self.cv:.2f}, synchrony {self.synchrony:.2f}, "
            f"rhythm of {self.frequency:.0f} Hz and {self.rhythm:.2f}"
        )


def sizes(excitatory: int) -> dict[str, int]:
    """Neurons of each population."""
    return {"exc": excitatory, "inh": excitatory // INHIBITORY_SHARE}


def simulate(regime: Regime, duration_ms: int, excitatory: int, seed: int, **params: object) -> spikec.Run:
    """`params` are further parameters of the model."""
    size = sizes(excitatory)
    given = {"g": regime.g, "eta": regime.eta, "excitatory": size["exc"], "inhibitory": size["inh"]}
    program = spikec.load(HERE / "brunel.snn", params={**given, **params})
    return spikec.compile(program, seed=seed).run(steps=(WARM_UP_MS + duration_ms) * STEPS_PER_MS)


def spikes(run: spikec.Run, excitatory: int) -> Rows:
    """All spikes after the warm-up, which is step 0; the neurons of a population follow those of the one before."""
    rows, first = [], 0
    for name, size in sizes(excitatory).items():
        rows.append(run.spikes[name].astype(np.int64) + np.array([-WARM_UP_MS * STEPS_PER_MS, first]))
        first += size
    joined = np.concatenate(rows)
    return joined[joined[:, 0] >= 0]


def measure(rows: Rows, neurons: int, duration_ms: int) -> Measures:
    frequency, rhythm = oscillation(counts(rows, duration_ms, 1))
    return Measures(
        len(rows) / neurons / (duration_ms * 1e-3),
        mean_cv(rows, neurons),
        synchrony(counts(rows, duration_ms, STEPS_PER_MS // 2)),
        frequency,
        rhythm,
    )


def counts(rows: Rows, duration_ms: int, bin_steps: int) -> Real:
    """Spikes of all neurons in each bin of the run."""
    return np.bincount(rows[:, 0] // bin_steps, minlength=duration_ms * STEPS_PER_MS // bin_steps).astype(float)


def mean_cv(rows: Rows, neurons: int) -> float:
    """Mean coefficient of variation over neurons with at least three intervals; NaN if there are none."""
    ordered = rows[np.lexsort((rows[:, 0], rows[:, 1]))]
    same = np.diff(ordered[:, 1]) == 0
    cell, interval = ordered[1:, 1][same], np.diff(ordered[:, 0])[same].astype(float)
    number = np.bincount(cell, minlength=neurons)
    enough = number >= 3
    if not enough.any():
        return float("nan")
    mean = np.bincount(cell, interval, neurons)[enough] / number[enough]
    square = np.bincount(cell, interval**2, neurons)[enough] / number[enough]
    return float(np.mean(np.sqrt(np.maximum(square - mean**2, 0)) / mean))


def synchrony(activity: Real) -> float:
    """A sum over independent neurons that seldom fire varies as much as its mean is large; this is the rest."""
    return float((activity.var() - activity.mean()) / activity.mean() ** 2)


def oscillation(activity: Real) -> tuple[float, float]:
    """Frequency in Hz of the largest power, and the autocorrelation after about its period; `activity` is of steps."""
    steps_per_second = 1e3 * STEPS_PER_MS
    smooth = np.convolve(activity, np.ones(BLUR) / BLUR, "same")
    power = np.abs(np.fft.rfft(smooth - smooth.mean(), 2 * len(smooth))) ** 2
    frequencies = np.fft.rfftfreq(2 * len(smooth), 1 / steps_per_second)
    possible = np.where((frequencies >= LOWEST_HZ) & (frequencies <= HIGHEST_HZ), power, 0)
    frequency = float(frequencies[np.argmax(possible)])
    period = steps_per_second / frequency
    correlation = np.fft.irfft(power)[: len(smooth)]
    swing_back = correlation[round(0.8 * period) : round(1.2 * period) + 1].max()
    independent = activity.sum() / BLUR  # what the spikes' own variance adds at lag 0
    return frequency, float(swing_back / (correlation[0] - independent))


def draw(results: Mapping[str, Rows], neurons: int, duration_ms: int, path: Path) -> None:
    """A raster of some neurons above the population rate, for each regime, of the end of the run."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    width = 4.2 * len(results)
    figure, axes = plt.subplots(2, len(results), figsize=(width, 5), sharex=True, squeeze=False, height_ratios=(2, 1))
    for (name, rows), (raster, rate) in zip(results.items(), axes.T, strict=True):
        regime = REGIMES[name]
        raster.set(title=f"{regime.title}\ng = {regime.g:g}, eta = {regime.eta:g}")
        draw_raster(raster, rows)
        draw_rate(rate, counts(rows, duration_ms, STEPS_PER_MS // 2) / neurons)
        rate.set(xlabel="time, ms", xlim=(max(0, duration_ms - SHOWN_MS), duration_ms))
    axes[0, 0].set(ylabel="neuron")
    axes[1, 0].set(ylabel="mean rate, Hz")
    figure.savefig(path)
    plt.close(figure)


def draw_raster(axes: Any, rows: Rows) -> None:
    shown = rows[rows[:, 1] < RASTER_NEURONS]
    axes.scatter(shown[:, 0] / STEPS_PER_MS, shown[:, 1], s=3, linewidths=0)
    axes.grid(False)


def draw_rate(axes: Any, activity: Real) -> None:
    """`activity` is per neuron, in bins of half a millisecond."""
    axes.fill_between(np.arange(len(activity)) / 2, activity * 2e3, step="post", linewidth=0)
    axes.set(ylim=(0, None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--regime", choices=REGIMES, action="append", help="a regime, may be repeated; else all")
    parser.add_argument("--ms", type=int, default=500, help=f"how much biological time, after {WARM_UP_MS} ms")
    parser.add_argument("--excitatory", type=int, default=8000, help="neurons; there are a quarter as many inhibitory")
    parser.add_argument("--seed", type=int, default=0, help="seed of connections, first potentials and input")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/brunel"), help="folder of the plot")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    neurons = sum(sizes(arguments.excitatory).values())
    results = {}
    for name in arguments.regime or REGIMES:
        results[name] = spikes(
            simulate(REGIMES[name], arguments.ms, arguments.excitatory, arguments.seed), arguments.excitatory
        )
        print(f"{name}: {measure(results[name], neurons, arguments.ms)}", flush=True)
    draw(results, neurons, arguments.ms, arguments.out / "brunel.png")
    print(f"plot {arguments.out / 'brunel.png'}")


if __name__ == "__main__":
    main()
