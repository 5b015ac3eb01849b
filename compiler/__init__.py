"""spikec, a compiler for spiking neural networks: the Python API.

    import spikec

    program = spikec.load("net.snn", params={"N": 1000})
    net = spikec.compile(program, target="cpu")
    run = net.run({"x": x}, steps=100)

Names are loaded when they are first used: importing spikec costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spikec.api import compile, cost, load, open, pipeline
    from spikec.dialects.diagnostics import CompileError, Diagnostic, MissingTool, UsageError
    from spikec.dialects.program import Program
    from spikec.runtime.run import Executable, Run

    __version__: str

__all__ = [
    "CompileError",
    "Diagnostic",
    "Executable",
    "MissingTool",
    "Program",
    "Run",
    "UsageError",
    "__version__",
    "compile",
    "cost",
    "load",
    "open",
    "pipeline",
]

_PLACES = {
    "CompileError": "spikec.dialects.diagnostics",
    "Diagnostic": "spikec.dialects.diagnostics",
    "Executable": "spikec.runtime.run",
    "MissingTool": "spikec.dialects.diagnostics",
    "Program": "spikec.dialects.program",
    "Run": "spikec.runtime.run",
    "UsageError": "spikec.dialects.diagnostics",
    "compile": "spikec.api",
    "cost": "spikec.api",
    "load": "spikec.api",
    "open": "spikec.api",
    "pipeline": "spikec.api",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("spikec")
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'spikec' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
