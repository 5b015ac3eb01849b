"""Rules of connectors and of functions of weights."""

from __future__ import annotations

import pytest
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.verify import verify

from tests.lower.networks import parse

NETWORK = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func private @p(%pre: i64, %post: i64) -> f64 {
    %half = arith.constant 0.5 : f64
    return %half : f64
  }
  func.func private @w(%pre: i64, %post: i64, %n: i64 {snn.index}, %u: f32 {snn.draw = "x", snn.seed = 1 : i64}, %a: f32 {snn.array = @A, snn.by = "post"}, %r: f32 {snn.array = @R, snn.by = "row"}) -> f32 {
    %0 = arith.addf %u, %a : f32
    %1 = arith.addf %0, %r : f32
    return %1 : f32
  }
  "snn.constant"() {sym_name = "A", type = tensor<4xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "R", type = tensor<5xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "index.from", type = tensor<5xi64>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "index.to", type = tensor<5xi64>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "t", pre = 6, post = 4, connect = {kind = "table", sources = @index.from, targets = @index.to}, weight = @w} : () -> ()
  "snn.synapses"() {sym_name = "r", pre = 6, post = 4, connect = {kind = "table", sources = @index.from, targets = @index.to}, weight = @R} : () -> ()
  "snn.synapses"() {sym_name = "f", pre = 6, post = 4, connect = {kind = "fixed_in", count = 3 : i64, seed = 0 : i64, path = "f", repeat}, weight = 1.0 : f32} : () -> ()
  "snn.synapses"() {sym_name = "q", pre = 6, post = 4, connect = {kind = "prob", p = @p, seed = 0 : i64, path = "q"}, weight = 1.0 : f32} : () -> ()
  "snn.synapses"() {sym_name = "f.to", pre = 12, post = 4, connect = {kind = "to_target", of = @f}, weight = 1.0 : f32} : () -> ()
  "snn.synapses"() {sym_name = "f.from", pre = 6, post = 12, connect = {kind = "from_source", of = @f}, weight = 2.0 : f32} : () -> ()
  "snn.synapses"() {sym_name = "t.each", pre = 6, post = 5, connect = {kind = "from_source", of = @t}, weight = @w} : () -> ()
  func.func @step() {
    return
  }
}
"""


def test_a_correct_network() -> None:
    verify(parse(NETWORK))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("count = 3", "count = -3", "'count' is negative"),
        ("count = 3 : i64, ", "", "needs 'count'"),
        ('path = "f", repeat', 'path = "f", repeat = 1 : i64', "'repeat' is a mark"),
        ("repeat}", "again}", "unknown entry 'again'"),
        ("p = @p", "p = @w", "must be (i64, i64) -> f64"),
        ("p = @p", "p = @A", "which is a 'snn.constant'"),
        (
            "sources = @index.from, targets = @index.to}, weight = @R",
            "sources = @index.from}, weight = @R",
            "needs 'targets'",
        ),
        ("targets = @index.to}, weight = @R", "targets = @R}, weight = @R", "vectors of i64"),
        ("weight = @R", "weight = @A", "5 elements"),
        (
            'pre = 6, post = 4, connect = {kind = "table", sources = @index.from, targets = @index.to}, weight = @R',
            'pre = 1, post = 4, connect = {kind = "table", sources = @index.from, targets = @index.to}, weight = @R',
            "where there are 1 neurons",
        ),
        ('snn.by = "post"', 'snn.by = "pre"', "where 6 elements"),
        ('snn.by = "post"', 'snn.by = "any"', "snn.by"),
        ("{snn.index}", "{}", "has no role"),
        (", snn.seed = 1 : i64", "", "draws without"),
        ("snn.array = @R", "snn.array = @p", "names no constant"),
        ('"to_target", of = @f', '"to_target", of = @f.from', "not made of a recipe of kind 'from_source'"),
        ('"to_target", of = @f', '"to_target", of = @q', "not made of a recipe of kind 'prob'"),
        ('"to_target", of = @f', '"to_target", of = @A', "which is a 'snn.constant'"),
        ('"to_target", of = @f', '"to_target"', "needs 'of'"),
        ("pre = 12, post = 4", "pre = 11, post = 4", "makes 12 synapses, not 11"),
        ("pre = 12, post = 4", "pre = 12, post = 3", "has 4 neurons at that end, not 3"),
        ("pre = 6, post = 5", "pre = 6, post = 6", "makes 5 synapses, not 6"),
        ("of = @f}, weight = 1.0 : f32", "of = @f}, weight = @w", "is one number"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str) -> None:
    assert NETWORK.count(old) >= 1
    with pytest.raises(InternalError) as caught:
        verify(parse(NETWORK.replace(old, new, 1)))
    assert message in str(caught.value)
