"""The generator reaches the whole core, and what it writes is taken without a complaint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from spikec import load

from . import constructs
from .generator import write_case

PROGRAMS = 300
LEAST = 0.01


def test_every_construct_occurs_in_one_program_of_a_hundred(report: Callable[[str, str], None]) -> None:
    found = [
        constructs.of_text(write_case(Random(seed), wide=True).text, Path("model.snn")) for seed in range(PROGRAMS)
    ]
    counts = constructs.frequencies(found)
    report(f"constructs in {PROGRAMS} random programs", constructs.table(counts, PROGRAMS))
    rare = {name: counts[name] for name in constructs.REQUIRED if counts[name] < LEAST * PROGRAMS}
    assert not rare


def test_the_same_seed_gives_the_same_program() -> None:
    first, second = write_case(Random(7)), write_case(Random(7))
    assert first.text == second.text
    assert {k: v.tobytes() for k, v in first.arrays.items()} == {k: v.tobytes() for k, v in second.arrays.items()}


def test_programs_are_valid(tmp_path: Path) -> None:
    for seed in range(40):
        case = write_case(Random(seed), wide=True)
        load(case.write(tmp_path))
