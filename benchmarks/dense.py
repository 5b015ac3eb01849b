"""Dense layers by the events of each step, and by all sources for many steps at once.

    python benchmarks/dense.py [--layer SOURCESxTARGETS]... [--events SHARE]...

A line is a layer and the share of its sources that spike in a step: microseconds of a step in both orders, and the one
that the compiled loop would take, by the cost model.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import spikec
from spikec.analysis.cost_model import ABREAST, TILED
from spikec.lower.step_to_cpu import tiles
from timing import least

LAYERS = ("256x256", "512x512", "1024x1024")
EVENTS = (0.1, 0.3, 0.4, 0.5, 0.7, 1.0)
STEPS, RUNS = 256, 15
# The second layer is there because one alone runs step by step.
MODEL = """model Layers {{
  step 1 steps
  neuron IF {{ in I; var V = 0; V := V + I; spike when V >= 1e6 {{ V := 0 }} }}
  input x : spikes[{sources}]
  param A : real[{targets}, {sources}] = load("weights.npz", "A")
  param B : real[10, {targets}] = load("weights.npz", "B")
  h = IF[{targets}](A @ x)
  y = IF[10](B @ h)
  output count = over_time(count, y)
}}
"""


def nets(folder: Path, sources: int, targets: int) -> list[Any]:
    """The same layer in both orders."""
    rng = np.random.default_rng(0)
    arrays = {"A": rng.normal(size=(targets, sources)), "B": rng.normal(size=(10, targets))}
    np.savez(folder / "weights.npz", **{name: array.astype(np.float32) for name, array in arrays.items()})  # type: ignore[arg-type]
    (folder / "net.snn").write_text(MODEL.format(sources=sources, targets=targets))
    network, made = spikec.load(folder / "net.snn"), []
    for cost in (np.inf, 0.0):
        with patch.object(tiles, "ABREAST", cost):  # never, always all sources
            made.append(spikec.compile(network, "cpu"))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--layer", action="append")
    parser.add_argument("--events", action="append", type=float)
    arguments = parser.parse_args()
    print(f"{'layer':<12} {'events':>6} {'by events':>10} {'all':>6} us a step  chosen")
    for text in arguments.layer or LAYERS:
        sources, targets = map(int, text.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            both = nets(Path(folder), sources, targets)
            for share in arguments.events or EVENTS:
                x = np.random.default_rng(1).random((STEPS, sources)) < share
                seconds = least([partial(net.run, {"x": x}, steps=STEPS) for net in both], RUNS)
                one, other = (second / STEPS * 1e6 for second in seconds)
                chosen = "all" if share >= ABREAST / TILED else "by events"
                print(f"{text:<12} {share:>6} {one:>10.2f} {other:>6.2f}            {chosen}", flush=True)


if __name__ == "__main__":
    main()
