"""What a circuit must carry: interpreter, CPU, simulator of circuits and Icarus Verilog give the same bits.

Compared are spikes, outputs, counts and the states at the end of each sample.  Some samples by default, all with
SPIKEC_FULL=1: 899 images of digits, 100 of MNIST, 1000 steps of a recurrent net.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import spikec
from spikec.backends.fpga import files, testbench, tools
from spikec.backends.fpga.ports import Ports
from spikec.backends.fpga.target import FpgaTarget
from spikec.dialects.program import Program
from spikec.lower import snn_to_step
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import StepEngine
from spikec.runtime.run import Executable

from tests.examples.scripts import ROOT, script
from tests.fpga.nets import module
from tests.frontend.nir.test_conformance import CASES, arrays, manifest, semantics
from tests.programs.engines import differences

FULL = os.environ.get("SPIKEC_FULL") == "1"
SHIFTS = "quantize{weights=8,state=16,decay=shift}"
needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class System:
    """A network of integers, inputs [samples, steps, ...] by name, and the target that it is for."""

    network: Program
    inputs: Mapping[str, Array]
    target: str

    def sample(self, number: int) -> dict[str, Array]:
        return {name: array[number] for name, array in self.inputs.items()}

    @property
    def samples(self) -> int:
        return len(next(iter(self.inputs.values())))


def digits(count: int, steps: int = 100) -> System:
    """Images for the encoder on the chip."""
    images, _ = script("examples/03_digits/demo.py").test_images()
    network = spikec.pipeline(SHIFTS)(spikec.load(ROOT / "examples" / "03_digits" / "digits.snn"))
    x = np.broadcast_to(images[:count, np.newaxis], (min(count, len(images)), steps, 64))
    return System(network, {"x": x}, "fpga{lanes=16}")


def mnist(count: int, steps: int) -> System:
    """784-128-10, trained."""
    train = script("examples/15_mnist_core/train.py")
    _, _, grey, _ = train.images()
    network = spikec.pipeline(SHIFTS)(spikec.load(ROOT / "examples" / "15_mnist_core" / "model.snn"))
    return System(network, {"x": train.spikes(grey[:count], steps, seed=0)}, "fpga:ecp5{device=45k,latency=300us}")


def recurrent(steps: int, folder: Path) -> System:
    """96 neurons, each of which reaches each, and 96 inputs."""
    rng = np.random.default_rng(0)
    weights = {"a": rng.normal(0, 0.12, (96, 96)), "f": rng.normal(0.03, 0.2, (96, 96))}
    np.savez(folder / "recurrent.npz", **{name: np.round(array * 64) / 64 for name, array in weights.items()})
    shutil.copy(ROOT / "benchmarks" / "fpga" / "recurrent.snn", folder)
    network = spikec.pipeline("quantize{weights=8,state=18,decay=shift}")(spikec.load(folder / "recurrent.snn"))
    return System(network, {"x": rng.random((1, steps, 96)) < 0.1}, "fpga{lanes=8}")


def convolution(count: int) -> System:
    """Two stages of convolution, normalization and maximum over four cells, an image held for four steps."""
    images, _ = script("examples/04_conv/demo.py").test_images()
    network = spikec.pipeline("quantize{weights=8,state=16}")(spikec.load(ROOT / "examples" / "04_conv" / "model.snn"))
    return System(
        network,
        {"x": np.broadcast_to(images[:count, np.newaxis], (count, 4, 1, 28, 28))},
        "fpga:xilinx{device=xc7a100t}",
    )


def braille(folder: Path) -> System:
    """The recurrent network of a file that SpikingJelly wrote, for the 256 steps of its data."""
    (case,) = (one for one in manifest() if one["case"] == "paper_braille_noBias__spikingjelly")
    network = spikec.load(CASES / f"{case['case']}.nir", semantics=semantics(case), dt=repr(case["dt"]))
    x = arrays(case["case"])["input"]
    np.savez(folder / "x.npz", input=x)
    network = spikec.pipeline(f'quantize{{weights=8,state=16,calibrate="{folder / "x.npz"}"}}')(network)
    return System(network, {"input": x[np.newaxis]}, "fpga")


def assert_equal(system: System) -> None:
    """Runs all samples on all engines."""
    network, interface = system.network, Interface.of(system.network)
    engines = {
        "reference": Executable(StepEngine(snn_to_step.lower(network, 0), interface), "reference"),
        "cpu": spikec.compile(network),
        "fpga": spikec.compile(network, target=system.target),
    }
    events = 0
    for number in range(system.samples):
        runs = {name: engine.run(system.sample(number)) for name, engine in engines.items()}
        assert differences(runs) == []
        events += runs["cpu"].synaptic_events
        held: dict[str, Array] = engines["fpga"].engine.states()  # type: ignore[attr-defined]
        others: dict[str, Array] = engines["cpu"].engine.states()  # type: ignore[attr-defined]
        assert not held or held.keys() & others.keys()
        for name, values in held.items():
            expected = engines["reference"].engine.state(name)  # type: ignore[attr-defined]
            np.testing.assert_array_equal(values, expected.reshape(-1), name)
            if name in others:
                np.testing.assert_array_equal(values, others[name].reshape(-1), name)
    assert events


def test_digits() -> None:
    assert_equal(digits(899 if FULL else 12))


def test_mnist() -> None:
    assert_equal(mnist(100, 100) if FULL else mnist(4, 50))


def test_a_recurrent_net(tmp_path: Path) -> None:
    assert_equal(recurrent(1000 if FULL else 200, tmp_path))


def test_a_convolutional_net() -> None:
    assert_equal(convolution(20 if FULL else 1))


@pytest.mark.skipif(not CASES.is_dir(), reason="SPIKEC_CONFORMANCE does not name the conformance data")
def test_a_net_of_another_framework(tmp_path: Path) -> None:
    assert_equal(braille(tmp_path))


def bench(system: System, folder: Path) -> str:
    """What the bench of Icarus Verilog says of a system's own inputs, each sample after a reset."""
    target = FpgaTarget.parse(system.target)
    made, interface = module(system.network, target)
    ports = Ports.of(made.circuit.design.program())
    samples = [integers(interface, system.sample(number)) for number in range(system.samples)]
    steps = len(next(iter(samples[0].values())))
    vectors = testbench.computed(made.program, interface, made.circuit, samples, steps)
    (folder / "sim").mkdir()
    tools.write(files.artifact(target, made, interface) | testbench.files(made.circuit, ports, vectors), folder)
    commands = "iverilog -o sim/bench.vvp sim/bench.v *.v && vvp -n sim/bench.vvp"
    done = subprocess.run(commands, cwd=folder, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def integers(interface: Interface, data: Mapping[str, Array]) -> dict[str, Array]:
    """The integers that the host makes of inputs."""
    found = {}
    for one in interface.inputs:
        scale = one.scale or 1.0
        values = np.rint(np.asarray(data[one.name], np.float64) / scale)
        low, high = (None if end is None else np.rint(end / scale) for end in (one.low, one.high))
        found[one.name] = (values if low is None and high is None else np.clip(values, low, high)).astype(one.dtype)
    return found


@needs_icarus
def test_verilog(tmp_path: Path) -> None:
    """Words out, counts and labels of images, with back-pressure."""
    assert "PASS" in bench(digits(20) if FULL else digits(2, 8), tmp_path)


@pytest.mark.parametrize("bias", [0.7, 1.0, 1.3])
def test_xor_is_right_within_the_margins_of_its_thresholds(bias: float, tmp_path: Path) -> None:
    """Deep Neuromorphic Networks with Superconducting Single Flux Quanta: thresholds halfway between counts of pulses."""
    page = (ROOT / "docs" / "systems.md").read_text()
    (model,) = re.findall(r"^```snn\n(model Xor.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "xor.snn").write_text(model)
    network = spikec.pipeline("quantize{weights=8,state=16}")(spikec.load(tmp_path / "xor.snn", {"bias": bias}))
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], bool)
    system = System(network, {"x": x[np.newaxis]}, "fpga:ice40{lanes=1}")
    np.testing.assert_array_equal(
        spikec.compile(network, target=system.target).run({"x": x}).outputs["xor"][:, 0], [False, True, True, False]
    )
    assert_equal(system)
    if shutil.which("iverilog"):
        assert "PASS" in bench(system, tmp_path)
