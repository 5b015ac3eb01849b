"""What is refused of convolutions and poolings, and with which code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

HEAD = """model M { step 1 ms
  neuron Relay { in I; out I }
  input x : real[2, 6, 6]
  input v : voltage[2, 6, 6]
  input s : real[2, 6]
  param K : real[4, 2, 3, 3] = 0.1
  param L : real[3, 1, 2] = 0.1
  param C : conductance[1, 2, 2, 2] = 2 nS
  """


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("conv2d(x)", "E0306"),
        ("conv2d(x, K, 2)", "E0306"),
        ("conv2d(x, K, padding = 1)", "E0306"),
        ("conv2d(x, K, stride = [1, 1, 1])", "E0306"),
        ("conv2d(x, K, groups = [1, 1])", "E0306"),
        ("sum_pool2d(x, 2, groups = 2)", "E0306"),
        ("sum_pool2d(x, 2, dilation = 2)", "E0306"),
        ("conv2d(x, K, stride = 0)", "E0301"),
        ("conv2d(x, K, pad = -1)", "E0301"),
        ("conv2d(x, K, pad = 0.5)", "E0301"),
        ("conv2d(x, K, dilation = [1, 0])", "E0301"),
        ("conv2d(x, K, pad = 3000000000)", "E0301"),
        ("conv2d(x, K, pad = 300000)", "E0301"),
        ("conv2d(x, K, stride = 1 ms)", "E0301"),
        ("avg_pool2d(x, x)", "E0301"),
        ("avg_pool2d(x, 0)", "E0301"),
        ("conv2d(K, K)", "E0302"),
        ("sum_pool2d(1, 2)", "E0302"),
        ('conv2d(x, "K")', "E0302"),
        ('conv2d("x", K)', "E0302"),
        ("conv2d(x, L)", "E0303"),
        ("conv1d(s, K)", "E0303"),
        ("conv1d(x, L)", "E0303"),
        ("conv1d(s, L)", "E0303"),
        ("conv1d(s, L, groups = 2)", "E0303"),
        ("conv2d(s, K)", "E0303"),
        ("conv2d(x, 1)", "E0303"),
        ("avg_pool2d(s, 2)", "E0303"),
        ("avg_pool2d(x, 7)", "E0303"),
        ("conv2d(x, K, dilation = 3)", "E0303"),
        ("prev(conv2d(s, K))", "E0303"),
        ("conv2d(x, K) + x", "E0303"),
        ("conv2d(v, C) + x", "E0401"),
        ("conv2d(v, C) + conv2d(v, C) / 1 mV", "E0401"),
        ("conv2d(x, reshape(x, 2, 1, 6, 6))", "E0901"),
        ("conv2e(x, K)", "E0201"),
    ],
)
def test_mistakes(expression: str, code: str, mistakes: Callable[..., list[str]]) -> None:
    assert mistakes(f"{HEAD}\n y = {expression}\n output z = y }}") == [code]


def test_dimensions_are_multiplied(simulate: Any) -> None:
    arrays = {"v": [[[1e-3] * 6] * 6] * 2, "x": [[[0] * 6] * 6] * 2, "s": [[0] * 6] * 2}
    run = simulate(f"{HEAD}\n output y = conv2d(v, C)\n output z = sum_pool2d(v, 6) }}", 1, arrays)
    units = {o.name: o.unit for o in run.interface.outputs}
    assert units == {"y": "A", "z": "V"}
    assert run.outputs["y"].shape == (1, 1, 5, 5)
    assert run.outputs["y"] == pytest.approx(8 * 2e-12)
    assert run.outputs["z"] == pytest.approx(36e-3)


def test_a_recurrent_stream_through_a_convolution(simulate: Any) -> None:
    run = simulate(
        """model M { step 1 ms
        input x : real[1, 4]
        param W : real[1, 1, 3] = [[[0, 0, 1]]]
        y = conv1d(prev(y), W, pad = 1) + x
        output z = y }""",
        3,
        {"x": [[[0, 0, 0, 1]], [[0, 0, 0, 0]], [[0, 5, 0, 0]]]},
    )
    assert run.outputs["z"].tolist() == [[[0, 0, 0, 1]], [[0, 0, 1, 0]], [[0, 6, 0, 0]]]
