"""Each command on models that are right and wrong: statuses, stdout, stderr, files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Spikec = Callable[..., Any]


# ---------------------------------------------------------------- check


def test_check_says_that_a_model_is_right(spikec: Spikec) -> None:
    result = spikec("check", "net.snn")
    assert (result.status, result.out, result.err) == (0, "", "net.snn: no errors\n")
    assert spikec("check", "net.snn", "--quiet").err == ""


def test_check_reports_every_mistake_with_its_line(spikec: Spikec) -> None:
    text = Path("net.snn").read_text().replace("V := V + I", "V := W + I").replace("real[3]", "reel[3]")
    Path("net.snn").write_text(text)
    result = spikec("check", "net.snn")
    assert result.status == 1
    assert result.err.count("error[") == 2
    assert "net.snn:7:10: error[" in result.err
    assert "\n7 |     V := W + I\n  |          ^\n" in result.err


def test_check_json_is_one_object(spikec: Spikec) -> None:
    assert json.loads(spikec("check", "net.snn", "--json").out) == {"diagnostics": [], "open": []}
    Path("net.snn").write_text("model A {\n  nonsense here\n}\n")
    result = spikec("check", "net.snn", "--json")
    found = json.loads(result.out)["diagnostics"]
    assert result.status == 1
    assert set(found[0]) == {"code", "severity", "file", "line", "column", "message", "help"}
    assert (found[0]["file"], found[0]["line"], found[0]["severity"]) == ("net.snn", 2, "error")


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("name", ["absent.snn", "absent.nir", "absent"])
def test_a_missing_model(spikec: Spikec, command: str, name: str) -> None:
    result = spikec(command, name)
    assert result.status == 1
    assert f"no such file: {name}" in result.err


def test_parameters_are_expressions(spikec: Spikec) -> None:
    assert spikec("check", "net.snn", "-P", "theta = 2 * 0.75").status == 0
    result = spikec("check", "net.snn", "-P", "theta=2 *")
    assert result.status == 1
    assert "-P theta:1:" in result.err
    assert spikec("check", "net.snn", "-P", "thета=2").status in (1, 2)


def test_colours_only_where_they_are_wanted(spikec: Spikec, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in spikec("check", "absent.snn").err
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in spikec("check", "absent.snn").err
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in spikec("check", "absent.snn").err


# ---------------------------------------------------------------- run


def test_run_writes_outputs_and_probes(spikec: Spikec) -> None:
    result = spikec("run", "net.snn", "--input", "x=x.npy", "-o", "out.npz")
    assert result.status == 0
    assert "Tiny: 10 steps, 0.01 s of model time" in result.out
    with np.load("out.npz") as out:
        found = {key: (str(out[key].dtype), out[key].shape) for key in out.files}
        assert out["most"] == 0
    rows = found.pop("cell.spike")
    assert found == {"y": ("bool", (10, 3)), "most": ("int32", ()), "cell.V": ("float32", (10, 3))}
    assert rows == ("int32", (9, 2))


def test_every_target_gives_the_same_bytes(spikec: Spikec) -> None:
    for target in ("cpu", "reference"):
        assert spikec("run", "net.snn", "--input", "x.npy", "--target", target, "-o", f"{target}.npz").status == 0
    assert Path("cpu.npz").read_bytes() == Path("reference.npz").read_bytes()


def test_run_json_is_one_object(spikec: Spikec) -> None:
    result = spikec("run", "net.snn", "--input", "x.npy", "--json")
    summary = json.loads(result.out)
    assert result.status == 0
    assert summary["steps"] == 10
    assert summary["batch"] is None
    assert set(summary["seconds"]) == {"compile", "run"}
    assert summary["spikes"] == {"cell": 9}
    assert summary["outputs"]["most"]["values"] == 0
    assert len(summary["outputs"]["y"]["values"]) == 10


def test_a_batch(spikec: Spikec) -> None:
    np.save("batch.npy", np.stack([np.load("x.npy"), np.load("x.npy")[:, ::-1]]))
    assert spikec("run", "net.snn", "--input", "batch.npy", "--batch", "2", "-o", "out.npz").status == 0
    with np.load("out.npz") as out:
        assert out["most"].tolist() == [0, 2]
        assert out["y"].shape == (2, 10, 3)
        assert out["cell.spike"].shape[1] == 3


def test_a_second_run_gives_the_same_from_the_cache(spikec: Spikec) -> None:
    command = ["run", "net.snn", "--input", "x.npy", "--time-passes", "-o"]
    first, second = spikec(*command, "a.npz"), spikec(*command, "b.npz")
    assert "parse" in first.err
    assert "parse" not in second.err
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()


def test_a_changed_model_is_compiled_again(spikec: Spikec) -> None:
    spikec("run", "net.snn", "--input", "x.npy", "-o", "a.npz")
    Path("net.snn").write_text(Path("net.snn").read_text().replace("theta = 1.0", "theta = 0.5"))
    spikec("run", "net.snn", "--input", "x.npy", "-o", "b.npz")
    assert Path("a.npz").read_bytes() != Path("b.npz").read_bytes()


def test_changed_weights_are_read_again(spikec: Spikec) -> None:
    text = Path("net.snn").read_text()
    text = text.replace("input x", 'param b : real[3] = load("b.npz", "b")\n  input x').replace(
        "IF[3](x", "IF[3](x + b"
    )
    Path("net.snn").write_text(text)
    outputs = []
    for bias in (0.0, 0.5, 0.0):
        np.savez("b.npz", b=np.full(3, bias, np.float32))
        assert spikec("run", "net.snn", "--input", "x.npy", "-o", "out.npz", "--force").status == 0
        outputs.append(Path("out.npz").read_bytes())
    assert outputs[0] == outputs[2] != outputs[1]


def test_an_imported_file_that_changes_is_read_again(spikec: Spikec) -> None:
    cells = Path("lib/cells.snn")
    cells.parent.mkdir()
    Path("user.snn").write_text(
        'import "lib/cells.snn" as lib\n'
        "model M { step 1 ms\ninput x : real[3]\ny = lib.Gain[3](x)\noutput total = over_time(sum, sum(y)) }"
    )
    for gain in (1, 1, 5):
        cells.write_text(f"neuron Gain {{ in I; out {gain} * I }}")
        assert spikec("run", "user.snn", "--input", "x.npy", "-o", "r.npz", "--force").status == 0
        np.testing.assert_allclose(np.load("r.npz")["total"], 9 * gain, rtol=1e-5)


def test_an_unwritable_cache_is_only_slower(spikec: Spikec, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("SPIKEC_CACHE_DIR", "file/cache")
    assert spikec("run", "net.snn", "--input", "x.npy").status == 0


def test_another_seed_draws_other_connections(spikec: Spikec) -> None:
    np.save("ones.npy", np.ones((30, 20), np.float32))
    for seed in ("0", "1"):
        command = ["run", "drawn.snn", "--input", "ones.npy", "--seed", seed]
        for target in ("cpu", "reference"):
            assert spikec(*command, "--target", target, "-o", f"{target}{seed}.npz").status == 0
        assert Path(f"cpu{seed}.npz").read_bytes() == Path(f"reference{seed}.npz").read_bytes()
    assert Path("cpu0.npz").read_bytes() != Path("cpu1.npz").read_bytes()


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        ([], "E0714", "input 'x' is missing: real of shape (T, 3) or (3,)"),
        (["--input", "y=x.npy"], "E0715", "Tiny has no input 'y'"),
        (["--input", "nope.npy"], "E0701", "no such file: nope.npy"),
        (["--input", "x.npy", "--steps", "11"], "E0718", "input 'x' has 10 steps, but 11 are run"),
        (["--input", "x.npy", "--batch", "2"], "E0716", "input 'x' has shape (10, 3)"),
        (["--input", "x.npy:x"], "E0703", "'.npy:x' is not a kind of array file"),
        (["--input", "x.npy", "-o", "no/folder/out.npz"], "E0708", "cannot write no/folder/out.npz"),
        (["--input", "x.npy", "-o", "net.snn"], "E0707", "net.snn exists"),
        (["--input", "x.npy", "--plot", "there.svg"], "E0707", "there.svg exists"),
    ],
)
def test_wrong_input(spikec: Spikec, argv: list[str], code: str, said: str) -> None:
    Path("there.svg").write_text("")
    result = spikec("run", "net.snn", *argv)
    assert (result.status, result.out) == (1, "")
    assert f"error[{code}]: {said}" in result.err


def test_held_inputs_need_steps(spikec: Spikec) -> None:
    np.save("held.npy", np.zeros(3, np.float32))
    result = spikec("run", "net.snn", "--input", "held.npy")
    assert result.status == 2
    assert "give --steps N" in result.err
    assert spikec("run", "net.snn", "--input", "held.npy", "--steps", "4").status == 0


def test_values_out_of_range(spikec: Spikec) -> None:
    np.save("x.npy", np.full((4, 3), 2.0))
    result = spikec("run", "net.snn", "--input", "x.npy")
    assert result.status == 1
    assert "input 'x'[0, 0] is 2.0: the declared range is [0, 1] (12 values in all)" in result.err


def test_a_picture(spikec: Spikec) -> None:
    pytest.importorskip("matplotlib")
    assert spikec("run", "net.snn", "--input", "x.npy", "--plot", "run.svg").status == 0
    assert "cell.spike" in Path("run.svg").read_text()


def test_a_picture_without_matplotlib(spikec: Spikec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = spikec("run", "net.snn", "--input", "x.npy", "--plot", "run.svg")
    assert result.status == 3
    assert "pip install 'spikec[plot]'" in result.err


# ---------------------------------------------------------------- compile and artifacts


def test_emit_stops_at_a_level(spikec: Spikec) -> None:
    for kind, sign in (("snn", "snn.model"), ("step", "step.model"), ("llvm", "define"), ("header", "#ifndef")):
        result = spikec("compile", "net.snn", "--emit", kind)
        assert (result.status, result.err) == (0, "")
        assert sign in result.out


def test_emit_writes_ir_with_its_constants(spikec: Spikec) -> None:
    assert spikec("compile", "drawn.snn", "--emit", "step", "-o", "net.mlir").status == 0
    assert Path("net.safetensors").is_file()
    printed = spikec("opt", "net.mlir")
    assert (printed.status, printed.out) == (0, Path("net.mlir").read_text())


def test_emit_of_several_kinds_fills_a_folder(spikec: Spikec) -> None:
    assert spikec("compile", "net.snn", "--emit", "snn,obj", "-o", "many").status == 1
    Path("many").mkdir()
    assert spikec("compile", "net.snn", "--emit", "snn,obj", "-o", "many").status == 0
    assert sorted(path.name for path in Path("many").iterdir()) == ["net.o", "net.snn.mlir"]


def test_nothing_is_replaced_without_force(spikec: Spikec) -> None:
    Path("out").write_text("mine")
    for command in (["--emit", "snn", "-o", "out"], ["-o", "out"]):
        result = spikec("compile", "net.snn", *command)
        assert result.status == 1
        assert "error[E0707]: out exists" in result.err
        assert "--force" in result.err
    assert Path("out").read_text() == "mine"
    assert spikec("compile", "net.snn", "--emit", "snn", "-o", "out", "--force").status == 0
    assert "snn.model" in Path("out").read_text()


def test_an_artifact_runs_without_its_model(spikec: Spikec, c_compiler: None) -> None:
    assert spikec("compile", "net.snn", "-o", "build", "-P", "theta=0.9").status == 0
    assert spikec("run", "net.snn", "--input", "x.npy", "-P", "theta=0.9", "-o", "a.npz").status == 0
    Path("net.snn").unlink()
    assert spikec("run", "build", "--input", "x.npy", "-o", "b.npz").status == 0
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()


def test_the_manifest(spikec: Spikec, c_compiler: None) -> None:
    spikec("compile", "net.snn", "-o", "build", "-P", "theta=0.9", "--seed", "5")
    manifest = json.loads(Path("build/manifest.json").read_text())
    assert manifest["format"] == 1
    assert manifest["model"] == "Tiny"
    assert manifest["target"] == "cpu"
    assert (manifest["dt"], manifest["dt_unit"]) == (0.001, "s")
    assert [(i["name"], i["shape"], i["dtype"], i["unit"], i["scale"]) for i in manifest["inputs"]] == [
        ("x", [3], "float32", "", None)
    ]
    assert [o["name"] for o in manifest["outputs"]] == ["y", "most"]
    assert manifest["options"]["params"] == {"theta": "0.9"}
    assert manifest["seed"] == 5
    assert manifest["random_structure"] is False
    assert manifest["state_bytes"] > 0
    assert set(manifest["tools"]) >= {"spikec", "numpy"}
    assert set(manifest["files"]) == {p.name for p in Path("build").iterdir()} - {"manifest.json"}


@pytest.mark.usefixtures("compiled_each_time")
def test_artifacts_are_the_same_bytes(spikec: Spikec, c_compiler: None) -> None:
    spikec("compile", "net.snn", "-o", "a")
    spikec("compile", "net.snn", "-o", "b")
    for path in Path("a").iterdir():
        assert path.read_bytes() == (Path("b") / path.name).read_bytes()


def test_an_artifact_with_drawn_connections_has_one_seed(spikec: Spikec, c_compiler: None) -> None:
    np.save("ones.npy", np.ones((30, 20), np.float32))
    assert spikec("compile", "drawn.snn", "-o", "build", "--seed", "3").status == 0
    assert spikec("run", "build", "--input", "ones.npy").status == 0
    assert spikec("run", "build", "--input", "ones.npy", "--seed", "3").status == 0
    result = spikec("run", "build", "--input", "ones.npy", "--seed", "4")
    assert result.status == 1
    assert "E0721" in result.err
    assert "--seed 4" in result.err


def damaged(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("manifest.json", None),
        ("manifest.json", b"{"),
        ("manifest.json", b"[]"),
        ("manifest.json", b'{"format": 2, "files": {}}'),
        ("manifest.json", b'{"format": 1, "files": {"../x": {}}}'),
        ("manifest.json", b'{"format": 1, "files": {"Tiny.so": {}}}'),
        ("Tiny.so", None),
        ("Tiny.so", b"nothing"),
        ("layout.json", b"{}"),
    ],
)
def test_a_damaged_artifact_is_refused(spikec: Spikec, c_compiler: None, name: str, data: bytes | None) -> None:
    spikec("compile", "net.snn", "-o", "build")
    damaged(Path("build") / name, data)
    result = spikec("run", "build", "--input", "x.npy")
    assert (result.status, result.out) == (1, "")
    assert "error[E0720]" in result.err


def test_an_artifact_of_another_processor(spikec: Spikec, c_compiler: None) -> None:
    spikec("compile", "net.snn", "-o", "build")
    manifest = json.loads(Path("build/manifest.json").read_text())
    manifest["machine"]["features"] += ",+telepathy"
    Path("build/manifest.json").write_text(json.dumps(manifest))
    result = spikec("run", "build", "--input", "x.npy")
    assert result.status == 1
    assert "error[E0705]: the artifact is for a processor with telepathy" in result.err


def test_an_artifact_for_another_machine_is_made_and_not_run(spikec: Spikec) -> None:
    assert spikec("compile", "net.snn", "--target", "cpu:aarch64-unknown-linux-gnu", "-o", "arm").status == 0
    assert {p.suffix for p in Path("arm").iterdir()} == {".o", ".h", ".json"}
    result = spikec("run", "arm", "--input", "x.npy")
    assert result.status == 1
    assert "E0705" in result.err


@pytest.mark.parametrize("option", [["-P", "theta=1"], ["--target", "cpu"], ["--pipeline", "canonicalize"]])
def test_what_was_fixed_at_compile_time(spikec: Spikec, option: list[str]) -> None:
    Path("build").mkdir()
    result = spikec("run", "build", *option)
    assert result.status == 2
    assert "was fixed when build was compiled" in result.err


def test_the_report(spikec: Spikec) -> None:
    result = spikec("compile", "drawn.snn", "--emit", "obj", "-o", "net.o", "--report")
    assert result.status == 0
    lines = {line.rsplit(maxsplit=1)[0]: line.split()[-1] for line in result.out.splitlines()}
    assert lines["neurons"] == "40"
    assert 20 < int(lines["synapses"]) < 420
    assert "seconds to parse" in lines


def test_a_missing_compiler(spikec: Spikec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    result = spikec("compile", "net.snn", "-o", "build")
    assert result.status == 3
    assert "C compiler" in result.err
    assert not Path("build").exists()


# ---------------------------------------------------------------- opt


def test_opt_reads_stdin(spikec: Spikec, monkeypatch: pytest.MonkeyPatch) -> None:
    text = spikec("compile", "net.snn", "--emit", "snn").out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    result = spikec("opt", "-", "--pipeline", "canonicalize", "--print-after", "all", "--verify-each")
    assert (result.status, result.out) == (0, text)
    assert "// after canonicalize" in result.err


@pytest.mark.parametrize(
    ("text", "code"),
    [("nonsense", "E0803"), ('"snn.nothing"() : () -> ()', "E0803"), ("func.func @other() { return }", "E0804")],
)
def test_opt_of_wrong_ir(spikec: Spikec, text: str, code: str) -> None:
    Path("net.mlir").write_text("module attributes {snn.model = \"A\", snn.dt = 1.0 : f64, snn.dt_unit = \"steps\"} {\n"
                                f"  {text}\n}}\n")  # fmt: skip
    result = spikec("opt", "net.mlir")
    assert result.status == 1
    assert f"net.mlir:2:3: error[{code}]" in result.err


def test_opt_of_files_that_are_none(spikec: Spikec) -> None:
    assert "no such file: a.mlir" in spikec("opt", "a.mlir").err
    Path("b.mlir").write_bytes(b"\xff")
    assert "not UTF-8" in spikec("opt", "b.mlir").err
    Path("c.mlir").write_text("module {}")
    Path("c.safetensors").write_bytes(b"nothing")
    result = spikec("opt", "c.mlir")
    assert result.status == 1
    assert "E0801" in result.err


# ---------------------------------------------------------------- spikec itself


def test_explain(spikec: Spikec) -> None:
    result = spikec("explain", "e0101")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("E0101: ")
    assert len(spikec("explain").out.splitlines()) > 10


def test_targets_and_passes(spikec: Spikec) -> None:
    names = [target["name"] for target in json.loads(spikec("targets", "--json").out)["targets"]]
    assert names == ["cpu", "fpga", "ptx", "reference"]
    assert "--emit" in spikec("targets").out
    passes = json.loads(spikec("passes", "--json").out)["passes"]
    assert {"name", "about", "level", "package", "options", "error"} == set(passes[0])
    assert {entry["package"] for entry in passes} == {"spikec"}
    assert all(entry["about"] and entry["error"] is None for entry in passes)
    assert "canonicalize" in spikec("passes").out


def test_doctor(spikec: Spikec, monkeypatch: pytest.MonkeyPatch) -> None:
    result = spikec("doctor")
    assert result.status == 0
    assert "numpy" in result.out
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["numpy>=999", "no-such-package>=1"])
    result = spikec("doctor")
    assert result.status == 3
    assert "older than 999" in result.out
    assert "pip install 'no-such-package>=1'" in result.out


# ---------------------------------------------------------------- what goes wrong through nobody's input


def test_our_own_mistakes_name_the_stage_and_save_the_ir(spikec: Spikec, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr("spikec.lower.snn_to_step.lower", broken)
    result = spikec("compile", "net.snn", "--emit", "step")
    (saved,) = Path().glob("spikec-bug-*.mlir")
    assert result.status == 70
    assert result.out == ""
    assert "in lower to step: RuntimeError: a wheel came off" in result.err
    assert str(saved) in result.err
    assert 'snn.model = "Tiny"' in saved.read_text()
    assert "a wheel came off" in saved.read_text()


def test_a_pass_that_fails_is_named(spikec: Spikec, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("V")

    monkeypatch.setattr("spikec.passes.canonicalize.Canonicalize.run", broken)
    result = spikec("compile", "net.snn", "--emit", "snn")
    assert result.status == 70
    assert "in pass canonicalize" in result.err


def test_the_bug_file_goes_elsewhere_if_it_must(
    spikec: Spikec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("spikec.doctor.examine", lambda: [][0])
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "other"))
    monkeypatch.setattr("pathlib.Path.cwd", lambda: tmp_path / "absent")
    (tmp_path / "other").mkdir()
    assert spikec("doctor").status == 70
    assert len(list((tmp_path / "other").iterdir())) == 1


@pytest.mark.parametrize(("raised", "status"), [(KeyboardInterrupt, 130), (MemoryError, 1)])
def test_interruptions(
    spikec: Spikec, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException], status: int
) -> None:
    def stop(*_: Any) -> None:
        raise raised

    monkeypatch.setattr("spikec.frontend.build.build", stop)
    assert spikec("check", "net.snn").status == status
    assert not list(Path().glob("spikec-bug-*"))


def test_a_closed_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        command = [sys.executable, "-m", "spikec", "compile", "net.snn", "--emit", "snn"]
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk() -> None:
    command = [sys.executable, "-m", "spikec", "compile", "net.snn", "--emit", "snn"]
    with Path("/dev/full").open("wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "spikec: error: No space left on device\n")
