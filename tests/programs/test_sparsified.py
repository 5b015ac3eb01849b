"""Random pruned networks: the same bits and the same counts on both reference interpreters and on the CPU.

10 random programs by default, 200 with SPIKEC_FULL=1, each with random options of sparsify, half of them in integers.
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
from spikec.dialects import connectors, snn
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.program import Program
from spikec.dialects.verify import problems

from .engines import differences, on_every_engine
from .generator import Case, write_case
from .integers import REFUSALS

PROGRAMS = 200 if os.environ.get("SPIKEC_FULL") == "1" else 10
SHARES = 2
USUAL = 0.3  # of the programs at least have something to prune


@pytest.mark.parametrize("share", range(SHARES))
def test_random_pruned_programs_are_equal_everywhere(share: int) -> None:
    found: Counter[str] = Counter()
    count = PROGRAMS // SHARES
    for number in range(share * count, (share + 1) * count):
        random = Random(number)
        found[compare(write_case(random), random)] += 1
    assert found["pruned"] >= USUAL * count, found


def compare(case: Case, random: Random) -> str:
    with tempfile.TemporaryDirectory() as folder:
        network = spikec.load(case.write(Path(folder)))
        try:
            program = spikec.pipeline(pipeline(case, random, Path(folder)))(network)
        except CompileError as error:
            codes = {diagnostic.code for diagnostic in error.diagnostics}
            assert codes <= {*REFUSALS, "E1214"}, error
            return codes.pop()
    assert problems(program) == []
    runs = on_every_engine(program, case.inputs, case.steps)
    assert not differences(runs), f"{case.text}\n{program.text()}"
    return "pruned" if is_pruned(program) else "whole"


def is_pruned(program: Program) -> bool:
    return any(connectors.NONZERO in view.connect for view in program.ops(snn.Synapses))


def pipeline(case: Case, random: Random, folder: Path) -> str:
    options = [f"density={random.choice((0.05, 0.3, 0.7, 0.95))}"]
    options += [f"scope={random.choice(('global', 'layer'))}", f"rescale={random.choice(('true', 'false'))}"]
    if random.random() < 0.3:
        options.append(f"pattern={random.choice(('1:2', '2:4', '3:5'))}")
    if random.random() < 0.3:
        options.append(f"block={random.choice(('1x8', '4x4', '3x2'))}")
    if random.random() < 0.3:
        options.append(f"steps={case.steps},by={random.choice(('size', 'flow'))}")
        if case.inputs:
            np.savez(folder / "inputs.npz", **case.inputs)
            options.append(f"calibrate={folder / 'inputs.npz'}")
    prune = f"sparsify{{{','.join(options)}}}"
    if random.random() < 0.5:
        return f"canonicalize,{prune}"
    return random.choice(
        (f"canonicalize,{prune},quantize", f"canonicalize,quantize,{prune}".replace("rescale=true", "rescale=false"))
    )
