"""The elementary functions as their instruction lists compute them, against wider arithmetic."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from spikec.dialects.constants import Array
from spikec.dialects.elementary import FUNCTIONS, OPS, TABLE
from spikec.runtime.reference.elementary import OPERATIONS, evaluate

ULPS = {"exp": 1.0, "expm1": 1.2, "log": 1.0, "tanh": 1.5, "sin": 1.0, "cos": 1.0}
INF, NAN = math.inf, math.nan

RANGES = [
    ("exp", -87.33, 88.72),
    ("exp", -1.0, 1.0),
    ("expm1", -20.0, 88.7),
    ("expm1", -1.5, 2.0),
    ("expm1", 16.0, 18.0),
    ("log", 1e-30, 1e30),
    ("log", 0.5, 2.5),
    ("tanh", -10.0, 10.0),
    ("tanh", 0.6, 0.65),
    ("tanh", -1.0, 1.0),
    ("sin", -8.0, 8.0),
    ("sin", -1e5, 1e5),
    ("cos", -8.0, 8.0),
    ("cos", -1e5, 1e5),
]

SPECIAL = [
    ("exp", [0.0, -0.0, INF, -INF, NAN, 1e30, -1e30], [1.0, 1.0, INF, 0.0, NAN, INF, 0.0]),
    ("expm1", [0.0, -0.0, INF, -INF, NAN, 1e-30, -1e30], [0.0, -0.0, INF, -1.0, NAN, 1e-30, -1.0]),
    ("log", [0.0, -0.0, INF, -INF, NAN, -1.0, 1.0], [-INF, -INF, INF, NAN, NAN, NAN, 0.0]),
    ("tanh", [0.0, -0.0, INF, -INF, NAN, -1e-30, 50.0], [0.0, -0.0, 1.0, -1.0, NAN, -1e-30, 1.0]),
    ("sin", [0.0, -0.0, INF, -INF, NAN, -1e-30], [0.0, -0.0, NAN, NAN, NAN, -1e-30]),
    ("cos", [0.0, -0.0, INF, -INF, NAN, 1e-30], [1.0, 1.0, NAN, NAN, NAN, 1.0]),
]


def errors(result: Array, exact: Array) -> Array:
    """The distance in units in the last place of the exact value."""
    with np.errstate(all="ignore"):
        last_place: Array = np.spacing(np.abs(exact).astype(result.dtype)).astype(exact.dtype)
        return np.asarray(np.abs(result - exact) / last_place)


def exactly(name: str, x: Array) -> Array:
    """The values to 40 digits, as differences that float64 can hold: the nearest float64 and the rest."""
    with mpmath.workdps(40):
        return np.array([getattr(mpmath, name)(mpmath.mpf(float(v))) for v in x], object)


@pytest.mark.parametrize(("name", "low", "high"), RANGES)
def test_single_precision(name: str, low: float, high: float) -> None:
    x = np.random.default_rng(1).uniform(low, high, 200_000).astype(np.float32)
    result = evaluate(name, x)
    assert result.dtype == np.float32
    assert errors(result, getattr(np, name)(x.astype(np.float64))).max() <= ULPS[name]


@pytest.mark.parametrize(("name", "low", "high"), RANGES)
def test_double_precision(name: str, low: float, high: float) -> None:
    x = np.random.default_rng(2).uniform(low, high, 1000)
    result = evaluate(name, x)
    for got, exact in zip(result.tolist(), exactly(name, x), strict=True):
        assert abs(mpmath.mpf(got) - exact) <= ULPS[name] * float(np.spacing(abs(float(exact))))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sine_and_cosine_near_their_zeros(name: str, dtype: Any) -> None:
    quadrants = np.random.default_rng(3).integers(1, 63_000, 1000)
    x = (quadrants * (math.pi / 2)).astype(dtype)
    for got, exact in zip(evaluate(name, x).tolist(), exactly(name, x), strict=True):
        assert abs(mpmath.mpf(got) - exact) <= float(np.spacing(dtype(abs(float(exact)))))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "x", "expected"), SPECIAL)
def test_special_arguments(name: str, x: list[float], expected: list[float], dtype: Any) -> None:
    result = evaluate(name, np.array(x, dtype))
    np.testing.assert_array_equal(result, np.array(expected, dtype))
    numbers = ~np.isnan(result)
    assert np.array_equal(np.signbit(result[numbers]), np.signbit(np.array(expected)[numbers]))


@pytest.mark.parametrize(("dtype", "low", "high"), [(np.float32, -87.34, 88.73), (np.float64, -708.4, 709.79)])
def test_exp_flushes_below_and_overflows_above(dtype: Any, low: float, high: float) -> None:
    assert evaluate("exp", np.array([low, high], dtype)).tolist() == [0.0, INF]
    near = evaluate("exp", np.array([low + 0.02, high - 0.02], dtype))
    assert near[0] >= np.finfo(dtype).tiny and math.isfinite(near[1])


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_trigonometry_of_huge_arguments_is_that_of_zero(name: str) -> None:
    x = np.array([1.1e6, -3e38], np.float32)
    assert np.array_equal(evaluate(name, x), [0.0 if name == "sin" else 1.0] * 2)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_scalar_gives_what_an_array_gives(name: str) -> None:
    x = np.array([0.3, 1.7, 2.9], np.float32)
    assert [float(evaluate(name, np.asarray(v))) for v in x] == evaluate(name, x).tolist()


@pytest.mark.parametrize(("name", "bits"), sorted(TABLE))
def test_lists_are_well_formed(name: str, bits: int) -> None:
    kinds = {"x": "R"}
    dtype: Any = np.float32 if bits == 32 else np.float64
    for result, op, operands in TABLE[name, bits]:
        wanted, given = OPS[op].split(":")
        assert result not in kinds
        for operand, kind in zip(operands, wanted, strict=True):
            if isinstance(operand, str):
                assert kinds[operand] == kind
            elif kind == "R":
                assert isinstance(operand, float)
                assert math.isnan(operand) or float(dtype(operand)) == operand
            else:
                assert isinstance(operand, int) and -(1 << (bits - 1)) <= operand < 1 << (bits - 1)
        kinds[result] = given


def test_every_operation_is_known() -> None:
    assert OPERATIONS.keys() == OPS.keys()
    assert {name for name, _ in TABLE} == set(FUNCTIONS)
