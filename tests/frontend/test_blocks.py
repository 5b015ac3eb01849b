"""Blocks: names of instances, arguments, scopes, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

HEAD = """model M(n: int = 4) { step 1 ms
  neuron Relay { in I; var V = 0; V := 0.5 * V + I; spike when V >= 1 { V -= 1 } }
  neuron Sized { in I; var V = 0; V += I; spike when V >= 1 emit V { V -= 1 } }
  neuron Counted { in I; var V = 0; V += I; spike when V >= 1 emit 3 { V -= 1 } }
  neuron Signed { in I; var V = 0; V += I; spike when V >= 1 { V -= 1 }; spike when V < 0 emit -1 { V += 1 } }
  input x : real[4]
  input s : spikes[4]
  param P : real[4] = [1, 2, 3, 4]
  """

X = np.arange(12, dtype=np.float32).reshape(3, 4) / 8


def run(simulate: Any, text: str, **options: Any) -> Any:
    return simulate(f"{HEAD}\n{text} }}", 3, {"x": X, "s": X > 0.5}, **options)


def test_a_call_is_its_statements(simulate: Any) -> None:
    text = """
  block mix(a, k = 2.0) { t = k * a; return t + prev(t) }
  output y = mix(x) + mix(2 * x, 3.0)
  output z = x |> mix(k = 1.0) |> mix
    """
    found = run(simulate, text).outputs
    before = np.vstack([np.zeros((1, 4), np.float32), X[:-1]])
    assert np.array_equal(found["y"], 2 * X + 2 * before + (6 * X + 6 * before))
    once = X + before
    assert np.array_equal(found["z"], 2 * once + 2 * np.vstack([np.zeros((1, 4), np.float32), once[:-1]]))


def test_instances_have_names_of_their_own(simulate: Any) -> None:
    text = """
  block cells(drive) {
    pop a : Relay[4] { V = uniform(0, 1) seed 3 }
    proj noise -> a.I { connect prob(0.5) seed 1; weight 0.3 }
    noise = bernoulli(0.5 * drive)
    a.I += drive
    return a
  }
  one = cells(x)
  two = cells(x)
  output y = one + 2 * cells(x)
  probe one.a.V, two.a.spike, two.noise
    """
    first = run(simulate, text)
    assert set(first.probes) == {"one/a.V", "two/a.spike", "two/noise"}
    assert set(first.emitted) == {"one/a", "two/a", "output.y/cells#0/a"}
    alone = run(simulate, text.replace("two = cells(x)\n", "").replace(", two.a.spike, two.noise", ""))
    assert np.array_equal(first.probes["one/a.V"], alone.probes["one/a.V"])
    renamed = run(simulate, text.replace("one", "uno"))
    assert not np.array_equal(first.probes["one/a.V"], renamed.probes["uno/a.V"])


def test_scopes(simulate: Any) -> None:
    text = """
  block outer(k, m: int) {
    neuron Copy(gain = g) { in I; var V = 0; V := gain * I; out V }
    param g = 2 * m
    block inner(k) { i = k + 1; return i }
    x = inner(k)
    r[k, i] = x[i] * W[k, i] * k
    t[i] = sum[k](r[k, i] * W[k, i])
    param W : real[m, size(k)] = 1.0
    return Copy[n](t)
  }
  output y = outer(x, 3)
  output same = x
    """
    found = run(simulate, text).outputs
    assert np.array_equal(found["y"], 6 * (3 * (X + 1)))
    assert np.array_equal(found["same"], X)


def test_arguments_are_shape_generic(simulate: Any) -> None:
    text = """
  block twice(a, times: int) { param W : real[times, size(a)] = 1.0; return W @ a }
  output y = twice(x, 2) |> twice(n + 1)
    """
    assert run(simulate, text, params={"n": "6"}).outputs["y"].shape == (3, 7)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("block b(a) { return b(a) }\n output y = b(x)", "E0601"),
        ("block b(a) { return c(a) }\n block c(a) { return b(a) }\n output y = b(x)", "E0601"),
        ("block b(a) { return a }\n output y = b()", "E0204"),
        ("block b(a) { return a }\n output y = b(x, x)", "E0306"),
        ("block b(a) { return a }\n output y = b(x, c = 1)", "E0306"),
        ("block b(a) { return a }\n output y = b(x, a = x)", "E0306"),
        ("block b(a) { t = a }\n output y = b(x)", "E0501"),
        ("block b(a) { return a, a }\n output y = b(x)", "E0501"),
        ("block b(a) { return a; t = a }\n output y = b(x)", "E0501"),
        ("block b(a) { var V = 0; return a }\n output y = b(x)", "E0501"),
        ("block b(a) { out a; return a }\n output y = b(x)", "E0501"),
        ("block b(a) { a = 1; return a }\n output y = b(x)", "E0205"),
        ("block b(a) { t = a; t = a; return t }\n output y = b(x)", "E0205"),
        ("block b(a, a) { return a }\n output y = b(x, x)", "E0205"),
        ("block b(a) { return a }\n block b(a) { return a }\n output y = b(x)", "E0205"),
        ("block x2(a) { return a }\n x2 = x\n output y = x2", "E0205"),
        ("block b(a) { return q }\n output y = b(x) + b(x)", "E0201"),
        ("block bee(a) { return a }\n output y = be(x)", "E0201"),
        ("block b(a: spikes) { return a }\n output y = b(x)", "E0302"),
        ("block b(a: spikes) { return a }\n output y = b(2)", "E0302"),
        ("block b(a: spikes) { return a }\n output y = b(Sized[4](x))", "E0302"),
        ("block b(a: spikes) { return a }\n output y = b(Counted[4](x))", "E0302"),
        # The size of a population is asked for before what the argument is, is known.
        ("block b(a: spikes) { return 2.0 * a }\n c = b(2 * x)\n r = Relay[shape(c)](c)\n output y = r", "E0302"),
        ("block b(a: int) { return a }\n output y = b(2.5)", "E0302"),
        ("block b(a: int) { return a }\n output y = b(x)", "E0302"),
        ("block b(a: voltage) { return a }\n output y = b(x)", "E0401"),
        ("block b(a: real[5]) { return a }\n output y = b(x)", "E0303"),
        ("block b(a: thing) { return a }\n output y = b(x)", "E0202"),
        ("block b(a) { return x }\n output y = b.x", "E0201"),
    ],
)
def test_mistakes(text: str, code: str, mistakes: Callable[..., list[str]]) -> None:
    assert mistakes(f"{HEAD}\n{text} }}") == [code]


def test_events_that_only_add(simulate: Any) -> None:
    text = """
  block add(a: spikes, b: int) { return sum(a) + sum(b) }
  output y = add(Signed[4](x - 0.2), Counted[4](x))
    """
    assert run(simulate, text).outputs["y"].dtype == np.int64


def test_typed_arguments(simulate: Any) -> None:
    text = """
  block b(a: spikes[4], f: int, tau: time, on: bool, v: real[n]) { return a * f + v * (tau / dt) + on }
  output y = b(s, f = 2, 3 ms, true, P)
    """.replace("b(s, f = 2, 3 ms, true, P)", "b(s, 2, 3 ms, true, P)")
    assert np.array_equal(run(simulate, text).outputs["y"], (X > 0.5) * 2 + np.arange(1, 5) * 3 + 1)
