"""Drives model.snn with steps of current and draws its membrane potential.

python run.py [-o FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import spikec

HERE = Path(__file__).resolve().parent
DT_MS = 0.1


def current_steps() -> npt.NDArray[np.float32]:
    """Current in ampere, (4000, 1): 50 ms of silence, then 100 ms each of 140, 160 and 240 pA, then silence."""
    amperes = np.zeros((4000, 1), np.float32)
    for start_ms, picoamperes in ((50, 140), (150, 160), (250, 240)):
        begin = round(start_ms / DT_MS)
        amperes[begin : begin + round(100 / DT_MS)] = picoamperes * 1e-12
    return amperes


def draw(current: npt.NDArray[np.float32], run: spikec.Run, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    time_ms = np.arange(len(current)) * DT_MS
    figure, (below, above) = plt.subplots(2, 1, figsize=(8, 4.2), sharex=True, height_ratios=(1, 3))
    below.plot(time_ms, current[:, 0] * 1e12, color="C1")
    below.set(ylabel="I, pA", title="A neuron that fires when its current exceeds 150 pA")
    above.plot(time_ms, run.probes["cell.V"][:, 0] * 1e3)
    above.vlines(run.spikes["cell"][:, 0] * DT_MS, -50, -35, color="C0", linewidth=1)
    above.axhline(-50, color="0.6", linestyle="--", linewidth=1)
    above.set(ylabel="V, mV", xlabel="time, ms", xlim=(0, time_ms[-1]))
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/lif"), help="folder of the plot")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    current = current_steps()
    run = spikec.compile(spikec.load(HERE / "model.snn")).run({"I": current})
    draw(current, run, folder / "lif.png")
    print(f"{run.counts['cell']} spikes, plot {folder / 'lif.png'}")


if __name__ == "__main__":
    main()
