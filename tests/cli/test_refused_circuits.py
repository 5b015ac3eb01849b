"""What has no circuit: one file per code in `tests/errors`, whose first line names the target and the passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Spikec = Callable[..., Any]

CORPUS = Path(__file__).parents[1] / "errors"
FILES = sorted(CORPUS.glob("E131[12]_*.snn"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_refusal_names_its_place(
    path: Path, update_golden: bool, spikec: Spikec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, *passes = path.read_text().splitlines()[0].removeprefix("# ").split(", ")
    monkeypatch.chdir(CORPUS)
    options = ["--pipeline", passes[0]] if passes else []
    result = spikec("compile", path.name, "--target", target, *options, "-o", str(tmp_path / "net.circuit"))
    assert result.status == 1
    expected = path.with_suffix(".expect")
    if update_golden:
        expected.write_text(result.err, "utf-8", newline="\n")
    assert result.err == expected.read_text("utf-8")
    assert f"error[{path.stem.partition('_')[0]}]" in result.err


def test_both_codes_have_a_file() -> None:
    assert {path.stem.partition("_")[0] for path in FILES} == {"E1311", "E1312"}
