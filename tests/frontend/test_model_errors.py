"""Models that parse and mean nothing: one file per code in `tests/errors`, with what `check` must say of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from spikec.dialects.codes import CODES
from spikec.dialects.diagnostics import Diagnostic, Diagnostics
from spikec.frontend.build import build
from spikec.frontend.parse import parse, read_source

CORPUS = Path(__file__).parents[1] / "errors"
# Syntax, and what is found after the front end, have tests of their own.
MODELS = sorted(path for path in CORPUS.glob("*.snn") if not path.name.startswith(("E01", "E13", "W02")))
# Shown by the command line (-P), by drawing connections, and by array files: tests of those.
ELSEWHERE = {"E0208", "E0605", "E0702", "E0703"}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_diagnostics_of_a_wrong_model(path: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CORPUS)
    diagnostics = Diagnostics()
    source = read_source(path)
    file = parse(source, path.name, diagnostics)
    assert file is not None and not diagnostics.items
    build(file, {}, diagnostics, Path())
    found = "".join(_rendered(d, path.name, source) + "\n" for d in diagnostics.items)
    expected = path.with_suffix(".expect")
    if update_golden:
        expected.write_text(found, "utf-8", newline="\n")
    assert found == expected.read_text("utf-8")
    assert {d.code for d in diagnostics.items} == {path.stem.partition("_")[0]}


def _rendered(diagnostic: Diagnostic, name: str, source: str) -> str:
    """A message with its line, which may be one of an imported file."""
    file = diagnostic.span.file if diagnostic.span else name
    return diagnostic.render(source if file == name else read_source(Path(file)))


def test_every_code_of_models_has_a_file() -> None:
    codes = {code for code in CODES if code[:3] in ("E02", "E03", "E04", "E05", "E06", "E09", "W06", "N00")}
    assert {path.stem.partition("_")[0] for path in MODELS} - {"E0701"} == codes - ELSEWHERE
