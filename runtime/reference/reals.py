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


def flush(value: Array) -> Array:
    small = np.abs(value) < np.finfo(value.dtype).tiny
    return np.where(small, np.copysign(value.dtype.type(0), value), value) if small.any() else value


def add(a: Array, b: Array) -> Array:
    return flush(a + b)


def subtract(a: Array, b: Array) -> Array:
    return flush(a - b)


def multiply(a: Array, b: Array) -> Array:
    product = flush(a * b)
    edge = _smallest(product)
    if not edge.any():
        return product
    small, large = np.where(np.abs(a) < np.abs(b), a, b), np.where(np.abs(a) < np.abs(b), b, a)
    return _reconsidered(product, edge, small * _scale(product) * large)


def divide(a: Array, b: Array) -> Array:
    quotient = flush(a / b)
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


def _smallest(value: Array) -> Array:
    return np.asarray(np.abs(value) == np.finfo(value.dtype).tiny)


def _scale(value: Array) -> Array:
    return np.asarray(_SCALE, value.dtype)


def _reconsidered(value: Array, edge: Array, scaled: Array) -> Array:
    """`scaled` is the result times a power of two that brings it out of the subnormal range."""
    below = edge & (np.abs(scaled) < np.finfo(value.dtype).tiny * _scale(value))
    return np.where(below, np.copysign(value.dtype.type(0), value), value)
