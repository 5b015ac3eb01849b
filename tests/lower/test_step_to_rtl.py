"""Circuits give the same spikes and the same states as the interpreter of level `step`, in the cycles that are foretold.

6 random networks by default, 100 with SPIKEC_FULL=1, each with random options of quantize and a random number of lanes.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
import spikec
from spikec.dialects import rtl
from spikec.dialects.functions import walk
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal, span_of
from spikec.lower import snn_to_step
from spikec.lower.step_to_rtl.build import build

from .circuits import compare, integers, lowered, write

NETWORKS = 100 if os.environ.get("SPIKEC_FULL") == "1" else 6
SHARES = 2
EXAMPLES = Path(__file__).parents[2] / "examples"
LEAKY = "V := exp(-dt / 16 ms) * V + I\n spike when V >= 1 { V -= 1 }"


def network(folder: Path, body: str, quantize: str = "weights=8,state=16,decay=shift", **arrays: np.ndarray) -> Program:
    """A network of integers; its model has the arrays in `weights.npz`, and `x` of calibration in `x.npz`."""
    np.savez(folder / "weights.npz", **arrays)
    (folder / "net.snn").write_text(f"model Net {{\n step 1 ms\n{body}\n}}\n")
    return spikec.pipeline(f"quantize{{{quantize}}}")(spikec.load(folder / "net.snn"))


def load(name: str, *shape: int) -> str:
    return f' param {name} : real{list(shape)} = load("weights.npz", "{name}")\n'


def two_layers(folder: Path, x: np.ndarray, neuron: str = LEAKY) -> Program:
    """Inputs, 32 and 10 neurons."""
    rng = np.random.default_rng(0)
    pre = x.shape[1]
    np.savez(folder / "x.npz", x=x)
    body = f" neuron N {{ in I\n var V = 0\n {neuron} }}\n input x : spikes[{pre}]\n" + load("w1", 32, pre)
    body += load("w2", 10, 32) + " a = N[32](w1 @ x)\n b = N[10](w2 @ a)\n output y = b"
    arrays = {"w1": rng.normal(0.03, 0.2, (32, pre)), "w2": rng.normal(0, 0.4, (10, 32))}
    quantize = f'weights=8,state=16,decay=shift,calibrate="{folder / "x.npz"}"'
    return network(folder, body, quantize, **arrays)


@pytest.mark.parametrize("share", range(SHARES))
def test_random_networks_give_the_same_bits(share: int) -> None:
    spikes = 0
    for number in range(share, NETWORKS, SHARES):
        random = Random(number)
        case = write(random)
        with tempfile.TemporaryDirectory() as folder:
            net, lanes, bank = (
                integers(case, random, Path(folder)),
                random.choice((1, 2, 4, 8, 64)),
                random.choice((None, 8)),
            )
            ran = compare(net, case.inputs, case.steps, lanes, bank=bank)
        spikes += any(output.any() for output in ran.outputs.values())
    assert spikes >= NETWORKS // SHARES // 2


def test_digits_with_the_encoder_on_the_chip() -> None:
    digits = spikec.pipeline("quantize{weights=8,state=16}")(spikec.load(EXAMPLES / "03_digits" / "digits.snn"))
    image = np.random.default_rng(0).random(64)
    ran = compare(digits, {"x": np.broadcast_to(image, (20, 64))}, 20, {"value_core": 4, "hidden_core": 16}, seed=3)
    assert ran.outputs["votes"].any()


def test_recurrent_populations_and_delays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    body = (
        f" neuron N {{ in I\n var V = 0\n {LEAKY} }}\n input x : spikes[20]\n" + load("f", 24, 20) + load("a", 24, 24)
    )
    body += " pop n : N[24]\n n.I = f @ x\n proj n -> n.I { connect all if pre != post; weight a; delay 1 ms }\n"
    body += " proj n -> n.I { connect prob(0.2) seed 1; weight -0.2; delay uniform(1 ms, 5 ms) seed 2 }\n output y = n"
    net = network(tmp_path, body, f=rng.normal(0.1, 0.3, (24, 20)), a=rng.normal(0, 0.2, (24, 24)))
    ran = compare(net, {"x": rng.random((60, 20)) < 0.2}, 60, 8)
    assert ran.outputs["y"].any()


def test_convolutions_and_sum_pooling(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    body = " neuron N(theta = 1.0) { in I\n var V = 0\n V += I\n spike when V >= theta { V -= theta } }\n"
    body += " input x : spikes[1, 8, 8]\n" + load("k", 4, 1, 3, 3) + load("w", 5, 64)
    body += " c = conv2d(x, k, pad = 1)\n a = N[shape(c)](c)\n b = N[4, 4, 4](sum_pool2d(a, 2), theta = 2.0)\n"
    body += " o = N[5](w @ flatten(b))\n output y = o"
    net = network(tmp_path, body, k=rng.normal(0.1, 0.4, (4, 1, 3, 3)), w=rng.normal(0, 0.3, (5, 64)))
    # 64 groups of one lane lie in tables, 256 in blocks of memory.
    for lanes in (1, 4):
        assert compare(net, {"x": rng.random((12, 1, 8, 8)) < 0.2}, 12, lanes).outputs["y"].any()


@pytest.mark.parametrize("quantize", ["weights=8,state=16,decay=shift", "weights=4,state=14,scale=pow2"])
def test_events_with_values(tmp_path: Path, quantize: str) -> None:
    rng = np.random.default_rng(0)
    body = f" neuron N {{ in I\n var V = 0\n {LEAKY} }}\n input x : real[6] in [-1, 1]\n" + load("w", 9, 6)
    net = network(tmp_path, body + " a = N[9](w @ x)\n output y = a", quantize, w=rng.normal(0.2, 0.5, (9, 6)))
    assert compare(net, {"x": rng.uniform(-1, 1, (30, 6))}, 30, 4).outputs["y"].any()


def test_a_step_takes_the_cycles_of_the_formula(tmp_path: Path) -> None:
    """G' (E + 2) for a leaky population, of which the slowest counts: here 8 groups of 4 lanes."""
    x = np.random.default_rng(0).random((100, 300)) < 0.1
    ran = compare(two_layers(tmp_path, x), {"x": x}, 100, {"a_core": 4, "b_core": 2})
    foretold = 8 * (x.sum() + 2 * len(x))
    assert foretold <= ran.cycles <= 1.01 * foretold + 200


