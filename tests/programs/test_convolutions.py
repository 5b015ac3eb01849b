"""Convolutions and poolings in the language: numpy loops, and the same bits on every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.dialects import snn, step
from spikec.lower import snn_to_step
from spikec.lower.step_to_cpu.synapses.across import candidates

from .engines import Array, differences, on_every_engine, run_everywhere

Pairs = tuple[int, ...]


def summed(x: Array, weights: Array, stride: Pairs, pad: Pairs, dilation: Pairs, groups: int) -> Array:
    """The convolution of [channels, a, b], term by term in the order of the sources, rounded as `x` is."""
    extents = x.shape[1:]
    outputs, members, *kernel = weights.shape
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(extents, pad, dilation, kernel, stride, strict=True)
    ]
    result = np.zeros((outputs, *size), x.dtype)
    for place in np.ndindex(*result.shape):
        for member, *k in np.ndindex(members, *kernel):
            y = [o * s - p + i * d for o, s, p, i, d in zip(place[1:], stride, pad, k, dilation, strict=True)]
            if all(0 <= a < n for a, n in zip(y, extents, strict=True)):
                ci = place[0] * groups // outputs * members + member
                if x[(ci, *y)] != 0:
                    result[place] += weights[(place[0], member, *k)] * x[(ci, *y)]
    return result


def written(values: Pairs) -> str:
    return str(values[0]) if len(set(values)) == 1 else str(list(values))


def model(rng: np.random.Generator, path: Path) -> tuple[dict[str, Array], Callable[[Array], Array]]:
    """Writes a model with one convolution `y` of an input `x`; returns the input and what y is for one step."""
    axes = int(rng.integers(1, 3))
    kernel, stride, pad, dilation = (
        tuple(rng.integers(low, high, axes).tolist()) for low, high in ((1, 4), (1, 4), (0, 4), (1, 3))
    )
    extents = tuple(
        max(1, d * (k - 1) + 1 - 2 * p) + int(rng.integers(0, 5)) for k, p, d in zip(kernel, pad, dilation, strict=True)
    )
    pool = axes == 2 and rng.random() < 0.4
    groups = int(rng.integers(1, 4))
    channels, outputs = (groups * int(rng.integers(1, 3)) for _ in range(2))
    kind = str(rng.choice(["spikes", "real", "int"]))
    if pool:
        name = str(rng.choice(["sum_pool2d", "avg_pool2d"]))
        dilation, groups = (1, 1), channels
        extents = tuple(n + k for n, k in zip(extents, kernel, strict=True))
        one = np.float32(1 if name == "sum_pool2d" else 1 / np.prod(kernel))
        weights = np.full((channels, 1, *kernel), one, np.float32)
        stride = kernel if rng.random() < 0.5 else stride
        call = f"{name}(x, {written(kernel)}, {'' if stride == kernel else f'stride = {written(stride)}, '}pad = {written(pad)})"
    else:
        weights = rng.normal(size=(outputs, channels // groups, *kernel)).astype(np.float32)
        np.savez(path.with_name("w.npz"), W=weights)
        call = f'conv{axes}d(x, load("w.npz", "W"), stride = {written(stride)}, pad = {written(pad)}, '
        call += f"dilation = {written(dilation)}, groups = {groups})"
    shape = (channels, *extents)
    path.write_text(f"model M {{ step 1 ms\n input x : {kind}[{', '.join(map(str, shape))}]\n output y = {call}\n}}\n")
    made: dict[str, Array] = {
        "spikes": rng.random((4, *shape)) < 0.3,
        "real": rng.normal(size=(4, *shape)).astype(np.float32),
        "int": rng.integers(-2, 3, (4, *shape)),
    }
    return {"x": made[kind]}, lambda x: summed(x.astype(np.float32), weights, stride, pad, dilation, groups)


@pytest.mark.parametrize("seed", range(24))
def test_the_same_as_loops_on_every_engine(seed: int, tmp_path: Path) -> None:
    """Every other one as kernels; small ones are unrolled where nobody says so."""
    inputs, expected = model(np.random.default_rng(seed), tmp_path / "model.snn")
    network = spikec.load(tmp_path / "model.snn")
    (name,) = [view.sym_name for view in network.ops(snn.Synapses)]
    network = spikec.pipeline(f"formats{{conv={name}}}" if seed % 2 else "")(network)
    runs = on_every_engine(network, inputs, 4)
    assert not differences(runs)
    y = runs["cpu"].outputs["y"]
    assert y.dtype == np.float32
    for t, x in enumerate(inputs["x"]):
        assert np.array_equal(y[t], expected(x))


@pytest.mark.parametrize("format", ["csr", "bitmap"])
@pytest.mark.parametrize("pipeline", ["canonicalize", "canonicalize,quantize", "canonicalize,sparsify{density=0.5}"])
def test_unrolled_it_is_the_same(format: str, pipeline: str, tmp_path: Path) -> None:
    """Of real, integer and pruned weights; what is pruned is unrolled in any case."""
    np.savez(tmp_path / "w.npz", W=np.random.default_rng(1).normal(size=(6, 2, 3, 4)))
    path = tmp_path / "model.snn"
    path.write_text(
        """model M { step 1 ms
      neuron IF { in I; var V = 0; V := V + I; spike when V >= 4 { V -= 4 } }
      input x : spikes[4, 9, 20]
      param W : real[6, 2, 3, 4] = load("w.npz", "W")
      output y = IF[6, 5, 21](conv2d(x, W, stride = [2, 1], pad = [1, 2], groups = 2))
    }"""
    )
    x = np.random.default_rng(2).random((10, 4, 9, 20)) < 0.2
    chosen = spikec.pipeline(pipeline)(spikec.load(path))
    (name,) = [view.sym_name for view in chosen.ops(snn.Synapses)]
    forced = spikec.pipeline(f"formats{{{format}={name}}}")(chosen)
    runs = {}
    for how, program in (("chosen", chosen), ("forced", forced)):
        runs |= {f"{how}, {engine}": run for engine, run in on_every_engine(program, {"x": x}, 10).items()}
    assert not differences(runs)
    assert runs["chosen, cpu"].synaptic_events > 0
    stored = {how: snn_to_step.lower(program) for how, program in (("chosen", chosen), ("forced", forced))}
    found = {how: [table.format for table in program.ops(step.Table)] for how, program in stored.items()}
    assert found["forced"] == [format]
    if "sparsify" not in pipeline:
        assert found["chosen"] == ["conv"]
        sizes = {how: program.notes[-1].rows[0][2:] for how, program in stored.items()}
        assert sizes["chosen"][0] == sizes["forced"][0]
        assert sizes["chosen"][1] == 6 * 2 * 3 * 4 * (4 if pipeline == "canonicalize" else 1)


def test_sums_run_in_ascending_order(tmp_path: Path) -> None:
    """A large term hides the ones before it and not those after it."""
    path = tmp_path / "model.snn"
    path.write_text("model M { step 1 ms\n input x : real[1, 1, 4]\n output y = sum_pool2d(x, [1, 4])\n}\n")
    x = np.array([[1, 2**24, -(2**24), 1], [2**24, 1, 1, -(2**24)]], np.float32).reshape(2, 1, 1, 4)
    runs = run_everywhere(path, {"x": x}, 2)
    assert not differences(runs)
    assert runs["cpu"].outputs["y"].reshape(-1).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("real", [32, 64])
def test_layers_of_spiking_neurons(real: int, tmp_path: Path) -> None:
    """Two layers, a recurrent one among them, and a classifier behind them."""
    rng = np.random.default_rng(3)
    np.savez(
        tmp_path / "w.npz",
        a=rng.normal(0.2, 0.5, (4, 2, 3, 3)),
        b=rng.normal(0, 0.3, (4, 4, 3, 3)),
        c=rng.normal(0, 0.5, (5, 4 * 4 * 4)),
    )
    path = tmp_path / "model.snn"
    path.write_text(
        """model Net(w: path = "w.npz") { step 1 ms
      neuron LIF(tau: time = 10 ms) { in I; var V = 0; V := exp(-dt / tau) * V + I; spike when V >= 1 { V -= 1 } }
      input x : spikes[2, 8, 8]
      h = LIF[4, 8, 8](conv2d(x, load(w, "a"), pad = 1) + conv2d(prev(h), load(w, "b"), pad = 1))
      trace = 0.5 * prev(trace) + conv2d(h, load(w, "b"), pad = 1, stride = [1, 1])
      echo = conv2d(prev(echo) + h, load(w, "b"), pad = 1) * 0.1
      p = LIF[4, 4, 4](h |> avg_pool2d(2) |> reshape(4, 4, 4))
      c = LIF[5](load(w, "c") @ flatten(p))
      output y = argmax(over_time(count, c))
      output t = trace + echo
      probe h.spike, p.spike, c.spike, p.V
    }"""
    )
    runs = run_everywhere(path, {"x": rng.random((30, 2, 8, 8)) < 0.3}, 30, real=real)
    assert not differences(runs)
    assert all(count > 0 for count in runs["cpu"].counts.values())


@pytest.mark.parametrize("kind", ["spikes", "real", "int"])
@pytest.mark.parametrize(
    ("channels", "extents", "outputs", "kernel", "options"),
    [
        (2, (11, 13), 32, (5, 5), "pad = 2"),
        (3, (9, 12), 19, (3, 4), "stride = [1, 2]"),
        (2, (60,), 72, (5,), "pad = 1, stride = 2"),
        (1, (8, 8), 200, (3, 3), "pad = [0, 1]"),
    ],
)
@pytest.mark.parametrize("real", [32, 64])
def test_channels_in_lanes(
    kind: str, channels: int, extents: Pairs, outputs: int, kernel: Pairs, options: str, real: int, tmp_path: Path
) -> None:
    """From silence to activity that pays for the other order of sums, added to what is there already."""
    rng = np.random.default_rng(outputs)
    np.savez(tmp_path / "w.npz", W=rng.normal(size=(outputs, channels, *kernel)).astype(np.float32))
    shape = (channels, *extents)
    (tmp_path / "net.snn").write_text(
        f"model M {{ step 1 ms\n input x : {kind}[{', '.join(map(str, shape))}]\n"
        f' a = conv{len(kernel)}d(x, load("w.npz", "W"), {options})\n'
        f' output y = a + conv{len(kernel)}d(prev(x), load("w.npz", "W"), {options})\n}}\n'
    )
    active = rng.random((6, *shape)) < np.array([0, 0.05, 0.2, 0.5, 0.9, 1]).reshape(6, *[1] * len(shape))
    x = active if kind == "spikes" else active * rng.integers(-3, 4, (6, *shape))
    program = spikec.load(tmp_path / "net.snn", real=real)
    made = candidates(snn_to_step.lower(program), 512 // real, True)
    assert {table.format for table, *_ in made} == {"conv"}
    assert not differences(on_every_engine(program, {"x": x.astype(np.float32) if kind == "real" else x}, 6))
