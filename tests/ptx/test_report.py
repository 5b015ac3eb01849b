"""`compile` for PTX on the command line: cubins, and what --report tells about kernels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from spikec.backends.ptx import toolkit
from spikec.cli import main

from tests.ptx.examples import FOLDER

MODEL = str(FOLDER / "03_digits" / "digits.snn")
HAS_PTXAS = pytest.mark.skipif(toolkit.find("ptxas") is None, reason="there is no ptxas")
HAS_NVDISASM = pytest.mark.skipif(toolkit.find("nvdisasm") is None, reason="there is no nvdisasm")


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[list[object]]]:
    """The rows of each table that `--report --json` gives, by its title."""
    assert main(["compile", MODEL, "--report", "--json", *arguments]) == 0
    return {table["title"]: table["rows"] for table in json.loads(capsys.readouterr().out)["tables"]}


def lacking(monkeypatch: pytest.MonkeyPatch, *tools: str) -> None:
    find = toolkit.find
    monkeypatch.setattr(toolkit, "find", lambda tool: None if tool in tools else find(tool))


@HAS_PTXAS
@HAS_NVDISASM
def test_the_report_counts_what_kernels_take(capsys: pytest.CaptureFixture[str]) -> None:
    tables = report(capsys, "--target", "ptx:sm_90{sums=ordered}")
    assert any(title.startswith("estimate for ptx") for title in tables)
    kernels = {str(row[0]): row for row in tables["kernels on sm_90"]}
    assert {"step_0", "run"} <= set(kernels)
    name, registers, *zero, blocks, at_once = kernels["step_0"]
    assert 16 <= int(str(registers)) <= 40
    assert zero == [0, 0, 0]
    assert 0 < int(str(blocks)) <= int(str(at_once))
    (title,) = (title for title in tables if title.startswith("inner loops on sm_90"))
    loops = [row for row in tables[title] if row[0] == name]
    assert loops
    assert all(sums == "registers" and per_event == size / events for _, sums, size, events, per_event in loops)  # type: ignore[operator]


def test_the_report_says_what_is_lacking(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lacking(monkeypatch, "ptxas", "nvdisasm")
    tables = report(capsys, "--target", "ptx")
    assert not any(title.startswith(("kernels on", "inner loops")) for title in tables)
    assert tables["not measured"] == [
        ["registers, spills, shared memory", "ptxas", "pip install 'spikec[ptxas]'"],
        ["instructions per synaptic event", "nvdisasm", "pip install nvidia-cuda-nvdisasm"],
    ]


@HAS_PTXAS
def test_a_ptxas_of_another_age_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    if toolkit.version(toolkit.find("ptxas") or "").startswith("12"):
        pytest.skip("this ptxas knows sm_70")
    assert any("makes no code for sm_70" in title for title in report(capsys, "--target", "ptx:sm_70"))


@HAS_PTXAS
def test_a_cubin_is_machine_code(tmp_path: Path) -> None:
    place = tmp_path / "digits.cubin"
    assert main(["compile", MODEL, "--target", "ptx:sm_90", "--emit", "cubin", "-o", str(place)]) == 0
    assert place.read_bytes().startswith(b"\x7fELF")


def test_a_cubin_without_ptxas_is_a_missing_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking(monkeypatch, "ptxas")
    place = tmp_path / "digits.cubin"
    assert main(["compile", MODEL, "--target", "ptx", "--emit", "cubin", "-o", str(place)]) == 3
    assert "ptxas is needed for a cubin" in (said := capsys.readouterr().err)
    assert "pip install 'spikec[ptxas]'" in said
    assert not place.exists()


@pytest.mark.parametrize("text", ["ptx:sm_60", "ptx{sums=orderd}", "ptx:sm_80{memory=8GB"])
def test_a_wrong_target_is_wrong_use(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", MODEL, "--target", text, "--emit", "ptx"]) == 2
    assert f"--target {text}: " in capsys.readouterr().err


def test_all_kinds_of_text(tmp_path: Path) -> None:
    kinds = {"mlir": "llvm.func @step_0", "llvm": "define ptx_kernel void @step_0", "ptx": ".visible .entry step_0("}
    assert main(["compile", MODEL, "--target", "ptx", "--emit", ",".join(kinds), "-o", str(tmp_path)]) == 0
    texts = [path.read_text() for path in tmp_path.iterdir()]
    assert len(texts) == len(kinds)
    assert all(any(words in text for text in texts) for words in kinds.values())
