"""Compiles model.snn, lets it read text that is new to it and draws its surprise and what its cells sent.

The last line printed is `N.NN bits a character, plot PATH`; the exit status is 1 if guessing by pairs of characters
would do better, or if fewer than 60 % of the cells are silent.

    python demo.py [-o FOLDER]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec
from train import ALPHABET, UNITS, texts

HERE = Path(__file__).resolve().parent
DRAWN = 90  # characters in the plot
CHANCE_OF_NEW = 0.1  # added to the counts of pairs
WANTED_SILENCE = 60.0

Array = npt.NDArray[Any]


def pairs(text: Array, held_out: Array) -> float:
    """Bits a character of a table of which character follows which."""
    counts = np.full((len(ALPHABET), len(ALPHABET)), CHANCE_OF_NEW)
    np.add.at(counts, (text[:-1], text[1:]), 1)
    chance = counts / counts.sum(axis=1, keepdims=True)
    return float(-np.log2(chance[held_out[:-1], held_out[1:]]).mean())


def spikes_of(run: Any, layer: str, steps: int) -> Array:
    """Who sent an event when, as (steps, units) of 0 and 1."""
    raster = np.zeros((steps, UNITS), bool)
    step, unit = np.asarray(run.probes[layer])[:, :2].T.astype(int)
    raster[step, unit] = True
    return raster


def draw(text: Array, chance: Array, rasters: list[Array], path: Path) -> None:
    """The text over its surprise, the chances of the next character, and the events of both layers."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use(HERE.parent / "plot.mplstyle")
    figure, (surprise, guesses, events) = plt.subplots(3, 1, figsize=(12, 9.5), height_ratios=(1.2, 2, 3), sharex=True)
    steps = np.arange(DRAWN)
    read, following = text[:DRAWN], text[1 : DRAWN + 1]
    bits = -np.log2(chance[steps, following])
    best = chance[:DRAWN].argmax(axis=1) == following
    surprise.bar(steps + 1, bits, color=np.where(best, "C2", "C1"), width=0.85)
    for step, (character, height) in enumerate(zip(following, bits, strict=True)):
        surprise.annotate(ALPHABET[character], (step + 1, height), (0, 2), textcoords="offset points", ha="center")
    surprise.set(title="Surprise at each character, bits (green: it was the first guess)", ylim=(0, max(bits) + 1.5))
    extent = (0.5, DRAWN + 0.5, len(ALPHABET) - 0.5, -0.5)
    guesses.imshow(chance[:DRAWN].T ** 0.5, aspect="auto", cmap="Blues", extent=extent)
    guesses.set_yticks(range(len(ALPHABET)), ["space", *ALPHABET[1:]], fontsize=6)
    guesses.set(title="What it expects next: chance of each character")
    for number, raster in enumerate(rasters):
        step, unit = np.nonzero(raster[:DRAWN])
        place, color = unit + number * (UNITS + 4), f"C{3 * number}"
        events.scatter(step, place, s=7, marker="|", color=color, label=f"layer {number + 1}")
    silent = [100 - 100 * raster.mean() for raster in rasters]
    title = " and ".join(f"{percent:.0f} %" for percent in silent)
    events.set(title=f"Events: {title} of the cells of layers 1 and 2 are silent in a step")
    events.set_ylabel("cell, layer by layer")
    events.set_xticks(steps, [ALPHABET[c] for c in read], fontsize=7)
    events.set(xlim=(-1, DRAWN + 1), xlabel="character read")
    for axes in (guesses, events):
        axes.grid(False)
    figure.savefig(path)
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/egru"), help="folder of the plot")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    text, held_out = texts()
    steps = len(held_out) - 1
    run = spikec.compile(spikec.load(HERE / "model.snn")).run({"token": held_out[:-1, None]}, steps=steps)
    chance = np.asarray(run.outputs["next"])
    rasters = [spikes_of(run, name, steps) for name in ("first/y.spike", "second/y.spike")]
    draw(held_out, chance, rasters, folder / "egru.png")
    bits = float(-np.log2(chance[np.arange(steps), held_out[1:]]).mean())
    guessing = pairs(text, held_out)
    silent = 100 - 100 * float(np.mean(rasters))
    print(f"{steps} characters, first guess right {100 * (chance.argmax(axis=1) == held_out[1:]).mean():.1f} %")
    print(f"cells silent in a step: {silent:.1f} %; events sent {run.counts}")
    print(f"a table of pairs of characters: {guessing:.2f} bits a character")
    print(f"{bits:.2f} bits a character, plot {folder / 'egru.png'}")
    return 0 if bits < guessing and silent >= WANTED_SILENCE else 1


if __name__ == "__main__":
    sys.exit(main())
