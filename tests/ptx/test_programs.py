"""Random programs and the examples as PTX text, executed: the bits of the reference interpreter and of the CPU.

Integers are scattered by atomics, in the order that the schedule gives; reals are summed in order.  20 random programs
by default, 200 with SPIKEC_FULL=1, each in three schedules, one of which looks for races.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from random import Random

import pytest
import spikec
from spikec.dialects.program import Program

from tests.programs.engines import cpu, differences, reference_of_network
from tests.programs.generator import Case, write_case
from tests.programs.integers import write_integers
from tests.ptx.emulated import SHAPES, Emulated

PROGRAMS = 200 if os.environ.get("SPIKEC_FULL") == "1" else 20
SHARD = 5


@pytest.mark.parametrize("first", range(0, PROGRAMS, SHARD))
def test_random_programs_are_equal_everywhere(first: int) -> None:
    spikes = []
    for number in range(first, first + SHARD):
        case, program, target = written(number)
        runs = {
            "reference": reference_of_network(program, 0).run(case.inputs, steps=case.steps),
            "cpu": cpu(program, 0).run(case.inputs, steps=case.steps),
            **Emulated.of(program, target).runs(case.inputs, case.steps, SHAPES[number // 2 % 2]),
        }
        assert not differences(runs), f"program {number}, {target}"
        spikes.append(sum(runs["cpu"].counts.values()))
    assert any(spikes), "some programs must spike, or nothing is tested"


def written(number: int) -> tuple[Case, Program, str]:
    """A program by its number, and what it is compiled for: every other one in integers."""
    random = Random(number)
    if number % 2:
        return *write_integers(random), "ptx{sums=atomic}"
    case = write_case(random, wide=True)
    with tempfile.TemporaryDirectory() as folder:
        return case, spikec.load(case.write(Path(folder))), "ptx{sums=ordered}"
