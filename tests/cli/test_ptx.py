"""Commands on the target ptx, with the emulated device in place of a GPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec as package
from spikec.dialects.diagnostics import CompileError, MissingTool, UsageError
from spikec.runtime import devices

from .conftest import Result

Spikec = Callable[..., Result]
EMULATED = ("--target", "ptx", "--device", "emulated")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a driver, whatever the tests run on."""

    def absent(memory: int | None = None) -> Any:
        raise MissingTool("no GPU can be used: there is none; or run with --device emulated")

    monkeypatch.setattr("spikec.runtime.devices.cuda.CudaDevice", absent)


def test_a_run_gives_what_the_cpu_gives(spikec: Spikec) -> None:
    for options in (EMULATED, ("--target", "cpu")):
        result = spikec("run", "net.snn", "--input", "x.npy", "-o", f"{options[1]}.npz", *options)
        assert (result.status, result.err) == (0, "")
    ptx, cpu = np.load("ptx.npz"), np.load("cpu.npz")
    assert set(ptx) == set(cpu)
    for key in cpu:
        assert ptx[key].tobytes() == cpu[key].tobytes()


def test_a_second_run_takes_the_code_from_the_cache(spikec: Spikec) -> None:
    first, second = (spikec("run", "net.snn", "--input", "x.npy", "--time-passes", *EMULATED) for _ in range(2))
    assert "lower to gpu" in first.err
    assert "parse" not in second.err
    assert first.out.splitlines()[1:] == second.out.splitlines()[1:]


def test_without_a_gpu_the_emulation_is_named(spikec: Spikec, no_gpu: None) -> None:
    for options in ((), ("--device", "cuda")):
        result = spikec("run", "net.snn", "--input", "x.npy", "--target", "ptx", *options)
        assert (result.status, result.out) == (3, "")
        assert "--device emulated" in result.err


def test_an_artifact_is_enough_to_run(spikec: Spikec, no_gpu: None) -> None:
    assert spikec("compile", "net.snn", "--target", "ptx:sm_90", "-o", "build").status == 0
    folder = Path("build")
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "launches.json",
        "Tiny.ptx",
        "Tiny.safetensors",
    }
    spikec("run", "net.snn", "--input", "x.npy", "-o", "cpu.npz")
    Path("net.snn").unlink()
    assert spikec("run", "build", "--input", "x.npy").status == 3
    assert spikec("run", "build", "--input", "x.npy", "--device", "emulated", "-o", "ptx.npz").status == 0
    ptx, cpu = np.load("ptx.npz"), np.load("cpu.npz")
    assert all(ptx[key].tobytes() == cpu[key].tobytes() for key in cpu)


def test_the_manifest_says_what_to_launch(spikec: Spikec) -> None:
    spikec("compile", "drawn.snn", "--target", "ptx", "-o", "build")
    manifest = json.loads(Path("build/manifest.json").read_text())
    assert manifest["machine"]["cpu"] == "sm_80"
    text = Path("build/Drawn.ptx").read_text()
    buffers = {buffer["name"]: buffer for buffer in manifest["buffers"]}
    assert manifest["plan"]
    for launch in manifest["plan"]:
        assert f".entry {launch['kernel']}(" in text
        assert launch["args"][0] == "round"
        assert set(launch["args"][1:]) <= set(buffers)
        assert launch["block"] == [128, 1, 1]
    assert all(buffer["bytes"] > 0 for buffer in buffers.values())


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("launches.json", b"{}"),
        ("launches.json", b'{"format": 9}'),
        ("Tiny.ptx", None),
        ("Tiny.safetensors", b"nothing"),
    ],
)
def test_a_damaged_artifact_is_refused(spikec: Spikec, name: str, data: bytes | None) -> None:
    spikec("compile", "net.snn", "--target", "ptx", "-o", "build")
    place = Path("build") / name
    if data is None:
        place.unlink()
    else:
        place.write_bytes(data)
    result = spikec("run", "build", "--input", "x.npy", "--device", "emulated")
    assert (result.status, result.out) == (1, "")
    assert "error[E0720]" in result.err


def test_a_network_larger_than_the_memory_is_refused(spikec: Spikec) -> None:
    for argv in (
        ("run", "net.snn", "--input", "x.npy", "--target", "ptx{memory=1KB}", "--device", "emulated"),
        ("compile", "net.snn", "--target", "ptx{memory=1KB}", "-o", "build"),
        ("compile", "net.snn", "--target", "ptx{memory=1KB}", "--emit", "ptx"),
    ):
        result = spikec(*argv)
        assert (result.status, result.out) == (1, "")
        assert "error[E0725]: the network takes" in result.err


def test_a_persistent_kernel_that_is_too_large_is_refused(spikec: Spikec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikec.runtime.devices.emulated.RESIDENT", 100)
    large = Path("net.snn").read_text().replace("real[3]", "real[20000]").replace("IF[3]", "IF[20000]")
    Path("large.snn").write_text(large)
    options = ("--target", "ptx{launch=persistent}", "--device", "emulated")
    result = spikec("run", "large.snn", "--steps", "1", "--input", "x.npy", *options)
    assert result.status == 1
    assert "error[E0726]: the persistent kernel has" in result.err


def test_a_device_is_for_ptx_alone(spikec: Spikec, c_compiler: None) -> None:
    spikec("compile", "net.snn", "-o", "build")
    result = spikec("run", "build", "--input", "x.npy", "--device", "emulated")
    assert result.status == 2
    assert "--device is for --target ptx alone" in result.err


def test_several_kinds_are_named_for_their_target(spikec: Spikec) -> None:
    Path("out").mkdir()
    assert spikec("compile", "net.snn", "--target", "ptx", "--emit", "mlir,llvm,ptx", "-o", "out").status == 0
    assert {path.name for path in Path("out").iterdir()} == {"net.gpu.mlir", "net.ll", "net.ptx"}


def test_the_lowering_can_be_watched(spikec: Spikec) -> None:
    result = spikec("compile", "net.snn", "--target", "ptx", "--emit", "ptx", "--print-after", "lower-to-gpu")
    assert "// after lower-to-gpu" in result.err
    assert "llvm.func" in result.err


def test_the_python_api_takes_a_device(no_gpu: None, tmp_path: Path) -> None:
    program = package.load("net.snn")
    x = np.load("x.npy")
    expected = package.compile(program).run({"x": x})
    net = package.compile(program, "ptx:sm_80", device="emulated")
    run = net.run({"x": np.stack([x, x[::-1]])}, batch=2)
    assert np.array_equal(run.outputs["y"][0], expected.outputs["y"])
    net.save(tmp_path / "build")
    again = package.open(tmp_path / "build", device="emulated")
    assert np.array_equal(again.step({"x": x[0]})["y"], expected.outputs["y"][0])
    with pytest.raises(MissingTool):
        package.open(tmp_path / "build")
    with pytest.raises(UsageError):
        package.compile(program, "cpu", device="emulated")
    with pytest.raises(CompileError, match="E0725"):
        package.compile(program, "ptx{memory=100}", device="emulated")
    assert devices.DEVICES == ("cuda", "emulated")
