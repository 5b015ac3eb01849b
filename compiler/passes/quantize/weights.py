"""Weights as small integers times a scale: the arithmetic alone, on numpy arrays.

A weight w becomes q = clip(round(w / scale)), rounded to nearest even, so that |w - scale q| <= scale / 2
wherever nothing is clipped.  The scale is one number per tensor or one per channel, by a method:

    symmetric   max |w| onto 2^(b-1) - 1
    minmax      the smallest scale with min w and max w inside [-2^(b-1), 2^(b-1) - 1]
    percentile  as symmetric, with the 99.9 % largest of the nonzero |w| (nearest rank) for the maximum
    mse         the scale with the smallest squared error that a scan and a golden-section search find
    pow2        w is 0 or +-2^k, k one of the 2^(b-1) - 1 exponents from that of the largest |w| down; the
                scale is the lowest power in use, a power of two

With 1 bit, w is +-scale with scale = mean |w| (for pow2 the power of two nearest to it).  Weights that are
integers in range, or integer multiples of the smallest of them, are kept as they are, whatever the method
(for pow2, powers of two are).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from spikec.dialects.constants import Array

MAX_BITS = 16

METHODS = ("symmetric", "minmax", "percentile", "mse", "pow2")

# An accumulator of 32 bits holds no higher power of two than 2^30: so many exponents are told apart.
_MOST_EXPONENTS = 31

_PERCENTILE = 0.999

# The scales that "mse" scans, as parts of that of "symmetric".
_SCANNED = np.geomspace(1.0, 2.0**-8, 48)
_GOLDEN_STEPS = 24
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


class Unquantizable(Exception):
    """Weights that have no such integers; `code` is that of the diagnostic to make of it."""

    def __init__(self, code: str, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.help = help


@dataclass(frozen=True)
class Quantized:
    """real weight = `values` * `scale`.

    values: int8, int16 or int32, in the shape of the weights.  scale: float64, rank 0, or one element per index of
    `axis`.  clipped: share of the weights that saturated.  sqnr: signal to quantisation noise in dB, inf where
    `exact`: values * scale gives every weight back in its own type.  zero: all weights are zero (and scale is 1).
    """

    values: Array
    scale: Array
    axis: int | None
    clipped: float
    sqnr: float
    exact: bool
    zero: bool = False

    @property
    def real(self) -> Array:
        """values * scale as float64, in the shape of the weights."""
        along = [-1 if axis == self.axis else 1 for axis in range(self.values.ndim)]
        return np.asarray(self.values * (self.scale if self.axis is None else self.scale.reshape(along)))


def quantized(weights: Array, bits: int, method: str, axis: int | None = None) -> Quantized:
    """Integers of `bits` bits (1..16) for `weights`, with one scale per index of `axis`, or one for all.

    A channel of zeros takes the largest scale of the others.  Raises Unquantizable for weights that are not
    finite, for scales that float64 cannot hold, and for zeros with 1 bit, whose values are -1 and +1.
    """
    if method not in METHODS or not 1 <= bits <= MAX_BITS:
        raise ValueError(f"no method '{method}' with {bits} bits")
    if axis is not None:
        axis %= weights.ndim
    if not np.isfinite(weights).all():
        bad = int((~np.isfinite(weights)).sum())
        raise Unquantizable("E1201", f"{bad} of {weights.size} weights {'is' if bad == 1 else 'are'} not finite")
    if not weights.any():
        scales = np.ones(() if axis is None else weights.shape[axis])
        return Quantized(np.zeros(weights.shape, np.int8), scales, axis, 0.0, np.inf, True, True)
    rows = _rows(weights, axis)
    values, scale, clipped = _grid(rows, bits, method)
    integers = _unrows(values, weights.shape, axis).astype(_smallest_type(values))
    scale = np.asarray(scale[0]) if axis is None else scale
    return _measured(weights, Quantized(integers, scale, axis, clipped, np.inf, True))


def _grid(rows: Array, bits: int, method: str) -> tuple[Array, Array, float]:
    """Values and scales of the rows, and the clipped share."""
    filled = rows.any(axis=1)
    values, scale, clipped = np.zeros(rows.shape), np.ones(len(rows)), 0.0
    with np.errstate(all="ignore"):
        if bits == 1:
            values, scale[filled] = _binary(rows, method == "pow2")
        elif method == "pow2":
            values[filled], scale[filled] = _powers(rows[filled], min(2 ** (bits - 1) - 1, _MOST_EXPONENTS))
        else:
            scale[filled] = _linear_scale(rows[filled], bits, _SCALES[method])
            steps = np.rint(rows / scale[:, np.newaxis])
            values = np.clip(steps, *_limits(bits))
            clipped = float((values != steps).mean())
    bad = scale[~((scale >= np.finfo(np.float64).tiny) & (scale <= np.finfo(np.float64).max))]
    if bad.size:
        raise Unquantizable("E1202", f"the scale would be {bad[0]:g}, which is not a normal number of 64 bits")
    scale[~filled] = scale[filled].max()
    return values, scale, clipped


def _measured(weights: Array, made: Quantized) -> Quantized:
    """The same, with its error."""
    # Brought near 1 by a power of two, which is exact, so that no square leaves the range.
    real = weights.astype(np.float64)
    exponent = -np.frexp(np.abs(real).max())[1]
    wanted = np.ldexp(real, exponent)
    noise = float(np.square(wanted - np.ldexp(made.real, exponent)).sum())
    exact = bool((made.real.astype(_real_type(weights)) == weights).all())
    sqnr = np.inf if exact or noise == 0 else 10 * np.log10(float(np.square(wanted).sum()) / noise)
    return replace(made, sqnr=float(sqnr), exact=exact)


# ---------------------------------------------------------------- arrays as rows, one per scale


def _rows(weights: Array, axis: int | None) -> Array:
    array = weights.astype(_real_type(weights), copy=False)
    return array.reshape(1, -1) if axis is None else np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)


def _unrows(rows: Array, shape: tuple[int, ...], axis: int | None) -> Array:
    """Rows back as an array of `shape`."""
    if axis is None:
        return rows.reshape(shape)
    moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
    return np.ascontiguousarray(np.moveaxis(rows.reshape(moved), 0, axis))


def _real_type(weights: Array) -> np.dtype[Any]:
    return weights.dtype if weights.dtype.kind == "f" else np.dtype(np.float64)


def _smallest_type(values: Array) -> Any:
    low, high = values.min(), values.max()
    return next(t for t in (np.int8, np.int16, np.int32) if np.iinfo(t).min <= low and high <= np.iinfo(t).max)


def _limits(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


# ---------------------------------------------------------------- powers of two and single bits


def _binary(rows: Array, power: bool) -> tuple[Array, Array]:
    """+-1 and the mean magnitude."""
    zeros = int((rows == 0).sum())
    if zeros:
        message = f"{zeros} of {rows.size} weights {'is' if zeros == 1 else 'are'} zero, and 1 bit is -1 or +1"
        raise Unquantizable("E1203", message, "use 2 bits or more")
    size = np.abs(rows).astype(np.float64)
    # The mean of equal numbers is that number, without the rounding of a sum.
    scale = np.where((size == size[:, :1]).all(axis=1), size[:, 0], size.mean(axis=1))
    return np.sign(rows), np.ldexp(1.0, _exponents(scale)) if power else scale


def _powers(rows: Array, count: int) -> tuple[Array, Array]:
    """0 and +-2^k, k from 0 to count - 1, and the power of two that is 1."""
    size = np.abs(rows).astype(np.float64)
    exponent = _exponents(size)
    top = np.where(size > 0, exponent, np.iinfo(np.int32).min).max(axis=1)
    lowest = (top - count + 1)[:, np.newaxis]
    kept = size > np.ldexp(0.5, lowest)
    exponent = np.maximum(exponent, lowest)
    unit = np.where(kept, exponent, np.iinfo(np.int32).max).min(axis=1)
    # Integers that are powers of two already keep their unit.
    whole = (kept == (size > 0)).all(axis=1) & (~kept | (np.ldexp(1.0, exponent) == size)).all(axis=1)
    unit = np.where(whole & (unit > 0) & (top < count), 0, unit)
    values = np.where(kept, np.sign(rows) * np.ldexp(1.0, exponent - unit[:, np.newaxis]), 0.0)
    return values, np.ldexp(1.0, unit)


def _exponents(size: Array) -> Array:
    """k of the power of two 2^k nearest to each magnitude; of two that are equally near, the even k."""
    fraction, above = np.frexp(size)  # fraction in [1/2, 1), and 3/4 lies in the middle
    up = (fraction > 0.75) | ((fraction == 0.75) & (above % 2 == 0))
    return np.where(up, above, above - 1)


# ---------------------------------------------------------------- scales, one per row; no row is all zero


def _linear_scale(rows: Array, bits: int, method: Callable[[Array, int], Array]) -> Array:
    scale = _lossless(rows, bits)
    other = np.isnan(scale)
    if other.any():
        scale[other] = method(rows[other].astype(np.float64), bits)
    return scale


def _lossless(rows: Array, bits: int) -> Array:
    """1 for integers in range, else the smallest magnitude where all are multiples of it, else NaN."""
    low, high = _limits(bits)
    size = np.abs(rows).astype(np.float64)
    found = np.full(len(rows), np.nan)
    for unit in (np.where(size > 0, size, np.inf).min(axis=1), np.ones(len(rows))):
        steps = np.rint(rows / unit[:, np.newaxis])
        same = (steps * unit[:, np.newaxis]).astype(rows.dtype) == rows
        fits = (same & (steps >= low) & (steps <= high)).all(axis=1)
        found[fits] = unit[fits]
    return found


def _symmetric(rows: Array, bits: int) -> Array:
    return np.asarray(np.abs(rows).max(axis=1) / _limits(bits)[1])


def _minmax(rows: Array, bits: int) -> Array:
    low, high = _limits(bits)
    return np.asarray(np.maximum(rows.max(axis=1) / high, rows.min(axis=1) / low))


def _percentile(rows: Array, bits: int) -> Array:
    size = np.sort(np.abs(rows), axis=1)
    nonzero = np.count_nonzero(size, axis=1)
    # Zeros come first; the rank counts from the first that is not.
    rank = rows.shape[1] - nonzero + np.ceil(_PERCENTILE * nonzero).astype(np.int64) - 1
    return np.asarray(np.take_along_axis(size, rank[:, np.newaxis], axis=1)[:, 0] / _limits(bits)[1])


def _mse(rows: Array, bits: int) -> Array:
    # Powers of two bring the rows near 1: their squares stay in range, and nothing is rounded.
    exponent = np.frexp(np.abs(rows).max(axis=1))[1]
    near = np.ldexp(rows, -exponent[:, np.newaxis])
    tried = [_minmax(near, bits), *(_symmetric(near, bits) * factor for factor in _SCANNED)]
    errors = np.stack([_squared_error(near, scale, bits) for scale in tried])
    scale = np.stack(tried)[errors.argmin(axis=0), np.arange(len(rows))]
    return np.ldexp(_golden_section(near, bits, scale, errors.min(axis=0)), exponent)


def _golden_section(rows: Array, bits: int, best: Array, least: Array) -> Array:
    """The best scale met on the way around `best`; the error has many small valleys, so `best` itself may stay."""
    step = _SCANNED[0] / _SCANNED[1]
    low, high = best / step, best * step
    points = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    errors = [_squared_error(rows, scale, bits) for scale in points]
    for _ in range(_GOLDEN_STEPS):
        for scale, error in zip(points, errors, strict=True):
            best, least = np.where(error < least, scale, best), np.minimum(error, least)
        down = errors[0] < errors[1]
        low, high = np.where(down, low, points[0]), np.where(down, points[1], high)
        inner = np.where(down, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        error = _squared_error(rows, inner, bits)
        points = [np.where(down, inner, points[1]), np.where(down, points[0], inner)]
        errors = [np.where(down, error, errors[1]), np.where(down, errors[0], error)]
    return best


def _squared_error(rows: Array, scale: Array, bits: int) -> Array:
    by = scale[:, np.newaxis]
    return np.asarray(np.square(rows - by * np.clip(np.rint(rows / by), *_limits(bits))).sum(axis=1))


_SCALES: dict[str, Callable[[Array, int], Array]] = {
    "symmetric": _symmetric,
    "minmax": _minmax,
    "percentile": _percentile,
    "mse": _mse,
}
