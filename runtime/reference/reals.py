"""Real arithmetic: IEEE, rounded to nearest even; subnormal results become zero of the same sign.

Operands are never subnormal, since inputs and constants are flushed where they enter.  A result is
subnormal when its value, rounded as if exponents had no bound, is below the smallest normal number:
what flush-to-zero hardware decides.  numpy rounds such a result up to the smallest normal where it
lies within half a subnormal step of it, so products and quotients that come out as exactly that
number are looked at again.
"""

from __future__ import annotations

import numpy as np
from spikec.dialects.constants import Array

_SCALE = 2.0**64
_TINY = {np.dtype(real): np.finfo(real).tiny for real in (np.float32, np.float64)}
"""The smallest normal number."""


def flush(value: Array) -> Array:
    if not _is_low(value):
        return value
    return np.where(np.abs(value) < _TINY[value.dtype], np.copysign(value.dtype.type(0), value), value)


def add(a: Array, b: Array) -> Array:
    return flush(a + b)


def subtract(a: Array, b: Array) -> Array:
    return flush(a - b)


def multiply(a: Array, b: Array) -> Array:
    product = a * b
    if not _is_low(product):
        return product
    product = flush(product)
    edge = _smallest(product)
    if not edge.any():
        return product
    small, large = np.where(np.abs(a) < np.abs(b), a, b), np.where(np.abs(a) < np.abs(b), b, a)
    return _reconsidered(product, edge, small * _scale(product) * large)


def divide(a: Array, b: Array) -> Array:
    quotient = a / b
    if not _is_low(quotient):
        return quotient
    quotient = flush(quotient)
    edge = _smallest(quotient)
    if not edge.any():
        return quotient
    scale = _scale(quotient)
    return _reconsidered(quotient, edge, np.where(np.abs(a) < 1, a * scale / b, a / (b / scale)))


def maximum(a: Array, b: Array) -> Array:
    """NaN if any is NaN; +0.0 is more than -0.0."""
    return np.where(a == b, np.where(np.signbit(a), b, a), np.maximum(a, b))


def minimum(a: Array, b: Array) -> Array:
    """NaN if any is NaN; -0.0 is less than +0.0."""
    return np.where(a == b, np.where(np.signbit(a), a, b), np.minimum(a, b))


def _is_low(value: Array) -> bool:
    """Whether any number but zero is at most the smallest normal one: hardly ever, so this is what takes time."""
    low = int(np.count_nonzero(np.abs(value) <= _TINY[value.dtype]))
    return low > 0 and low > value.size - int(np.count_nonzero(value))


def _smallest(value: Array) -> Array:
    return np.asarray(np.abs(value) == _TINY[value.dtype])


def _scale(value: Array) -> Array:
    return np.asarray(_SCALE, value.dtype)


def _reconsidered(value: Array, edge: Array, scaled: Array) -> Array:
    """`scaled` is the result times a power of two that brings it out of the subnormal range."""
    below = edge & (np.abs(scaled) < _TINY[value.dtype] * _scale(value))
    return np.where(below, np.copysign(value.dtype.type(0), value), value)
