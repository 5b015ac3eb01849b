"""Layers of images as numpy in float64, for comparison: a plane is (channels, height, width)."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def convolved(x: Array, kernel: Array, pad: int = 0, stride: int = 1) -> Array:
    """Sums over windows, with zeros around; the kernel is (out, in, height, width)."""
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))
    result: Array = np.einsum("ihwab,oiab->ohw", windows[:, ::stride, ::stride], kernel, optimize=True)
    return result


def normed(x: Array, rows: Array, eps: float = 1e-5) -> Array:
    """Batch norm with rows mean, variance, gamma, beta, one number for each channel."""
    mean, variance, gamma, beta = rows[:, :, None, None]
    result: Array = (x - mean) / np.sqrt(variance + eps) * gamma + beta
    return result


def pooled(x: Array) -> Array:
    """The largest of each two by two."""
    channels, height, width = x.shape
    result: Array = x.reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4))
    return result
