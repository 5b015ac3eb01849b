"""Costs by layer: what is counted of small networks is what was worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import spikec
from spikec.analysis.cost_model import ASSUMED

MODEL = """model Two(w: path = "w.npz") {
  step 1 ms
  neuron IF {
    in I
    var V = 0.0
    V := V + I
    spike when V >= 1 { V -= 1 }
  }
  neuron Leaky {
    in I
    var V = 0.0
    V := 0.5 * V + I
    spike when V >= 1 { V := 0 }
  }
  input x : spikes[4]
  input u : real[3]
  param W : real[4, 6] = load(w, "w")
  pop a : IF[6]
  pop b : Leaky[5]
  proj xa : x -> a.I { connect all; weight W }
  proj ab : a -> b.I { connect all if (pre + post) % 2 == 0; weight 0.25 }
  proj ub : u -> b[0:3].I { connect one_to_one; weight 2.0 }
  output y = b
  probe a.spike, b.spike
}
"""
STEPS = 9
# Half of the weights are zero; the matrix is dense, so that they are added like all others.
WEIGHTS = np.where(np.arange(24) % 2, 0.0, 0.375).reshape(4, 6).astype(np.float32)
Array = npt.NDArray[Any]


@pytest.fixture
def network(tmp_path: Path) -> spikec.Program:
    np.savez(tmp_path / "w.npz", w=WEIGHTS)
    (tmp_path / "m.snn").write_text(MODEL)
    return spikec.load(tmp_path / "m.snn")


def inputs(samples: int = 2) -> dict[str, Array]:
    rng = np.random.default_rng(3)
    x, u = rng.random((samples, STEPS, 4)) < 0.4, rng.integers(0, 2, (samples, STEPS, 3)).astype(np.float32)
    return {"x": x, "u": u / 8}


def by_hand(x: Array, u: Array) -> dict[str, int]:
    """Events and additions of one sample; every number here is exact in f32."""
    counted = dict.fromkeys(("a", "b", "xa", "ab", "ub"), 0)
    a, b = np.zeros(6), np.zeros(5)
    even = np.add.outer(np.arange(6), np.arange(5)) % 2 == 0
    for now, current in zip(x, u, strict=True):
        a += now @ WEIGHTS
        fired = a >= 1
        a[fired] -= 1
        b = 0.5 * b + 0.25 * (fired.astype(int) @ even) + 2 * np.pad(current, (0, 2))
        b[fires := b >= 1] = 0
        counted["a"] += int(fired.sum())
        counted["b"] += int(fires.sum())
        counted["xa"] += 6 * int(now.sum())
        counted["ab"] += int(even[fired].sum())
        counted["ub"] += int(np.count_nonzero(current))
    return counted


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_counts_are_those_worked_out_by_hand(network: spikec.Program, target: str) -> None:
    given = inputs()
    run = spikec.compile(network, target).run(given, STEPS, 2)
    samples = [by_hand(x, u) for x, u in zip(given["x"], given["u"], strict=True)]
    wanted = {name: sum(sample[name] for sample in samples) for name in samples[0]}
    assert run.counts == {name: wanted[name] for name in ("a", "b")}
    assert run.projections == {name: wanted[name] for name in ("xa", "ab", "ub")}
    assert wanted["b"] > 0

    cost = spikec.cost(network, run, "cpu")
    layers = {layer["name"]: layer for layer in cost["layers"]}
    total = sum(run.projections.values())
    assert (cost["spikes"], cost["projections"]) == (run.counts, run.projections)
    assert cost["synaptic_events"] == cost["total"]["run"]["synaptic_events"] == run.synaptic_events == total
    assert {name: layers[name]["run"]["additions"] for name in run.projections} == run.projections
    # Events of u have values, and multiply.  V + I, a comparison, a difference and a selection; 0.5 * V.
    slices = 2 * STEPS
    assert layers["ub"]["run"]["multiplications"] == wanted["ub"]
    assert layers["xa"]["run"]["multiplications"] == layers["ab"]["run"]["multiplications"] == 0
    assert (layers["a"]["run"]["additions"], layers["a"]["run"]["multiplications"]) == (6 * 4 * slices, 0)
    assert (layers["b"]["run"]["additions"], layers["b"]["run"]["multiplications"]) == (5 * 3 * slices, 5 * slices)
    assert cost["total"]["run"]["additions"] == total + (6 * 4 + 5 * 3) * slices
    assert cost["total"]["step"]["additions"] == pytest.approx(cost["total"]["run"]["additions"] / slices)


def test_bits_and_bytes(network: spikec.Program) -> None:
    run = spikec.compile(network).run(inputs(), STEPS, 2)
    cost = spikec.cost(network, run)
    layers = {layer["name"]: layer for layer in cost["layers"]}
    sizes = {"xa": (24, 32, 1), "ab": (15, 32, 1), "ub": (3, 32, 32)}
    for name, (synapses, weight, spike) in sizes.items():
        layer = layers[name]
        assert (layer["synapses"], layer["weight_bits"], layer["spike_bits"]) == (synapses, weight, spike)
        assert layer["run"]["s_ace"] == 2 * STEPS * synapses * weight * spike
        assert layer["run"]["ns_ace"] == run.projections[name] * weight * spike
    mean = sum(n * w * s for n, w, s in sizes.values()) / 42
    assert cost["bit_budget"] == pytest.approx(STEPS * mean)
    # f32 weights; 6 rows of 16 bits and 7 beginnings of rows of 4 bytes; one number is no array.
    assert [layers[name]["weight_bytes"] for name in sizes] == [24 * 4, 6 * 2 + 7 * 4, 0]
    assert (layers["a"]["state_bytes"], layers["b"]["state_bytes"]) == (6 * 4, 5 * 4)
    assert cost["total"]["weight_bytes"] == sum(layer["weight_bytes"] for layer in cost["layers"])


def test_zeros_that_are_not_stored_cost_nothing(network: spikec.Program) -> None:
    sparse = spikec.pipeline("sparsify{density=0.5}")(network)
    given = inputs()
    dense_run, run = (spikec.compile(p).run(given, STEPS, 2) for p in (network, sparse))
    assert dense_run.counts == run.counts
    assert 2 * run.projections["xa"] == dense_run.projections["xa"]
    layers = {layer["name"]: layer for layer in spikec.cost(sparse, run)["layers"]}
    assert layers["xa"]["synapses"] == 12
    assert layers["xa"]["run"]["additions"] == run.projections["xa"]


def test_integers_have_the_bits_that_they_need(tmp_path: Path) -> None:
    for bits in (1, 2, 4, 8):
        program = spikec.pipeline(f"quantize{{weights={bits}}}")(spikec.load(counting(tmp_path, bits)))
        layers = {layer["name"]: layer for layer in spikec.cost(program)["layers"]}
        assert (layers["xa"]["weight_bits"], layers["xa"]["spike_bits"]) == (bits, 3)


def counting(folder: Path, bits: int) -> Path:
    """A model whose weights use all of a quantiser's range, and whose source sends 0 to 5 events a step."""
    high = max(1, 2 ** (bits - 1) - 1)
    values = np.array([-1.0, 1.0]) if bits == 1 else np.arange(-high, high + 1) / high
    np.savez(folder / "w.npz", w=np.resize(values, (4, 6)).astype(np.float32))
    model = folder / "counts.snn"
    model.write_text(
        """model Counts {
  step 1 ms
  neuron Sum {
    in I
    var V = 0.0
    V := clamp(I, -100, 100)
  }
  input x : int[4] in [0, 5]
  param W : real[4, 6] = load("w.npz", "w")
  pop a : Sum[6]
  proj xa : x -> a.I { connect all; weight W }
  output y = a.V
}
"""
    )
    return model


