"""The NIR front end in one page: read the file, prepare the graph, emit the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.build import Built
from spikec.frontend.nir import emit, file, graph, order, profiles, shapes
from spikec.frontend.nir.graph import Graph
from spikec.frontend.nir.profiles import Semantics


def read(path: Path, semantics: Semantics, diagnostics: Diagnostics) -> Graph:
    """The checked graph of a file: flat, its shapes and order known.  Raises CompileError with all mistakes."""
    raw = file.read(path, diagnostics)
    diagnostics.raise_if_errors()
    assert raw is not None
    flat = graph.prepare(raw, profiles.canonical_rnn(semantics))
    shapes.infer(flat, diagnostics)
    diagnostics.raise_if_errors()
    order.order(flat, diagnostics)
    diagnostics.raise_if_errors()
    return flat


def build(
    path: Path, semantics: Semantics, diagnostics: Diagnostics, real: int = 32
) -> tuple[Built, list[dict[str, Any]]]:
    """The program of a NIR file under the chosen semantics, and what the file leaves open.

    Raises CompileError for a wrong file and UsageError where a node needs a dt that nobody gave.
    """
    flat = read(path, semantics, diagnostics)
    profiles.check(flat, semantics, diagnostics)
    diagnostics.raise_if_errors()
    program = emit.emit(flat, semantics, path, diagnostics, real)
    return Built(program, (path,)), profiles.open_questions(flat, semantics)
