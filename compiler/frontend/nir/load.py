"""The NIR front end in one page: read the file, prepare the graph, check it against the semantics, emit the program."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.build import Built
from spikec.frontend.nir import emit, file, order, profiles, shapes
from spikec.frontend.nir.graph import Graph, prepare, rnn_subgraphs
from spikec.frontend.nir.profiles import Semantics


def read(path: Path, semantics: Semantics, diagnostics: Diagnostics) -> tuple[Graph, list[dict[str, Any]]]:
    """The checked graph of a file: flat, its shapes and order known; and the questions that it leaves open.

    Raises CompileError with all that is wrong with the file.
    """
    raw = file.read(path, diagnostics)
    diagnostics.raise_if_errors()
    assert raw is not None
    flat = prepare(raw, semantics.canonical_rnn, diagnostics)
    diagnostics.raise_if_errors()
    shapes.infer(flat, diagnostics)
    diagnostics.raise_if_errors()
    order.order(flat, diagnostics)
    diagnostics.raise_if_errors()
    questions = profiles.open_questions(flat, semantics, rnn_subgraphs(raw))
    return flat, [asdict(question) for question in questions]


def build(graph: Graph, semantics: Semantics, path: Path, diagnostics: Diagnostics, real: int = 32) -> Built:
    """The program of a checked graph under the chosen semantics.

    Raises CompileError where a node does not fit them and UsageError where one needs a time step that nobody gave.
    """
    profiles.check(graph, semantics, diagnostics)
    diagnostics.raise_if_errors()
    return Built(emit.emit(graph, semantics, path, diagnostics, real), (path,))
