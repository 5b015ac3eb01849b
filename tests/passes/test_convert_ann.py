"""Spiking networks of trained ones: counts of spikes are the quantised activations, rates come near the real ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import spikec
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.passes.convert_ann import ConvertAnn
from spikec.runtime.interface import Interface

from tests.programs.engines import ENGINES, differences

Array = npt.NDArray[Any]

MLP = """
  input x : real[12]
  h = relu(W @ x + b)
  g = clamp(V @ h - 0.1, 0, 2)
  output hidden = h
  output second = g
  output logits = U @ g + c
"""
# Convolutions, batch norm, all kinds of pooling, a residual, an activation that two others take.
CONV = """
  input x : real[2, 6, 6] in [-1, 1]
  a = relu(batch_norm(conv2d(x, K, pad = 1), mean = m, var = 0.5) + d)
  e = relu(conv2d(max_pool2d(a, 2, pad = 1), L, pad = 1, groups = 4))
  p = relu(avg_pool2d(a, [3, 2], stride = [1, 1]))
  r = relu(e + max_pool2d(a, 2, pad = 1))
  output first = a
  output pooled = p
  output joined = r
  output logits = U @ concat(flatten(r)[0:4], flatten(p)[3:7]) + c
"""
ROWS = """
  input x : real[12]
  h = relu(W @ x + R @ prev(h) + b)
  g = relu(V @ h + 0.3 * prev(g))
  output hidden = h
  output second = g
  output most = max(g)
  output total = over_time(sum, h)
  output mean = over_time(mean, g)
  output label = argmax(over_time(sum, U @ g))
"""
# Activations of whole numbers, with levels of their own; floor and round.
WHOLE = """
  input x : real[12]
  h = clamp(floor(W @ x + b), 0, 7)
  g = clamp(round(V @ h), 0, 3)
  output hidden = h
  output second = g
  output logits = softmax(U @ g + c)
