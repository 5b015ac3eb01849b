"""Random programs and the examples give the same bits on the reference interpreters of both levels and on the CPU.

50 random programs by default, 500 with SPIKEC_FULL=1.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from . import constructs
from .engines import Array, differences, run_everywhere
from .generator import Case, cases

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FULL = os.environ.get("SPIKEC_FULL") == "1"
PROGRAMS = 500 if FULL else 50


def test_random_programs_are_equal_everywhere(report: Callable[[str, str], None]) -> None:
    found: list[set[str]] = []
    spikes: list[int] = []

    @settings(
        max_examples=PROGRAMS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def compare(case: Case) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = case.write(Path(folder))
            runs = run_everywhere(path, case.inputs, case.steps)
            found.append(constructs.of_text(case.text, path))
            spikes.append(sum(next(iter(runs.values())).counts.values()))
            assert not differences(runs)

    compare()
    counts = constructs.frequencies(found)
    report(f"constructs in {len(found)} programs that ran on all engines", constructs.table(counts, len(found)))
    assert np.mean(np.asarray(spikes) > 0) > 0.5, "most programs must spike, or nothing is tested"
    if FULL:
        assert not {name for name in constructs.REQUIRED if counts[name] < 0.01 * len(found)}


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
