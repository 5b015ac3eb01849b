"""The examples as PTX: each model, with the passes that its page names, once for each text of a target."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from spikec import driver
from spikec.backends.ptx import codegen
from spikec.backends.ptx.module import GpuModule
from spikec.compilation import Compilation, Options

FOLDER = Path(__file__).parents[2] / "examples"
MODELS = {path.parent.name + "/" + path.stem: path for path in sorted(FOLDER.glob("*/*.snn"))}


@cache
def lowered(name: str, target: str = "ptx", pipeline: str = "") -> GpuModule:
    """The kernels of an example."""
    made = driver.emit(Compilation(MODELS[name], Options(target=target, pipeline=pipeline)), ["llvm"])
    module: GpuModule = made.module
    return module


@cache
def text(name: str, chip: str = "sm_80", target: str = "ptx") -> str:
    """The PTX of an example for a chip."""
    return codegen.ptx(lowered(name, target).llvm, chip)
