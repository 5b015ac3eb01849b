"""The example 11_bit_budget: budgets that `spikec cost` counts, and spikes of k bits against k steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spikec

from tests.examples.scripts import said

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "11_bit_budget"


def test_the_demonstration(tmp_path: Path) -> None:
    lines = said("examples/11_bit_budget/demo.py", "-o", tmp_path, "--budget", "8", "--images", "150")
    assert [line.split(",")[0] for line in lines if line.endswith("each budget")] == ["cpu", "ptx", "fpga"]
    rows = [line.split() for line in lines if " x " in line and line.split()[0].isdigit()]
    for budget, steps, _, weight_bits, _, spike_bits, *_ in rows:
        assert int(budget) == int(steps) * int(weight_bits) * int(spike_bits)
    assert [int(row[0]) for row in rows] == [1, 2, 4, 8] * 3
    percent = [float(row[6]) for row in rows[:4]]
    assert percent == sorted(percent) and percent[-1] >= 95
    assert Path(lines[-1].split()[-1]).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_k_bits_in_a_step_equal_k_steps_of_one_bit(bits: int, target: str, tmp_path: Path) -> None:
    """Of constant input, whose sums in `bits` steps are the same charge at once; every number is exact in f32."""
    neuron = (EXAMPLE / "model.snn").read_text().split("\n\n")[1]
    (tmp_path / "m.snn").write_text(
        f"""model M(w: path = "w.npz", bits: int = 1, charge: int = 1) {{
  step 1 steps
{neuron}
  input x : real[8]
  param W1 : real[20, 8] = load(w, "w1")
  param W2 : real[5, 20] = load(w, "w2")
  hidden = Level[20](charge * (W1 @ x), bits = bits)
  output sums = over_time(sum, W2 @ hidden)
}}
"""
    )
    rng = np.random.default_rng(bits)
    w1 = (np.arange(-3, 17)[:, None] + rng.integers(-1, 1, (20, 8))) / 128  # at most 1 comes together
    w2 = rng.integers(-3, 4, (5, 20)).astype(np.float32)
    np.savez(tmp_path / "w.npz", w1=w1.astype(np.float32), w2=w2)
    x = (rng.integers(2, 9, (30, 8)) / 8).astype(np.float32)
    x[0] = 1

    found, budgets = [], []
    for settings, steps in (({"bits": bits, "charge": bits}, 1), ({"bits": 1, "charge": 1}, bits)):
        program = spikec.load(tmp_path / "m.snn", settings)
        run = spikec.compile(program, target).run({"x": x}, steps, len(x))
        found.append(run.outputs["sums"])
        layers = spikec.cost(program, run)["layers"]
        (readout,) = (layer for layer in layers if layer.get("synapses") == 100)
        budgets.append(readout["run"]["s_ace"])
        assert readout["spike_bits"] == settings["bits"]
    numbers = np.floor(0.5 + bits * (x @ w1.T)).clip(0, bits)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], numbers @ w2.T)
    assert budgets[0] == budgets[1]
    assert len(np.unique(numbers)) == bits + 1
