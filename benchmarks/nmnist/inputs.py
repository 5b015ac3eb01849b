"""The input of all peers: `inputs.py FOLDER` writes `events.npz` with `events`, float32 `(300, 2, 34, 34)`.

Each pixel of both polarities has an event in a step with a probability of 2 %, drawn from a fixed seed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

STEPS, SHAPE, ACTIVITY, SEED = 300, (2, 34, 34), 0.02, 1


def main() -> None:
    events = np.random.default_rng(SEED).random((STEPS, *SHAPE)) < ACTIVITY
    np.savez_compressed(Path(sys.argv[1]) / "events.npz", events=events.astype(np.float32))


if __name__ == "__main__":
    main()
