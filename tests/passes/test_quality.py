"""The comparison of an integer network with the real one that it came from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from spikec.dialects.constants import Constants
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.passes.calibration import Calibration
from spikec.passes.quantize.quality import compare, weights_table
from spikec.passes.quantize.weights import quantized

REAL = """module attributes {snn.model = "Charge", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func private @IF(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"})
      -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %0 = arith.addf %V, %I : f32
    %one = arith.constant 1.0 : f32
    %s = arith.cmpf oge, %0, %one : f32
    %1 = arith.subf %0, %one : f32
    %v = arith.select %s, %1, %0 : f32
    return %v, %s : f32, i1
  }
  "snn.state"() {sym_name = "a.V", type = tensor<2xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "a.spike", type = tensor<2xi1>, init = false, depth = 1} : () -> ()
  "snn.state"() {sym_name = "total", type = tensor<i32>, init = 0 : i32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @IF, shape = [2], states = [@a.V], params = [], event = @a.spike} : () -> ()
  func.func @step(%x: tensor<2xf32> {snn.name = "x", snn.kind = "real"}) -> (tensor<2xi1> {snn.name = "y"}) {
    %y = "snn.update"(%x) {population = @a} : (tensor<2xf32>) -> tensor<2xi1>
    %old = "snn.read"() {of = @total, delay = 1} : () -> tensor<i32>
    %first = tensor.extract_slice %y[0] [1] [1] : tensor<2xi1> to tensor<i1>
    %wide = arith.extui %first : tensor<i1> to tensor<i32>
    %new = arith.addi %old, %wide : tensor<i32>
    "snn.write"(%new) {to = @total} : (tensor<i32>) -> ()
    return %y : tensor<2xi1>
  }
  func.func @finish() -> (tensor<i32> {snn.name = "count"}) {
    %n = "snn.read"() {of = @total, delay = 1} : () -> tensor<i32>
    return %n : tensor<i32>
  }
}
"""

FIXED = (
    REAL.replace("xf32", "xi16")
    .replace("f32", "i16")
    .replace("init = 0.0 : i16", "init = 0 : i16, scale = 0.25 : f64")
    .replace("arith.addf", "arith.addi")
    .replace("arith.subf", "arith.subi")
    .replace("arith.cmpf oge", "arith.cmpi sge")
    .replace("constant 1.0 : i16", "constant 4 : i16")
    .replace('snn.kind = "real"', 'snn.kind = "real", snn.scale = 0.25 : f64')
)


def program(text: str, **constants: Any) -> Program:
    made = Program.parse(text, Constants(constants))
    assert problems(made) == []
    return made


def samples(*streams: Any) -> Calibration:
    data = np.array(streams)
    return Calibration(data.shape[1], {"x": data}, frozenset({"x"}), np.arange(len(data)), len(data))


def tables(found: tuple[Table, ...]) -> dict[str, tuple[Any, ...]]:
    return {table.title: table.rows for table in found}


EXACT = samples([[0.5, 0.25]] * 8, [[1.0, 0.0]] * 8)
# In quarters, 0.375 is 0.5 (to the even number) and 0.1 is nothing.
ROUNDED = samples([[0.375, 0.1]] * 8, [[0.25, 0.1]] * 8)


def test_what_is_represented_exactly_agrees() -> None:
    found = tables(compare(program(REAL), program(FIXED), EXACT))
    assert found == {"quantize: spikes": (("a", 14, 14, 1.0),), "quantize: states": (("a.V", math.inf),)}


def test_spikes_that_differ_are_counted() -> None:
    found = tables(compare(program(REAL), program(FIXED), ROUNDED))
    # Real: 3/8 a step spikes in steps 3, 6, 8 (from 1), and 1/4 in 4, 8. Integer: 1/2 spikes in 2, 4, 6, 8.
    assert found["quantize: spikes"] == (("a", 5, 6, 2 * (2 + 2) / 11),)
    ((name, sqnr),) = found["quantize: states"]
    t = np.arange(1, 9)
    real = np.stack([t * 0.375 % 1, t * 0.1, t * 0.25 % 1, t * 0.1])
    integer = np.stack([t * 0.5 % 1, t * 0.0, t * 0.25 % 1, t * 0.0])
    expected = 10 * np.log10(np.square(real).sum() / np.square(real - integer).sum())
    assert name == "a.V" and sqnr == pytest.approx(expected, abs=1e-4)


def test_scales_per_neuron() -> None:
    constant = '"snn.constant"() {sym_name = "s", type = tensor<2xf64>, digest = "DIGEST"} : () -> ()\n  "snn.state"()'
    scale = np.array([0.25, 0.25])
    digest = Constants({"s": scale}).digest("s")
    text = FIXED.replace("scale = 0.25 : f64,", "scale = @s,", 1).replace(
        '"snn.state"()', constant.replace("DIGEST", digest), 1
    )
    assert compare(program(REAL), program(text, s=scale), EXACT) == compare(program(REAL), program(FIXED), EXACT)


def test_accuracy() -> None:
    found = tables(compare(program(REAL), program(FIXED), ROUNDED, np.array([3, 2])))
    assert found["quantize: accuracy"] == (("count", 2, 1.0, 0.5),)
    found = tables(compare(program(REAL), program(FIXED), ROUNDED, np.array([4, 0]), output="count"))
    assert found["quantize: accuracy"] == (("count", 2, 0.0, 0.5),)


def test_labels_need_one_output() -> None:
    second = REAL.replace('snn.name = "count"})', 'snn.name = "count"}, tensor<i32> {snn.name = "again"})').replace(
        "return %n : tensor<i32>", "return %n, %n : tensor<i32>, tensor<i32>"
    )
    none = REAL[: REAL.index("  func.func @finish")] + "}\n"
    for text, output, words in (
        (second, None, "those of Charge are count, again"),
        (none, None, "Charge has none"),
        (REAL, "y", "'y' is none; those of Charge are count"),
    ):
        with pytest.raises(CompileError) as caught:
            compare(program(text), program(text), EXACT, np.zeros(2), output=output)
        assert caught.value.diagnostics[0].code == "E1208" and words in caught.value.diagnostics[0].message
    assert tables(compare(program(second), program(second), EXACT, np.zeros(2), output="again"))


def test_silence_agrees_and_no_data_tells_nothing() -> None:
    found = tables(compare(program(REAL), program(FIXED), samples([[0.0, 0.0]] * 3)))
    assert found["quantize: spikes"] == (("a", 0, 0, 1.0),)
    assert compare(program(REAL), program(FIXED), None) == ()


def test_the_table_of_weights() -> None:
    weights = np.array([[0.5, 1.0], [0.3, 0.7]])
    rows = [("p", 8, quantized(weights, 8, "symmetric")), ("q", 4, quantized(weights, 4, "symmetric", axis=0))]
    table = weights_table(rows)
    assert table.columns == ("projection", "weights", "bits", "scale", "clipped", "SQNR dB", "exact")
    assert table.rows[0] == ("p", 4, 8, 1 / 127, 0.0, rows[0][2].sqnr, False)
    assert table.rows[1][:4] == ("q", 4, 4, "0.1 .. 0.5") and table.rows[1][6] is True
