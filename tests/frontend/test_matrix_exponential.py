"""The matrix exponential, compared with that of mpmath on random matrices, stiff and large ones among them."""

from __future__ import annotations

import random
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from spikec.frontend.matrix_exponential import propagators


def expected(matrix: tuple[tuple[float, ...], ...], dt: Fraction | float) -> tuple[list[float], list[float]]:
    n = len(matrix)
    with mpmath.workdps(60):
        exact = mpmath.mpf(dt.numerator) / dt.denominator if isinstance(dt, Fraction) else mpmath.mpf(dt)
        augmented = mpmath.zeros(2 * n, 2 * n)
        for i in range(n):
            for j in range(n):
                augmented[i, j] = mpmath.mpf(matrix[i][j]) * exact
            augmented[i, n + i] = exact
        power = mpmath.expm(augmented, method="taylor")
        return (
            [float(power[i, j]) for i in range(n) for j in range(n)],
            [float(power[i, n + j]) for i in range(n) for j in range(n)],
        )


@pytest.mark.parametrize("seed", range(60))
def test_each_entry_is_rounded_once(seed: int) -> None:
    draw = random.Random(seed)
    n, scale = draw.randint(1, 4), 10 ** draw.uniform(-3, 6)
    matrix = tuple(
        tuple(
            -scale * draw.uniform(0.01, 2) if i == j else draw.choice((0, 0, 1, -1)) * scale * draw.uniform(1e-3, 1)
            for j in range(n)
        )
        for i in range(n)
    )
    dt = draw.choice([Fraction(1, 10000), 1e-4, Fraction(1, 1000), 0.001])
    power, integral = propagators(matrix, dt)
    assert (power.reshape(-1).tolist(), integral.reshape(-1).tolist()) == expected(matrix, dt)


@pytest.mark.parametrize(
    ("matrix", "dt", "power"),
    [
        (((0.0,),), 0.5, [[1.0]]),
        (((1e300,),), 1.0, [[np.inf]]),
        (((-1e308, 0.0), (0.0, 1e308)), 1e6, [[0.0, 0.0], [0.0, np.inf]]),
    ],
)
def test_extremes(matrix: tuple[tuple[float, ...], ...], dt: float, power: list[list[float]]) -> None:
    assert propagators(matrix, dt)[0].tolist() == power
