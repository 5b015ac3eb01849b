"""Models from text whose arrays are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import spikec
from spikec.dialects.program import Program


def with_arrays(
    folder: Path, body: str, shapes: Mapping[str, tuple[int, ...]], mean: float = 0.2, real: int = 32
) -> Program:
    """The model of these statements, whose parameters are arrays of given shapes: normal numbers about `mean`."""
    rng = np.random.default_rng(1)
    arrays = {name: rng.normal(mean, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    np.savez(folder / "w.npz", **arrays)  # type: ignore[arg-type]
    params = "".join(
        f'  param {name} : real[{", ".join(map(str, shape))}] = load("w.npz", "{name}")\n'
        for name, shape in shapes.items()
    )
    path = folder / "m.snn"
    path.write_text(f"model M {{\n  step 1 ms\n{params}{body}}}\n")
    return spikec.load(path, real=real)
