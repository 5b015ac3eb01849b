"""`std.layers`: each layer against numpy with weights of its own, and on every engine with weights that are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec

from tests.examples import planes

from .engines import Array, differences, run_everywhere

STEPS = 9
SHAPES = {
    "dense": (3, 96),
    "dense_b": (3,),
    "conv": (4, 3, 3, 3),
    "conv_b": (4,),
    "depth": (6, 1, 3, 3),
    "point": (2, 6, 1, 1),
    "point_b": (2,),
    "ih": (5, 96),
    "hh": (5, 5),
    "rb": (5,),
    "r1": (6, 6, 3, 3),
    "r2": (6, 6, 3, 3),
    "read": (3, 96),
    "q": (8, 8),
    "k": (8, 8),
    "v": (8, 8),
    "o": (8, 8),
}
MODEL = """
import std.layers (dense, conv, depthwise, pointwise, recurrent, residual, readout, attention)
model Layers(file: path = "weights.npz") {
  step 1 ms
  input s : spikes[6, 4, 4]
  param P = load(file)
  tokens = reshape(s, 12, 8)
  d = dense(s, 3, weight = P.dense, bias = P.dense_b)
  c = conv(s, 4, kernel_size = 3, stride = [2, 1], padding = 1, groups = 2, weight = P.conv, bias = P.conv_b)
  w = depthwise(s, weight = P.depth)
  p = pointwise(s, 2, weight = P.point, bias = P.point_b)
  r = recurrent(s, 5, tau = 5 ms, theta = 0.7, weight_ih = P.ih, weight_hh = P.hh, bias = P.rb)
  b = residual(s, tau = 4 steps, theta = 0.3, weight1 = P.r1, weight2 = P.r2)
  l = readout(s, 3, tau = 10 ms, weight = P.read)
  a = attention(tokens, 2, theta = 0.4, weight_q = P.q, weight_k = P.k, weight_v = P.v, weight_o = P.o)
  output d = d
  output c = c
  output w = w
  output p = p
  output r = r
  output b = b
  output l = l
  output a = a
}
"""
DRAWN = """
import std.layers
model Drawn {
  step 1 steps
  input s : spikes[2, 6, 6]
  param W : real[8, 32] = normal(0, 0.3) seed 2
  h = s |> conv(4, padding = 1) |> residual(theta = 0.5)
  j = h |> depthwise(stride = 2) |> pointwise(8)
  k = recurrent(j, 6, weight_hh = 0)
  m = dense(reshape(j, 72)[0:32], 8, weight = W, bias = uniform(-0.1, 0.1))
  a = attention(reshape(s, 9, 8), 4, theta = 0.2)
  y = readout(k, 3)
  output y = y
  output m = m
  output a = a
}
"""


def convolved(x: Array, W: Array, stride: tuple[int, int], groups: int) -> Array:
    """A convolution of windows of 3 by 3 with one zero around, or of 1 by 1."""
    pairs = zip(np.split(x, groups), np.split(W, groups), strict=True)
    whole = np.concatenate([planes.convolved(part, kernel, pad=W.shape[-1] // 2) for part, kernel in pairs])
    return whole[:, :: stride[0], :: stride[1]]


def plif(V: Array, drive: Array, tau: float, theta: float) -> tuple[Array, Array]:
    """The states after a step, and the spikes."""
    V = V + (drive - V) / tau
    return np.where(theta <= V, 0, V), theta <= V


def expected(s: Array, P: dict[str, Array]) -> dict[str, Array]:
    found: dict[str, list[Array]] = {name: [] for name in "dcwprbla"}
    V = {name: np.zeros(shape) for name, shape in
         {"r": (5,), "b1": (6, 4, 4), "b2": (6, 4, 4), "l": (3,), **dict.fromkeys("qkvt", (12, 8))}.items()}  # fmt: skip
    sent = np.zeros(5)
    for x in s.astype(np.float64):
        flat, tokens = x.reshape(-1), x.reshape(12, 8)
        found["d"].append(P["dense"] @ flat + P["dense_b"])
        found["c"].append(convolved(x, P["conv"], (2, 1), 2) + P["conv_b"][:, None, None])
        found["w"].append(convolved(x, P["depth"], (1, 1), 6))
        found["p"].append(convolved(x, P["point"], (1, 1), 1) + P["point_b"][:, None, None])
        V["r"] = np.exp(-1 / 5) * V["r"] + P["ih"] @ flat + P["hh"] @ sent + P["rb"]
        sent = (V["r"] >= 0.7) * 1.0
        V["r"] -= 0.7 * sent
        found["r"].append(sent)
        V["b1"], first = plif(V["b1"], convolved(x, P["r1"], (1, 1), 1), 4, 0.3)
        V["b2"], second = plif(V["b2"], convolved(first, P["r2"], (1, 1), 1), 4, 0.3)
        found["b"].append(second + x)
        V["l"] = np.exp(-1 / 10) * V["l"] + P["read"] @ flat
        found["l"].append(V["l"])
        spikes = {}
        for name in "qkv":
            V[name], spikes[name] = plif(V[name], tokens @ P[name].T, 2, 0.4)
        q, k, v = (spikes[name].reshape(12, 2, 4) * 1.0 for name in "qkv")
        scores = np.einsum("ihd,jhd,jhe->ihe", q, k, v) * 0.125
        V["t"], t = plif(V["t"], scores.reshape(12, 8), 2, 0.2)
        found["a"].append(t @ P["o"].T)
    return {name: np.array(values) for name, values in found.items()}


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, Array]:
    random = np.random.default_rng(8)
    made = {name: random.normal(0, 1.2 / np.sqrt(np.prod(shape[1:])), shape) for name, shape in SHAPES.items()}
    np.savez(tmp_path / "weights.npz", **made)
    return made


def test_layers_are_what_numpy_computes(tmp_path: Path, weights: dict[str, Array]) -> None:
    (path := tmp_path / "layers.snn").write_text(MODEL, "utf-8")
    s = np.random.default_rng(1).random((STEPS, 6, 4, 4)) < 0.5
    found = spikec.compile(spikec.load(path, real=64)).run({"s": s}, steps=STEPS)
    for name, wanted in expected(s, weights).items():
        assert wanted.any(), name
        assert np.allclose(found.outputs[name], wanted, rtol=1e-9, atol=1e-12), name
    assert not differences(run_everywhere(path, {"s": s}, STEPS))


def test_layers_that_draw_their_weights(tmp_path: Path) -> None:
    (path := tmp_path / "drawn.snn").write_text(DRAWN, "utf-8")
    s = np.random.default_rng(2).random((STEPS, 2, 6, 6)) < 0.6
    runs = run_everywhere(path, {"s": s}, STEPS, seed=6)
    assert not differences(runs)
    assert all(np.unique(runs["cpu"].outputs[name]).size > 3 for name in "yma")
