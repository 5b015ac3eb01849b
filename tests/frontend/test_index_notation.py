"""What is refused of index notation and of '@', and with which code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

HEAD = """model M { step 1 ms
  input x : real[6]
  input s : spikes[4, 6]
  input v : voltage[6]
  input k3 : real[2, 2, 2]
  param W : real[5, 6] = 0.5
  """


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("y[i] = x[i] + x", "E0303"),
        ("y[i] = x[i] + s[i, i]", "E0303"),
        ("y[i] = x[i - 1]", "E0303"),
        ("y[i, j] = x[i + j]", "E0303"),
        ("y[i] = x[j]", "E0201"),
        ("y[i] = 1.0", "E0303"),
        ("y[i, i] = x[i]", "E0205"),
        ("y[i] = sum[i](x[i])", "E0205"),
        ("y[0] = x[0]", "E0301"),
        ("y[i] = x[i * i]", "E0301"),
        ("y[i] = x[i // 0]", "E0301"),
        ("y[i] = x[i % -2]", "E0301"),
        ("y[i] = x[i // i]", "E0301"),
        ("y[i] = x[i % 3]", "E0303"),
        ("y[i] = x[x[i]]", "E0302"),
        ("y[i] = x[0.5 * i]", "E0301"),
        ("y[i] = s[i, :]", "E0301"),
        ("y[i] = s[i][0]", "E0301"),
        ("y[i] = s[i]", "E0303"),
        ("y[i] = prev(x[i])", "E0301"),
        ("y[i] = sum(x[i])", "E0301"),
        ("y[i] = W[i, :] @ x", "E0301"),
        ("y = sum[0](x[0])", "E0301"),
        ("y = sum[i](x[i], 1)", "E0306"),
        ("y = any[i](x[i])", "E0302"),
        ("y = sum[i](x[i] + v[i])", "E0401"),
        ("y = s @ W", "E0303"),
        ("y = W @ s", "E0303"),
        ("y = k3 @ x", "E0901"),
        ("y = x @ 2", "E0901"),
    ],
)
def test_mistakes(statement: str, code: str, mistakes: Callable[..., list[str]]) -> None:
    assert mistakes(f"{HEAD}\n {statement}\n output z = y }}") == [code]
