"""Parameters of NIR from coefficients of a program, so that they give the same coefficients again.

A reader of NIR computes dt / tau, where the program has its rounded result or a form that differs in rounding.
Of the few numbers around dt / coefficient, those are taken that give the coefficient to the bit, and among
these the shortest decimal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from spikec.dialects.constants import Array

NEIGHBOURS = 4  # how far from the quotient, in units of its last place, a parameter is looked for


def quotient(coefficients: Array, dt: float, real: Any) -> Array:
    """tau with dt / tau = coefficient, each in the arithmetic of `real` (np.float32 or np.float64)."""
    return _solved(coefficients, lambda c, dt: dt / c, lambda t: Fraction(dt) / Fraction(t), np.divide, dt, real)


def factor(coefficients: Array, dt: float, real: Any) -> Array:
    """r with dt * r = coefficient, each in the arithmetic of `real`."""
    return _solved(coefficients, lambda c, dt: c / dt, lambda r: Fraction(dt) * Fraction(r), np.multiply, dt, real)


def plain(values: Array, real: Any) -> Array:
    """Numbers as the program has them: without the noise of the f64 computations that led to them."""
    return _each(values, lambda value: _shortest(value, real))


def _solved(
    coefficients: Array,
    guess: Callable[[float, float], float],
    exact: Callable[[float], Fraction],
    rounded: Callable[[Any, Any], Any],
    dt: float,
    real: Any,
) -> Array:
    uniform = np.unique(coefficients).size == 1

    def as_number(value: float) -> Any:
        """As a reader folds it that knows one number for all neurons."""
        return real(float(exact(value)))

    def as_array(value: float) -> Any:
        """As a reader computes it that has one number per neuron."""
        return rounded(real(dt), real(value))

    def solve(coefficient: float) -> float:
        first = guess(coefficient, float(real(dt)))
        if float(real(coefficient)) != coefficient:
            # The program multiplied by dt and divided by tau, or by a plain number.
            return _shortest(first, real, otherwise=guess(coefficient, dt))
        candidates = [c for c in _around(first, real) if c and np.isfinite(c)]
        both = [c for c in candidates if as_number(c) == coefficient == as_array(c)]
        one = [c for c in candidates if (as_number(c) if uniform else as_array(c)) == coefficient]
        return [*both, *one, first][0]

    return _each(coefficients, solve)


def _each(values: Array, function: Callable[[float], float]) -> Array:
    """A function of one number on all elements, computed once for equal ones."""
    unique, place = np.unique(values, return_inverse=True)
    results = np.array([function(float(value)) for value in unique], dtype=np.float64)
    return np.asarray(results[place].reshape(np.shape(values)))


def _around(value: float, real: Any) -> Iterator[float]:
    """The numbers of type `real` around a value, the nearest first, as short decimals; then the value itself."""
    above = below = real(value)
    yield float(str(above))
    for _ in range(NEIGHBOURS):
        above, below = np.nextafter(above, real(np.inf)), np.nextafter(below, real(-np.inf))
        yield float(str(above))
        yield float(str(below))
    yield value


def _shortest(value: float, real: Any, otherwise: float | None = None) -> float:
    """The shortest decimal of the number of type `real` that a value stands for; if for none, to 15 digits."""
    with np.errstate(over="ignore"):
        near = real(value)
    if not np.isfinite(near) or abs(float(near) - value) > 1e-12 * abs(value):
        return float(f"{value if otherwise is None else otherwise:.15g}")
    return float(str(near))