def test_assumed_rates_say_so_and_scale_with_the_steps(network: spikec.Program) -> None:
    one, ten = spikec.cost(network), spikec.cost(network, steps=10)
    assert (one["rates"], ten["steps"]) == ("assumed", 10)
    assert one["projections"]["xa"] == pytest.approx(ASSUMED * 24)
    assert one["projections"]["ub"] == 3  # real numbers count as all there
    assert ten["synaptic_events"] == pytest.approx(10 * one["synaptic_events"])
    assert ten["total"]["step"]["energy_nj"] == pytest.approx(one["total"]["step"]["energy_nj"])


def test_targets_differ_in_energy_and_time_alone(network: spikec.Program) -> None:
    costs = [spikec.cost(network, target=target) for target in ("cpu", "ptx", "fpga:ecp5")]
    counts = ("synaptic_events", "additions", "multiplications", "bits_moved", "s_ace", "ns_ace")
    assert len({tuple(cost["total"]["run"][name] for name in counts) for cost in costs}) == 1
    assert len({cost["seconds"]["step"] for cost in costs}) == 3
    alone = spikec.cost(network, target="reference")
    assert alone["cycles"] is alone["seconds"] is None
    assert "energy_nj" not in alone["total"]["run"]


def test_a_run_of_another_network_is_refused(network: spikec.Program, tmp_path: Path) -> None:
    run = spikec.compile(network).run(inputs(), STEPS, 2)
    (tmp_path / "m.snn").write_text(MODEL.replace("xa :", "other :"))
    with pytest.raises(spikec.CompileError, match="E0724"):
        spikec.cost(spikec.load(tmp_path / "m.snn"), run)
