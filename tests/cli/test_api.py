"""The Python API, as its few names promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.dialects.diagnostics import Diagnostics


def test_the_public_names() -> None:
    for name in spikec.__all__:
        assert getattr(spikec, name) is not None
    assert set(spikec.__all__) <= set(dir(spikec))
    with pytest.raises(AttributeError):
        spikec.nothing  # noqa: B018


def test_from_a_file_to_spikes() -> None:
    program = spikec.pipeline("canonicalize")(spikec.load("net.snn", params={"theta": 0.9}))
    x = np.load("x.npy")
    runs = [spikec.compile(program, target=target).run({"x": x}) for target in ("cpu", "reference")]
    assert runs[0].counts == runs[1].counts == {"cell": 9}
    for key, array in runs[0].probes.items():
        assert np.array_equal(array, runs[1].probes[key])


def test_steps_equal_a_run() -> None:
    net = spikec.compile(spikec.load("net.snn"))
    x = np.load("x.npy")
    whole = net.run({"x": x}).outputs["y"]
    net.reset()
    assert np.array_equal(np.array([net.step({"x": row})["y"] for row in x]), whole)


def test_a_saved_network_is_the_same_network(c_compiler: None) -> None:
    net = spikec.compile(spikec.load("net.snn"), seed=3)
    net.save("build")
    again = spikec.open("build")
    assert again.interface == net.interface
    assert again.seed == 3
    x = np.load("x.npy")
    assert np.array_equal(net.run({"x": x}).outputs["y"], again.run({"x": x}).outputs["y"])
    again.save("copy")
    assert {p.name for p in Path("copy").iterdir()} == {p.name for p in Path("build").iterdir()}
    with pytest.raises(spikec.CompileError):
        net.save("build")


def test_mistakes_are_exceptions() -> None:
    with pytest.raises(spikec.CompileError, match="no such file"):
        spikec.load("absent.snn")
    with pytest.raises(spikec.CompileError, match="E0719"):
        spikec.load("net.snn", params={"theta": object()})
    with pytest.raises(spikec.UsageError, match="unknown pass"):
        spikec.pipeline("nothing")
    with pytest.raises(spikec.UsageError, match="unknown target"):
        spikec.compile(spikec.load("net.snn"), target="abacus")
    with pytest.raises(spikec.CompileError, match="no such folder"):
        spikec.open("absent")


def test_warnings_go_to_the_sink() -> None:
    Path("net.snn").write_text(Path("net.snn").read_text().replace("output y", "train { opt adam() }\n  output y"))
    sink = Diagnostics()
    spikec.load("net.snn", diagnostics=sink)
    assert [d.severity for d in sink.items] == ["note"]


@pytest.mark.parametrize("value", [2, 2.0, "2", "1 + 1", np.float32(2), np.array(2)])
def test_parameters(value: object) -> None:
    net = spikec.compile(spikec.load("net.snn", params={"theta": value}), "reference")
    assert net.run({"x": np.ones((4, 3))}).counts == {"cell": 6}


def test_a_path_as_parameter(tmp_path: Path) -> None:
    text = Path("net.snn").read_text().replace("Tiny(theta = 1.0)", "Tiny(theta = 1.0, file: path)")
    text = text.replace("input x", 'param b : real[3] = load(file, "b")\n  input x').replace("IF[3](x", "IF[3](x + b")
    Path("net.snn").write_text(text)
    np.savez("b.npz", b=np.zeros(3, np.float32))
    assert spikec.load("net.snn", params={"file": tmp_path / "b.npz"}).constants
