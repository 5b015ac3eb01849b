"""The examples as PTX text, executed: the bits of the CPU, in reals with ordered sums and in integers with atomics.

Each example in one of both by default, in both with SPIKEC_FULL=1.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from spikec import driver
from spikec.compilation import Compilation, Options
from spikec.dialects.program import Program
from spikec.runtime.interface import Input, Interface

from tests.programs.engines import Array, cpu, differences
from tests.ptx.emulated import Emulated
from tests.ptx.examples import FOLDER, SMALL

FULL = os.environ.get("SPIKEC_FULL") == "1"


@dataclass(frozen=True)
class Example:
    """How long a model runs, and the options of quantize ("" where it makes no integers of the model)."""

    model: str
    steps: int
    integers: str = "weights=8,state=16"

    def levels(self, pipeline: str = "") -> tuple[Program, Program]:
        """The network and its steps."""
        options = Options(pipeline=pipeline, params=SMALL.get(self.model, {}))
        return driver.levels(Compilation(FOLDER / self.model, options))

    def __str__(self) -> str:
        return self.model


EXAMPLES = [
    Example("01_lif/model.snn", 250),
    Example("02_vogels_abbott/cuba.snn", 30),
    Example("03_digits/digits.snn", 100),
    Example("04_conv/model.snn", 4),
    Example("05_brunel/brunel.snn", 40),
    Example("06_spikformer_block/model.snn", 4),
    Example("07_egru/model.snn", 8, integers=""),
    Example("08_celegans/celegans.snn", 20, integers=""),
    Example("09_shifts/shifts.snn", 20, "weights=4,scale=pow2,state=16"),
    Example("10_dvs/slip.snn", 10),
    Example("11_bit_budget/model.snn", 10, "weights=4,state=24"),
    Example("12_pruning/model.snn", 10),
    Example("13_conversion/mlp.snn", 4),
    Example("13_conversion/rnn.snn", 4),
    Example("15_mnist_core/model.snn", 10),
]
REALS = [e for number, e in enumerate(EXAMPLES) if number % 2 or not e.integers]
"""By default these run in reals, the others in integers."""


def test_all_examples_are_here() -> None:
    assert {example.model for example in EXAMPLES} == {
        f"{path.parent.name}/{path.name}" for path in FOLDER.glob("*/*.snn")
    }


@pytest.mark.parametrize("example", EXAMPLES if FULL else REALS, ids=str)
def test_reals_with_ordered_sums(example: Example) -> None:
    network, steps = example.levels()
    check(network, steps, random_inputs(network, example.steps), example.steps, "ptx{sums=ordered}")


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e.integers and (FULL or e not in REALS)], ids=str)
def test_integers_with_atomics(example: Example, tmp_path: Path) -> None:
    inputs = random_inputs(example.levels()[0], example.steps)
    np.savez(tmp_path / "inputs.npz", **inputs)
    known = f'calibrate="{tmp_path / "inputs.npz"}"' if inputs else f"steps={example.steps}"
    network, steps = example.levels(f"quantize{{{example.integers},{known}}}")
    check(network, steps, inputs, example.steps, "ptx{sums=atomic}")


def check(network: Program, steps: Program, inputs: dict[str, Array], count: int, target: str) -> None:
    runs = {"cpu": cpu(network, 0).run(inputs, steps=count)}
    runs |= Emulated.of_steps(steps, Interface.of(network), target).runs(inputs, count)
    assert not differences(runs)


def random_inputs(network: Program, steps: int) -> dict[str, Array]:
    """Spikes, integers and reals within the ranges that the inputs have; some hundred pA of a current."""
    rng = np.random.default_rng(0)

    def stream(given: Input) -> Array:
        shape, low, high = (steps, *given.shape), given.low or 0.0, given.high or 1.0
        match given.kind:
            case "spikes":
                return rng.random(shape) < 0.2
            case "int":
                return rng.integers(int(low), int(high), shape, endpoint=True)
        return (rng.uniform(low, high, shape) * (8e-10 if given.unit == "A" else 1)).astype(np.float32)

    return {given.name: stream(given) for given in Interface.of(network).inputs}