"""


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """A network of the statements given, whose weights are drawn."""

    def build(body: str, seed: int = 0, real: int = 32) -> Program:
        random = np.random.default_rng(seed)
        shapes = {
            "W": (16, 12),
            "V": (8, 16),
            "U": (5, 8),
            "R": (16, 16),
            "K": (4, 2, 3, 3),
            "L": (4, 1, 3, 3),
            "b": (16,),
            "c": (5,),
            "d": (4, 6, 6),
            "m": (4,),
        }
        arrays = {}
        for name, shape in shapes.items():
            arrays[name] = random.normal(0, 1 / np.sqrt(np.prod(shape[1:], dtype=int)), shape).astype(np.float32)
        np.savez(tmp_path / "w.npz", **arrays)
        params = [
            f'param {n} : real{list(s)} = load("w.npz", "{n}")'
            for n, s in shapes.items()
            if re.search(rf"\b{n}\b", body)
        ]
        (tmp_path / "net.snn").write_text("\n".join(["model Net {", "step 1 steps", *params, body, "}"]))
        return spikec.load(tmp_path / "net.snn", real=real)

    return build


def valid(program: Program) -> Program:
    """The program, which the verifiers have nothing against."""
    verify(program)
    return program


def samples(program: Program, count: int, steps: int = 1, seed: int = 7) -> Array:
    """Inputs (count, steps, *shape) from -1 to 1."""
    (given,) = Interface.of(program).inputs
    return np.random.default_rng(seed).uniform(-1, 1, (count, steps, *given.shape)).astype(np.float32)


def pipeline(folder: Path, data: Array, **options: Any) -> ConvertAnn:
    """The pass, calibrated on `data`."""
    np.save(folder / "data.npy", data)
    return ConvertAnn(calibrate=str(folder / "data.npy"), **options)


def length(program: Program) -> int:
    """Steps of an inference, as the report has them."""
    titles = [
        note.title for note in program.notes if isinstance(note, Table) and note.title.startswith("convert-ann: ")
    ]
    return int(titles[0].split()[1])


def report(program: Program, title: str) -> dict[str, tuple[Any, ...]]:
    """The rows of a table by their first cell."""
    (table,) = (note for note in program.notes if isinstance(note, Table) and note.title.startswith(title))
    return {str(row[0]): row[1:] for row in table.rows}


def run(program: Program, x: Array) -> dict[str, Array]:
    found: dict[str, Array] = spikec.compile(program).run({"x": x}, batch=len(x)).outputs
    return found


def spikes_of(program: Program, x: Array) -> dict[str, Array]:
    """Outputs at the end of each inference, for inputs of which each step is held for one."""
    steps = length(program)
    found = run(program, x.repeat(steps, axis=1))
    return {name: y[:, steps - 1 :: steps] if y.shape[1:2] == (steps * x.shape[1],) else y for name, y in found.items()}


@pytest.mark.parametrize("body", [MLP, CONV, ROWS, WHOLE], ids=["mlp", "conv", "rows", "whole"])
@pytest.mark.parametrize(("seed", "levels"), [(0, 15), (1, 4), (2, 1)])
def test_counts_are_the_quantised_activations(load: Any, tmp_path: Path, body: str, seed: int, levels: int) -> None:
    network = load(body, seed)
    steps = 3
    data = samples(network, 12, steps if body is ROWS else 1)
    ann = valid(pipeline(tmp_path, data, neuron="none", levels=levels).run(network))
    spiking = valid(pipeline(tmp_path, data, levels=levels).run(network))
    x = samples(network, 30, steps, seed=8)
    wanted, reached = run(ann, x), spikes_of(spiking, x)
    assert np.any(wanted["second" if "second" in wanted else "joined"])
    for name, array in wanted.items():
        assert np.array_equal(array, reached[name]), name
    assert all(error == 0 for error, *_ in report(spiking, "convert-ann: spikes").values())


def test_all_engines_agree(load: Any, tmp_path: Path) -> None:
    for body in (CONV, ROWS):
        network = load(body)
        spiking = pipeline(tmp_path, samples(network, 4, 2), levels=3).run(network)
        x = samples(network, 1, 2)[0].repeat(length(spiking), axis=0)
        runs = {name: make(spiking.clone(), 0).run({"x": x}) for name, make in ENGINES.items()}
        assert not differences(runs)


def test_an_inference_takes_as_long_as_is_said_and_no_longer(load: Any, tmp_path: Path) -> None:
    network = load(MLP)
    data = samples(network, 20)
    spiking = pipeline(tmp_path, data, levels=6).run(network)
    rows = report(spiking, "convert-ann: 11 steps")
    assert [row[-1] for row in rows.values()] == [6, 11]
    longer = pipeline(tmp_path, data, levels=6, steps=25).run(network)
    outputs = run(longer, samples(network, 40, seed=9).repeat(25, axis=1))
    for name, rests in (("hidden", 6), ("second", 11), ("logits", 11)):
        assert np.all(outputs[name][:, rests - 1 :] == outputs[name][:, -1:])
        assert np.any(outputs[name][:, 1] != outputs[name][:, -1])


def test_the_bound_is_reached(tmp_path: Path) -> None:
    """The first layer sends all it has; the second gets what excites it first, and takes all back at the end."""
    text = """model Late {
      step 1 steps
      input x : real[2] in [0, 1]
      h = clamp(floor(5 * x), 0, 5)
      y = clamp(floor(W @ h), 0, 5)
      param W : real[1, 2] = [[5, -2]]
      output y = y
    }"""
    (tmp_path / "late.snn").write_text(text)
    spiking = spikec.pipeline("convert-ann")(spikec.load(tmp_path / "late.snn"))
    assert length(spiking) == 9
    found = spikec.compile(spiking).run({"x": np.array([0.4, 1.0], np.float32)}, steps=9).outputs["y"]
    assert found[-1] == 0
    assert np.any(found[:-1] != 0)


def test_without_quantisation_error_the_network_is_the_trained_one(load: Any, tmp_path: Path) -> None:
    network = load(MLP)
    data = samples(network, 60)
    ann = pipeline(tmp_path, data, neuron="none", levels=4095, inputs=4095, percentile=100).run(network)
    x = samples(network, 60)
    wanted, found = run(network, x), run(ann, x)
    for name in wanted:
        assert np.abs(wanted[name] - found[name]).max() < 2e-2
    coarse = run(pipeline(tmp_path, data, neuron="none", levels=3, inputs=3).run(network), x)
    assert np.abs(wanted["logits"] - coarse["logits"]).max() > 1e-1


def test_sums_are_exact_in_double_precision_too(load: Any, tmp_path: Path) -> None:
    network = load(CONV, real=64)
    data = samples(network, 5)
    ann = pipeline(tmp_path, data, neuron="none").run(network)
    spiking = pipeline(tmp_path, data).run(network)
    x = samples(network, 10, seed=3)
    wanted, reached = run(ann, x), spikes_of(spiking, x)
    assert wanted["logits"].dtype == np.float64
    assert all(np.array_equal(array, reached[name]) for name, array in wanted.items())


def test_rates_come_near(load: Any, tmp_path: Path) -> None:
    network = load(MLP)
    x = samples(network, 60, seed=5)
    wanted = run(network, x)["logits"].reshape(-1)
    errors = []
    for steps in (5, 25, 250):
        spiking = valid(pipeline(tmp_path, x, neuron="rate", steps=steps, percentile=100).run(network))
        found = spikes_of(spiking, x)["logits"].reshape(-1)
        errors.append(float(np.sqrt(np.mean((found - wanted) ** 2))))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert np.corrcoef(found, wanted)[0, 1] > 0.999
    assert all(row[2] > 0.99 for row in report(spiking, "convert-ann: spikes").values())


def test_rates_of_convolutions_and_poolings(load: Any, tmp_path: Path) -> None:
    network = load(CONV)
    spiking = pipeline(tmp_path, samples(network, 20), neuron="rate", steps=150, percentile=100).run(network)
    x = samples(network, 20, seed=5)
    wanted, found = run(network, x), spikes_of(spiking, x)
    for name in wanted:
        assert np.corrcoef(wanted[name].reshape(-1), found[name].reshape(-1))[0, 1] > 0.998


def test_limits_and_declared_ranges_need_no_data(tmp_path: Path) -> None:
    text = """model Limited {
      step 1 steps
      input x : real[3] in [0, 6]
      y = clamp(2 * x, 0, 6)
      output y = y
    }"""
    (tmp_path / "limited.snn").write_text(text)
    network = spikec.load(tmp_path / "limited.snn")
    ann = spikec.pipeline("convert-ann{neuron=none,levels=6,inputs=6}")(network)
    found = spikec.compile(ann).run({"x": np.array([[0, 1, 2], [3, 2.4, 6]], np.float32)}).outputs["y"]
    assert found.tolist() == [[0, 2, 4], [6, 4, 6]]


def test_whole_inputs_stay_what_they_are(load: Any, tmp_path: Path) -> None:
    network = load(MLP)
    data = np.random.default_rng(0).integers(-9, 10, (20, 1, 12)).astype(np.float32)
    ann = pipeline(tmp_path, data, neuron="none", inputs=9).run(network)
    assert "math.roundeven" in ann.text()
    step = ann.text()[ann.text().index("@step") :]
    assert "arith.mulf %arg0" not in step


@pytest.mark.parametrize(
    ("body", "options", "code", "message"),
    [
        ("input x : real[4]\n output y = 2 * x", "", "E1283", "no activation"),
        ("input x : real[4]\n output y = relu(x)", "", "E1284", "how far"),
        ("input x : real[4]\n output y = clamp(x, 0, 1)", "", "E1214", "'x'"),
        (
            "input x : real[4] in [0, 1]\n h = clamp(x, 0, 1)\n output y = clamp(tanh(2 * h), 0, 1)",
            "",
            "E1282",
            "no sum of activations",
        ),
        (
            "input x : real[4] in [0, 1]\n neuron N { in I\n var V = 0\n V += I\n spike when V > 1 { V := 0 } }\n"
            "output y = clamp(N[4](x) * 0.5, 0, 1)",
            "",
            "E1281",
            "population",
        ),
        ("input x : real[4] in [0, 1]\n output y = clamp(x + poisson(x), 0, 1)", "", "E1281", "random"),
        ("input x : real[4] in [0, 1]\n h = clamp(x + delay(h, 3 steps), 0, 1)\n output y = h", "", "E0901", "3 steps"),
        (
            "input x : real[4] in [0, 1]\n h = clamp(x + 0.5 * prev(h), 0, 1)\n output y = h",
            "neuron=rate",
            "E0901",
            "with rates",
        ),
    ],
)
def test_what_has_no_form_is_refused(tmp_path: Path, body: str, options: str, code: str, message: str) -> None:
    (tmp_path / "net.snn").write_text(f"model Net {{\n step 1 steps\n {body}\n}}\n")
    with pytest.raises(spikec.CompileError) as refused:
        spikec.pipeline(f"convert-ann{{{options}}}" if options else "convert-ann")(spikec.load(tmp_path / "net.snn"))
    found = refused.value.diagnostics
    assert code in {diagnostic.code for diagnostic in found}
    assert message in "\n".join(diagnostic.message for diagnostic in found)
    if code in ("E1281", "E1282", "E1284"):
        assert all(d.span is not None and d.span.line > 2 for d in found)


@pytest.mark.parametrize("options", ["levels=0", "steps=0", "inputs=0", "percentile=0", "percentile=101"])
def test_options_have_limits(options: str) -> None:
    with pytest.raises(spikec.UsageError, match=options.partition("=")[0]):
        spikec.pipeline(f"convert-ann{{{options}}}")
