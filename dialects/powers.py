"""Weights that are zero or powers of two of either sign, and their codes: 0, or plus or minus (1 + exponent) in i8."""

from __future__ import annotations

import numpy as np
from spikec.dialects.constants import Array


def are_powers(weights: Array) -> bool:
    """Whether every integer of an array is 0 or plus or minus a power of two."""
    size = _size(weights)
    return bool(np.all(size & (size - np.uint64(1)) == 0))


def encode(weights: Array) -> Array:
    """The codes (int8, same shape) of integers for which `are_powers` holds."""
    _, exponent = np.frexp(_size(weights).astype(np.float64))  # 2^k is 0.5 * 2^(k + 1), and 0 is 0 * 2^0
    return np.asarray(np.where(weights < 0, -exponent, exponent), np.int8)


def decode(codes: Array) -> Array:
    """The integers behind codes (int64, same shape)."""
    exponent = np.abs(codes.astype(np.int64))
    size = np.where(exponent == 0, 0, np.left_shift(np.int64(1), np.maximum(exponent - 1, 0)))
    return np.where(codes < 0, -size, size)


def fit(codes: Array, width: int) -> bool:
    """Whether the numbers behind the codes are signed integers of `width` bits."""
    return bool(np.all((codes < width) & (codes >= -width)))


def _size(weights: Array) -> Array:
    """Absolute values as uint64; the least i64 has one too."""
    wide = np.asarray(weights).astype(np.int64)
    return np.where(wide < 0, -wide.view(np.uint64), wide.view(np.uint64))
