"""The verifier on the connector "conv": what a convolution's numbers must fit to is said by name."""

from __future__ import annotations

import pytest
from spikec.dialects.constants import Constants
from spikec.dialects.convolution import Convolution
from spikec.dialects.mlir import context, ir
from spikec.dialects.program import Program
from spikec.dialects.verify import problems

VALID = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func private @keep(%pre: i64, %post: i64) -> i1 {
    %r = arith.cmpi ne, %pre, %post : i64
    return %r : i1
  }
  "snn.constant"() {sym_name = "W", type = tensor<6x2x3x2xf32>, digest = "sha256:0"} : () -> ()
  "snn.synapses"() {sym_name = "c", pre = 80, post = 72, connect = {kind = "conv", input = [4, 5, 4], output = [6, 3, 4], kernel = [3, 2], stride = [2, 1], padding = [1, 0], dilation = [1, 1], groups = 2 : i64}, weight = @W} : () -> ()
  func.func @step(%x: tensor<80xi1> {snn.name = "x"}) -> (tensor<6x3x4xf32> {snn.name = "y"}) {
    %z = arith.constant dense<0.0> : tensor<6x3x4xf32>
    %y = "snn.propagate"(%x, %z) {synapses = @c} : (tensor<80xi1>, tensor<6x3x4xf32>) -> tensor<6x3x4xf32>
    return %y : tensor<6x3x4xf32>
  }
}
"""
MISTAKES = [
    ("kernel = [3, 2], ", "", "the connector 'conv' needs 'kernel', a list of integers"),
    ("stride = [2, 1]", "stride = [2, 1.5]", "the connector 'conv' needs 'stride', a list of integers"),
    ("stride = [2, 1]", "stride = 2", "the connector 'conv' needs 'stride', a list of integers"),
    (", groups = 2 : i64", "", "the connector 'conv' needs 'groups', an integer"),
    ("groups = 2 : i64", "groups = 2 : i64, filter = @keep", "'connect' has an unknown entry 'filter'"),
    ("groups = 2 : i64", "groups = 2 : i64, bias = 1", "'connect' has an unknown entry 'bias'"),
    ("kernel = [3, 2]", "kernel = []", "'kernel' has 0 axes, where 1 or 2 are possible"),
    ("kernel = [3, 2]", "kernel = [3, 2, 1]", "'kernel' has 3 axes, where 1 or 2 are possible"),
    ("kernel = [3, 2]", "kernel = [3]", "'input' has 3 entries, where the kernel needs 2"),
    ("padding = [1, 0]", "padding = [1]", "'padding' has 1 entries, where the kernel needs 2"),
    ("padding = [1, 0]", "padding = [-1, 0]", "'padding' is [-1, 0], where its entries lie between 0"),
    ("stride = [2, 1]", "stride = [0, 1]", "'stride' is [0, 1], where its entries lie between 1"),
    ("dilation = [1, 1]", "dilation = [1, 2147483648]", "'dilation' is [1, 2147483648], where"),
    ("output = [6, 3, 4]", "output = [6, 0, 4]", "'output' is [6, 0, 4], where"),
    ("groups = 2", "groups = 0", "'groups' is 0, which must be positive"),
    ("groups = 2", "groups = 3", "3 groups do not divide the 4 channels of 'input'"),
    ("groups = 2", "groups = 4", "4 groups do not divide the 6 channels of 'output'"),
    ("pre = 80", "pre = 81", "'pre' is 81, where [4, 5, 4] has 80 elements"),
    ("output = [6, 3, 4]", "output = [6, 3, 5]", "'post' is 72, where [6, 3, 5] has 90 elements"),
    ("tensor<6x2x3x2xf32>", "tensor<6x2x2x3xf32>", "where the convolution needs the shape [6, 2, 3, 2]"),
    ("groups = 2", "groups = 1", "where the convolution needs the shape [6, 4, 3, 2]"),
    ("weight = @W", 'weight = "W"', "weight is neither a number nor a constant"),
    ("weight = @W", "weight = 0.5 : f64", "weights of type f64 are added to elements of type f32"),
    ("pre = 80", "pre = 0", "'pre' is 0"),
]


def texts(text: str) -> list[str]:
    return [found for _, found in problems(Program.parse(text, Constants()))]


def test_the_sample_is_valid() -> None:
    assert texts(VALID) == []
    assert texts(VALID.replace("weight = @W", "weight = 0.5 : f32")) == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: f"{m[1]}: {m[2]}")
def test_mistakes(mistake: tuple[str, str, str]) -> None:
    old, new, message = mistake
    assert old in VALID
    found = texts(VALID.replace(old, new, 1))
    assert any(message in text for text in found), found


def test_a_recipe_says_what_it_was_made_of() -> None:
    shape = Convolution((4, 5), (6, 3), (2,), (2,), (1,), (3,), 2)
    with context(), ir.Location.unknown():
        assert Convolution.of(shape.recipe()) == shape
    assert (shape.pre, shape.post, shape.weights) == (20, 18, (6, 2, 2))
