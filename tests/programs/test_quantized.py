"""Random networks in integers: the same bits on the reference interpreters of both levels and on the CPU.

10 random programs by default, 200 with SPIKEC_FULL=1, each with random options of quantize.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pytest
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.verify import problems

from .engines import differences, on_every_engine
from .generator import Case, write_case
from .integers import quantized, refuse_others

PROGRAMS = 200 if os.environ.get("SPIKEC_FULL") == "1" else 10
SHARES = 2
USUAL = 0.4  # of the programs at least are quantised


@pytest.mark.parametrize("share", range(SHARES))
def test_random_integer_programs_are_equal_everywhere(share: int) -> None:
    found: Counter[str] = Counter()
    count = PROGRAMS // SHARES
    for number in range(share * count, (share + 1) * count):
        random = Random(number)
        case = write_case(random, functions=number % 5 == 4)
        found[compare(case, random)] += 1
    assert found["quantized"] >= USUAL * count, found


def compare(case: Case, random: Random) -> str:
    try:
        program = quantized(case, random)
    except CompileError as error:
        return refuse_others(error)
    assert problems(program) == []
    runs = on_every_engine(program, case.inputs, case.steps)
    assert not differences(runs), f"{case.text}\n{program.text()}"
    return "quantized"
