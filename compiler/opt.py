"""`spikec opt`: IR from outside, parsed, verified, run through passes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikec.dialects.constants import Constants
from spikec.dialects.diagnostics import CompileError, Diagnostic, Span
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.verify import problems

if TYPE_CHECKING:
    from spikec.choices import Watch

STDIN = "-"


def read(file: str, constants: Path | None) -> Program:
    """A program from a file (`-`: stdin) and its constants, those beside the file by default.

    Raises CompileError for text that is no IR of ours, each problem at its place.
    """
    text = _text(file)
    store = _store(file, constants)
    try:
        program = Program.parse(text, store)
    except ir.MLIRError as error:
        raise CompileError([_malformed(d.message, d.location, file) for d in error.error_diagnostics]) from None
    found = problems(program)
    if found:
        raise CompileError([_diagnostic("E0804", message, location, file) for location, message in found])
    return program


def optimize(
    file: str,
    constants: Path | None,
    pipeline: str,
    watch: Watch | None = None,
    seconds: dict[str, float] | None = None,
) -> Program:
    """The program of a file after the passes of a pipeline and no others; their times are added to `seconds`.

    Raises CompileError for a pass that works at another level than the file's.
    """
    from spikec import pipelines

    stages = pipelines.parse(pipeline)
    return pipelines.apply(stages, read(file, constants), watch, seconds)


def _text(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        return data.decode("utf-8")
    except FileNotFoundError:
        raise _error("E0701", file, f"no such file: {file}") from None
    except UnicodeDecodeError:
        raise _error("E0803", file, "the file is not UTF-8 text") from None
    except OSError as error:
        raise _error("E0704", file, f"cannot read {file}: {error.strerror or error}") from None


def _store(file: str, constants: Path | None) -> Constants:
    if constants is not None:
        return Constants.load(constants)
    beside = Path(file).with_suffix(".safetensors") if file != STDIN else None
    return Constants.load(beside) if beside is not None and beside.is_file() else Constants()


def _malformed(message: str, location: Any, file: str) -> Diagnostic:
    return _diagnostic("E0803", message, str(location), file)


def _diagnostic(code: str, message: str, location: str, file: str) -> Diagnostic:
    """A problem at an MLIR location such as `loc("net.mlir":3:5)`; the place is left out where there is none."""
    place = re.search(r'"((?:[^"\\]|\\.)*)":(\d+):(\d+)', location)
    if place is None:
        return Diagnostic(code, "error", message, file=file)
    line, column = int(place[2]), int(place[3])
    # MLIR calls text that it was handed `-`.
    name = file if place[1] == "-" else place[1]
    return Diagnostic(code, "error", message, Span(name, line, column, line, column + 1))


def _error(code: str, file: str, message: str) -> CompileError:
    return CompileError([Diagnostic(code, "error", message, file=file)])
