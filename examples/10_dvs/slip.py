"""Tells a texture that slips from one that stays, from the events of a simulated camera.

Each recording shows 100 ms of a random texture on 32 by 32 pixels.  In all of them the light flickers by up to 20 %,
the camera trembles by up to 0.15 pixels and its pixels send noise.  In half of them the texture slips by 4 to 12
pixels.  The cells of slip.snn spike where rises and falls meet; a linear readout on two sums of their spikes is
fitted by least squares to one half of the recordings and tried on the other.

    python slip.py [-o FOLDER]          # prints `accuracy NN.N %, plot PATH`; the exit status is 1 below 95 %
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import events  # noqa: E402

Reals = npt.NDArray[np.float64]

RECORDINGS = 200
MS = 100
FIELD = (32, 32)
WANTED_PERCENT = 95.0
CAMERA = events.Sensor(contrast=0.15, refractory_us=500, noise_hz=2.0)


def recording(slips: bool, seed: int) -> events.Events:
    """The events of one random texture, with slip or without."""
    rng = np.random.default_rng(seed)
    texture = rng.uniform(0.1, 1, (20, 20))
    film = events.moved(texture, wandering(slips, rng), FIELD, zoom=2.5)
    return events.record(film * flicker(rng)[:, None, None], np.arange(MS + 1) * 1000, CAMERA, seed)


def wandering(slips: bool, rng: np.random.Generator) -> Reals:
    """Displacements (MS + 1, 2) in pixels: a tremor, and perhaps a slip that begins in the first half."""
    time = np.arange(MS + 1)[:, None] / MS
    tremor = 0.15 * np.sin(2 * np.pi * (rng.uniform(0.5, 2) * time + rng.uniform(0, 1, 2)))
    if not slips:
        return np.asarray(tremor)
    begin, length, angle = rng.uniform(0, 0.4), rng.uniform(4, 12), rng.uniform(0, 2 * np.pi)
    way = np.clip((time - begin) / (1 - begin), 0, 1) * length
    return np.asarray(tremor + way * [np.cos(angle), np.sin(angle)])


def flicker(rng: np.random.Generator) -> Reals:
    """The brightness of the light over time, (MS + 1,): up to 20 % up and down."""
    time = np.arange(MS + 1) / MS
    return np.asarray(1 + rng.uniform(0, 0.2) * np.sin(2 * np.pi * (rng.uniform(1, 3) * time + rng.uniform())))


def recordings(count: int = RECORDINGS, first_seed: int = 0) -> tuple[list[events.Events], npt.NDArray[np.bool_]]:
    """Recordings, every other one with slip, and which these are."""
    slips = np.arange(count) % 2 == 1
    return [recording(bool(slip), first_seed + number) for number, slip in enumerate(slips)], slips


def features(parts: list[events.Events]) -> Reals:
    """Spikes of slip.snn, its cells that spiked, and a constant: (recordings, 3)."""
    import spikec

    seen = np.stack([part.counts(*FIELD, 1000, MS) > 0 for part in parts])
    run = spikec.compile(spikec.load(HERE / "slip.snn")).run({"x": seen}, batch=len(parts))
    pairs = run.outputs["pairs"]
    return np.column_stack([pairs.sum(axis=1), (pairs > 0).sum(axis=1), np.ones(len(parts))]).astype(np.float64)


def readout(rows: Reals, slips: npt.NDArray[np.bool_]) -> Reals:
    """Weights of the least squares fit of +1 for slip and -1 for rest."""
    weights: Reals = np.linalg.lstsq(rows, np.where(slips, 1.0, -1.0), rcond=None)[0]
    return weights


def draw(parts: list[events.Events], slips: npt.NDArray[np.bool_], scores: Reals, path: Path) -> None:
    """Events of a rest and of a slip along one row of pixels, and the scores of all unseen recordings."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4))
    for place, number, title in ((axes[0], 0, "Rest: the light flickers"), (axes[1], 1, "Slip")):
        part = parts[number]
        row = (part.y >= 14) & (part.y < 18)
        place.scatter(part.t[row] / 1000, part.x[row], s=2, c=np.where(part.p[row] == 1, "C1", "C0"))
        place.set(title=title, xlabel="ms", ylabel="column (rows 14 to 17)", xlim=(0, MS), ylim=(0, FIELD[1]))
        place.grid(False)
    edges = np.linspace(scores.min(), scores.max(), 25)
    axes[2].hist(scores[~slips], edges, color="C0", alpha=0.7, label="rest")
    axes[2].hist(scores[slips], edges, color="C1", alpha=0.7, label="slip")
    axes[2].axvline(0, color="0.4", linestyle="--", linewidth=1)
    axes[2].set(title="Unseen recordings", xlabel="score", ylabel="recordings")
    axes[2].legend()
    figure.savefig(path)
    plt.close(figure)


def measured() -> tuple[float, list[events.Events], npt.NDArray[np.bool_], Reals]:
    """Percent right on the second half, and its recordings, answers and scores."""
    parts, slips = recordings()
    rows = features(parts)
    half = len(parts) // 2
    scores = rows[half:] @ readout(rows[:half], slips[:half])
    return 100 * float(((scores > 0) == slips[half:]).mean()), parts[half:], slips[half:], scores


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/dvs"), help="folder of the plot")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    percent, parts, slips, scores = measured()
    draw(parts, slips, scores, folder / "slip.png")
    print(f"accuracy {percent:.1f} %, plot {folder / 'slip.png'}")
    return 0 if percent >= WANTED_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
