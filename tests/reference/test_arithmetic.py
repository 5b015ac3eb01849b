"""The scalar ops, one program at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from spikec.dialects.constants import Array, Constants
from spikec.dialects.program import Program
from spikec.runtime.reference import reals
from spikec.runtime.reference.blocks import program

NUMPY = {"i1": np.bool_, "i2": np.int8, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64}
TYPES: dict[str, Any] = {**NUMPY, "f32": np.float32, "f64": np.float64}
INF, NAN = math.inf, math.nan


def run(op: str, *operands: tuple[str, list[Any]], result: str) -> Array:
    """Runs `op` (with %0, %1, ... for its operands) on arrays of the given MLIR types."""
    arguments = ", ".join(f"%a{i}: {type}" for i, (type, _) in enumerate(operands))
    text = op
    for i in range(len(operands)):
        text = text.replace(f"%{i}", f"%a{i}")
    source = f"""
      module {{
        func.func private @p({arguments}) -> {result} {{
          %r = {text}
          return %r : {result}
        }}
      }}"""
    parsed = Program.parse(source, Constants())
    arrays = [np.array(values, TYPES[type]) for type, values in operands]
    with np.errstate(all="ignore"):
        (value,) = program(parsed.symbols()["p"])(*arrays)
    assert value.dtype == TYPES[result]
    return np.asarray(value)


BINARY = [
    ("arith.addi", "i8", [127, -128], [1, -1], [-128, 127]),
    ("arith.addi", "i2", [1, -2], [1, -1], [-2, 1]),
    ("arith.addi", "i1", [True, True], [True, False], [False, True]),
    ("arith.subi", "i32", [-(2**31), 5], [1, 7], [2**31 - 1, -2]),
    ("arith.muli", "i16", [300, -3], [300, 5], [90000 - 65536, -15]),
    ("arith.muli", "i1", [True, True], [True, False], [True, False]),
    ("arith.floordivsi", "i64", [-7, 7], [2, -2], [-4, -4]),
    ("arith.remsi", "i64", [-7, 7], [2, -2], [-1, 1]),
    ("arith.maxsi", "i8", [-3, 4], [2, 1], [2, 4]),
    ("arith.minsi", "i1", [True, False], [False, False], [True, False]),
    ("arith.shrsi", "i8", [-128, 64], [3, 3], [-16, 8]),
    ("arith.shli", "i8", [1, 65], [7, 1], [-128, -126]),
    ("arith.andi", "i1", [True, True], [True, False], [True, False]),
    ("arith.ori", "i8", [12, -1], [3, 0], [15, -1]),
    ("arith.xori", "i2", [1, -1], [-1, -1], [-2, 0]),
    ("arith.addf", "f32", [1.0, INF], [2.0**-24, -INF], [1.0, NAN]),
    ("arith.subf", "f64", [1.0, 0.0], [2.0**-53, 0.0], [1.0 - 2.0**-53, 0.0]),
    ("arith.divf", "f32", [1.0, -1.0], [3.0, 0.0], [np.float32(1) / np.float32(3), -INF]),
    ("arith.maximumf", "f32", [-0.0, NAN, 2.0], [0.0, 1.0, 3.0], [0.0, NAN, 3.0]),
    ("arith.minimumf", "f32", [0.0, 1.0, 2.0], [-0.0, NAN, 3.0], [-0.0, NAN, 2.0]),
]


@pytest.mark.parametrize(("op", "type", "left", "right", "expected"), BINARY)
def test_binary(op: str, type: str, left: list[Any], right: list[Any], expected: list[Any]) -> None:
    result = run(f"{op} %0, %1 : {type}", (type, left), (type, right), result=type)
    np.testing.assert_array_equal(result, np.array(expected, TYPES[type]))
    if type.startswith("f"):
        ordinary = ~np.isnan(result)
        assert np.array_equal(np.signbit(result[ordinary]), np.signbit(np.array(expected)[ordinary]))


CONVERSIONS = [
    ("arith.extui", "i1", [True, False], "i32", [1, 0]),
    ("arith.extsi", "i1", [True, False], "i32", [-1, 0]),
    ("arith.extui", "i2", [-1, 1], "i8", [3, 1]),
    ("arith.extsi", "i2", [-1, 1], "i64", [-1, 1]),
    ("arith.extui", "i8", [-1, 1], "i16", [255, 1]),
    ("arith.trunci", "i8", [3, 2, -1], "i1", [True, False, True]),
    ("arith.trunci", "i8", [3, 2, 1], "i2", [-1, -2, 1]),
    ("arith.trunci", "i32", [256 + 200], "i8", [200 - 256]),
    ("arith.uitofp", "i1", [True, False], "f32", [1.0, 0.0]),
    ("arith.sitofp", "i1", [True, False], "f32", [-1.0, 0.0]),
    ("arith.uitofp", "i8", [-1], "f32", [255.0]),
    ("arith.uitofp", "i64", [-1], "f64", [2.0**64]),
    ("arith.sitofp", "i32", [-(2**24) - 1], "f32", [-(2.0**24)]),
    ("arith.fptosi", "f32", [2.9, -2.9, NAN, INF, -INF, 1e10], "i8", [2, -2, 0, 127, -128, 127]),
    ("arith.fptosi", "f64", [2.0**63, -(2.0**63), 0.5], "i64", [2**63 - 1, -(2**63), 0]),
    ("arith.fptosi", "f32", [1.0, -1.0, 0.0, -3.0], "i1", [False, True, False, True]),
]


@pytest.mark.parametrize(("op", "source", "values", "target", "expected"), CONVERSIONS)
def test_conversions(op: str, source: str, values: list[Any], target: str, expected: list[Any]) -> None:
    result = run(f"{op} %0 : {source} to {target}", (source, values), result=target)
    assert result.tolist() == expected


UNARY = [
    ("arith.negf", "f32", [0.0, 1.5], [-0.0, -1.5]),
    ("math.sqrt", "f32", [2.0, -1.0], [np.sqrt(np.float32(2)), NAN]),
    ("math.floor", "f32", [-1.5, 2.5], [-2.0, 2.0]),
    ("math.ceil", "f32", [-1.5, 2.5], [-1.0, 3.0]),
    ("math.trunc", "f32", [-1.5, 2.5], [-1.0, 2.0]),
    ("math.roundeven", "f32", [0.5, 1.5, 2.5], [0.0, 2.0, 2.0]),
    ("math.absf", "f32", [-0.0, -3.0], [0.0, 3.0]),
    ("math.absi", "i8", [-128, -3, 4], [-128, 3, 4]),
    ("math.tanh", "f32", [0.0, INF], [0.0, 1.0]),
]


@pytest.mark.parametrize(("op", "type", "values", "expected"), UNARY)
def test_unary(op: str, type: str, values: list[Any], expected: list[Any]) -> None:
    result = run(f"{op} %0 : {type}", (type, values), result=type)
    np.testing.assert_array_equal(result, np.array(expected, TYPES[type]))


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ("oeq", [False, True, False, False]),
        ("ogt", [False, False, True, False]),
        ("oge", [False, True, True, False]),
        ("olt", [True, False, False, False]),
        ("ole", [True, True, False, False]),
        ("one", [True, False, True, False]),
        ("ord", [True, True, True, False]),
        ("une", [True, False, True, True]),
    ],
)
def test_comparison_of_reals(predicate: str, expected: list[bool]) -> None:
    left, right = [1.0, 0.0, 2.0, NAN], [2.0, -0.0, 1.0, 1.0]
    result = run(f"arith.cmpf {predicate}, %0, %1 : f32", ("f32", left), ("f32", right), result="i1")
    assert result.tolist() == expected


@pytest.mark.parametrize(
    ("predicate", "type", "expected"),
    [
        ("eq", "i8", [False, True, False]),
        ("ne", "i8", [True, False, True]),
        ("slt", "i8", [True, False, False]),
        ("sle", "i8", [True, True, False]),
        ("sgt", "i8", [False, False, True]),
        ("sge", "i8", [False, True, True]),
        ("ult", "i8", [False, False, False]),
        ("ule", "i8", [False, True, False]),
        ("ugt", "i8", [True, False, True]),
        ("uge", "i8", [True, True, True]),
        ("slt", "i1", [True, False, True]),
        ("ult", "i1", [False, False, False]),
        ("ult", "i2", [False, False, False]),
    ],
)
def test_comparison_of_integers(predicate: str, type: str, expected: list[bool]) -> None:
    left, right = [-1, 1, 1], [0, 1, 0]
    result = run(f"arith.cmpi {predicate}, %0, %1 : {type}", (type, left), (type, right), result="i1")
    assert result.tolist() == expected


def test_select_and_constants() -> None:
    result = run("arith.select %0, %1, %2 : f32", ("i1", [True, False]), ("f32", [1, 2]), ("f32", [3, 4]), result="f32")
    assert result.tolist() == [1.0, 4.0]
    assert run("arith.constant true", result="i1").tolist() is True
    assert run("arith.constant -1 : i2", result="i2").tolist() == -1
    assert run("arith.constant -1.0e-40 : f32", result="f32").tolist() == 0.0


class TestSubnormals:
    """Results below the smallest normal number become zero of their sign."""

    TINY = float(np.finfo(np.float32).tiny)

    @pytest.mark.parametrize(
        ("op", "left", "right"),
        [("mulf", TINY, -0.5), ("divf", -TINY, 2.0), ("subf", TINY, 1.5 * TINY), ("addf", -1.5 * TINY, TINY)],
    )
    def test_are_flushed(self, op: str, left: float, right: float) -> None:
        result = run(f"arith.{op} %0, %1 : f32", ("f32", [left]), ("f32", [right]), result="f32")
        assert result[0] == 0.0 and np.signbit(result[0])

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_what_rounds_up_to_normal_only_by_losing_bits_is_subnormal(self, dtype: Any) -> None:
        tiny, below = np.finfo(dtype).tiny, np.nextafter(dtype(1), dtype(0))
        with np.errstate(all="ignore"):
            assert reals.multiply(np.array([tiny]), np.array([below]))[0] == 0.0
            assert reals.divide(np.array([tiny]), np.array([np.nextafter(dtype(1), dtype(2))]))[0] == 0.0
            assert reals.multiply(np.array([tiny]), np.array([dtype(-1)]))[0] == -tiny
            assert reals.divide(np.array([tiny * 4]), np.array([dtype(4)]))[0] == tiny
