"""The synapses of a convolution in compressed rows.

Along one axis, a source position reaches a few pairs (output position, kernel position): a short list that is made
once per axis.  The row of a source is the product of its axes' lists and of the output channels of its group.  Rows of
the input channels of a group have the same targets up to the group's first channel, and the same places in the weights
up to the input channel, so all of it is computed for one input channel, in stretches of positions, and copied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.lower.connect import STRETCH, Rows, index_type


@dataclass(frozen=True)
class _Axis:
    """For source position y, `begin[y] : begin[y + 1]` are the places of its pairs, by ascending `output`."""

    begin: Array
    output: Array
    kernel: Array
    outputs: int  # the extent of the output
    kernels: int  # the extent of the kernel


def convolved(shape: Convolution, weights: Array | None) -> tuple[Rows, Array | None]:
    """The rows, and the weight of each synapse gathered from an array of shape `shape.weights`."""
    axes = _axes(shape)
    counts = _counts(axes)
    channels = shape.output[0] // shape.groups
    synapses = shape.input[0] * channels * int(counts.sum())
    if synapses >= 1 << 31:
        raise OverflowError(f"{synapses} synapses are more than a projection can have ({(1 << 31) - 1})")
    row = np.zeros(shape.pre + 1, np.int32)
    np.cumsum(np.tile(channels * counts, shape.input[0]), out=row[1:])
    col = np.empty((shape.input[0], synapses // shape.input[0]), index_type(shape.post))
    gathered = None if weights is None else np.empty(col.shape, weights.dtype)
    _fill(shape, axes, counts, col, weights, gathered)
    return Rows(row, col.reshape(-1)), None if gathered is None else gathered.reshape(-1)


def _fill(
    shape: Convolution, axes: list[_Axis], counts: Array, col: Array, weights: Array | None, gathered: Array | None
) -> None:
    """Fills `col` and `gathered`, both [input channels, synapses of one of them]."""
    outputs, members = shape.output[0] // shape.groups, shape.input[0] // shape.groups
    size, window = math.prod(shape.output[1:]), math.prod(shape.kernel)
    begin = 0
    for first, last in _stretches(outputs * counts):
        target, place = _entries(axes, outputs, np.arange(first, last), counts[first:last])
        end = begin + len(target)
        for group in range(shape.groups):
            mine = slice(group * members, (group + 1) * members)
            col[mine, begin:end] = target + group * outputs * size
            if weights is None or gathered is None:
                continue
            own = weights[group * outputs : (group + 1) * outputs].reshape(outputs, members, window)
            for member in range(members):
                gathered[group * members + member, begin:end] = own[:, member].reshape(-1)[place]
        begin = end


def _axes(shape: Convolution) -> list[_Axis]:
    return [
        _axis(*extents)
        for extents in zip(
            shape.input[1:], shape.output[1:], shape.kernel, shape.stride, shape.padding, shape.dilation, strict=True
        )
    ]


def _axis(inputs: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int) -> _Axis:
    """The pairs with y = o * stride - padding + k * dilation, kernel position by kernel position."""
    none = np.arange(0)
    found = [(none, none, none)]
    least, most = -((outputs - 1) * stride - padding) // dilation, (inputs - 1 + padding) // dilation
    for k in range(max(0, least), min(kernel, most + 1)):
        # 0 <= o * stride + ahead < inputs
        ahead = k * dilation - padding
        low, high = max(0, -(ahead // stride)), min(outputs, -((ahead - inputs) // stride))
        o = np.arange(low, max(low, high))
        found.append((o * stride + ahead, o, np.full(len(o), k)))
    source, output, position = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((output, source))
    begin = np.searchsorted(source[order], np.arange(inputs + 1))
    return _Axis(begin, output[order], position[order], outputs, kernel)


def _counts(axes: list[_Axis]) -> Array:
    """The number of pairs of each position, flat."""
    counts = np.ones(1, np.int64)
    for axis in axes:
        counts = np.multiply.outer(counts, np.diff(axis.begin)).reshape(-1)
    return counts


def _stretches(lengths: Array) -> Iterator[tuple[int, int]]:
    """Ranges of positions with about STRETCH synapses each."""
    ends = np.cumsum(lengths)
    first = 0
    while first < len(ends):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + STRETCH, side="right")))
        yield first, last
        first = last


def _entries(axes: list[_Axis], channels: int, positions: Array, counts: Array) -> tuple[Array, Array]:
    """Targets in the first group, and places in the weights of one input channel, of the rows of some positions.

    The number of a synapse in its row is read as digits, the output channel first and the last axis last.
    """
    lengths = channels * counts
    number = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    target, place = np.zeros((2, len(number)), np.int64)
    size, window = 1, 1
    for axis in reversed(axes):
        positions, y = np.divmod(positions, len(axis.begin) - 1)
        number, digit = np.divmod(number, np.repeat(np.diff(axis.begin)[y], lengths))
        pair = digit + np.repeat(axis.begin[y], lengths)
        target += axis.output[pair] * size
        place += axis.kernel[pair] * window
        size, window = size * axis.outputs, window * axis.kernels
    return target + number * size, place + number * window
