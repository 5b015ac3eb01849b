"""The example 14_mixed_precision: widths by layer under a budget do better than one width of the same size."""

from __future__ import annotations

import re
from pathlib import Path

from tests.examples.scripts import said

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "14_mixed_precision"


def test_the_demonstration(tmp_path: Path) -> None:
    budget, four, plot = said("examples/14_mixed_precision/demo.py", "-o", tmp_path, "--budgets", "3500")
    size, shared, _, uniform = map(float, re.findall(r"([\d.]+) (?:bytes|%)", budget.partition(":")[2]))
    assert size <= 3500 and shared > uniform + 1
    assert four.startswith("W4A8:   4/4 bits") and float(four.split()[-2]) >= 95
    assert Path(plot.split()[-1]).read_bytes().startswith(b"\x89PNG")


def test_the_weights_are_small() -> None:
    assert (EXAMPLE / "weights.npz").stat().st_size < 25_000
