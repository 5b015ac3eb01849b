"""The NIR front end in one page: read the file, prepare the graph, check it against the semantics, emit the program."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.build import Built
from spikec.frontend.nir import emit, file, graph, order, profiles, shapes
from spikec.frontend.nir.graph import Graph
from spikec.frontend.nir.profiles import Semantics


def build(
    path: Path, semantics: Semantics, diagnostics: Diagnostics, real: int = 32
) -> tuple[Built, list[dict[str, Any]]]:
    """The program of a NIR file under the chosen semantics, and what the file leaves open.

    Raises CompileError for a wrong file and UsageError where a node needs a time step and nobody gave one.
    """
    flat, questions = read(path, semantics, diagnostics)
    profiles.check(flat, semantics, diagnostics)
    diagnostics.raise_if_errors()
    program = emit.emit(flat, semantics, path, diagnostics, real)
    return Built(program, (path,)), questions


def read(path: Path, semantics: Semantics, diagnostics: Diagnostics) -> tuple[Graph, list[dict[str, Any]]]:
    """The checked graph of a file: flat, its shapes and order known; and the questions that it leaves open.

    Raises CompileError with all that is wrong with the file.
    """
    raw = file.read(path, diagnostics)
    diagnostics.raise_if_errors()
    assert raw is not None
    flat = graph.prepare(raw, semantics.canonical_rnn, diagnostics)
    diagnostics.raise_if_errors()
    shapes.infer(flat, diagnostics)
    diagnostics.raise_if_errors()
    order.order(flat, diagnostics)
    diagnostics.raise_if_errors()
    questions = profiles.open_questions(flat, semantics, graph.rnn_subgraphs(raw))
    return flat, [asdict(question) for question in questions]
