"""What is refused of `softmax`, `layer_norm`, `batch_norm` and `max_pool2d`, and with which code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

HEAD = """model M { step 1 ms
  input x : real[2, 6, 6]
  input v : voltage[6]
  input s : real
  param g : real[2] = [1, 2]
  param q : real[6] = 1
  """


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("softmax()", "E0306"),
        ("softmax(x, 1)", "E0306"),
        ("softmax(x, eps = 1)", "E0306"),
        ("layer_norm(x, q, gamma = q)", "E0306"),
        ("layer_norm(x, mean = 1)", "E0306"),
        ("batch_norm(x, epsilon = 1)", "E0306"),
        ("softmax(q)", "E0302"),
        ('batch_norm("x")', "E0302"),
        ("max_pool2d(q, 2)", "E0302"),
        ("softmax(s)", "E0303"),
        ("layer_norm(x, g)", "E0303"),
        ("batch_norm(x, q)", "E0303"),
        ("batch_norm(x, eps = g)", "E0303"),
        ("batch_norm(x, var = -1)", "E0304"),
        ("batch_norm(x, gamma = x)", "E0901"),
        ("softmax(v)", "E0402"),
        ("max_pool2d(v, 2)", "E0303"),
        ("max_pool2d(x, 7)", "E0303"),
        ("max_pool2d(x, 2, pad = 2)", "E0303"),
        ("max_pool2d(x, 2, dilation = 2)", "E0306"),
        ("max_pool2d(x)", "E0306"),
        ("softmx(x)", "E0201"),
    ],
)
def test_mistakes(expression: str, code: str, mistakes: Callable[..., list[str]]) -> None:
    assert mistakes(f"{HEAD}\n y = {expression}\n output z = y }}") == [code]
