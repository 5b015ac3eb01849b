"""The input of all peers: `nmnist.py CASE.json` writes `inputs.npz` with `input`, float32 `(steps, 2, 34, 34)`.

Each pixel of both polarities has an event in a step with the same probability.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def main() -> None:
    case = json.loads(Path(sys.argv[1]).read_text())
    events = case["events"]
    drawn = np.random.default_rng(events["seed"]).random((case["steps"], *events["shape"])) < events["probability"]
    np.savez_compressed(Path(case["shared"]) / "inputs.npz", input=drawn.astype(np.float32))


if __name__ == "__main__":
    main()