def test_a_lane_for_each_neuron_takes_an_event_a_cycle(tmp_path: Path) -> None:
    """Beside events, a step takes one cycle for leak, one for its end, two for the neurons, and two to saturate."""
    x = np.random.default_rng(0).random((100, 304)) < 0.1
    ran = compare(two_layers(tmp_path, x), {"x": x}, 100, {"a_core": 32, "b_core": 10})
    assert x.sum() + 6 * len(x) <= ran.cycles <= x.sum() + 8 * len(x)


def test_without_leak_there_is_no_first_pass(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((100, 300)) < 0.1
    net = two_layers(tmp_path, x, "V := V + I\n spike when V >= 1 { V -= 1 }")
    ran = compare(net, {"x": x}, 100, {"a_core": 4, "b_core": 2})
    foretold = 8 * (x.sum() + len(x))
    assert foretold <= ran.cycles <= 1.01 * foretold + 200


@pytest.mark.parametrize("decay", ["multiply", "shift"])
def test_factors_and_powers_of_two_take_no_multiplier(tmp_path: Path, decay: str) -> None:
    rng = np.random.default_rng(0)
    body = f" neuron N {{ in I\n var V = 0\n {LEAKY} }}\n input x : spikes[6]\n" + load("w", 9, 6)
    net = network(
        tmp_path, body + " a = N[9](w @ x)\n output y = a", f"scale=pow2,decay={decay}", w=rng.normal(0, 1, (9, 6))
    )
    program = lowered(net, 4)[1].design.program()
    names = {op.name for op in walk(program.module.operation)}
    assert rtl.Add.name() in names
    assert rtl.Mul.name() not in names


def test_the_page_works_as_it_stands_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (EXAMPLES.parent / "docs" / "fpga.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/fpga.md", "exec"), names)


def test_what_has_no_circuit_is_refused_with_its_place(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", w=np.ones((4, 4)))
    body = " neuron N { in I; var V = 0; V := I; spike when V > 1 }\n input x : spikes[4]\n" + load("w", 4, 4)
    (tmp_path / "net.snn").write_text(f"model Net {{\n step 1 ms\n{body} n = N[4](w @ x)\n output y = n\n}}\n")
    net = spikec.load(tmp_path / "net.snn")
    with pytest.raises(Refusal, match="reals") as refusal:
        build(snn_to_step.lower(net, 0))
    span = span_of(refusal.value.op)
    assert span is not None
    assert span.file.endswith("net.snn")
