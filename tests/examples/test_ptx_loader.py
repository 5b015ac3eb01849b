"""The loaders of `examples/ptx_loader` run what `compile` gives, with the emulated device in place of the driver."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.cli import main

from tests.examples.emulated_driver import SOURCE, EmulatedDriver, answering

LOADERS = Path(__file__).resolve().parents[2] / "examples" / "ptx_loader"
STEPS = 12
MODEL = """\
model Loaded {
  step 1 ms

  neuron IF {
    in  I
    var V = 0.25
    V := 0.9 * V + I
    spike when V >= 1 { V -= 1 }
  }

  input x : real[20] in [0, 1]
  input kick : spikes[40]
  noise = bernoulli(x) seed 3
  pop a : IF[40]()
  pop b : IF[30]()
  proj noise -> a.I { connect all; weight 0.125 }
  proj kick -> a.I { connect one_to_one; weight 0.5 }
  proj a -> b.I { connect prob(0.3) seed 1; weight 0.125; delay 2 ms }
  proj b -> a.I { connect prob(0.2) seed 2; weight -0.25; delay 1 ms }

  output y = b
  output most = over_time(count, a)
  probe a.V every 3 ms
  probe b.spike
}
"""


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An artifact of the model for the seed 5."""
    monkeypatch.chdir(tmp_path)
    Path("net.snn").write_text(MODEL)
    assert main(["compile", "net.snn", "--target", "ptx{sums=ordered}", "--seed", "5", "-o", "build"]) == 0
    return tmp_path / "build"


@pytest.fixture
def inputs() -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {"x": random.random((STEPS, 20), np.float32), "kick": random.random((STEPS, 40)) < 0.3}


def expected(inputs: dict[str, Any]) -> spikec.Run:
    run = spikec.compile(spikec.load("net.snn"), seed=5).run(inputs)
    assert run.counts["a"] and run.counts["b"]
    return run


def check(found: dict[str, Any], run: spikec.Run) -> None:
    """What a loader gave is what the CPU gives."""
    assert np.array_equal(found["y"].astype(bool), run.outputs["y"])
    assert np.array_equal(found["most"], run.outputs["most"])
    assert found["a.V"].tobytes() == run.probes["a.V"].tobytes()
    assert np.array_equal(np.argwhere(found["b.spike"]), run.probes["b.spike"])


def test_from_python(build: Path, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    bindings: Any = ModuleType("cuda.bindings")
    bindings.driver = EmulatedDriver()
    for name, module in {"cuda": ModuleType("cuda"), "cuda.bindings": bindings}.items():
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("load", LOADERS / "load.py")
    assert spec is not None and spec.loader is not None
    load = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(load)
    network = load.Network(build)
    run = expected(inputs)
    for _ in range(2):
        check(network.run(inputs, STEPS), run)


def header(package: str, name: str) -> str:
    """The option for the folder of a header that a package brings."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    found = next((Path(str(file.locate())) for file in files if file.match(f"*/include/{name}")), None)
    if found is None:
        pytest.skip(f"{package} has no {name}")
    return f"-I{found.parents[len(Path(name).parts) - 1]}"


@pytest.fixture
def compiler() -> list[str]:
    """A C++ compiler with the headers of CUDA and of the JSON library."""
    found = shutil.which("g++") or shutil.which("clang++")
    if found is None:
        pytest.skip("no C++ compiler")
    return [
        found,
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Werror",
        header("nvidia-cuda-runtime", "cuda.h"),
        header("nlohmann-json", "nlohmann/json.hpp"),
    ]


def test_from_cpp(build: Path, inputs: dict[str, Any], compiler: list[str]) -> None:
    Path("driver.cpp").write_text(SOURCE)
    line = [*compiler, "-shared", "-fPIC", str(LOADERS / "load.cpp"), "driver.cpp", "-o", "load.so"]
    made = subprocess.run(line, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    inputs["x"].tofile("x")
    kicks = np.zeros((STEPS, 64), bool)
    kicks[:, :40] = inputs["kick"]
    np.packbits(kicks, axis=1, bitorder="little").tofile("kick")

    library, failed = ctypes.CDLL(str(Path("load.so").resolve())), []  # type: ignore[var-annotated]
    callback = answering(EmulatedDriver(), failed)
    ctypes.c_void_p.in_dll(library, "callback").value = ctypes.cast(callback, ctypes.c_void_p).value
    words = [b"load", str(build).encode(), str(STEPS).encode(), b"x=x", b"kick=kick"]
    status = library.main(len(words), (ctypes.c_char_p * len(words))(*words))
    assert (status, failed) == (0, [])

    run = expected(inputs)
    check(
        {
            "y": np.fromfile("y.bin", np.int8).reshape(STEPS, -1),
            "most": np.fromfile("most.bin", run.outputs["most"].dtype),
            "a.V": np.fromfile("a.V.bin", np.float32).reshape(-1, 40),
            "b.spike": np.fromfile("b.spike.bin", np.int8).reshape(STEPS, -1),
        },
        run,
    )
