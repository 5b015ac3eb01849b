"""Random programs and the examples give the same bits on the reference interpreters of both levels and on the CPU.

50 random programs by default, 500 with SPIKEC_FULL=1.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import numpy as np
import pytest

from .engines import Array, differences, run_everywhere
from .generator import write_case

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = 500 if os.environ.get("SPIKEC_FULL") == "1" else 50
SHARD = 25


@pytest.mark.parametrize("first", range(0, PROGRAMS, SHARD))
def test_random_programs_are_equal_everywhere(first: int, tmp_path: Path) -> None:
    spikes = []
    for number in range(first, first + SHARD):
        case = write_case(Random(number), wide=True)
        folder = tmp_path / str(number)
        folder.mkdir()
        runs = run_everywhere(case.write(folder), case.inputs, case.steps)
        assert not differences(runs), f"program {number}"
        spikes.append(sum(next(iter(runs.values())).counts.values()))
    assert np.mean(np.asarray(spikes) > 0) > 0.5, "most programs must spike, or nothing is tested"


def lif_inputs() -> dict[str, Array]:
    return {"I": np.full((300, 1), 400e-12, np.float32)}


def digits_inputs() -> dict[str, Array]:
    return {"x": np.random.default_rng(0).random(64, np.float32)}


@pytest.mark.parametrize(
    ("model", "inputs", "steps"),
    [
        ("01_lif/model.snn", lif_inputs(), 300),
        ("02_vogels_abbott/cuba.snn", {}, 200),
        ("03_digits/digits.snn", digits_inputs(), 100),
    ],
)
@pytest.mark.parametrize("real", [32, 64])
def test_examples_are_equal_everywhere(model: str, inputs: dict[str, Array], steps: int, real: int) -> None:
    runs = run_everywhere(EXAMPLES / model, inputs, steps, real=real)
    assert not differences(runs)
    assert all(sum(run.counts.values()) > 0 for run in runs.values())
