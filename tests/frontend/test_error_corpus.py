"""One broken file per code in `tests/errors`, beside it the diagnostics it must give."""

from __future__ import annotations

from pathlib import Path

import pytest
from spikec.dialects.codes import CODES
from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend.parse import parse, read_source

CORPUS = Path(__file__).parents[1] / "errors"
SYNTAX = sorted(CORPUS.glob("E01*.snn"))
# No text file shows these: an unreadable file, and hundreds of mistakes in one.
ELSEWHERE = {"E0111", "E0116"}


@pytest.mark.parametrize("path", SYNTAX, ids=lambda path: path.stem)
def test_diagnostics_of_a_broken_file(path: Path, update_golden: bool) -> None:
    diagnostics = Diagnostics()
    source = read_source(path)
    parse(source, path.name, diagnostics)
    found = "".join(d.render(source) + "\n" for d in diagnostics.items)
    expected = path.with_suffix(".expect")
    if update_golden:
        expected.write_text(found, "utf-8", newline="\n")
    assert found == expected.read_text("utf-8")
    assert {d.code for d in diagnostics.items} == {path.stem.partition("_")[0]}


def test_every_syntax_code_has_a_file() -> None:
    codes = {code for code in CODES if code.startswith("E01")}
    assert {path.stem.partition("_")[0] for path in SYNTAX} == codes - ELSEWHERE
    assert {path.stem for path in SYNTAX} == {path.stem for path in CORPUS.glob("E01*.expect")}
