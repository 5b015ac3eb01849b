"""The ONNX front end in one page: read the file, emit the program."""

from __future__ import annotations

from pathlib import Path

from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.build import Built
from spikec.frontend.onnx import emit, file


def build(path: Path, diagnostics: Diagnostics, real: int = 32) -> Built:
    """The program of a file; `real` is the width of a real.

    Raises CompileError with all that is wrong with the file, MissingTool without the package onnx.
    """
    graph = file.read(path, diagnostics)
    return Built(emit.emit(graph, path, diagnostics, real), (path, *graph.files))
