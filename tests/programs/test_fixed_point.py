"""Integer networks give the same bits on the reference interpreters of both levels and on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from spikec.dialects.constants import Constants
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.runtime.run import Run

from .engines import differences, on_every_engine
from .fixed_point import Network, powers

PROB = 'kind = "prob", p = 0.4 : f64, seed = 3 : i64, path = "w"'
CONV = (
    'kind = "conv", input = [2, 5, 4], output = [3, 4, 4], kernel = [3, 2], stride = [1, 1], padding = [0, 1], '
    "dilation = [1, 1], groups = 1 : i64"
)


def weights(dtype: str, *shape: int) -> np.ndarray:
    info = np.iinfo(dtype)
    made = np.random.default_rng(0).integers(max(info.min, -300), min(info.max, 300), shape, dtype, endpoint=True)
    made.reshape(-1)[:2] = info.min, info.max
    return made


def power(dtype: str, *shape: int) -> np.ndarray:
    return powers(np.random.default_rng(1), shape, dtype)


def everywhere(net: Network, steps: int = 25) -> Run:
    runs = on_every_engine(net.program(), net.inputs(steps), steps)
    assert not differences(runs)
    return runs["cpu"]


CASES = {
    "dense i8 into i32": Network(weights("int8", 20, 37)),
    "dense i8 into i16": Network(weights("int8", 20, 37), sum="i16", state="i16", bits=16),
    "dense i8 into i64": Network(weights("int8", 20, 37), sum="i64"),
    "dense i16 into i64, signed events": Network(weights("int16", 20, 37), sum="i64", input="i2", event="i2"),
    "dense i32, graded events": Network(weights("int32", 20, 37), input="i16", event="i8"),
    "dense i8 into i8, which wraps": Network(weights("int8", 20, 37), sum="i8", state="i16", input="i8", event="i8"),
    "dense one number": Network("-7 : i8", input="i8", event="i2"),
    "csr i8": Network(weights("int8", 20, 37), connect=PROB),
    "csr i16, wide events into a narrow sum": Network(weights("int16", 20, 37), connect=PROB, sum="i16", input="i32"),
    "csr one number": Network("-100 : i8", connect=PROB, input="i2", sum="i16"),
    "one to one i8": Network(weights("int8", 37), 37, connect='kind = "one_to_one"', input="i8"),
    "one to one i16 into i64": Network(weights("int16", 37), 37, connect='kind = "one_to_one"', sum="i64", event="i16"),
    "one to one one number": Network("5 : i16", 37, threshold=20, connect='kind = "one_to_one"', input="i2", sum="i64"),
    "conv i8": Network(weights("int8", 3, 2, 3, 2), 40, 48, CONV, input="i8"),
    "conv i16 into i64": Network(weights("int16", 3, 2, 3, 2), 40, 48, CONV, sum="i64", state="i64", event="i2"),
    "powers dense": Network(power("int8", 20, 37), code="pow2"),
    "powers dense, graded": Network(power("int16", 20, 37), code="pow2", input="i16", event="i8"),
    "powers dense i64": Network(power("int64", 20, 37), code="pow2", sum="i64", state="i64", input="i8"),
    "powers dense, which wrap": Network(power("int8", 20, 37), code="pow2", sum="i8", state="i16", input="i8"),
    "powers dense i16": Network(power("int16", 20, 37), code="pow2", sum="i16", state="i16", input="i2"),
    "powers dense one number": Network("-128 : i8", code="pow2", input="i16"),
    "powers csr": Network(power("int8", 20, 37), connect=PROB, code="pow2", input="i2"),
    "powers csr i64": Network(power("int64", 20, 37), connect=PROB, code="pow2", sum="i64", input="i16"),
    "powers csr one number": Network("64 : i8", connect=PROB, code="pow2", input="i16"),
    "powers one to one": Network(power("int32", 37), 37, connect='kind = "one_to_one"', code="pow2", input="i8"),
    "powers one to one one number": Network(
        "0 : i8", 37, threshold=20, connect='kind = "one_to_one"', code="pow2", input="i8"
    ),
    "powers conv": Network(power("int16", 3, 2, 3, 2), 40, 48, CONV, code="pow2", input="i8", event="i16"),
}


@pytest.mark.parametrize("case", CASES)
def test_integer_networks_are_equal_everywhere(case: str) -> None:
    run = everywhere(CASES[case])
    assert run.counts["n"] > 0
    assert run.outputs["I"].dtype == f"int{CASES[case].sum[1:]}"


def test_a_narrow_sum_wraps_around() -> None:
    net = Network(np.full((20, 37), 100, np.int8), sum="i8", state="i8", back="0 : i8")
    run = everywhere(net)
    arriving = net.inputs(25)["x"].sum(1)
    assert (arriving > 1).any()
    assert np.array_equal(run.outputs["I"][:, 0], (5 + 100 * arriving).astype(np.int8))


def test_events_are_multiplied_with_their_sign() -> None:
    net = Network(weights("int8", 20, 37), input="i2", back="0 : i8")
    x = net.inputs(25)["x"]
    assert {-2, -1, 1} <= set(x.reshape(-1).tolist())
    wanted = 5 + x.astype(np.int32) @ net.weight.astype(np.int32)
    assert np.array_equal(everywhere(net).outputs["I"], wanted)


def test_powers_are_the_weights_they_stand_for() -> None:
    coded = Network(power("int16", 20, 37), code="pow2", input="i16")
    plain = Network(coded.weight, input="i16")
    assert {0, -(2**15), 2**14} <= set(coded.weight.reshape(-1).tolist())
    a, b = everywhere(coded), everywhere(plain)
    assert np.array_equal(a.outputs["I"], b.outputs["I"])
    assert np.array_equal(a.probes["n.V"], b.probes["n.V"])


DRAWN = """module attributes {snn.model = "D", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  "snn.state"() {sym_name = "first", type = tensor<67xi32>, depth = 1} : () -> ()
  func.func @init() {
    %0 = "snn.draw"() {path = "first", seed = 4} : () -> tensor<67xi32>
    "snn.write"(%0) {to = @first} : (tensor<67xi32>) -> ()
    return
  }
  func.func @step(%p: tensor<67xi32> {snn.name = "p"})
      -> (tensor<67xi1> {snn.name = "y"}, tensor<67xi32> {snn.name = "u"}, tensor<67xf32> {snn.name = "r"},
          tensor<67xi32> {snn.name = "f"}) {
    %u = "snn.draw"() {path = "u", seed = 3} : () -> tensor<67xi32>
    %r = "snn.draw"() {path = "u", seed = 3} : () -> tensor<67xf32>
    %y = arith.cmpi slt, %u, %p : tensor<67xi32>
    %f = "snn.read"() {of = @first, delay = 1} : () -> tensor<67xi32>
    return %y, %u, %r, %f : tensor<67xi1>, tensor<67xi32>, tensor<67xf32>, tensor<67xi32>
  }
}
"""


def test_integer_draws_are_the_real_ones_times_their_range() -> None:
    program = Program.parse(DRAWN, Constants())
    verify(program, "the test")
    p = np.random.default_rng(0).integers(0, 1 << 24, 67).astype(np.int32)
    runs = on_every_engine(program, {"p": p}, 40)
    assert not differences(runs)
    outputs = runs["cpu"].outputs
    assert np.array_equal(outputs["u"], outputs["r"].astype(np.float64) * 2.0**24)
    assert np.array_equal(outputs["y"], outputs["u"] < p)
    assert 0.4 < outputs["y"].mean() < 0.6
    assert 0 <= outputs["u"].min() < outputs["u"].max() < 1 << 24
    assert outputs["f"].any() and (outputs["f"] == outputs["f"][0]).all()
