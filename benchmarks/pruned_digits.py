"""Time of the compiled loop of examples/03_digits with all of its weights and with a tenth of them.

    python benchmarks/pruned_digits.py [--steps N] [--samples N]

A tenth are the weights that examples/12_pruning/digits.py trained.  The runs of the networks alternate, and the best of
each counts.  Probes are left out, since both would spend more time on them than on the network.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import spikec
from timing import least

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
RUNS = 7
NETWORKS = {
    "all weights": ("03_digits/weights.npz", ""),
    "a tenth of them": ("12_pruning/digits.npz", ",sparsify"),
    "a tenth, zeros stored": ("12_pruning/digits.npz", ""),
}


def compiled(weights: str, pipeline: str) -> Any:
    """The network without its probes, made ready to run."""
    lines = (EXAMPLES / "03_digits" / "digits.snn").read_text().splitlines()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "digits.snn"
        model.write_text("\n".join(line for line in lines if not line.lstrip().startswith("probe")))
        program = spikec.load(model, params={"weights": str(EXAMPLES / weights)})
    return spikec.compile(spikec.pipeline(f"canonicalize{pipeline}")(program), "cpu")


def main() -> None:
    from sklearn.datasets import load_digits

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=40)
    arguments = parser.parse_args()
    images = (load_digits().data[-arguments.samples :] / 16).astype(np.float32)
    nets = {name: compiled(*what) for name, what in NETWORKS.items()}
    runs = {name: partial(net.run, {"x": images}, arguments.steps, len(images)) for name, net in nets.items()}
    events = {name: run().synaptic_events for name, run in runs.items()}
    best = dict(zip(runs, least(list(runs.values()), RUNS), strict=True))
    steps = arguments.steps * len(images)
    print(f"{'':<22} {'synaptic events':>16} {'ns a step':>10} {'of all':>7}")
    for name, seconds in best.items():
        share = seconds / best["all weights"]
        print(f"{name:<22} {events[name] / steps:>16.0f} {seconds / steps * 1e9:>10.0f} {share:>7.2f}")


if __name__ == "__main__":
    main()
