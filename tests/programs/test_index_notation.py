"""Index notation and `@`: numpy loops in the order of the language, and the same bits on every engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import spikec

from .engines import Array, differences, run_everywhere

MODEL = """
model Indices {
  step 1 ms
  neuron Levels {
    in  I
    var V = 0
    V := 0.5 * V + I
    spike when V >= 1    emit 2  { V -= 1 }
    spike when V <= -0.3 emit -1 { V += 1 }
  }
  input x : real[6]
  input s : spikes[4, 6]
  input n : int[5]
  input q : real[3, 6]
  param W : real[5, 6] = load("arrays.npz", "W")
  param U : real[2, 4, 6] = load("arrays.npz", "U")
  param b : real[5] = [1, 2, 3, 4, 5]
  levels = Levels[4, 6](s - 0.4)
  long   = concat(x, x, x)

  line[i]      = sum[j](W[i, j] * x[j]) + b[i]
  rows[i, t]   = sum[j](s[t, j] * W[i, j])
  joint[o]     = sum[t, j](U[o, t, j] * s[t, j])
  pairs[a, c]  = sum[k](q[a, k] * s[c, k])
  counts[c, e] = sum[k](s[c, k] * s[e, k])
  best[i]      = max[j](if x[j] > W[i, j] then x[j] - i else 0.5 * W[i, j])
  ring[i]      = x[i - 1] + x[i + 1] - 2 * x[i]
  valid[i]     = sum[k](b[k] * long[2 * i + k])
  turned[j, i] = levels[i, j]
  means[i]     = mean[j, k](q[j, i] * n[k])
  both[i]      = any[j](s[j, i] and x[i] > 0.5)
  kept[i]      = 0.5 * prev(kept)[i] + x[i]
  nested[i]    = sum[j](W[i, j] * max[k](q[k, j] * b[i]))
  scores[i]    = sum[j](W[i, j] * over_time(sum, x)[j])
  total        = 2 * sum[i](x[i] * x[i]) + 1

  output line    = line
  output rows    = rows
  output joint   = joint
  output pairs   = pairs
  output counts  = counts
  output best    = best
  output ring    = ring
  output valid   = valid
  output turned  = turned
  output levels  = levels
  output means   = means
  output both    = both
  output kept    = kept
  output nested  = nested
  output largest = argmax[i, j](q[i, j])
  output total   = total
  output scores  = scores
  output grams   = q @ transposed
  output spikes  = transposed @ s
  output right   = q @ turned_W
  output left    = W @ transposed
  output scalars = x @ q_row
  transposed[j, i] = s[i, j]
  q_row[i]         = q[0, i]
  param turned_W : real[6, 5] = load("arrays.npz", "V")
}
"""


def added(loops: tuple[int, ...], term: Callable[..., Array], element: type) -> Array:
    """The sum of terms from zero in ascending order of the indices."""
    total: Array = np.asarray(element(0))
    for point in itertools.product(*map(range, loops)):
        total = total + term(*point)
    return total


def expected(x: Array, s: Array, n: Array, q: Array, arrays: dict[str, Array]) -> dict[str, Array]:
    """What one step gives, all in the element type of x."""
    e = x.dtype.type
    W, U, V = (arrays[name].astype(e) for name in "WUV")
    b, real = np.arange(1, 6).astype(e), s.astype(e)
    long = np.concatenate([x, x, x])
    return {
        "line": added((6,), lambda j: W[:, j] * x[j], e) + b,
        "rows": added((6,), lambda j: W[:, j, None] * real[None, :, j], e),
        "joint": added((4, 6), lambda t, j: U[:, t, j] * real[t, j], e),
        "pairs": added((6,), lambda k: q[:, k, None] * real[None, :, k], e),
        "counts": s.astype(np.int64) @ s.T.astype(np.int64),
        "best": np.where(x > W, x - b[:, None] + e(1), e(0.5) * W).max(1),
        "ring": np.roll(x, 1) + np.roll(x, -1) - e(2) * x,
        "valid": np.array([added((5,), lambda k, i=i: b[k] * long[2 * i + k], e) for i in range(7)]),
        "means": added((3, 5), lambda j, k: q[j] * e(n[k]), e) / e(15),
        "both": s.any(0) & (x > e(0.5)),
        "nested": added((6,), lambda j: W[:, j] * (q[:, j] * b[:, None]).max(1), e),
        "largest": np.asarray(q.argmax(), np.int32),
        "total": e(2) * added((6,), lambda i: x[i] * x[i], e) + e(1),
        "grams": added((6,), lambda k: q[:, k, None] * real[None, :, k], e),
        "spikes": s.T.astype(np.int64) @ s.astype(np.int64),
        "right": added((6,), lambda k: q[:, k, None] * V[k], e),
        "left": added((6,), lambda k: W[:, k, None] * real[None, :, k], e),
        "scalars": added((6,), lambda k: x[k] * q[0, k], e),
    }


@pytest.mark.parametrize("real", [32, 64])
def test_values(tmp_path: Path, real: int) -> None:
    rng = np.random.default_rng(8)
    element = np.float32 if real == 32 else np.float64
    arrays = {"W": rng.normal(0, 1, (5, 6)), "U": rng.normal(0, 1, (2, 4, 6)), "V": rng.normal(0, 1, (6, 5))}
    np.savez(tmp_path / "arrays.npz", **arrays)  # type: ignore[arg-type]
    path = tmp_path / "indices.snn"
    path.write_text(MODEL)
    inputs: dict[str, Array] = {
        "x": rng.normal(0, 1, (5, 6)).astype(element),
        "s": rng.random((5, 4, 6)) < 0.4,
        "n": rng.integers(-3, 4, (5, 5)),
        "q": rng.normal(0, 1, (5, 3, 6)).astype(element),
    }
    runs = run_everywhere(path, inputs, 5, real=real)
    assert not differences(runs)
    found = runs["cpu"].outputs
    kept = np.zeros(6, element)
    for t in range(5):
        values = expected(inputs["x"][t], inputs["s"][t], inputs["n"][t], inputs["q"][t], arrays)
        kept = element(0.5) * kept + inputs["x"][t]
        values |= {"kept": kept, "turned": found["levels"][t].T}
        for name, value in values.items():
            assert np.array_equal(found[name][t], value), name
    assert found["turned"].dtype == np.int8
    x = added((5,), lambda t: inputs["x"][t], element)
    assert np.array_equal(found["scores"], added((6,), lambda j: arrays["W"].astype(element)[:, j] * x[j], element))


@pytest.mark.parametrize(
    ("statement", "projections"),
    [
        ("y[i] = sum[j](W[i, j] * s[1, j])", 0),
        ("y[i] = sum[j](W[i, j] * x[j])", 1),
        ("y[i] = sum[j](x[j] * W[i, j]) - b[i]", 1),
        ("y[t, i] = sum[j](W[i, j] * s[t, j])", 1),
        ("y = sum[j](W1[j] * x[j])", 1),
        ("y[i] = sum[j](W[i, j] * x[j] * x[j])", 0),
        ("y[i] = max[j](W[i, j] * x[j])", 0),
        ("y = s @ V", 1),
    ],
)
def test_products_with_constants_are_projections(tmp_path: Path, statement: str, projections: int) -> None:
    path = tmp_path / "m.snn"
    path.write_text(
        "model M { step 1 ms\n input x : real[6]\n input s : spikes[4, 6]\n param W : real[5, 6] = 0.5\n"
        f" param V : real[6, 2] = 0.5\n param W1 : real[6] = 2\n param b : real[5] = 1\n {statement}\n output z = y }}"
    )
    assert spikec.load(path).text().count('"snn.propagate"') == projections


def test_a_stream_picks_a_row(tmp_path: Path) -> None:
    path = tmp_path / "m.snn"
    path.write_text(
        "model M { step 1 steps\n input token : int[1]\n input place : int\n"
        ' param E : real[4, 3] = load("arrays.npz", "E")\n param F : real[4] = [1, 2, 3, 4]\n'
        " output row = E[token]\n output one = F[place - 1] }"
    )
    table = np.random.default_rng(1).normal(0, 1, (4, 3)).astype(np.float32)
    np.savez(tmp_path / "arrays.npz", E=table)
    token = np.array([[0], [3], [2], [4], [-1]])
    runs = run_everywhere(path, {"token": token, "place": np.arange(5)}, 5)
    assert not differences(runs)
    found = runs["cpu"].outputs
    assert np.array_equal(found["row"], np.vstack([table[[0, 3, 2]], np.zeros((2, 3))]))
    assert np.array_equal(found["one"], [0, 1, 2, 3, 4])
