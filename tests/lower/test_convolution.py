"""The synapses of convolutions: both ways of making them against their definition, pair by pair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.lower import convolution
from spikec.lower.convolution import convolved
from spikec.runtime.reference import synapses


def drawn(rng: np.random.Generator) -> Convolution:
    """A shape of one or two axes; the output may be shorter or longer than the windows that fit."""
    axes, groups = int(rng.integers(1, 3)), int(rng.integers(1, 4))

    def numbers(low: int, high: int) -> tuple[int, ...]:
        return tuple(rng.integers(low, high, axes).tolist())

    inputs, outputs = (groups * int(rng.integers(1, 4)) for _ in range(2))
    return Convolution(
        (inputs, *numbers(1, 8)),
        (outputs, *numbers(1, 8)),
        kernel=numbers(1, 5),
        stride=numbers(1, 4),
        padding=numbers(0, 5),
        dilation=numbers(1, 4),
        groups=groups,
    )


def defined(shape: Convolution, weights: Array) -> list[list[tuple[int, float]]]:
    """For each source its (target, weight) pairs by ascending target: every output position and kernel position is tried."""
    rows: list[list[tuple[int, float]]] = [[] for _ in range(shape.pre)]
    outputs, inputs = shape.output[0] // shape.groups, shape.input[0] // shape.groups
    for target, (co, *o) in enumerate(np.ndindex(shape.output)):
        for member, *k in np.ndindex(inputs, *shape.kernel):
            y = [
                a * s - p + b * d
                for a, s, p, b, d in zip(o, shape.stride, shape.padding, k, shape.dilation, strict=True)
            ]
            if all(0 <= a < n for a, n in zip(y, shape.input[1:], strict=True)):
                ci = co // outputs * inputs + member
                source = int(np.ravel_multi_index((ci, *y), shape.input))
                rows[source].append((target, float(weights[(co, member, *k)])))
    return rows


@pytest.mark.parametrize("seed", range(60))
def test_rows_follow_their_definition(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    shape = drawn(rng)
    weights = rng.normal(size=shape.weights).astype(np.float64 if seed % 2 else np.float32)
    expected = defined(shape, weights)
    if seed % 3:
        # Some positions at a time, as for sizes that fill a cache.
        monkeypatch.setattr(convolution, "STRETCH", int(rng.integers(1, 40)))
    rows, gathered = convolved(shape, weights)
    assert gathered is not None and gathered.dtype == weights.dtype
    assert (rows.row.dtype, rows.col.dtype) == (np.int32, np.uint16)
    found = synapses.convolved(shape, weights)
    for i, pairs in enumerate(expected):
        begin, end = rows.row[i], rows.row[i + 1]
        assert list(zip(rows.col[begin:end].tolist(), gathered[begin:end].tolist(), strict=True)) == pairs
        targets, terms = found.row(i)
        assert list(zip(targets.tolist(), terms.tolist(), strict=True)) == pairs
    one, none = convolved(shape, None)
    assert none is None and np.array_equal(one.row, rows.row) and np.array_equal(one.col, rows.col)
    alike = synapses.convolved(shape, np.float32(0.5).reshape(()))
    assert alike.weight.ndim == 0 and np.array_equal(alike.target, found.target)


def test_wide_indices() -> None:
    shape = Convolution((1, 300, 300), (1, 300, 300), (1, 1), (1, 1), (0, 0), (1, 1), 1)
    rows, _ = convolved(shape, None)
    assert rows.col.dtype == np.uint32 and np.array_equal(rows.col, np.arange(90_000))


def test_more_synapses_than_a_projection_can_have() -> None:
    shape = Convolution((512, 256, 256), (512, 256, 256), (3, 3), (1, 1), (1, 1), (1, 1), 1)
    with pytest.raises(OverflowError, match="synapses are more than a projection can have"):
        convolved(shape, None)


@pytest.mark.parametrize(("stride", "padding"), list(itertools.product((1, 2**31 - 1), (0, 2**31 - 1))))
def test_extreme_numbers(stride: int, padding: int) -> None:
    shape = Convolution((1, 3), (1, 2), (2**31 - 1,), (stride,), (padding,), (2**31 - 1,), 1)
    rows, _ = convolved(shape, None)
    expected = [
        [o for o in (0, 1) if (y + padding - o * stride) % (2**31 - 1) == 0 and y + padding >= o * stride]
        for y in range(3)
    ]
    assert [rows.col[a:b].tolist() for a, b in itertools.pairwise(rows.row)] == expected
