"""Weights as integers: bounds of the error, exactness, powers of two, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from spikec.passes.quantize.weights import METHODS, Quantized, Unquantizable, quantized

LINEAR = METHODS[:-1]
FLOATS = st.floats(-4, 4, width=32)
MATRICES = arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 7)), elements=FLOATS)
AXES = st.sampled_from([None, 0, 1])
SETTINGS = settings(max_examples=150, deadline=None)


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)


def error(weights: Any, made: Quantized) -> float:
    return float(np.square(weights.astype(np.float64) - made.real).sum())


def along(made: Quantized) -> Any:
    """The scale in the shape of a matrix of weights."""
    return made.scale if made.axis is None else np.expand_dims(made.scale, 1 - made.axis)


@SETTINGS
@given(MATRICES, st.integers(2, 16), st.sampled_from(LINEAR), AXES)
def test_linear_values_are_the_nearest_in_range(weights: Any, bits: int, method: str, axis: int | None) -> None:
    made = quantized(weights, bits, method, axis)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    scale = along(made)
    assert made.values.shape == weights.shape
    assert made.scale.shape == (() if axis is None else (weights.shape[axis],))
    assert low <= made.values.min() and made.values.max() <= high
    inside = (weights >= (low - 0.5) * scale) & (weights <= (high + 0.5) * scale)
    assert (np.abs(weights - made.real) <= scale / 2 * (1 + 1e-9))[inside].all()
    assert (made.values[weights > high * scale] == high).all()
    assert (made.values[weights < low * scale] == low).all()
    if method in ("symmetric", "minmax"):
        assert made.clipped == 0 and inside.all()


@SETTINGS
@given(MATRICES, st.integers(1, 16), st.sampled_from(METHODS), AXES)
def test_the_report_says_what_was_done(weights: Any, bits: int, method: str, axis: int | None) -> None:
    assume(bits > 1 or weights.all())
    made, again = quantized(weights, bits, method, axis), quantized(weights, bits, method, axis)
    assert np.array_equal(made.values, again.values) and np.array_equal(made.scale, again.scale)
    assert made.values.dtype in (np.int8, np.int16, np.int32)
    assert made.exact == bool((made.real.astype(np.float32) == weights).all())
    assert made.zero == (not weights.any())
    if made.exact:
        assert made.sqnr == np.inf
    else:
        assert made.sqnr == pytest.approx(10 * np.log10(np.square(weights, dtype=float).sum() / error(weights, made)))


@SETTINGS
@given(MATRICES, st.integers(2, 12), AXES)
def test_mse_is_never_worse_than_the_largest_magnitude_or_the_range(weights: Any, bits: int, axis: int | None) -> None:
    least = error(weights, quantized(weights, bits, "mse", axis))
    for method in ("symmetric", "minmax"):
        assert least <= error(weights, quantized(weights, bits, method, axis)) * (1 + 1e-9)


@SETTINGS
@given(MATRICES, st.integers(2, 9), AXES)
def test_powers_of_two_are_few_and_nearest(weights: Any, bits: int, axis: int | None) -> None:
    made = quantized(weights, bits, "pow2", axis)
    assert (np.frexp(made.scale)[0] == 0.5).all()
    channels = [0] if axis is None else range(weights.shape[axis])
    for channel in channels:
        row, integers, real = (a if axis is None else a.take(channel, axis) for a in (weights, made.values, made.real))
        magnitudes = np.unique(np.abs(integers[integers != 0].astype(np.int64)))
        assert ((magnitudes & (magnitudes - 1)) == 0).all()
        if not magnitudes.size:
            assert not row.any()
            continue
        count = min(2 ** (bits - 1) - 1, 31)
        assert magnitudes[-1] < 2**count
        top = np.abs(real).max()
        grid = np.concatenate([[0.0], top * 2.0 ** -np.arange(count)])
        nearest = np.abs(np.abs(row).astype(np.float64)[..., np.newaxis] - grid).min(axis=-1)
        assert np.array_equal(np.abs(row - real), nearest)
        assert (np.sign(real) == np.sign(row))[real != 0].all()


def test_powers_of_two_of_known_weights() -> None:
    made = quantized(np.array([1.0, 0.7, -0.3, 0.13, 0.06, 0.0]), 3, "pow2")
    assert made.scale == 0.25
    assert made.values.tolist() == [4, 2, -1, 1, 0, 0]  # 1, 1/2 and 1/4; 0.13 is nearer to 1/4 than to 0
    made = quantized(np.array([3.0, 1.5, 0.75, 0.3]), 4, "pow2")
    assert (made.values * made.scale).tolist() == [4.0, 1.0, 1.0, 0.25]  # in the middle: the even exponent
    assert quantized(np.array([0.9, -0.2, 0.5]), 2, "pow2").real.tolist() == [1.0, 0.0, 0.0]


def test_no_more_exponents_than_an_integer_of_31_bits_holds() -> None:
    weights = 2.0 ** -np.arange(40)
    for bits in (6, 8, 16):
        made = quantized(weights, bits, "pow2")
        assert made.values.dtype == np.int32
        assert made.values.tolist() == [2**k for k in range(30, -1, -1)] + [0] * 9
        assert made.scale == 2.0**-30


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize(
    ("weights", "values", "scale"),
    [
        ([1.0, 1.0, 1.0], [1, 1, 1], 1.0),
        ([2.0, 4.0, 8.0], [2, 4, 8], 1.0),
        ([1.0, -1.0, 0.0], [1, -1, 0], 1.0),
        ([0.25, 0.5, -0.25], [1, 2, -1], 0.25),
        ([2.0**-20, 0.0, 2.0**-20], [1, 0, 1], 2.0**-20),
    ],
)
def test_powers_of_two_are_kept_by_every_method(
    method: str, axis: int | None, weights: list[float], values: list[int], scale: float
) -> None:
    made = quantized(np.array([weights], np.float32), 5, method, axis)
    assert made.exact and made.sqnr == np.inf and made.clipped == 0
    assert made.values.tolist() == [values]
    assert made.scale == scale


@pytest.mark.parametrize("method", LINEAR)
def test_integers_and_multiples_are_kept(method: str) -> None:
    def kept(weights: list[float], bits: int) -> tuple[Any, Any]:
        made = quantized(np.array(weights, np.float32), bits, method)
        return (made.values.tolist(), float(made.scale)) if made.exact else (None, None)

    assert kept([2, 4, 6], 4) == ([2, 4, 6], 1.0)
    assert kept([2, 4, 6], 3) == ([1, 2, 3], 2.0)
    assert kept([-8, 7], 4) == ([-8, 7], 1.0)
    assert kept([-8, 8], 4) == ([-1, 1], 8.0)
    assert kept([3, 5, 8], 4) == (None, None)
    assert kept([0.1, -0.2, 0.3], 4) == ([1, -2, 3], float(np.float32(0.1)))
    assert kept([0.7], 2) == ([1], float(np.float32(0.7)))


def test_weights_that_are_stored_as_integers() -> None:
    weights = np.array([-128, 127, 3], np.int8)
    assert quantized(weights, 8, "mse").values.tolist() == weights.tolist()
    assert quantized(weights, 4, "minmax").values.tolist() == [-7, 7, 0]


def test_channels_are_on_their_own() -> None:
    weights = np.array([[0.5, 1.0], [3.0, 7.0], [0.0, 0.0], [100.0, 33.0]], np.float32)
    made = quantized(weights, 4, "symmetric", axis=0)
    assert made.values.tolist() == [[1, 2], [3, 7], [0, 0], [7, 2]]
    assert made.scale.tolist() == [0.5, 1.0, 100 / 7, 100 / 7]
    turned = quantized(weights.T, 4, "symmetric", axis=-1)
    assert np.array_equal(turned.values, made.values.T) and np.array_equal(turned.scale, made.scale)
    kernels = normal(4, 3, 2, 2)
    each = quantized(kernels, 6, "mse", axis=0)
    for channel in range(4):
        assert np.array_equal(each.values[channel], quantized(kernels[channel], 6, "mse").values)


def test_scales_of_known_weights() -> None:
    weights = np.array([-0.8, 0.31, 0.7])
    assert quantized(weights, 4, "symmetric").scale == 0.8 / 7
    assert quantized(weights, 4, "minmax").scale == pytest.approx(0.1)
    many = np.concatenate([np.linspace(0.1, 1.0, 1998), [50.0, -60.0], np.zeros(500)])
    cut = quantized(many, 8, "percentile")
    assert cut.scale == pytest.approx(1.0 / 127)
    assert cut.clipped == 2 / 2500
    assert cut.values.max() == 127 and cut.values.min() == -128


def test_mse_finds_the_scale_of_normal_weights() -> None:
    """The best uniform grids of a normal distribution, as in Max 1960; here 4 bits are 15 or 16 levels."""
    weights = np.random.default_rng(1).normal(0, 1, 200_000)
    step = {4: 0.335, 3: 0.586}
    for bits, expected in step.items():
        made = quantized(weights, bits, "mse")
        assert made.scale == pytest.approx(expected, rel=0.1)
        assert made.sqnr > quantized(weights, bits, "symmetric").sqnr + 2


def test_more_bits_are_better() -> None:
    for method in LINEAR:
        found = [quantized(normal(40, 30), bits, method, 1).sqnr for bits in (2, 3, 4, 6, 8)]
        assert found == sorted(found)
    assert quantized(normal(40, 30), 16, "minmax").sqnr > 80


def test_one_bit() -> None:
    made = quantized(np.array([[0.5, -1.5], [1.0, 3.0]]), 1, "mse")
    assert made.values.tolist() == [[1, -1], [1, 1]] and made.scale == 1.5
    assert quantized(np.array([[0.5, -1.5], [1.0, 3.0]]), 1, "symmetric", 0).scale.tolist() == [1.0, 2.0]
    assert quantized(np.array([0.5, -1.3]), 1, "pow2").scale == 1.0
    same = quantized(np.full(7, -0.1, np.float32), 1, "mse")
    assert same.exact and same.values.tolist() == [-1] * 7
    with pytest.raises(Unquantizable, match="1 of 2 weights is zero, and 1 bit is -1 or ") as caught:
        quantized(np.array([1.0, 0.0]), 1, "mse")
    assert caught.value.code == "E1203"


def test_all_zero_weights_are_said_to_be() -> None:
    for bits in (1, 8):
        made = quantized(np.zeros((3, 4), np.float32), bits, "mse", axis=1)
        assert made.zero and made.exact and not made.values.any()
        assert made.scale.tolist() == [1.0] * 4


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "1 of 3 weights is"), (np.inf, "1 of 3 weights is")])
def test_weights_that_are_not_finite(value: float, shown: str) -> None:
    with pytest.raises(Unquantizable, match=shown) as caught:
        quantized(np.array([1.0, value, 2.0]), 8, "mse")
    assert caught.value.code == "E1201"


@pytest.mark.parametrize("method", METHODS)
def test_a_scale_that_is_no_normal_number(method: str) -> None:
    with pytest.raises(Unquantizable, match="the scale would be") as caught:
        quantized(np.array([3e-310, 1e-310]), 8, method)
    assert caught.value.code == "E1202"


@pytest.mark.parametrize("method", METHODS)
def test_large_and_small_weights(method: str) -> None:
    for factor in (1e-300, 1e300):
        made, plain = (quantized(normal(50).astype(np.float64) * f, 5, method) for f in (factor, 1.0))
        assert made.sqnr == pytest.approx(plain.sqnr, rel=0.2)
