"""Random programs in integers: what `generator` writes after `quantize` with random options."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import numpy as np
import spikec
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.program import Program
from spikec.passes.canonicalize import Canonicalize
from spikec.passes.quantize import Quantize

from .generator import Case, write_case

REFUSALS = {"E0901", "E1211", "E1213"}
"""Computed weights; functions of what has no bound; values that grow."""


def quantized(case: Case, random: Random) -> Program:
    """The integers of a program.  Raises CompileError with one of `REFUSALS` where it has none."""
    with tempfile.TemporaryDirectory() as folder:
        network = Canonicalize().run(spikec.load(case.write(Path(folder))))
        return _quantized(network, case, random, Path(folder) / "inputs.npz")


def write_integers(random: Random) -> tuple[Case, Program]:
    """The first program of a random source that can be quantised, and its integers."""
    while True:
        case = write_case(random, functions=random.random() < 0.2)
        try:
            return case, quantized(case, random)
        except CompileError as error:
            refuse_others(error)


def refuse_others(error: CompileError) -> str:
    """The code of a refusal, which must be one of `REFUSALS`."""
    codes = {diagnostic.code for diagnostic in error.diagnostics}
    assert codes <= REFUSALS, error
    return str(codes.pop())


def _quantized(network: Program, case: Case, random: Random, file: Path) -> Program:
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
