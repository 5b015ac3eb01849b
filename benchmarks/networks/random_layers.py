"""What all peers of a layered network share: `random_layers.py CASE.json` writes its weights and its spikes.

`weights.npz` has the weights by the names of the case, float32, those of a dense layer `(targets, sources)` and those
of a convolution `(targets, sources, height, width)`, normal with a mean of zero.  `inputs.npz` has the spikes `x`,
bool `(samples, steps, *shape)`: each element spikes in a step with the same probability.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def main() -> None:
    case = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(case["shared"])
    rng = np.random.default_rng(case["seed"])
    weights = {
        name: rng.normal(0, layer["deviation"], layer["shape"]).astype(np.float32)
        for name, layer in case["weights"].items()
    }
    np.savez(folder / "weights.npz", **weights)
    shape, probability = case["input"]["shape"], case["input"]["probability"]
    # Sample by sample, so that the first ones are the same however many there are.
    count = case.get("samples", case["batch"])
    samples = [rng.random((case["steps"], *shape)) < probability for _ in range(count)]
    np.savez_compressed(folder / "inputs.npz", x=np.array(samples))


if __name__ == "__main__":
    main()
