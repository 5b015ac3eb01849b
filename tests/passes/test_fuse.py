"""Scaling goes into weights and biases, and the network stays what it was up to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spikec.dialects import snn
from spikec.dialects.constants import Constants
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.passes.canonicalize import Canonicalize
from spikec.passes.fuse import Fuse

from tests.lower.networks import parse
from tests.passes.lossless import ran, tangled, valid, written

HEAD = 'module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {'


def given(program: Program, **arrays: Any) -> Program:
    """A program with other arrays than those that `parse` makes up."""
    store = Constants({name: arrays.get(name, array) for name, array in program.constants.items()})
    with program.module.context, ir.Location.unknown():
        for constant in program.ops(snn.Constant):
            digest = store.digest(constant.sym_name)
            constant.operation.attributes["digest"] = ir.StringAttr.get(digest)
    return Program(program.module, store)


def steps(program: Program) -> list[str]:
    """The names of the ops of `@step`."""
    block = program.symbols()["step"].regions[0].blocks[0]
    return [operation.operation.name for operation in block.operations]


def assert_close(before: Program, after: Program, tolerance: float) -> None:
    expected, found = ran(before)[0][0], ran(valid(after))[0][0]
    for one, other in ((expected.outputs, found.outputs), (expected.probes, found.probes)):
        assert one.keys() == other.keys()
        for name in one:
            # Where a sum cancels, its error is that of its terms.
            largest = tolerance * float(np.max(np.abs(one[name])))
            np.testing.assert_allclose(other[name], one[name], rtol=tolerance, atol=largest, err_msg=name)


# ((conv(x) + b - mean) / deviation * gamma + beta): batch norm per channel, as arrays of the output's shape.
NORM = """
  "snn.constant"() {sym_name = "K", type = tensor<3x2x3x3xf32>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "conv", pre = 50, post = 75, connect = {kind = "conv", input = [2, 5, 5], output = [3, 5, 5], kernel = [3, 3], stride = [1, 1], padding = [1, 1], dilation = [1, 1], groups = 1 : i64}, weight = @K} : () -> ()
  NAMES
  func.func @step(%x: tensor<2x5x5xf32> {snn.name = "x", snn.kind = "real"}) -> (tensor<3x5x5xf32> {snn.name = "y"}) {
    %z = arith.constant dense<0.0> : tensor<3x5x5xf32>
    %a = "snn.propagate"(%x, %z) {synapses = @conv} : (tensor<2x5x5xf32>, tensor<3x5x5xf32>) -> tensor<3x5x5xf32>
    %b = "snn.read"() {of = @bias, delay = 1} : () -> tensor<3x5x5xf32>
    %m = "snn.read"() {of = @mean, delay = 1} : () -> tensor<3x5x5xf32>
    %d = "snn.read"() {of = @deviation, delay = 1} : () -> tensor<3x5x5xf32>
    %g = "snn.read"() {of = @gamma, delay = 1} : () -> tensor<3x5x5xf32>
    %s = "snn.read"() {of = @beta, delay = 1} : () -> tensor<3x5x5xf32>
    %0 = arith.addf %a, %b : tensor<3x5x5xf32>
    %1 = arith.subf %0, %m : tensor<3x5x5xf32>
    %2 = arith.divf %1, %d : tensor<3x5x5xf32>
    %3 = arith.mulf %g, %2 : tensor<3x5x5xf32>
    %y = arith.addf %3, %s : tensor<3x5x5xf32>
    return %y : tensor<3x5x5xf32>
  }
}
"""


def norm(power: bool) -> Program:
    names = "".join(
        f'"snn.constant"() {{sym_name = "{n}.a", type = tensor<3x5x5xf32>, digest = ""}} : () -> ()\n'
        f'"snn.state"() {{sym_name = "{n}", type = tensor<3x5x5xf32>, init = @{n}.a, depth = 1}} : () -> ()\n'
        for n in ("bias", "mean", "deviation", "gamma", "beta")
    )
    rng = np.random.default_rng(1)
    arrays = {
        "bias": rng.normal(size=3),
        "mean": np.zeros(3) if power else rng.normal(size=3),
        "deviation": np.array([0.5, 2.0, 1.0]) if power else rng.random(3) + 0.5,
        "gamma": np.array([4.0, -0.25, 8.0]) if power else rng.normal(size=3),
        "beta": np.zeros(3) if power else rng.normal(size=3),
    }
    full = {f"{n}.a": np.broadcast_to(a[:, None, None], (3, 5, 5)).astype(np.float32) for n, a in arrays.items()}
    return given(parse(HEAD + NORM.replace("NAMES", names)), **full)


def test_batch_norm_goes_into_a_convolution() -> None:
    program = norm(power=False)
    fused = Fuse().run(program)
    assert steps(fused) == ["arith.constant", "snn.propagate", "snn.read", "arith.addf", "func.return"]
    assert_close(program, fused, 1e-5)
    (note,) = fused.notes
    assert isinstance(note, Table)
    assert [row[:2] for row in note.rows] == [("conv", "target")] * len(note.rows)


def test_powers_of_two_change_no_bit() -> None:
    program = norm(power=True)
    fused = Fuse().run(program)
    assert "arith.mulf" not in steps(fused) and "arith.divf" not in steps(fused)
    assert_close(program, fused, 0.0)


# A gain of events, one-to-one and dense projections, a port gain, one projection used twice.
LAYERS = """
  func.func private @IF(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}, %r: f32 {snn.param = "r"}) -> (f32 {snn.state = "V"}, f32 {snn.out}) {
    %dt = arith.constant 0.125 : f32
    %0 = arith.mulf %dt, %I : f32
    %1 = arith.divf %0, %r : f32
    %2 = arith.addf %V, %1 : f32
    return %2, %2 : f32, f32
  }
  "snn.constant"() {sym_name = "W", type = tensor<4x4xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "r", type = tensor<4xf32>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "w", pre = 4, post = 4, connect = {kind = "all"}, weight = @W} : () -> ()
  "snn.synapses"() {sym_name = "one", pre = 4, post = 4, connect = {kind = "one_to_one"}, weight = 0.5 : f32} : () -> ()
  "snn.param"() {sym_name = "a.r", value = @r} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.V", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @IF, shape = [4], states = [@a.V], params = [@a.r]} : () -> ()
  "snn.population"() {sym_name = "b", neuron = @IF, shape = [4], states = [@b.V], params = [@a.r]} : () -> ()
  func.func @step(%x: tensor<4xf32> {snn.name = "x", snn.kind = "real"}, %s: tensor<4xi1> {snn.name = "s", snn.kind = "spikes"}) -> (tensor<4xf32> {snn.name = "y"}, tensor<4xf32> {snn.name = "v"}) {
    %z = arith.constant dense<0.0> : tensor<4xf32>
    %g = arith.constant dense<0.25> : tensor<4xf32>
    %f = arith.uitofp %s : tensor<4xi1> to tensor<4xf32>
    %h = arith.mulf %f, %g : tensor<4xf32>
    %0 = "snn.propagate"(%h, %z) {synapses = @w} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %1 = "snn.propagate"(%s, %0) {synapses = @one} : (tensor<4xi1>, tensor<4xf32>) -> tensor<4xf32>
    %y = "snn.update"(%1) {population = @a} : (tensor<4xf32>) -> tensor<4xf32>
    %2 = "snn.propagate"(%y, %x) {synapses = @w} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %v = "snn.update"(%2) {population = @b} : (tensor<4xf32>) -> tensor<4xf32>
    return %y, %v : tensor<4xf32>, tensor<4xf32>
  }
}
"""


def layers(r: float | None = None) -> Program:
    values = np.array([1.5, 0.75, 3.0, 0.4], np.float32) if r is None else np.full(4, r, np.float32)
    return given(parse(HEAD + LAYERS), r=values)


def test_gains_of_sources_and_ports_go_into_weights() -> None:
    program = layers()
    fused = Fuse().run(program)
    assert_close(program, fused, 1e-5)
    assert not {"arith.mulf", "arith.uitofp"} & set(steps(fused))
    views = {view.sym_name: view for view in fused.ops(snn.Population)}
    mine, other = (str(fused.symbols()[views[name].neuron]) for name in ("a", "b"))
    # What arrives at b is the input too, which takes no gain.
    assert "arith.mulf" not in mine and "arith.divf" not in mine
    assert "arith.mulf" in other and "arith.divf" in other
    assert list(views["a"].params) == []
    assert len(list(views["b"].params)) == 1


def test_the_projection_of_another_stays_as_it_was() -> None:
    program = layers()
    fused = Fuse().run(program)
    used = [snn.Propagate(op).synapses for op in _propagates(fused)]
    assert len(set(used)) == 3
    weight = str(snn.Synapses(fused.symbols()[used[2]]).weight)
    assert np.array_equal(fused.constants[weight.strip('@"')], program.constants["W"])


def _propagates(program: Program) -> list[Any]:
    block = program.symbols()["step"].regions[0].blocks[0]
    ops = [operation.operation for operation in block.operations]
    return [op for op in ops if op.name == snn.Propagate.name()]


def test_equal_parameters_are_one_number_for_a_scalar_weight() -> None:
    program = layers(2.0)
    fused = Fuse().run(program)
    weights = [str(view.weight) for view in fused.ops(snn.Synapses)]
    assert any(weight.startswith("3.125") for weight in weights), weights
    assert_close(program, fused, 0.0)


TINY = """
  "snn.synapses"() {sym_name = "w", pre = 4, post = 4, connect = {kind = "all"}, weight = WEIGHT : f32} : () -> ()
  func.func @step(%x: tensor<4xf32> {snn.name = "x", snn.kind = "real"}) -> (tensor<4xf32> {snn.name = "y"}) {
    %z = arith.constant dense<0.0> : tensor<4xf32>
    %g = arith.constant dense<GAIN> : tensor<4xf32>
    %0 = "snn.propagate"(%x, %z) {synapses = @w} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %y = arith.mulf %0, %g : tensor<4xf32>
    return %y : tensor<4xf32>
  }
}
"""


@pytest.mark.parametrize(("weight", "gain"), [("1.0e-30", "1.0e-10"), ("1.0e30", "1.0e10"), ("1.0", "0x7F800000")])
def test_a_weight_that_would_vanish_or_overflow_keeps_its_gain(weight: str, gain: str) -> None:
    program = parse(HEAD + TINY.replace("WEIGHT", weight).replace("GAIN", gain))
    fused = Fuse().run(program)
    assert fused.text() == Canonicalize().run(program).text()
    assert fused.notes == ()


def test_what_is_used_elsewhere_keeps_its_gain() -> None:
    text = TINY.replace("WEIGHT", "0.5").replace("GAIN", "0.3").replace("return %y", "return %q")
    text = text.replace("return", "%q = arith.maximumf %y, %0 : tensor<4xf32>\n    return")
    program = parse(HEAD + text)
    assert "arith.mulf" in steps(Fuse().run(program))


SUM = """
  "snn.constant"() {sym_name = "A", type = tensor<4xf32>, digest = ""} : () -> ()
  "snn.state"() {sym_name = "a", type = tensor<4xf32>, init = @A, depth = 1} : () -> ()
  func.func @step(%x: tensor<4xf32> {snn.name = "x", snn.kind = "real"}, %u: tensor<4xf32> {snn.name = "u", snn.kind = "real"}) -> (tensor<4xf32> {snn.name = "y"}) {
    %c = arith.constant dense<0.5> : tensor<4xf32>
    %a = "snn.read"() {of = @a, delay = 1} : () -> tensor<4xf32>
    %0 = arith.subf %c, %x : tensor<4xf32>
    %1 = arith.subf %a, %u : tensor<4xf32>
    %y = arith.subf %0, %1 : tensor<4xf32>
    return %y : tensor<4xf32>
  }
}
"""


def test_constants_of_a_sum_are_one() -> None:
    program = parse(HEAD + SUM)
    fused = Fuse().run(program)
    assert steps(fused).count("snn.read") == 1 and "arith.constant" not in steps(fused)
    x = np.float32(0.5) - program.constants["A"]
    assert any(np.array_equal(array, x) for array in fused.constants.values())
    assert_close(program, fused, 1e-5)


POOL = """
  "snn.synapses"() {sym_name = "pool", pre = 32, post = 8, connect = {kind = "conv", input = [2, 4, 4], output = [2, 2, 2], kernel = [2, 2], stride = [2, 2], padding = [0, 0], dilation = [1, 1], groups = 2 : i64}, weight = 1.0 : f32} : () -> ()
  "snn.constant"() {sym_name = "K", type = tensor<4x1x1x1xf32>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "conv", pre = 8, post = 16, connect = {kind = "conv", input = [2, 2, 2], output = [4, 2, 2], kernel = [1, 1], stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 2 : i64}, weight = @K} : () -> ()
  "snn.constant"() {sym_name = "S", type = tensor<2x2x2xf32>, digest = ""} : () -> ()
  "snn.state"() {sym_name = "s", type = tensor<2x2x2xf32>, init = @S, depth = 1} : () -> ()
  func.func @step(%x: tensor<2x4x4xi1> {snn.name = "x", snn.kind = "spikes"}, %u: tensor<2x2x2xf32> {snn.name = "u", snn.kind = "real"}) -> (tensor<4x2x2xf32> {snn.name = "y"}) {
    %z = arith.constant dense<0.0> : tensor<2x2x2xf32>
    %z4 = arith.constant dense<0.0> : tensor<4x2x2xf32>
    %n = arith.constant dense<4.0> : tensor<2x2x2xf32>
    %s = "snn.read"() {of = @s, delay = 1} : () -> tensor<2x2x2xf32>
    %0 = "snn.propagate"(%x, %z) {synapses = @pool} : (tensor<2x4x4xi1>, tensor<2x2x2xf32>) -> tensor<2x2x2xf32>
    %1 = arith.divf %0, %n : tensor<2x2x2xf32>
    %2 = "snn.propagate"(%1, %z4) {synapses = @conv} : (tensor<2x2x2xf32>, tensor<4x2x2xf32>) -> tensor<4x2x2xf32>
    %3 = arith.mulf %u, %s : tensor<2x2x2xf32>
    %y = "snn.propagate"(%3, %2) {synapses = @conv} : (tensor<2x2x2xf32>, tensor<4x2x2xf32>) -> tensor<4x2x2xf32>
    return %y : tensor<4x2x2xf32>
  }
}
"""


@pytest.mark.parametrize("uniform", [True, False])
def test_average_pooling_and_channels_of_a_source(uniform: bool) -> None:
    """A gain per channel goes into the kernel, one that differs within a channel stays."""
    channel = np.array([0.5, 3.0], np.float32)[:, None, None]
    within = np.ones((2, 2, 2), np.float32) if uniform else np.arange(1, 9, dtype=np.float32).reshape(2, 2, 2)
    program = given(parse(HEAD + POOL), S=np.asarray(channel * within, np.float32))
    fused = Fuse().run(program)
    assert "arith.divf" not in steps(fused)
    assert ("arith.mulf" in steps(fused)) != uniform
    assert str(snn.Synapses(fused.symbols()["pool"]).weight).startswith("2.5")
    assert_close(program, fused, 1e-5)


def test_random_programs_stay_valid_and_are_fused_once() -> None:
    for program in [*tangled(15), *written(5)]:
        fused = valid(Fuse().run(program))
        assert Fuse().run(fused).text() == fused.text()
        ran(fused)


def test_what_was_given_stays_as_it_was() -> None:
    program = norm(power=False)
    text, arrays = program.text(), dict(program.constants)
    Fuse().run(program)
    assert program.text() == text
    assert dict(program.constants) == arrays
