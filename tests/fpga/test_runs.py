"""Circuits on the simulator give what the CPU gives: outputs, probes, counts of events and of weight additions."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.dialects.diagnostics import CompileError, UsageError
from spikec.dialects.program import Program
from spikec.runtime.interface import Interface
from spikec.runtime.run import Run

FULL = os.environ.get("SPIKEC_FULL") == "1"
EXAMPLES = Path(__file__).parents[2] / "examples"
INTEGERS = "quantize{weights=8,state=16,decay=shift}"
FEW = [
    ("03_digits/digits.snn", INTEGERS),
    ("11_bit_budget/model.snn", "quantize{weights=4,state=12}"),
    ("12_pruning/model.snn", f"sparsify{{density=0.2}},{INTEGERS}"),
]
MORE = [
    ("04_conv/model.snn", INTEGERS),
    ("09_shifts/shifts.snn", "quantize{weights=4,state=16,scale=pow2}"),
    ("10_dvs/slip.snn", INTEGERS),
    ("13_conversion/mlp.snn", INTEGERS),
    ("13_conversion/rnn.snn", INTEGERS),
    ("15_mnist_core/model.snn", INTEGERS),
]
LEAKY = "neuron N { in I\n var V = 0\n V := exp(-dt / 16 ms) * V + I\n spike when V >= 1 { V -= 1 } }"
WATCHED = f"""
model Watched {{
  step 1 ms
  {LEAKY}
  input x : spikes[20]
  input bias : real[9] in [-0.1, 0.2]
  pop a : N[12]
  pop b : N[9]
  pop c : N[5]
  proj x -> a.I {{ connect prob(0.4) seed 1; weight 0.4 }}
  proj a -> a.I {{ connect prob(0.3) seed 2; weight 0.2; delay uniform(1 ms, 4 ms) seed 3 }}
  proj a -> b.I {{ connect all; weight 0.15; delay 2 ms }}
  b.I += bias
  proj b -> c.I {{ connect all; weight 0.3 }}
  output y = b
  output echo = x
  output most = argmax(over_time(count, b))
  output total = over_time(sum, b)
  probe a.V every 3 ms
  probe b.V, a.spike, b.spike
}}
"""


def model(folder: Path, text: str, quantize: str = INTEGERS) -> Program:
    (folder / "net.snn").write_text(text)
    network = spikec.load(folder / "net.snn")
    return spikec.pipeline(quantize)(network) if quantize else network


def inputs(network: Program, steps: int, batch: int, seed: int = 1) -> dict[str, Any]:
    """Streams for all inputs, within their ranges."""
    rng = np.random.default_rng(seed)
    found = {}
    for one in Interface.of(network).inputs:
        x = rng.random((batch, steps, *one.shape))
        low, high = one.low or 0.0, 1.0 if one.high is None else one.high
        found[one.name] = x < 0.2 if one.kind == "spikes" else low + x * (high - low)
    return found


def assert_same(found: Run, expected: Run) -> None:
    for mine, others in ((found.outputs, expected.outputs), (found.probes, expected.probes)):
        assert mine.keys() == others.keys()
        for name, array in mine.items():
            assert array.dtype == others[name].dtype
            np.testing.assert_array_equal(array, others[name], name)
    assert (found.counts, found.projections) == (expected.counts, expected.projections)
    assert (found.scales.keys(), found.batch, found.steps) == (expected.scales.keys(), expected.batch, expected.steps)


@pytest.mark.parametrize(("example", "pipeline"), FEW + (MORE if FULL else []))
def test_examples(example: str, pipeline: str) -> None:
    network = spikec.pipeline(pipeline)(spikec.load(EXAMPLES / example))
    data = inputs(network, steps=12, batch=2)
    expected = spikec.compile(network).run(data, batch=2, seed=4)
    found = spikec.compile(network, target="fpga{device=xc7k325t}").run(data, batch=2, seed=4)
    assert_same(found, expected)
    assert expected.synaptic_events
    assert found.cycles > 12


def module(path: str) -> ModuleType:
    """A script of the examples."""
    spec = importlib.util.spec_from_file_location(path.replace("/", "_"), EXAMPLES / f"{path}.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_images_of_digits() -> None:
    """Draws on the chip; all 899 images that training did not see with SPIKEC_FULL=1."""
    demo = module("03_digits/demo")
    images, digits = demo.test_images()
    count, steps = (len(images), demo.STEPS) if FULL else (10, 20)
    network = spikec.pipeline(INTEGERS)(spikec.load(EXAMPLES / "03_digits" / "digits.snn"))
    data = {"x": images[:count]}
    expected = spikec.compile(network).run(data, steps=steps, batch=count, seed=7)
    circuit = spikec.compile(network, target="fpga:ecp5{lanes=hidden:16+class:2+value:4}")
    assert_same(circuit.run(data, steps=steps, batch=count, seed=7, threads=2), expected)
    assert (expected.outputs["label"] == digits[:count]).mean() >= 0.9


@pytest.mark.skipif(not FULL, reason="100 images take a minute: SPIKEC_FULL=1")
def test_images_of_mnist() -> None:
    train = module("15_mnist_core/train")
    _, _, grey, _ = train.images()
    x = {"x": train.spikes(grey[:100], 50, seed=0)}
    network = spikec.pipeline(INTEGERS)(spikec.load(EXAMPLES / "15_mnist_core" / "model.snn"))
    expected = spikec.compile(network).run(x, batch=100)
    found = spikec.compile(network, target="fpga{lanes=hidden:16+class:1}").run(x, batch=100, threads=2)
    assert_same(found, expected)
    assert expected.counts["class"]


def test_what_is_recorded_and_counted(tmp_path: Path) -> None:
    """Delays, values of the host, states in every third step, in two samples at once by two threads."""
    network = model(tmp_path, WATCHED)
    data = inputs(network, steps=40, batch=3)
    data["bias"] = data["bias"][:, 0]
    expected = spikec.compile(network).run(data, batch=3)
    found = spikec.compile(network, target="fpga:ice40{lanes=a:4+b_core:2}").run(data, batch=3, threads=2)
    assert_same(found, expected)
    assert all(expected.counts.values())
    assert found.probes["a.V"].shape == (3, 14, 12)
    assert_same(found.real(), expected.real())


def test_a_run_in_pieces_is_the_run(tmp_path: Path) -> None:
    network = model(tmp_path, WATCHED)
    data = {name: array[0] for name, array in inputs(network, steps=31, batch=1).items()}
    executable, seen = spikec.compile(network, target="fpga"), []
    whole, watched = executable.run(data), executable.run(data, progress=seen.append)
    assert len(seen) == 31
    assert_same(watched, whole)
    executable.reset()
    steps = [executable.step({name: array[t] for name, array in data.items()})["y"] for t in range(31)]
    np.testing.assert_array_equal(np.stack(steps), whole.outputs["y"])


def test_more_lanes_take_fewer_cycles_and_give_the_same(tmp_path: Path) -> None:
    text = f"model Net {{\n step 1 ms\n {LEAKY}\n input x : spikes[40]\n pop a : N[64]\n"
    text += " proj x -> a.I { connect all; weight 0.2 }\n output y = a\n}"
    network = model(tmp_path, text)
    x = np.random.default_rng(0).random((50, 40)) < 0.2
    few, many = (spikec.compile(network, target=f"fpga{{lanes={n},clock=50MHz}}").run({"x": x}) for n in (2, 8))
    np.testing.assert_array_equal(few.outputs["y"], many.outputs["y"])
    # 32 or 8 groups for each event and for two other passes of a step.
    assert 32 * (x.sum() + 100) <= few.cycles
    assert 2 * many.cycles < few.cycles
    assert few.clock == 50e6
    writable = spikec.compile(network, target="fpga{lanes=4,weights=writable}").run({"x": x})
    np.testing.assert_array_equal(writable.outputs["y"], few.outputs["y"])


def test_states_that_are_drawn_at_the_start_belong_to_the_circuit(tmp_path: Path) -> None:
    text = f"model Net {{\n step 1 ms\n {LEAKY}\n input x : spikes[4]\n pop a : N[6] {{ V = uniform(0, 0.9) seed 1 }}\n"
    text += " proj x -> a.I { connect all; weight 0.3 }\n output y = a\n probe a.V\n}"
    network = model(tmp_path, text)
    x = np.random.default_rng(0).random((12, 4)) < 0.4
    circuit = spikec.compile(network, target="fpga", seed=3)
    assert_same(circuit.run({"x": x}), spikec.compile(network).run({"x": x}, seed=3))
    with pytest.raises(CompileError, match="drawn with seed 3, not 4"):
        circuit.run({"x": x}, seed=4)
    with pytest.raises(CompileError, match="drawn for one sample"):
        circuit.run({"x": np.stack([x, x])}, batch=2)


def test_reals_are_refused_where_they_stand(tmp_path: Path) -> None:
    network = model(tmp_path, WATCHED, quantize="")
    with pytest.raises(CompileError) as error:
        spikec.compile(network, target="fpga")
    (found,) = error.value.diagnostics
    assert (found.code, found.help) == ("E1311", "the pass 'quantize' makes integers")
    assert found.span is not None
    assert found.span.line > 1


def test_cores_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no core 'aa'; did you mean 'a_core'\?"):
        spikec.compile(model(tmp_path, WATCHED), target="fpga{lanes=aa:2}")
    with pytest.raises(UsageError, match="--device is for --target ptx alone"):
        spikec.compile(model(tmp_path, WATCHED), target="fpga", device="emulated")
