"""Integers that stand for reals: from real inputs, to real outputs, and as they are."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec import cli
from spikec.dialects.constants import Array, Constants
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.runtime import inputs, results
from spikec.runtime.inputs import Source
from spikec.runtime.interface import Input, Interface, Output, Probe
from spikec.runtime.run import Executable, Run

SCALES = np.array([0.5, 0.25, 2.0])
TEXT = """module attributes {snn.model = "Fixed", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  func.func private @N(%I: i32 {snn.port = "I"}, %V: i32 {snn.state = "V"}) -> (i32 {snn.state = "V"}, i8 {snn.event}) {
    %0 = arith.addi %V, %I : i32
    %e = arith.trunci %I : i32 to i8
    return %0, %e : i32, i8
  }
  "snn.constant"() {sym_name = "scales", type = tensor<3xf64>, digest = "DIGEST"} : () -> ()
  "snn.synapses"() {sym_name = "w", pre = 3, post = 3, connect = {kind = "one_to_one"}, weight = 2 : i8, scale = 0.1 : f64} : () -> ()
  "snn.state"() {sym_name = "n.V", type = tensor<3xi32>, init = 0 : i32, depth = 1, scale = @scales, bits = 24} : () -> ()
  "snn.state"() {sym_name = "n.spike", type = tensor<3xi8>, depth = 1, scale = @scales} : () -> ()
  "snn.population"() {sym_name = "n", neuron = @N, shape = [3], states = [@n.V], params = [], event = @n.spike} : () -> ()
  "snn.probe"() {sym_name = "probe.n.V", of = @n.V, kind = "value", every = 1, low = 1, high = 3, shape = [2]} : () -> ()
  "snn.probe"() {sym_name = "probe.n.spike", of = @n.spike, kind = "event", every = 1, low = 0, high = 3, shape = [3]} : () -> ()
  func.func @step(%x: tensor<3xi16> {snn.name = "x", snn.kind = "real", snn.scale = 0.5 : f64, snn.unit = "A"})
      -> (tensor<3xi32> {snn.name = "y", snn.scale = 0.125 : f64, snn.unit = "V"}, tensor<3xi8> {snn.name = "e"}) {
    %z = arith.constant dense<0> : tensor<3xi32>
    %0 = "snn.propagate"(%x, %z) {synapses = @w} : (tensor<3xi16>, tensor<3xi32>) -> tensor<3xi32>
    %e = "snn.update"(%0) {population = @n} : (tensor<3xi32>) -> tensor<3xi8>
    return %0, %e : tensor<3xi32>, tensor<3xi8>
  }
}
"""
X = np.array([[1.0, -0.25, 0.0], [0.75, 3.0, 0.5]])
WHOLE = np.array([[2, 0, 0], [2, 6, 1]])  # -0.5 and 1.5 are rounded to even


def program() -> Program:
    constants = Constants()
    made = Program.parse(TEXT.replace("DIGEST", constants.add("scales", SCALES)), constants)
    verify(made, "the test")
    return made


@pytest.fixture(scope="module")
def net() -> Executable:
    return spikec.compile(program())


@pytest.fixture(scope="module")
def run(net: Executable) -> Run:
    return net.run({"x": X})


# ---------------------------------------------------------------- the interface


def test_the_interface_has_the_scales_and_survives_json() -> None:
    interface = Interface.of(program())
    assert interface.inputs == (Input("x", (3,), "real", "int16", "A", None, None, 0.5),)
    assert interface.outputs == (Output("y", (3,), "int32", "V", True, 0.125), Output("e", (3,), "int8", "", True))
    assert interface.probes == (
        Probe("n.V", (2,), "value", "int32", "", 1, (0.25, 2.0)),
        Probe("n.spike", (3,), "event", "int8", "", 1, (0.5, 0.25, 2.0)),
    )
    assert Interface.from_json(json.loads(json.dumps(interface.to_json()))) == interface


def test_manifests_from_before_there_were_scales_are_read() -> None:
    data = Interface.of(program()).to_json()
    for entry in (*data["inputs"], *data["outputs"], *data["probes"]):
        del entry["scale"]
    read = Interface.from_json(data)
    assert {x.scale for x in (*read.inputs, *read.outputs, *read.probes)} == {None}


def test_scales_that_are_not_at_hand() -> None:
    without = Program.parse(TEXT, Constants())
    with pytest.raises(CompileError, match="the scales 'scales' of a probe are not at hand"):
        Interface.of(without)


# ---------------------------------------------------------------- inputs


def prepared(declared: Input, array: object) -> Array:
    interface = Interface("Net", 1e-3, "s", (declared,), (), (), ())
    return inputs.prepare({declared.name: Source(np.asarray(array))}, interface, 1).arrays[declared.name]


def test_real_inputs_are_rounded_to_even() -> None:
    declared = Input("x", (6,), "real", "int16", "", None, None, 0.5)
    found = prepared(declared, np.array([0.25, 0.75, -0.25, -0.75, 0.26, 100.0], np.float32))
    assert found.dtype == np.int16
    assert found.tolist() == [0, 2, 0, -2, 1, 200]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_real_inputs_saturate_to_the_type(dtype: str) -> None:
    info = np.iinfo(dtype)
    declared = Input("x", (4,), "real", dtype, "", None, None, 0.25)
    assert prepared(declared, [1e300, -1e300, 2.0**61, -(2.0**61)]).tolist() == [info.max, info.min] * 2


def test_real_inputs_saturate_to_the_declared_range() -> None:
    declared = Input("x", (3,), "real", "int32", "", -1.0, 2.0, 0.1)
    assert prepared(declared, [-5.0, 0.5, 3.0]).tolist() == [-10, 5, 20]


def test_integers_and_booleans_are_real_numbers_too() -> None:
    declared = Input("x", (), "real", "int32", "", None, None, 0.25)
    assert prepared(declared, 3).tolist() == 12
    assert prepared(declared, True).tolist() == 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(CompileError, match="not a finite number"):
        prepared(Input("x", (2,), "real", "int32", "", None, None, 0.25), [0.0, value])


# ---------------------------------------------------------------- results


def test_a_run_has_integers_and_their_scales(run: Run) -> None:
    assert run.outputs["y"].dtype == np.int32
    assert np.array_equal(run.outputs["y"], 2 * WHOLE)
    assert np.array_equal(run.probes["n.V"], np.cumsum(2 * WHOLE, 0)[:, 1:])
    assert set(run.scales) == {"y", "n.V", "n.event"}


def test_the_file_has_reals(run: Run) -> None:
    arrays = results.archive(run)
    assert {name: str(array.dtype) for name, array in arrays.items()} == {
        "y": "float64",
        "e": "int32",
        "n.V": "float64",
        "n.spike": "int32",
        "n.event": "float64",
    }
    assert np.array_equal(arrays["y"], 2 * WHOLE * 0.125)
    assert np.array_equal(arrays["n.V"], np.cumsum(2 * WHOLE, 0)[:, 1:] * SCALES[1:])
    assert arrays["n.spike"].tolist() == [[0, 0], [1, 0], [1, 1], [1, 2]]
    assert arrays["n.event"].tolist() == [4 * 0.5, 4 * 0.5, 12 * 0.25, 2 * 2.0]


def test_the_raw_file_has_the_integers(run: Run) -> None:
    arrays = results.archive(run, raw=True)
    assert {name: str(array.dtype) for name, array in arrays.items()} == {
        "y": "int32",
        "e": "int32",
        "n.V": "int32",
        "n.spike": "int32",
        "n.event": "int8",
    }
    assert all(np.array_equal(arrays[name], run.outputs[name]) for name in ("y", "e"))


def test_one_scale_and_a_batch(net: Executable) -> None:
    run = net.run({"x": np.stack([X, -X])}, batch=2)
    real = run.real()
    assert np.array_equal(real.outputs["y"][0], 2 * WHOLE * 0.125)
    assert np.array_equal(real.probes["n.V"][1], -np.cumsum(2 * WHOLE, 0)[:, 1:] * SCALES[1:])
    assert np.array_equal(real.probes["n.event"], [2.0, 2.0, 3.0, 4.0, -2.0, -2.0, -3.0, -4.0])
    assert real.scales == {} and real.real().outputs["y"] is real.outputs["y"]


def test_the_summary_and_the_screen_show_what_the_file_has(run: Run, net: Executable) -> None:
    assert results.summary(run)["outputs"]["y"]["dtype"] == "float64"
    assert results.summary(run)["outputs"]["y"]["values"] == (2 * WHOLE * 0.125).tolist()
    assert results.summary(run, raw=True)["outputs"]["y"]["values"] == (2 * WHOLE).tolist()
    assert "[0.5, 0.0, 0.0]" in results.shown(run, net.interface)
    assert "[4, 0, 0]" in results.shown(run, net.interface, raw=True)


def test_states_without_a_scale_are_written_as_ever() -> None:
    """What has no scale stays as it always was: states as float32."""
    run = Run(1, None, {}, {"a.n": np.array([[3]], np.int64)}, {}, {}, {})
    assert results.archive(run, raw=True)["a.n"].dtype == np.float32


# ---------------------------------------------------------------- the command line


def from_command_line(folder: Path, *options: str) -> dict[str, Array]:
    file = folder / "out.npz"
    assert cli.main(["run", str(folder / "net"), "--input", str(folder / "x.npy"), "-o", str(file), *options]) == 0
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as read:
        return dict(read)


def test_run_writes_reals_and_with_raw_integers(
    net: Executable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net.save(tmp_path / "net")
    np.save(tmp_path / "x.npy", X)
    real = from_command_line(tmp_path, "--json")
    summary = json.loads(capsys.readouterr().out)
    assert np.array_equal(real["y"], 2 * WHOLE * 0.125)
    assert real["n.V"].dtype == np.float64
    assert summary["outputs"]["y"]["dtype"] == "float64"
    raw = from_command_line(tmp_path, "--raw", "--force", "--json")
    summary = json.loads(capsys.readouterr().out)
    assert np.array_equal(raw["y"], 2 * WHOLE)
    assert raw["y"].dtype == raw["n.V"].dtype == np.int32
    assert summary["outputs"]["y"]["values"] == (2 * WHOLE).tolist()


def test_an_artifact_keeps_the_scales(net: Executable, tmp_path: Path) -> None:
    net.save(tmp_path / "net")
    assert spikec.open(tmp_path / "net").interface == net.interface
    manifest = json.loads((tmp_path / "net" / "manifest.json").read_text())
    assert manifest["inputs"][0]["scale"] == 0.5
