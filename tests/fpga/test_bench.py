"""The generated bench passes on the circuit in the simulators of Verilog, and fails on another circuit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
import spikec
from spikec.backends.fpga import files, readme, tools, verilog
from spikec.backends.fpga.target import FpgaTarget
from spikec.dialects.program import Program

from tests.fpga.nets import layers, module, network
from tests.lower import circuits

FULL = os.environ.get("SPIKEC_FULL") == "1"
EXAMPLES = Path(__file__).parents[2] / "examples"
needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")


def write(net: Program, folder: Path, target: str = "fpga{lanes=2}") -> Path:
    """The folder of an artifact within a folder, without what only the compiler reads."""
    aim, out = FpgaTarget.parse(target), folder / "out"
    (out / "sim").mkdir(parents=True)
    tools.write(files.artifact(aim, *module(net, aim)), out)
    return out


def commands(folder: Path) -> Iterator[str]:
    """Those of the README, block by block."""
    yield from re.findall(r"^```sh\n(.*?)^```", (folder / readme.NAME).read_text(), re.DOTALL | re.MULTILINE)


def said(folder: Path) -> tuple[int, str]:
    """How the bench ends in Icarus Verilog, and its words."""
    done = subprocess.run(next(commands(folder)), cwd=folder, shell=True, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@needs_icarus
def test_a_circuit_with_delays_passes(tmp_path: Path) -> None:
    out = write(layers(tmp_path), tmp_path)
    status, text = said(out)
    assert (status, "PASS: 2 samples of 20 steps" in text) == (0, True), text
    assert (out / "sim" / "y_words.hex").read_text().count("1") > 5


@needs_icarus
@pytest.mark.parametrize(("file", "wanted", "other"), [("weights0.hex", "[1-7]", "0"), (".v", r"\+", "-")])
def test_another_circuit_fails(tmp_path: Path, file: str, wanted: str, other: str) -> None:
    out = write(layers(tmp_path), tmp_path)
    (path,) = (path for path in out.glob(f"a_core_unit*{file}"))
    text = path.read_text()
    lines = [line for line in text.splitlines() if re.search(wanted, line)]
    path.write_text(text.replace(lines[len(lines) // 2], re.sub(wanted, other, lines[len(lines) // 2])))
    status, words = said(out)
    assert status != 0, words
    assert "FAIL" in words


@needs_icarus
def test_each_word_is_compared(tmp_path: Path) -> None:
    """Streams, the states that can be read, and the label: one that differs at the end of the run is enough."""
    out = write(layers(tmp_path), tmp_path)
    compared = {path.name: path for path in (out / "sim").glob("*_words.hex") if path.name != "x_words.hex"}
    assert {"y_words.hex", "z_words.hex", "label_words.hex"} < compared.keys()
    subprocess.run(next(commands(out)), cwd=out, shell=True, check=True, capture_output=True)
    for path in compared.values():
        *lines, last = (kept := path.read_text()).splitlines()
        path.write_text("\n".join([*lines, f"{int(last, 16) ^ 1:x}"]))
        done = subprocess.run(["vvp", "-n", "sim/bench.vvp"], cwd=out, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert f"FAIL: {path.name.removesuffix('_words.hex')} " in done.stdout
        path.write_text(kept)


@needs_icarus
def test_values_of_the_host_and_random_numbers(tmp_path: Path) -> None:
    """The encoder on the chip takes values group by group, and draws for both samples."""
    body = " input x : real[5] in [0, 1]\n s = bernoulli(x) seed 3\n a = N[4](w @ s)\n output y = a"
    out = write(network(tmp_path, body, w=np.random.default_rng(0).normal(0.4, 0.4, (4, 5))), tmp_path)
    status, text = said(out)
    assert (status, "PASS" in text) == (0, True), text


@needs_icarus
def test_events_with_values(tmp_path: Path) -> None:
    body = " input x : real[6] in [-1, 1]\n a = N[9](w @ x)\n output y = a"
    net = network(tmp_path, body, "weights=8,state=16", w=np.random.default_rng(0).normal(0.2, 0.5, (9, 6)))
    out = write(net, tmp_path)
    status, text = said(out)
    assert (status, "PASS" in text) == (0, True), text


@needs_icarus
def test_one_text_is_the_same_circuit(tmp_path: Path) -> None:
    net = layers(tmp_path)
    out = write(net, tmp_path)
    for path in [*out.glob("*.v"), *out.glob("*.hex")]:
        path.unlink()
    target = FpgaTarget.parse("fpga{lanes=2}")
    circuit = module(net, target)[0]
    (out / "net.v").write_bytes(files.emit(target, circuit, ("verilog",))["verilog"])
    assert said(out)[0] == 0
    assert verilog.text(circuit.circuit.design.program()) == (out / "net.v").read_bytes()


@needs_icarus
def test_gates_of_ice40_pass(tmp_path: Path) -> None:
    """What yosys makes of the circuit, in the makers' models of cells."""
    pyosys = pytest.importorskip("pyosys", reason="pyosys is not installed (pip install 'spikec[fpga]')")
    out = write(layers(tmp_path), tmp_path, "fpga:ice40{lanes=2}")
    make = re.search(r"yosys -p '(.*)'", (out / readme.NAME).read_text())
    assert make is not None
    tools.yosys([*make[1].split("; "), "write_verilog -noattr gates.v"], out)
    gates = (out / "gates.v").read_bytes()
    for path in out.glob("*.v"):
        path.unlink()
    models = (Path(pyosys.__file__).parent / "share" / "ice40" / "cells_sim.v").read_bytes()
    tools.write({"gates.v": gates, "cells.v": b"`define NO_ICE40_DEFAULT_ASSIGNMENTS\n" + models}, out)
    status, text = said(out)
    assert (status, "PASS" in text) == (0, True), text


@pytest.mark.skipif(shutil.which("verilator") is None, reason="verilator is not installed")
def test_verilator_has_nothing_to_say(tmp_path: Path) -> None:
    out = write(layers(tmp_path), tmp_path)
    command = list(commands(out))[1]
    if not FULL:  # its C++ takes ten seconds
        command = command.splitlines()[0].replace("--binary", "--timing --lint-only")
    done = subprocess.run(command, cwd=out, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "%Warning" not in done.stdout + done.stderr


@needs_icarus
@pytest.mark.parametrize("number", range(20 if FULL else 2))
def test_random_networks_pass(tmp_path: Path, number: int) -> None:
    random = Random(number)
    net = circuits.integers(circuits.write(random), random, tmp_path)
    lanes = random.choice((1, 2, 4, 64))
    status, text = said(write(net, tmp_path, f"fpga{{lanes={lanes},activity=0.3}}"))
    assert (status, "PASS" in text) == (0, True), text


@needs_icarus
@pytest.mark.skipif(not FULL, reason="SPIKEC_FULL=1 runs all tests")
@pytest.mark.parametrize("name", ["03_digits/digits", "09_shifts/shifts", "15_mnist_core/model"])
def test_examples_pass(tmp_path: Path, name: str) -> None:
    net = spikec.pipeline("quantize{weights=8,state=16}")(spikec.load(EXAMPLES / f"{name}.snn"))
    status, text = said(write(net, tmp_path))
    assert (status, "PASS" in text) == (0, True), text
