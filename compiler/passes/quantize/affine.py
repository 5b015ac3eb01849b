"""Real values as sums of integers with coefficients: what addition and constant factors make of them.

A chain of additions, subtractions and constant factors is not computed op by op: it is one affine form,

    real = sum over atoms (coefficient * integer) + constant

and becomes integers at one place, with one rounding (`arithmetic`).  Coefficients and constants are numbers or
float64 arrays of the value's shape (one number per neuron or channel).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.dialects.constants import Array

Number = float | Array


@dataclass(frozen=True)
class Atom:
    """A value that an affine form refers to; `limit` is the greatest magnitude that its integer can have."""

    value: Any
    limit: int = 0


@dataclass(frozen=True)
class Affine:
    """`terms` are (atom, coefficient), each atom once; without terms it is a constant."""

    terms: tuple[tuple[Atom, Number], ...] = ()
    constant: Number = 0.0

    @property
    def is_constant(self) -> bool:
        return not self.terms

    def plus(self, other: Affine, sign: float = 1.0) -> Affine:
        """self + sign * other."""
        coefficients: dict[Atom, Number] = dict(self.terms)
        for atom, coefficient in other.terms:
            coefficients[atom] = coefficients.get(atom, 0.0) + sign * coefficient
        kept = tuple((atom, c) for atom, c in coefficients.items() if np.any(c))
        return Affine(kept, self.constant + sign * other.constant)

    def times(self, factor: Number) -> Affine:
        scaled = tuple((atom, factor * c) for atom, c in self.terms)
        return Affine(tuple((a, c) for a, c in scaled if np.any(c)), factor * self.constant)

    def without(self, atom: Atom) -> Affine:
        """The form without one of its atoms."""
        return Affine(tuple(term for term in self.terms if term[0] != atom), self.constant)

    def moved(self, values: Callable[[Any], Any], arrays: Callable[[Array], Array]) -> Affine:
        """The form after a movement of data (a reshape, a slice), which does the same to every part."""

        def number(n: Number) -> Number:
            return arrays(n) if isinstance(n, np.ndarray) and n.ndim else n

        return Affine(tuple((Atom(values(a.value), a.limit), number(c)) for a, c in self.terms), number(self.constant))


def atom(value: Any, scale: Number, limit: int = 0) -> Affine:
    """An integer with a scale."""
    return Affine(((Atom(value, limit), scale),))


def constant(number: Number) -> Affine:
    return Affine((), number)


LINEAR = frozenset({"arith.addf", "arith.subf", "arith.negf", "arith.mulf", "arith.divf"})


def linear(name: str, operands: list[Affine]) -> Affine | None:
    """The form of an op in `LINEAR`; None for a product of two variables and a division by one."""
    match name, operands:
        case "arith.addf", [a, b]:
            return a.plus(b)
        case "arith.subf", [a, b]:
            return a.plus(b, -1.0)
        case "arith.negf", [a]:
            return a.times(-1.0)
        case "arith.mulf", [a, b] if b.is_constant:
            return a.times(b.constant)
        case "arith.mulf", [a, b] if a.is_constant:
            return b.times(a.constant)
        case "arith.divf", [a, b] if b.is_constant and np.all(b.constant != 0):
            return a.times(1.0 / np.asarray(b.constant, np.float64) if np.ndim(b.constant) else 1.0 / b.constant)
    return None


def uniform(number: Number) -> float | None:
    """The one number that all elements are, or None."""
    array = np.asarray(number, np.float64)
    first = float(array.reshape(-1)[0])
    return first if bool(np.all(array == first)) else None


def same(a: Number, b: Number) -> bool:
    """Whether two coefficients are equal up to the rounding of their computation."""
    return bool(np.allclose(a, b, rtol=1e-12, atol=0.0))
