"""Random networks in integers: the same bits on the reference interpreters of both levels and on the CPU.

10 random programs by default, 200 with SPIKEC_FULL=1, each with random options of quantize.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
import spikec
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.passes.canonicalize import Canonicalize
from spikec.passes.quantize import Quantize

from .engines import differences, on_every_engine
from .generator import Case, write_case

PROGRAMS = 200 if os.environ.get("SPIKEC_FULL") == "1" else 10
SHARES = 2
REFUSALS = {"E0901", "E1211", "E1213"}  # computed weights; functions of what has no bound; values that grow
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
    with tempfile.TemporaryDirectory() as folder:
        network = Canonicalize().run(spikec.load(case.write(Path(folder))))
        try:
            program = quantize(network, case, random, Path(folder) / "inputs.npz")
        except CompileError as error:
            codes = {diagnostic.code for diagnostic in error.diagnostics}
            assert codes <= REFUSALS, error
            return codes.pop()
    assert problems(program) == []
    runs = on_every_engine(program, case.inputs, case.steps)
    assert not differences(runs), f"{case.text}\n{program.text()}"
    return "quantized"


def quantize(network: Program, case: Case, random: Random, file: Path) -> Program:
    options = {
        "weights": random.choice((2, 4, 8, 8, 12, 16)),
        "state": random.choice((8, 12, 16, 16, 24)),
        "scale": random.choice(("mse", "symmetric", "minmax", "percentile", "pow2")),
        "per": random.choice(("tensor", "channel")),
        "decay": random.choice(("multiply", "shift")),
        "round": random.choice(("nearest", "floor", "zero", "even")),
    }
    # Inputs that are held have no axis of steps.
    streams = {
        name: array if array.ndim > 1 and len(array) == case.steps else np.stack([array] * case.steps)
        for name, array in case.inputs.items()
    }
    np.savez(file, **streams)
    known = {"calibrate": str(file)} if streams else {"steps": case.steps}
    return Quantize(**options, **known).run(network)  # type: ignore[arg-type]
