"""The exponential of a small matrix and its integral, with many digits and rounded once."""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

import numpy as np
from spikec.dialects.constants import Array

DIGITS = 50

Matrix = list[dict[int, Decimal]]
"""Rows of what is not zero, by column: what is zero by the structure of the matrix stays so."""


@lru_cache(maxsize=1000)
def propagators(matrix: tuple[tuple[float, ...], ...], dt: Fraction | float) -> tuple[Array, Array]:
    """expm(A dt) and the integral of expm(A s) from 0 to dt, each entry rounded once to f64; not to be written to.

    Neurons of a model are mostly variants of a few, and a matrix takes a while.
    """
    n, duration = len(matrix), Fraction(dt)
    # exp [[A dt, dt], [0, 0]] = [[expm(A dt), integral], [0, 1]] (Van Loan 1978, IEEE Trans. Autom. Control 23:395).
    rows = [{j: Fraction(a) * duration for j, a in enumerate(row) if a} for row in matrix]
    for i, row in enumerate(rows):
        row[n + i] = duration
    power = _exponential([*rows, *({} for _ in range(n))])
    both = np.array([[float(row.get(j, 0)) for j in range(2 * n)] for row in power[:n]])
    return both[:, :n], both[:, n:]


def _exponential(matrix: list[dict[int, Fraction]]) -> Matrix:
    """Taylor's series of the matrix over a power of two, which is then squared as often."""
    norm = max(sum(map(abs, row.values()), Fraction(0)) for row in matrix)
    # Below 1/256 a term has two digits more than the one before it.
    halvings = max(0, norm.numerator.bit_length() - norm.denominator.bit_length() + 9)
    context = Context(DIGITS + 10 + halvings, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
    with localcontext(context):
        small = [{j: Decimal(a.numerator) / a.denominator / 2**halvings for j, a in row.items()} for row in matrix]
        term = [{i: Decimal(1)} for i in range(len(matrix))]
        result = term
        order = 0
        while _norm(term) > Decimal(10) ** -context.prec:
            order += 1
            term = [{j: a / order for j, a in row.items()} for row in _product(term, small)]
            result = [_sum(a, b) for a, b in zip(result, term, strict=True)]
        for _ in range(halvings):
            result = _product(result, result)
    return result


def _norm(matrix: Matrix) -> Decimal:
    return max(sum(map(abs, row.values()), Decimal(0)) for row in matrix)


def _product(left: Matrix, right: Matrix) -> Matrix:
    result: Matrix = []
    for row in left:
        result.append({})
        for k, a in row.items():
            result[-1] = _sum(result[-1], {j: a * b for j, b in right[k].items()})
    return result


def _sum(left: dict[int, Decimal], right: dict[int, Decimal]) -> dict[int, Decimal]:
    return {j: left.get(j, Decimal(0)) + right.get(j, Decimal(0)) for j in left.keys() | right.keys()}
