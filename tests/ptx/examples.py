"""The examples as kernels: each model, and some after passes that give other tables and integers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from spikec import driver
from spikec.backends.ptx.module import GpuModule
from spikec.backends.ptx.target import PtxTarget
from spikec.compilation import Compilation, Options
from spikec.dialects.program import Program
from spikec.lower import step_to_gpu

FOLDER = Path(__file__).parents[2] / "examples"
MODELS = [(f"{path.parent.name}/{path.name}", "") for path in sorted(FOLDER.glob("*/*.snn"))]
SHARPER = [
    ("03_digits/digits.snn", "quantize{weights=8,state=24}"),
    ("03_digits/digits.snn", "sparsify{density=0.1}"),
    ("04_conv/model.snn", "quantize{weights=8,state=24}"),
    ("12_pruning/model.snn", "sparsify{density=0.3},quantize{weights=4,state=16,scale=pow2}"),
]
CASES = MODELS + SHARPER
SMALL = {"05_brunel/brunel.snn": {"excitatory": "1200", "inhibitory": "300"}}
"""Sizes of models whose lists for ordered sums take long to make."""


@cache
def stepped(name: str, pipeline: str, small: bool) -> Program:
    """An example at level `step`."""
    options = Options(params=SMALL.get(name, {}) if small else {}, pipeline=pipeline)
    return driver.levels(Compilation(FOLDER / name, options))[1]


@cache
def lowered(name: str, pipeline: str, target: str = "ptx") -> GpuModule:
    """The kernels of an example."""
    parsed = PtxTarget.parse(target)
    return step_to_gpu.lower(stepped(name, pipeline, parsed.sums == "ordered"), parsed)
