"""Compile-time arithmetic is that of the running program, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spikec.analysis.scalars import DTYPES, evaluate
from spikec.dialects.constants import Array, Constants
from spikec.dialects.functions import SCALAR_OPS
from spikec.dialects.program import Program
from spikec.runtime.reference.blocks import program as interpreted

REALS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    2.5,
    -2.5,
    3.5,
    1e-30,
    -1e-30,
    1e30,
    -1e30,
    1e38,
    7e18,
    -7e18,
    np.inf,
    -np.inf,
    np.nan,
]
BINARY_REAL = ["addf", "subf", "mulf", "divf", "maximumf", "minimumf"]
BINARY_INTEGER = [
    "addi",
    "subi",
    "muli",
    "floordivsi",
    "remsi",
    "maxsi",
    "minsi",
    "shrsi",
    "shli",
    "andi",
    "ori",
    "xori",
]
UNARY = ["exp", "expm1", "log", "sqrt", "tanh", "sin", "cos", "floor", "ceil", "trunc", "roundeven", "absf"]


def functions() -> list[tuple[str, list[str], str]]:
    """Every op as (text over %a, %b and so on, operand types, result type)."""
    found: list[tuple[str, list[str], str]] = []
    for real in ("f32", "f64"):
        found += [(f"arith.{op} %a, %b : {real}", [real, real], real) for op in BINARY_REAL]
        found += [(f"math.{op} %a : {real}", [real], real) for op in UNARY]
        found += [(f"arith.negf %a : {real}", [real], real)]
        found += [
            (f"arith.cmpf {p}, %a, %b : {real}", [real, real], "i1") for p in ["oeq", "ogt", "oge", "olt", "ole", "une"]
        ]
        found += [(f"arith.select %a, %b, %c : {real}", ["i1", real, real], real)]
        found += [(f"arith.fptosi %a : {real} to {i}", [real], i) for i in ("i8", "i32", "i64")]
        found += [(f"arith.sitofp %a : {i} to {real}", [i], real) for i in ("i1", "i8", "i64")]
        found += [(f"arith.uitofp %a : {i} to {real}", [i], real) for i in ("i1", "i8", "i32")]
    for integer in ("i1", "i8", "i32", "i64"):
        found += [(f"arith.{op} %a, %b : {integer}", [integer, integer], integer) for op in BINARY_INTEGER]
        found += [
            (f"arith.cmpi {p}, %a, %b : {integer}", [integer] * 2, "i1")
            for p in ["eq", "ne", "slt", "sle", "sgt", "sge"]
        ]
        found += [(f"math.absi %a : {integer}", [integer], integer)]
    for narrow, wide in (("i1", "i8"), ("i1", "i64"), ("i8", "i32")):
        found += [(f"arith.{op} %a : {narrow} to {wide}", [narrow], wide) for op in ("extui", "extsi")]
        found += [(f"arith.trunci %a : {wide} to {narrow}", [wide], narrow)]
    return found


def samples(type: str, place: int) -> Array:
    rng = np.random.default_rng(place)
    dtype = np.dtype(DTYPES[type])
    if dtype.kind == "b":
        return np.resize([False, True, True], 24 * 24) if place == 0 else rng.random(24 * 24) < 0.5
    if dtype.kind == "f":
        with np.errstate(all="ignore"):
            values = np.array([*REALS, *rng.normal(0, 3, 6)]).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        edge = [0, 1, -1, 2, -2, 3, 7, -7, limits.max, limits.min, limits.max - 1, limits.min + 1]
        values = np.array([*edge, *rng.integers(-20, 20, 12)]).astype(dtype)
    return np.repeat(values, 24) if place % 2 else np.tile(values, 24)


def built(text: str, operands: list[str], result: str) -> Any:
    arguments = ", ".join(f"%{name}: {type}" for name, type in zip("abc", operands, strict=False))
    module = f"func.func private @f({arguments}) -> {result} {{\n  %r = {text}\n  return %r : {result}\n}}"
    return Program.parse(module, Constants())


@pytest.mark.parametrize("function", functions(), ids=lambda f: f[0].replace("%", ""))
def test_as_the_reference(function: tuple[str, list[str], str]) -> None:
    text, operands, result = function
    program = built(text, operands, result)
    function_op = program.symbols()["f"]
    op = next(iter(function_op.regions[0].blocks[0].operations)).operation
    arrays = [samples(type, place) for place, type in enumerate(operands)]
    run = interpreted(function_op)
    compared = 0
    for values in zip(*arrays, strict=True):
        value = evaluate(op, [np.asarray(v) for v in values])
        if value is None:
            continue
        with np.errstate(all="ignore"):
            wanted = np.asarray(run(*[np.asarray(v) for v in values])[0])
        assert value.dtype == wanted.dtype
        assert np.array_equal(value, wanted, equal_nan=value.dtype.kind == "f"), (text, values, value, wanted)
        if value.dtype.kind == "f" and value == 0:
            assert np.signbit(value) == np.signbit(wanted), (text, values)
        compared += 1
    assert compared or "i1" in operands


def test_every_op_of_programs_is_here() -> None:
    texts = {f[0].split(" ")[0] for f in functions()} | {"arith.constant"}
    assert texts == SCALAR_OPS
