"""Passes in `compile`, `run` and `opt`: what they report, what they read, what is shown around them, and failures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import spikec
from spikec import registry
from spikec.dialects.constants import Constants
from spikec.dialects.diagnostics import CompileError, Diagnostic, Diagnostics
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Table
from spikec.dialects.program import Program

Spikec = Callable[..., Any]

TABLE = Table("what is kept", ("name", "size", "error", "kept"), (("cell", 3, 0.125, True), ("other", 12, None, False)))
SHOWN = """\
what is kept
  name   size  error  kept
  cell      3  0.125  yes
  other    12      -  no
"""


@dataclass(frozen=True)
class Look:
    """Reports and changes nothing."""

    name: ClassVar[str] = "look"
    level: ClassVar[str] = "snn"
    data: str | None = None

    def files(self) -> Sequence[Path]:
        return [Path(self.data)] if self.data else []

    def run(self, program: Program) -> Program:
        for file in self.files():
            if not file.exists():
                raise CompileError([Diagnostic("E0701", "error", f"no such file: {file}", file=str(file))])
        seen = "".join(file.read_text() for file in self.files())
        return program.noted(TABLE, Diagnostic("W0602", "warning", f"seen at {program.level} {seen}".strip()))


@dataclass(frozen=True)
class LookLate(Look):
    """The same of a timestep."""

    name: ClassVar[str] = "look-late"
    level: ClassVar[str] = "step"


@dataclass(frozen=True)
class Spoil(Look):
    """Leaves invalid IR."""

    name: ClassVar[str] = "spoil"

    def run(self, program: Program) -> Program:
        result = program.clone()
        del result.module.operation.attributes["snn.dt"]
        return result


@dataclass(frozen=True)
class Sample(Look):
    """Records every second step."""

    name: ClassVar[str] = "sample"

    def run(self, program: Program) -> Program:
        result = program.clone()
        with result.module.context, ir.Location.unknown():
            from spikec.dialects import snn

            for probe in result.ops(snn.Probe):
                probe.operation.attributes["every"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 2)
        return result


@pytest.fixture(autouse=True)
def with_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {cls.name: f"{__name__}:{cls.__name__}" for cls in (Look, LookLate, Spoil, Sample)}
    monkeypatch.setattr(registry, "PASSES", {**registry.PASSES, **ours})


RUN = ["run", "net.snn", "--input", "x.npy", "--pipeline"]
EMIT = ["compile", "net.snn", "--emit", "snn", "-o", "out.mlir", "--force", "--pipeline"]


# ---------------------------------------------------------------- what they report


def test_tables_are_printed_when_they_are_wanted(spikec: Spikec) -> None:
    assert SHOWN in spikec(*EMIT, "look", "--report").err
    assert SHOWN in spikec(*EMIT, "look", "--verbose").err
    assert SHOWN not in spikec(*EMIT, "look").err
    assert SHOWN in spikec("opt", "out.mlir", "--pipeline", "look", "--verbose").err
    for _ in range(2):  # the second time from the cache
        assert spikec(*RUN, "look", "--verbose").err.count(SHOWN) == 1
        assert SHOWN not in spikec(*RUN, "look").err


def test_the_report_as_one_object(spikec: Spikec) -> None:
    result = spikec(*EMIT, "look", "--report", "--json")
    report = json.loads(result.out)
    assert result.err.count("\n") == 1  # the warning
    assert report["sizes"]["neurons"] == 3
    assert set(report["seconds"]) >= {"parse", "pass look"}
    assert report["tables"] == [
        {"title": TABLE.title, "columns": list(TABLE.columns), "rows": [list(row) for row in TABLE.rows]}
    ]
    assert spikec("compile", "net.snn", "--emit", "snn", "--json").status == 2
    assert spikec("compile", "net.snn", "--emit", "snn", "--report", "--json").status == 2


def test_numbers_of_tables_become_numbers_of_json(spikec: Spikec, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Table("odd", ("a", "b", "c"), ((np.int64(3), np.float32(0.5), float("inf")),))  # type: ignore[arg-type]
    monkeypatch.setattr(Look, "run", lambda self, program: program.noted(odd))
    assert json.loads(spikec(*EMIT, "look", "--report", "--json").out)["tables"][0]["rows"] == [[3, 0.5, None]]
    for _ in range(2):
        assert "  a    b    c\n  3  0.5  inf\n" in spikec(*RUN, "look", "--verbose").err


def test_the_manifest_has_the_report_and_the_passes(spikec: Spikec, c_compiler: None) -> None:
    assert spikec("compile", "net.snn", "-o", "build", "--pipeline", " look , look-late{data=none}").status == 0
    manifest = json.loads(Path("build/manifest.json").read_text())
    assert manifest["pipeline"] == "look,look-late"
    assert [table["title"] for table in manifest["report"]].count("what is kept") == 1
    assert spikec("run", "build", "--input", "x.npy").status == 0


@pytest.mark.parametrize("pipeline", ["look,look-late", "look-late,look,look"])
def test_warnings_are_shown_once_and_kept_in_the_cache(spikec: Spikec, pipeline: str) -> None:
    for _ in range(2):
        err = spikec(*RUN, pipeline).err
        assert (err.count("seen at snn"), err.count("seen at step")) == (1, 1)
    assert spikec(*RUN, pipeline, "--target", "reference").err.count("seen at step") == 1
    assert spikec(*EMIT, pipeline).err.count("warning[W0602]") == 1


def test_warnings_reach_the_sink_of_the_api() -> None:
    sink = Diagnostics()
    spikec.compile(spikec.load("net.snn"), pipeline="look,look-late", diagnostics=sink)
    assert [d.message for d in sink.items] == ["seen at snn", "seen at step"]


# ---------------------------------------------------------------- what they read


def test_files_that_passes_read_belong_to_the_network_in_the_cache(spikec: Spikec) -> None:
    Path("data.txt").write_text("one")
    for text in ("one", "one", "two"):
        Path("data.txt").write_text(text)
        assert f"seen at snn {text}" in spikec(*RUN, "look{data=data.txt}").err
    Path("data.txt").unlink()
    result = spikec(*RUN, "look{data=data.txt}")
    assert (result.status, result.out) == (1, "")
    assert "data.txt: error[E0701]" in result.err


def test_passes_change_what_runs(spikec: Spikec) -> None:
    for name, pipeline in (("a", "canonicalize"), ("b", "sample")):
        assert spikec(*RUN, pipeline, "-o", f"{name}.npz").status == 0
    with np.load("a.npz") as a, np.load("b.npz") as b:
        assert (len(a["cell.V"]), len(b["cell.V"])) == (10, 5)


# ---------------------------------------------------------------- levels


def test_opt_names_the_pass_and_its_level(spikec: Spikec) -> None:
    spikec(*EMIT, "canonicalize")
    result = spikec("opt", "out.mlir", "--pipeline", "look,look-late")
    assert (result.status, result.out) == (1, "")
    assert "error[E1273]: the pass 'look-late' works at level 'step', and the program is at level 'snn'" in result.err
    spikec("compile", "net.snn", "--emit", "step", "-o", "step.mlir")
    assert "error[E1273]: the pass 'look'" in spikec("opt", "step.mlir", "--pipeline", "look").err
    assert spikec("opt", "step.mlir", "--pipeline", "look-late").status == 0


# ---------------------------------------------------------------- what is shown around them


def shown(err: str) -> list[str]:
    return [line.removeprefix("// after ") for line in err.splitlines() if line.startswith("// after ")]


def test_print_after_shows_each_pass_and_lowering(spikec: Spikec) -> None:
    around = ["canonicalize", "look", "lower-to-step", "look-late"]
    assert shown(spikec(*EMIT, "look-late,look", "--print-after", "all").err) == around[:2]
    command = ["compile", "net.snn", "--emit", "obj", "-o", "net.o", "--force", "--pipeline", "look-late,look"]
    found = shown(spikec(*command, "--print-after", "all").err)
    assert [name for name in found if name != "schedule"] == [*around, "lower-to-cpu"]
    for _ in range(2):  # never from the cache
        found = shown(spikec(*RUN, "look-late,look", "--print-after", "all").err)
        assert [name for name in found if name != "schedule"] == [*around, "lower-to-cpu"]
    assert shown(spikec(*RUN, "look", "--print-after", "lower-to-step").err) == ["lower-to-step"]
    result = spikec("opt", "out.mlir", "--pipeline", "look,canonicalize,look", "--print-after", "look")
    assert shown(result.err) == ["look", "look"]


@pytest.mark.parametrize("command", [RUN, EMIT, ["opt", "out.mlir", "--pipeline"]])
def test_print_after_an_unknown_pass(spikec: Spikec, command: list[str]) -> None:
    Path("out.mlir").write_text("")
    result = spikec(*command, "look", "--print-after", "lok")
    assert result.status == 2
    assert "--print-after: unknown pass 'lok'; did you mean 'look'?" in result.err


@pytest.mark.parametrize("command", [RUN, EMIT, ["opt", "out.mlir", "--pipeline"]])
def test_times_of_passes(spikec: Spikec, command: list[str]) -> None:
    spikec(*EMIT, "canonicalize")
    err = spikec(*command, "look", "--time-passes").err
    assert [line.split("  ")[-1] for line in err.splitlines() if line.endswith("look")] == ["pass look"]


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize("command", [RUN, EMIT])
def test_invalid_ir_names_the_pass_and_can_be_seen_again(
    spikec: Spikec, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPIKEC_VERIFY_EACH")
    result = spikec(*command, "look,spoil", "--verify-each")
    assert (result.status, result.out) == (70, "")
    assert "in pass spoil: invalid IR after pass spoil" in result.err
    (saved,) = Path().glob("spikec-bug-*.mlir")
    assert "snn.dt = 1.000000e-03 : f64" in saved.read_text()
    assert f"spikec opt {saved} --verify-each --pipeline spoil" in result.err
    again = spikec("opt", str(saved), "--verify-each", "--pipeline", "spoil")
    assert (again.status, "in pass spoil: invalid IR" in again.err) == (70, True)


def test_arrays_are_kept_with_the_program_that_a_pass_failed_on(spikec: Spikec) -> None:
    text = Path("net.snn").read_text().replace("input x", 'param w : real[3, 3] = load("w.npz", "w")\n  input x')
    Path("net.snn").write_text(text.replace("IF[3](x", "IF[3](w @ x"))
    np.savez("w.npz", w=np.eye(3, dtype=np.float32) * 0.5)
    assert spikec(*RUN, "spoil", "--verify-each").status == 70
    (arrays,) = Path().glob("spikec-bug-*.safetensors")
    assert any(array.shape == (3, 3) for array in Constants.load(arrays).values())
    again = spikec("opt", str(arrays.with_suffix(".mlir")), "--verify-each", "--pipeline", "spoil")
    assert (again.status, "in pass spoil: invalid IR" in again.err) == (70, True)


def test_an_invalid_lowering_is_named(spikec: Spikec, monkeypatch: pytest.MonkeyPatch) -> None:
    from spikec.lower import snn_to_step

    right = snn_to_step.lower

    def wrong(program: Program, seed: int) -> Program:
        result = right(program, seed)
        del result.module.operation.attributes["step.dt"]
        return result

    monkeypatch.setattr(snn_to_step, "lower", wrong)
    result = spikec("compile", "net.snn", "--emit", "step", "--verify-each")
    assert result.status == 70
    assert "in lower to step: invalid IR after lower to step" in result.err
    (saved,) = Path().glob("spikec-bug-*.mlir")
    assert "snn.model" in saved.read_text()
