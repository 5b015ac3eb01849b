"""quantize{budget=...}: widths that fit, and none that fit and were measured to lose less."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.runtime.memory import bytes_of

from tests.passes.tables import rows

NETWORK = """
model Three {
  step 1 ms
  neuron IF(theta = 1.0) {
    in  I
    var V = 0
    V += I
    spike when V >= theta { V -= theta }
  }
  input x : real[12] in [0, 1]
  param A : real[20, 12] = load("w.npz", "A")
  param B : real[8, 20]  = load("w.npz", "B")
  param C : real[4, 8]   = load("w.npz", "C")
  a = IF[20](A @ x)
  b = IF[8](B @ a)
  c = IF[4](C @ b)
  again = IF[4](C @ b, theta = 2.0)
  output y = over_time(count, c)
  probe again.spike
}
"""
COUNTS = {"A.T": 240, "B.T": 160, "C.T": 32}


@pytest.fixture
def network(tmp_path: Path) -> Any:
    rng = np.random.default_rng(4)
    arrays = {
        "A": rng.normal(0.1, 0.3, (20, 12)),
        "B": rng.normal(0.1, 0.3, (8, 20)),
        "C": rng.normal(0.2, 0.3, (4, 8)),
    }
    np.savez(tmp_path / "w.npz", **{name: array.astype(np.float32) for name, array in arrays.items()})
    np.save(tmp_path / "x.npy", rng.uniform(0, 1, (4, 12)))
    (tmp_path / "three.snn").write_text(NETWORK)
    return spikec.load(tmp_path / "three.snn")


def quantized(network: Any, folder: Path, options: str) -> Any:
    return spikec.pipeline(f'quantize{{{options},calibrate="{folder}/x.npy",steps=20}}')(network)


@pytest.mark.parametrize("budget", [120, 160, 200, 250, 400])
def test_no_widths_that_fit_lose_less(network: Any, tmp_path: Path, budget: int) -> None:
    program = quantized(network, tmp_path, f"budget={budget}")
    layers = {row["weights"]: row for row in rows(program, "quantize: widths by layer")}
    assert {name: row["count"] for name, row in layers.items()} == COUNTS
    ways = rows(program, "quantize: budget")
    assert [row["taken"] for row in ways].count(True) == 1
    taken = next(row for row in ways if row["taken"])
    assert taken["bytes"] <= budget and taken["damage"] == min(row["damage"] for row in ways)
    if taken["widths"] == "measured":
        lost = sum(row[f"damage at {row['bits']}"] for row in layers.values())
        for widths in itertools.product(range(2, 9), repeat=3):
            if sum(COUNTS[name] * bits for name, bits in zip(layers, widths, strict=True)) / 8 <= budget - 3:
                other = sum(row[f"damage at {bits}"] for row, bits in zip(layers.values(), widths, strict=True))
                assert lost <= other + 1e-12


def test_weights_have_the_bits_that_the_table_names(network: Any, tmp_path: Path) -> None:
    program = quantized(network, tmp_path, "budget=170")
    layers = {row["weights"]: row["bits"] for row in rows(program, "quantize: widths by layer")}
    for row in rows(program, "quantize: weights"):
        name = {"a": "A.T", "b": "B.T", "c": "C.T", "again": "C.T"}[row["projection"].split("/")[0]]
        assert row["bits"] == layers[name]
        values = program.constants[f"{name}.q"]
        assert -(2 ** (layers[name] - 1)) <= values.min() and values.max() < 2 ** (layers[name] - 1)


def test_room_for_all_gives_all(network: Any, tmp_path: Path) -> None:
    program = quantized(network, tmp_path, "budget=1KB,weights=6")
    assert {row["bits"] for row in rows(program, "quantize: weights")} == {6}


def test_the_integers_are_the_same_on_both_engines(network: Any, tmp_path: Path) -> None:
    program = quantized(network, tmp_path, "budget=200")
    x = np.load(tmp_path / "x.npy")
    runs = [spikec.compile(program, target).run({"x": x}, 20, len(x)) for target in ("cpu", "reference")]
    assert all(np.array_equal(runs[0].outputs[name], runs[1].outputs[name]) for name in runs[0].outputs)


def test_too_small_a_budget_says_what_is_needed(network: Any, tmp_path: Path) -> None:
    with pytest.raises(spikec.CompileError) as caught:
        quantized(network, tmp_path, "budget=100")
    (found,) = caught.value.diagnostics
    assert found.code == "E1215" and "108 bytes" in found.message and "sparsify" in str(found.help)


@pytest.mark.parametrize("options", ["budget=24KB", "budget=lots,steps=3", "budget=-3,steps=3"])
def test_budgets_that_make_no_sense(options: str) -> None:
    with pytest.raises(spikec.UsageError, match=r"budget|bytes"):
        spikec.pipeline(f"quantize{{{options}}}")


def test_numbers_of_bytes() -> None:
    assert [bytes_of(text) for text in ("3000", "24KB", "24 kb", "1.5MB", "2GB", "7B")] == [
        3000,
        24 * 1024,
        24 * 1024,
        3 << 19,
        2 << 30,
        7,
    ]
