"""Samples side by side are samples one by one, pieces are one run, and seeds choose the numbers, as on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.runtime.gpu import Shape

from tests.programs.engines import Array, cpu, differences, same_bits
from tests.ptx.emulated import Emulated

SAMPLES, STEPS, SIZE = 5, 70, 45
ORDERED = "ptx{sums=ordered}"
MODEL = f"""model Net {{
  step 1 ms
  neuron N {{ in I; var V = 0; V := 0.9 * V + I; spike when V > 1 {{ V := 0 }} }}
  input x : real[{SIZE}] in [0, 1]
  s = bernoulli(0.5 * x) seed 1
  a = N[{SIZE}](0.4 * s)
  proj p : a -> a.I {{ connect prob(0.2) seed 2; weight 0.125; delay 3 ms }}
  probe a.spike, a.V every 7 ms
  output y = a
  output n = over_time(count, a)
}}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("batches") / "model.snn"
    path.write_text(MODEL)
    return path


@pytest.fixture(scope="module")
def program(model: Path) -> spikec.Program:
    return spikec.load(model)


@pytest.fixture(scope="module")
def emulated(program: spikec.Program) -> Emulated:
    return Emulated.of(program, ORDERED)


def x() -> Array:
    return np.random.default_rng(0).random((SAMPLES, SIZE), np.float32)


@pytest.mark.parametrize("real", [32, 64])
def test_a_batch_is_that_of_the_cpu(model: Path, real: int) -> None:
    program = spikec.load(model, real=real)
    runs = {"cpu": cpu(program, 0).run({"x": x()}, steps=STEPS, batch=SAMPLES)}
    runs |= Emulated.of(program, ORDERED).runs({"x": x()}, STEPS, batch=SAMPLES)
    assert not differences(runs)
    assert runs["cpu"].counts["a"] > 500


def test_a_batch_in_groups_is_the_batch(emulated: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a device that has memory for two samples at once."""
    engine = emulated.executable()
    whole = engine.run({"x": x()}, steps=STEPS, batch=SAMPLES)
    monkeypatch.setattr(type(engine.engine), "most_samples", lambda self: 2)
    assert not differences({"whole": whole, "groups": engine.run({"x": x()}, steps=STEPS, batch=SAMPLES)})


@pytest.mark.parametrize("shape", ["graph", "persistent"])
def test_pieces_are_one_run(emulated: Emulated, shape: Shape) -> None:
    whole = emulated.executable(shape=shape).run({"x": x()[0]}, steps=STEPS)
    done: list[int] = []
    pieces = emulated.executable(1, shape=shape).run({"x": x()[0]}, steps=STEPS, progress=done.append)
    assert not differences({"whole": whole, "pieces": pieces})
    assert sum(done) == STEPS and len(done) > 10
    single = emulated.executable(2, shape=shape)
    steps = [single.step({"x": x()[0]})["y"] for _ in range(5)]
    assert same_bits(np.stack(steps), whole.outputs["y"][:5])


def test_seeds_choose_the_numbers(program: spikec.Program) -> None:
    """Connections are drawn from the run seed too, so each seed has its own text."""
    runs = [Emulated.of(program, ORDERED, seed).executable().run({"x": x()[0]}, steps=20) for seed in (3, 4)]
    assert not differences({"cpu": cpu(program, 3).run({"x": x()[0]}, steps=20), "ptx": runs[0]})
    assert not np.array_equal(runs[0].outputs["y"], runs[1].outputs["y"])
