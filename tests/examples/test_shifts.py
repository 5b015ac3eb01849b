"""The example 09_shifts: weights that are powers of two, and an integer program that does not multiply."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.dialects import snn

from tests.examples import scripts

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "09_shifts"
IMAGES = 20


def script(name: str) -> ModuleType:
    """A script of the example as a module."""
    return scripts.script(f"examples/09_shifts/{name}.py")


def integers() -> Any:
    """The integer program at level `snn`."""
    return spikec.pipeline(script("demo").PIPELINE)(spikec.load(EXAMPLE / "shifts.snn"))


def recorded(program: Any, target: str = "cpu") -> dict[str, bytes]:
    """All that a run on some images records."""
    images = script("demo").test_images()[0][:IMAGES]
    run = spikec.compile(program, target).run({"x": images}, script("demo").STEPS, IMAGES)
    return {name: array.tobytes() for name, array in (run.outputs | run.probes).items()}


def test_the_demonstration(tmp_path: Path) -> None:
    lines = scripts.said("examples/09_shifts/demo.py", "-o", tmp_path)
    assert "the step's program has 0 multiplications" in lines
    real, powers, whole = (float(line.split()[-2]) for line in lines[-4:-1])
    assert real >= 95 and powers >= real - 1 and whole >= real - 1
    assert Path(lines[-1].split()[-1]).read_bytes().startswith(b"\x89PNG")
    ir = (tmp_path / "shifts.mlir").read_text()
    assert ir.count("step.table") == ir.count('code = "pow2"') == 2
    assert ir.count('"step.propagate"') == 2


def test_a_program_that_multiplies_is_noticed() -> None:
    products = script("demo").products
    assert products("%1 = arith.muli %0, %0 : i32\n%2 = arith.mulf %a, %b : f32\n%3 = arith.divsi %0, %0 : i32")
    assert products('"step.table"() {element = i8, sym_name = "t"} : () -> ()')
    assert not products('"step.table"() {code = "pow2", sym_name = "mul"} : () -> ()\n%1 = arith.addi %0, %0 : i32')


def test_shifting_equals_multiplying() -> None:
    shifted, multiplied = integers(), integers()
    tables = list(multiplied.ops(snn.Synapses))
    assert [table.code for table in tables] == ["pow2", "pow2"]
    for table in tables:
        del table.operation.attributes["code"]
    with_shifts = recorded(shifted)
    assert with_shifts == recorded(multiplied)
    assert any(with_shifts["class.spike"])


def test_shifts_on_the_reference() -> None:
    assert recorded(integers()) == recorded(integers(), "reference")


def test_quantizing_loses_nothing_of_the_weights() -> None:
    with np.load(EXAMPLE / "weights.npz") as file:
        real = {name: file[name] for name in ("w1", "w2")}
    program = integers()
    tables = list(program.ops(snn.Synapses))
    for table, weights in zip(tables, (real["w1"], real["w2"]), strict=True):
        scale = table.operation.attributes["scale"].value
        values = program.constants[table.weight.value]
        assert np.array_equal(values.reshape(weights.T.shape) * scale, weights.T)


def test_the_stored_weights_are_powers_of_two() -> None:
    with np.load(EXAMPLE / "weights.npz") as file:
        for name in ("w1", "w2"):
            sizes = np.unique(np.abs(file[name]))
            assert set(sizes.tolist()) <= {0.0, *(2.0**k for k in range(-6, 1))}
    assert (EXAMPLE / "weights.npz").stat().st_size + (EXAMPLE / "real.npz").stat().st_size < 200_000


# ---------------------------------------------------------------- training


def test_projection_is_to_the_nearest() -> None:
    train = script("train")
    allowed = np.array(sorted({0.0, *(s * 2.0**k for k in train.EXPONENTS for s in (1, -1))}))
    weights = np.random.default_rng(0).normal(0, 0.5, 4000).astype(np.float32)
    weights[:200] *= 0.01
    found = train.projected(weights)
    assert set(found.tolist()) <= set(allowed.tolist())
    nearest = np.abs(weights[:, None] - allowed).min(axis=1)
    assert np.abs(weights - found) == pytest.approx(nearest)
    assert np.array_equal(train.projected(allowed.astype(np.float32)), allowed)


def test_training_learns_with_shifts() -> None:
    train = script("train")
    images, digits = train.base.training_images()
    network = train.train(images, digits, epochs=20)
    assert np.array_equal(network.arrays["w1"], train.projected(network.arrays["w1"]))
    assert train.accuracy(network, images, digits) > 80
    spiking = train.to_spikes(network, images)
    pixels = images.reshape(len(images), -1) * train.GREY_LEVELS
    rates = np.maximum(pixels @ spiking["w1"].T + spiking["b1"], 0) / spiking["t1"]
    assert np.percentile(rates, 99) == pytest.approx(1, rel=1e-4)
    drive = rates @ spiking["w2"].T + spiking["b2"]
    assert np.array_equal(drive.argmax(axis=1), network.forward(images.reshape(len(images), -1))[1].argmax(axis=1))
