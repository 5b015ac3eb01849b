"""The rules of integers that stand for reals: each has a broken program."""

from __future__ import annotations

import numpy as np
import pytest
from spikec.dialects.constants import Constants
from spikec.dialects.powers import are_powers, encode, fit
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.lower import snn_to_step

SNN = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  "snn.constant"() {sym_name = "W", type = tensor<2x3xi8>, digest = "DIGEST.W"} : () -> ()
  "snn.constant"() {sym_name = "K", type = tensor<2x1x2xi8>, digest = "DIGEST.K"} : () -> ()
  "snn.constant"() {sym_name = "S", type = tensor<3xf64>, digest = "DIGEST.S"} : () -> ()
  "snn.constant"() {sym_name = "C", type = tensor<2xf64>, digest = "DIGEST.C"} : () -> ()
  "snn.synapses"() {sym_name = "w", pre = 2, post = 3, connect = {kind = "all"}, weight = @W, scale = @S, code = "pow2"} : () -> ()
  "snn.synapses"() {sym_name = "c", pre = 2, post = 2, connect = {kind = "conv", input = [1, 2], output = [2, 1], kernel = [2], stride = [1], padding = [0], dilation = [1], groups = 1 : i64}, weight = @K, scale = @C} : () -> ()
  "snn.synapses"() {sym_name = "one", pre = 2, post = 3, connect = {kind = "all"}, weight = 4 : i16, code = "pow2"} : () -> ()
  "snn.state"() {sym_name = "a", type = tensor<3xi16>, init = 500 : i16, depth = 1, scale = 0.5 : f64, bits = 10} : () -> ()
  func.func @step(%x: tensor<2xi1> {snn.name = "x"}, %g: tensor<2xi8> {snn.name = "g", snn.scale = 0.25 : f64})
      -> (tensor<3xi16> {snn.name = "y", snn.scale = 2.0 : f64}, tensor<2xi32> {snn.name = "u"}, tensor<2xi8> {snn.name = "v"}) {
    %a = "snn.read"() {of = @a, delay = 1} : () -> tensor<3xi16>
    %0 = "snn.propagate"(%x, %a) {synapses = @w} : (tensor<2xi1>, tensor<3xi16>) -> tensor<3xi16>
    %1 = "snn.propagate"(%g, %0) {synapses = @one} : (tensor<2xi8>, tensor<3xi16>) -> tensor<3xi16>
    %z = arith.constant dense<0> : tensor<2xi8>
    %2 = "snn.propagate"(%x, %z) {synapses = @c} : (tensor<2xi1>, tensor<2xi8>) -> tensor<2xi8>
    %u = "snn.draw"() {path = "u", seed = 1} : () -> tensor<2xi32>
    return %1, %u, %2 : tensor<3xi16>, tensor<2xi32>, tensor<2xi8>
  }
}
"""
ARRAYS = {
    "W": np.array([[0, 1, -1], [64, -128, 2]], np.int8),
    "K": np.array([[[1, 2]], [[3, 4]]], np.int8),
    "S": np.ones(3),
    "C": np.ones(2),
}

MISTAKES = [
    ("scale = 0.5 : f64", "scale = 0.5 : f32", "is not an f64"),
    ("scale = 0.5 : f64", "scale = 0.0 : f64", "the scale 0.0 is not a positive number"),
    ("scale = 0.5 : f64", "scale = 0x7FF0000000000000 : f64", "the scale inf is not a positive number"),
    ("scale = 0.5 : f64", 'scale = "half"', "is not an f64"),
    ("scale = 0.5 : f64", "scale = @C", "where 3 elements of f64 are needed"),
    ("scale = 0.5 : f64", "scale = @W", "where 3 elements of f64 are needed"),
    ("scale = 0.5 : f64", "scale = @w", "which is a 'snn.synapses' and not a 'snn.constant'"),
    ("scale = @S", "scale = @C", "where 3 elements of f64 are needed"),
    ("scale = @C", "scale = @S", "where 2 elements of f64 are needed"),
    ("bits = 10", "bits = 17", "'bits' is 17 for an i16"),
    ("bits = 10", "bits = 0", "'bits' is 0 for an i16"),
    ("bits = 10", "bits = 9", "init 500 : i16 does not fit in 9 bits"),
    ("init = 500 : i16", "init = -513 : i16", "init -513 : i16 does not fit in 10 bits"),
    ('code = "pow2"', 'code = "pow3"', "unknown code 'pow3'"),
    ("weight = 4 : i16", "weight = 5 : i16", "neither 0 nor plus or minus a power of two"),
    ("weight = 4 : i16", "weight = 0.5 : f32", "the code 'pow2' is for integers, not for f32"),
    ('weight = @K, scale = @C', 'weight = @K, scale = @C, code = "pow2"', "neither 0 nor plus or minus a power of two"),
    ("weight = 4 : i16", "weight = 4 : i32", "weights of type i32 are added to elements of type i16"),
    ("weight = 4 : i16", "weight = true", "the code 'pow2' is for integers, not for i1"),
    ('"g", snn.scale = 0.25 : f64', '"g", snn.scale = -1.0 : f64', "the scale -1.0 is not a positive number"),
    ('"g", snn.scale = 0.25 : f64', '"g", snn.scale = 1 : i64', "mark 'snn.scale' must not be 1"),
    ('"g", snn.scale = 0.25 : f64', '"g", snn.scale = 1.0 : f32', "is not an f64"),
    ('{snn.name = "x"}', '{snn.name = "x", snn.scale = 1.0 : f64}', "of 8 bits or more, not to i1"),
    ("    return", '    %q = "snn.draw"() {path = "q", seed = 1} : () -> tensor<2xi64>\n    return', "f32, f64 or i32"),
]  # fmt: skip


def sample(old: str = "", new: str = "") -> Program:
    constants = Constants(ARRAYS)
    text = SNN.replace(old, new, 1) if old else SNN
    for name in ARRAYS:
        text = text.replace(f"DIGEST.{name}", constants.digest(name))
    return Program.parse(text, constants)


def test_the_sample_is_valid_at_both_levels() -> None:
    assert problems(sample()) == []
    lowered = snn_to_step.lower(sample())
    assert problems(lowered) == []
    assert set(lowered.constants) == {"w.w", "one.w", "c.bits", "c.row", "c.w"}
    assert lowered.constants["w.w"].tolist() == [[0, 1, -1], [7, -8, 2]]
    assert lowered.constants["one.w"].tolist() == [[3, 3, 3]] * 2
    assert lowered.constants["c.w"].dtype == np.int8


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m[1])
def test_mistakes_at_level_snn(mistake: tuple[str, str, str]) -> None:
    old, new, message = mistake
    assert old in SNN
    texts = [text for _, text in problems(sample(old, new))]
    assert any(message in text for text in texts), texts


STEP_MISTAKES = [
    ('code = "pow2"', 'code = "pow3"', "unknown code 'pow3'"),
    (', code = "pow2", element = i8', ', code = "pow2", element = f32', "is for integers, not for f32"),
    ('arrays = {w = @w.w}, code = "pow2", element = i8', "arrays = {w = @w.w}, element = i16", "of i16 are needed"),
    ('arrays = {w = @one.w}, code = "pow2", element = i16', 'arrays = {w = @one.w}, code = "pow2", element = i2',
     "a code of the weights does not fit in i2"),
    ('code = "pow2", element = i8', 'code = "pow2", element = i32', "weights of type i32 are added to elements of"),
    ("from = @input.x", "from = @W", "@W, which does not exist"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", STEP_MISTAKES, ids=lambda m: m[1])
def test_mistakes_at_level_step(mistake: tuple[str, str, str]) -> None:
    old, new, message = mistake
    program = snn_to_step.lower(sample())
    text = program.text()
    assert old in text
    texts = [text for _, text in problems(Program.parse(text.replace(old, new, 1), program.constants))]
    assert any(message in text for text in texts), texts


def test_codes_of_powers() -> None:
    weights = np.array([0, 1, -1, 2, -8, 2**62, -(2**63)])
    assert are_powers(weights)
    assert encode(weights).tolist() == [0, 1, -1, 2, -4, 63, -64]
    assert encode(np.array(-128, np.int8)).tolist() == -8
    assert not are_powers(np.array([1, 3]))
    assert not are_powers(np.array([-127], np.int8))
    assert fit(np.array([7, -8], np.int8), 8)
    assert not fit(np.array([8], np.int8), 8)
    assert not fit(np.array([-9], np.int8), 8)
