"""Warnings of `check`, `run` and `compile`: one file per code in `tests/errors`, and none where all is well."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spikec import driver
from spikec.dialects.codes import CODES

Spikec = Callable[..., Any]

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "errors"
FILES = sorted(CORPUS.glob("W02*.snn"))
EXAMPLES = sorted((ROOT / "examples").glob("*/*.snn"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_warnings_of_a_model(path: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CORPUS)
    compilation = driver.Compilation(Path(path.name), driver.Options())
    driver.check(compilation)
    diagnostics = compilation.diagnostics
    diagnostics.sort()
    found = "".join(d.render(path.read_text()) + "\n" for d in diagnostics.items)
    expected = path.with_suffix(".expect")
    if update_golden:
        expected.write_text(found, "utf-8", newline="\n")
    assert found == expected.read_text("utf-8")
    assert {d.code for d in diagnostics.items} == {path.stem.partition("_")[0]}


def test_every_code_has_a_file() -> None:
    assert {path.stem.partition("_")[0] for path in FILES} == {code for code in CODES if code.startswith("W02")}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_have_no_warnings(path: Path) -> None:
    compilation = driver.Compilation(path, driver.Options())
    driver.check(compilation)
    assert not [d for d in compilation.diagnostics.items if d.severity == "warning"]


def test_run_and_compile_warn_too_and_a_cached_run_again(spikec: Spikec) -> None:
    shutil.copy(CORPUS / "W0205_silent.snn", "silent.snn")
    Path("input.csv").write_text("0,0,0,0\n")
    Path("r.csv").write_text("0,0\n")
    inputs = ["--input", "x=input.csv", "--input", "r=r.csv", "--steps", "3"]
    for arguments in (["compile", "silent.snn", "-o", "built"], *[["run", "silent.snn", *inputs]] * 2):
        result = spikec(*arguments)
        assert result.status == 0
        assert "silent.snn:7:3: warning[W0205]: 'b' never spikes" in result.err
    assert "warning" not in spikec("run", "silent.snn", *inputs, "--quiet").err


def test_json_has_warnings_with_their_places(spikec: Spikec) -> None:
    import json

    shutil.copy(CORPUS / "W0202_input.snn", "m.snn")
    (found,) = json.loads(spikec("check", "m.snn", "--json").out)["diagnostics"]
    assert (found["code"], found["severity"], found["line"]) == ("W0202", "warning", 5)


def test_the_library_is_not_the_models_fault(spikec: Spikec) -> None:
    Path("lib.snn").write_text(
        "neuron Two(spare = 1) { in I, J; var V = 0; V := 0.9 * V + I + J; spike when V >= 1 { V := 0 } }\n"
    )
    Path("m.snn").write_text(
        'import "lib.snn"\nmodel M {\n  step 1 ms\n  input x : real[2]\n  a = Two[2](x)\n  output y = a\n}\n'
    )
    assert spikec("check", "m.snn").err == "m.snn: no errors\n"
