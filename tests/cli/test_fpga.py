"""Commands on the target fpga: runs in the simulator, artifacts, and what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import spikec as package

from .conftest import Result

Spikec = Callable[..., Result]
INTEGERS = ("--pipeline", "quantize{weights=8,state=16}")
FPGA = ("--target", "fpga", *INTEGERS)
RUN = ("run", "net.snn", "--input", "x.npy")


def same(first: str, second: str) -> bool:
    """Whether two files of results hold the same bits."""
    one, other = np.load(first), np.load(second)
    return set(one) == set(other) and all(one[key].tobytes() == other[key].tobytes() for key in one)


def test_a_run_gives_what_the_cpu_gives_real_and_raw(spikec: Spikec) -> None:
    for options in ((), ("--raw",), ("--batch", "2", "--threads", "2")):
        np.save("x.npy", np.random.default_rng(0).random((2, 12, 3)[0 if "--batch" in options else 1 :]))
        for target in ("fpga:ecp5{lanes=2}", "cpu"):
            place = f"{target[:4]}.npz"
            result = spikec(*RUN, *INTEGERS, "--target", target, "-o", place, "--force", *options)
            assert (result.status, result.err) == (0, "")
        assert same("fpga.npz", "cpu.npz")
    assert np.load("cpu.npz")["cell.V"].shape == (2, 12, 3)


def test_the_summary_is_that_of_the_cpu_and_people_see_the_clock(spikec: Spikec) -> None:
    fpga, cpu = (json.loads(spikec(*RUN, *INTEGERS, "--target", t, "--json").out) for t in ("fpga", "cpu"))
    del fpga["seconds"], cpu["seconds"]
    assert fpga == cpu
    text = spikec(*RUN, *INTEGERS, "--target", "fpga{clock=50MHz}").out
    found = re.search(r"circuit +(\d+) cycles, ([\d.]+) a step; ([\d.]+) us a sample at 50 MHz", text)
    assert found is not None
    assert float(found[2]) == pytest.approx(int(found[1]) / 10, rel=1e-3)
    assert float(found[3]) == pytest.approx(int(found[1]) / 50, rel=1e-3)


def test_a_second_run_takes_the_circuit_from_the_cache(spikec: Spikec) -> None:
    first, second = (spikec(*RUN, *FPGA, "--time-passes") for _ in range(2))
    assert "lower to rtl" in first.err
    assert "parse" not in second.err
    assert first.out.splitlines()[1:] == second.out.splitlines()[1:]


def test_an_artifact_is_enough_to_run(spikec: Spikec) -> None:
    assert spikec("compile", "net.snn", *FPGA, "-o", "build").status == 0
    assert spikec(*RUN, *INTEGERS, "-o", "cpu.npz").status == 0
    Path("net.snn").unlink()
    assert spikec("run", "build", "--input", "x.npy", "-o", "fpga.npz").status == 0
    assert same("fpga.npz", "cpu.npz")
    result = spikec("run", "build", "--input", "x.npy", "--device", "cuda")
    assert (result.status, result.err) == (2, "spikec: error: --device is for --target ptx alone\n")
    package.open("build").save("copy")
    assert {p.relative_to("copy") for p in Path("copy").rglob("*")} == {
        p.relative_to("build") for p in Path("build").rglob("*")
    }
    assert spikec("run", "copy", "--input", "x.npy").status == 0


def test_the_manifest_names_top_and_ports(spikec: Spikec) -> None:
    spikec("compile", "drawn.snn", "--target", "fpga:ice40{lanes=4}", "--pipeline", CALIBRATED, "-o", "build")
    manifest = json.loads(Path("build/manifest.json").read_text())
    assert (manifest["top"], manifest["target"]) == ("Drawn", "fpga:ice40{lanes=4}")
    assert manifest["machine"] == {"family": "ice40", "device": "hx8k"}
    text = Path("build/Drawn.v").read_text()
    head = re.search(r"module Drawn \((.*?)\);", text, re.DOTALL)
    assert head is not None
    declared = re.findall(r"(input|output)\s+(?:wire\s+|reg\s+)?(?:\[(\d+):0\]\s*)?(\w+)", head[1])
    ports = [(p["direction"], p["width"], p["name"]) for p in manifest["ports"]]
    assert ports == [(direction, int(high or 0) + 1, name) for direction, high, name in declared]
    assert all(port["meaning"] for port in manifest["ports"])
    assert {name for name in manifest["files"] if name.endswith(".v")} >= {"Drawn.v", "sim/bench.v"}


CALIBRATED = 'quantize{weights=8,state=16,calibrate="drawn.npz"}'


@pytest.fixture(autouse=True)
def calibration(in_a_folder_of_its_own: None) -> None:
    """An input from which the ranges of the model `drawn.snn` are known."""
    np.savez("drawn.npz", x=np.random.default_rng(0).random((10, 20)))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("circuit.json", lambda text: text.replace('"inputs"', '"input"'), "KeyError: 'inputs'"),
        ("circuit.json", lambda text: "[]", "TypeError"),
        ("circuit.mlir", lambda text: text[:-9], "circuit.mlir is no program"),
        ("circuit.safetensors", lambda text: "short", "SafetensorError"),
    ],
)
def test_a_damaged_artifact_is_refused(spikec: Spikec, name: str, change: Callable[[str], str], message: str) -> None:
    spikec("compile", "net.snn", *FPGA, "-o", "build")
    place, manifest = Path("build", name), json.loads(Path("build/manifest.json").read_text())
    place.write_text(change(place.read_text(errors="replace")))
    result = spikec("run", "build", "--input", "x.npy")
    assert result.status == 1
    assert f"{name} is not the file that the manifest names" in result.err
    # With the right hash it is still not what it should be.
    import hashlib

    manifest["files"][name]["sha256"] = hashlib.sha256(place.read_bytes()).hexdigest()
    Path("build/manifest.json").write_text(json.dumps(manifest))
    result = spikec("run", "build", "--input", "x.npy")
    assert result.status == 1
    assert "error[E0720]" in result.err
    assert message in result.err


def test_names_of_files_stay_in_the_folder(spikec: Spikec) -> None:
    spikec("compile", "net.snn", *FPGA, "-o", "build")
    manifest = json.loads(Path("build/manifest.json").read_text())
    for wrong in ("../x.npy", "/etc/hostname", "sim/../circuit.json", "./circuit.json"):
        files = {**manifest["files"], wrong: manifest["files"]["circuit.json"]}
        Path("build/manifest.json").write_text(json.dumps({**manifest, "files": files}))
        result = spikec("run", "build", "--input", "x.npy")
        assert (result.status, "is not the name of a file below it" in result.err) == (1, True)


def test_a_circuit_is_for_no_other_target(spikec: Spikec) -> None:
    spikec("compile", "net.snn", *FPGA, "-o", "build")
    manifest = json.loads(Path("build/manifest.json").read_text())
    Path("build/manifest.json").write_text(json.dumps({**manifest, "target": "cpu"}))
    result = spikec("run", "build", "--input", "x.npy")
    assert (result.status, "error[E0720]" in result.err) == (1, True)


def test_what_has_no_circuit_is_refused_with_its_place(spikec: Spikec) -> None:
    result = spikec(*RUN, "--target", "fpga:ecp5")
    assert (result.status, result.out) == (1, "")
    assert re.search(r"^net\.snn:\d+:\d+: error\[E1311\]: fpga:ecp5: reals have no circuit", result.err)
    assert "help: the pass 'quantize' makes integers" in result.err


def test_a_wrong_target_is_wrong_use(spikec: Spikec) -> None:
    for target, message in (
        ("fpga:ecp", "unknown family 'ecp'; did you mean 'ecp5'?"),
        ("fpga{lanes=cel:2}", "there is no core 'cel'; did you mean 'cell_core'?"),
        ("fgpa", "unknown target 'fgpa'; did you mean 'fpga'?"),
    ):
        result = spikec(*RUN, *INTEGERS, "--target", target)
        assert result.status == 2
        assert message in result.err
    result = spikec("compile", "net.snn", *FPGA, "--emit", "verilg", "-o", "x")
    assert (result.status, "did you mean 'verilog'?" in result.err) == (2, True)


def test_the_circuit_is_shown_and_read_again(spikec: Spikec) -> None:
    result = spikec("compile", "net.snn", *FPGA, "--emit", "mlir", "--print-after", "lower-to-rtl")
    assert result.status == 0
    assert result.err.startswith("// after lower-to-rtl\n")
    assert result.out in result.err
    Path("circuit.mlir").write_text(result.out)
    assert 'rtl.model = "Tiny"' in result.out


def test_the_lists_of_targets_know_it(spikec: Spikec) -> None:
    (found,) = [one for one in json.loads(spikec("targets", "--json").out)["targets"] if one["name"] == "fpga"]
    assert found["form"] == "fpga[:FAMILY][{OPTIONS}]"
    assert {"verilog", "rtlil", "json", "edif", "blif", "bitstream"} <= set(found["emit"])
    assert "cpu, fpga, ptx" in spikec("doctor").out
