"""`spikec fmt`: statuses, what is written and what is not."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Spikec = Callable[..., Any]

WRONG = "model M {\n   step 1   ms # clock\n}"
RIGHT = "model M {\n  step 1 ms # clock\n}\n"


@pytest.fixture
def model() -> Path:
    path = Path("wrong.snn")
    path.write_text(WRONG)
    return path


def test_a_file_is_put_into_the_layout(spikec: Spikec, model: Path) -> None:
    model.chmod(0o640)
    result = spikec("fmt", "wrong.snn")
    assert (result.status, result.out, result.err) == (0, "", "")
    assert model.read_text() == RIGHT
    assert model.stat().st_mode & 0o777 == 0o640
    assert not list(Path().glob(".*.partial"))


def test_what_is_right_is_not_touched(spikec: Spikec, model: Path) -> None:
    model.write_text(RIGHT)
    before = model.stat().st_mtime_ns
    assert spikec("fmt", "wrong.snn", "--verbose").err == ""
    assert model.stat().st_mtime_ns == before
    assert spikec("fmt", "wrong.snn", "--check").status == 0


def test_check_shows_and_changes_nothing(spikec: Spikec, model: Path) -> None:
    result = spikec("fmt", "--check", "wrong.snn", "net.snn")
    assert result.status == 1
    assert {"-   step 1   ms # clock", "+  step 1 ms # clock"} <= set(result.out.splitlines())
    assert "\n\\ No newline at end of file\n" in result.out
    assert result.err == "spikec fmt would change 1 of 2 files\n"
    assert model.read_text() == WRONG


def test_stdout_and_stdin(spikec: Spikec, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spikec("fmt", "--stdout", "wrong.snn").out == RIGHT
    assert model.read_text() == WRONG
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WRONG.encode())))
    assert spikec("fmt", "-").out == RIGHT


def test_mistakes_are_reported_and_the_other_files_formatted(spikec: Spikec, model: Path) -> None:
    Path("broken.snn").write_text("model M { step }\n")
    result = spikec("fmt", "broken.snn", "absent.snn", "weights.npz", "wrong.snn")
    assert result.status == 1
    assert "broken.snn:1:16: error[E0108]" in result.err
    assert "1 | model M { step }\n" in result.err
    assert "no such file: absent.snn" in result.err
    assert "error[E0704]" in result.err
    assert model.read_text() == RIGHT
    assert Path("broken.snn").read_text() == "model M { step }\n"


def test_bytes_that_are_no_text(spikec: Spikec) -> None:
    Path("bytes.snn").write_bytes(b"model M {\xff}")
    assert "error[E0111]" in spikec("fmt", "bytes.snn").err
