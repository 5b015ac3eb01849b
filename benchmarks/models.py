"""The networks of cases in spikec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import spikec
from protocol import Case


def network(case: Case) -> spikec.Program:
    """The model of a case with its parameters, at level `snn`."""
    files = {name: Path(case["shared"]) / file for name, file in case.get("files", {}).items()}
    return spikec.load(case["model"], {**case.get("parameters", {}), **files}, **case.get("load", {}))


def inputs(case: Case) -> dict[str, npt.NDArray[Any]]:
    """The arrays of the case's inputs by name: `(steps, *shape)`, with a leading axis of samples in a batch."""
    path = Path(case["shared"]) / "inputs.npz"
    if not path.is_file():
        return {}
    with np.load(path) as arrays:
        return dict(arrays)
