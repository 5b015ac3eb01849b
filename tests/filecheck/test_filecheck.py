"""Golden tests of passes and lowerings.

The first line names them, `// RUN: canonicalize` or `// RUN: canonicalize,lower`; `// CHECK:` lines follow.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from filecheck.matcher import Matcher
from filecheck.options import Options
from spikec import pipelines
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.lower import snn_to_step

from tests.lower.networks import parse

FILES = sorted(Path(__file__).parent.glob("*.mlir"))


def made(path: Path) -> Program:
    """What the passes of a file's first line make of it."""
    text = path.read_text()
    run = text.split("\n", 1)[0].removeprefix("// RUN:").strip()
    passes, _, last = run.rpartition(",")
    pipeline, lowers = (passes, True) if last.strip() == "lower" else (run, False)
    program = pipelines.parse(pipeline)(parse(text))
    return snn_to_step.lower(program) if lowers else program


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = made(path)
    verify(program, path.stem)
    shown = tmp_path / "made.mlir"
    shown.write_text(program.text())
    status = Matcher.from_opts(Options(match_filename=str(path), input_file=str(shown))).run()
    captured = capsys.readouterr()
    assert status == 0, captured.out + captured.err
