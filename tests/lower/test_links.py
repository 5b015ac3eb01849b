"""Steps as elements and synapses: what the interpreter makes of them, and circuits, is what the step was.

Each model has one thing that goes from element to element, from step to step or from core to core.  A few have circuits
by default, all with SPIKEC_FULL=1.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec.dialects import step
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.lower import snn_to_step
from spikec.lower.step_to_rtl.elements.links import linked

from .circuits import compare, integer_inputs, interpreted, starts

STEPS = 16
FULL = os.environ.get("SPIKEC_FULL") == "1"
USUAL = ("counts of both", "windows", "sums of several layers", "what it sent comes back", "the first step")
CASES = Path(os.environ.get("SPIKEC_CONFORMANCE", "/nowhere")) / "nir" / "cases"
HEAD = """
 neuron N { in I; var V = 0; V := 0.9 * V + I; spike when V >= 1 { V -= 1 } }
 neuron P { in I, U; var V = 0; V := 0.9 * V + I - U; spike when V >= 1 { V := 0 } }
 input s : spikes[8]
 input x : real[2, 4] in [-1, 1]
 param w : real[5, 8] = load("weights.npz", "w")
 param r : real[5, 5] = load("weights.npz", "r")
"""
MODELS = {
    "one step ago": "a = N[5](w @ flatten(x + 0.5 * prev(x)))\n output y = a",
    "outputs of an older step": "a = N[5](w @ s)\n output y = prev(a)\n output z = delay(a, 3 ms)",
    "parts side by side": "a = N[5](w @ s)\n output y = concat(a[3:5], a[0:2])",
    "parts of two steps": "a = N[5](w @ s)\n t = concat(prev(a)[1:5], a[0:1])\n output y = t",
    "one value for all": "a = N[5](w @ s)\n b = N[5](0.3 * a + 0.2 * sum(a))\n output y = b",
    "sums over one index": "t[i] = sum[j](x[i, j])\n output y = t",
    "neighbours": "a = N[5](w @ s)\n t[i] = a[i - 1] + a[i + 1] - 2 * a[i]\n output y = t",
    "products of streams": "k[i, j] = x[i, 0] * x[1, j]\n output y = k",
    "counts of both": "a = N[5](w @ s)\n c[i, j] = a[i] * a[j]\n output y = c\n output n = sum(c)",
    "the largest": "a = N[5](w @ s)\n output y = argmax(0.5 * a)\n z[i] = max[j](x[i, j])\n output z = z\n output n = min(x)",
    "counts by chance": "param q : real[3] = [0.2, 0.5, 1]\n c = poisson_count(1 kHz * q) seed 2\n output y = c",
    "windows": "a = N[1, 2, 4](reshape(s, 1, 2, 4) * 0.4)\n output y = max_pool2d(a, 2)\n output z = sum_pool2d(a, 2)",
    "past the next layer": "a = N[5](w @ s)\n b = N[5](0.4 * (r @ a))\n c = N[5](r @ (a + b))\n output y = c",
    "sums of several layers": "i = w @ s\n a = N[5](i)\n b = N[5](i + r @ a)\n c = N[5](i + r @ b)\n output y = c",
    "what it sent comes back": "pop a : P[5]\n a.I = w @ s\n a.U = r @ prev(a) + 0.125\n output y = a",
    "values of the step before": "t = tanh_like(0.5 * (w @ s) + 0.25 * (r @ prev(t)))\n output y = t",
    "where it may": "a = N[5](w @ s)\n c[i, j] = a[i] and w[i, j] > 0.2\n output y = c",
    "a start by chance": "pop a : N[5] { V = normal(0.4, 0.2) seed 2 }\n a.I = w @ s\n output y = sum(a.V)",
    "the first step": "a = N[5](w @ s + once(0.5))\n output y = a",
    "one spike": "a = latency(x, 10 ms)\n output y = a\n output z = s_analog(5 * x, 4)",
    "crossed levels": "d = delta(x, 0.25)\n a = N[5](w @ flatten(d))\n output y = a\n output z = d",
    "from a shift register": "d = lfsr(0.5 * x) seed 4\n a = N[5](w @ flatten(d))\n output y = a\n output z = d",
}


def written(folder: Path, body: str) -> Program:
    """The integers of a model."""
    rng = np.random.default_rng(0)
    np.savez(folder / "weights.npz", w=rng.normal(0.1, 0.4, (5, 8)), r=rng.normal(0, 0.5, (5, 5)))
    body = body.replace("tanh_like(", "clamp(-1, 1, ") if "tanh_like(" in body else body
    (folder / "net.snn").write_text(f"model Net {{\n step 1 ms\n{HEAD}\n {body}\n}}\n")
    return spikec.pipeline("quantize{weights=8,state=16,decay=shift}")(spikec.load(folder / "net.snn"))


def inputs(program: Program) -> dict[str, np.ndarray]:
    """Those that the model looks at."""
    rng = np.random.default_rng(1)
    found = {"s": rng.random((STEPS, 8)) < 0.4, "x": rng.uniform(-1, 1, (STEPS, 2, 4))}
    names = {buffer.sym_name for buffer in program.ops(step.Buffer) if buffer.kind == "input"}
    return {name: array for name, array in found.items() if f"input.{name}" in names}


@pytest.mark.parametrize("name", MODELS)
def test_a_linked_step_computes_the_same(name: str, tmp_path: Path) -> None:
    network = written(tmp_path, MODELS[name])
    program = snn_to_step.lower(network, 0)
    data = inputs(program)
    integers = integer_inputs(network, data, STEPS)
    expected = interpreted(network, program, integers, STEPS)
    found = linked(program, starts(network, program)).program
    verify(found, "linking")
    ran = interpreted(network, found, integers, STEPS)
    assert any(output.any() for output in expected.outputs.values())
    assert set(ran.outputs) == set(expected.outputs)
    for mine, other in ((ran.outputs, expected.outputs), (ran.states, expected.states)):
        assert all(np.array_equal(mine[key], other[key]) for key in mine.keys() & other.keys())
    if FULL or name in USUAL:
        compare(network, data, STEPS, 1 + len(name) % 3)


@pytest.mark.skipif(not CASES.is_dir(), reason="SPIKEC_CONFORMANCE does not name the conformance data")
@pytest.mark.parametrize("lanes", [1, 8])
def test_a_trained_recurrent_network_gives_the_same_bits(lanes: int) -> None:
    case = CASES / "paper_braille_noBias__spikingjelly"
    network = spikec.load(case.with_suffix(".nir"), semantics="spikingjelly,rec_init=zero-current", dt=1e-4)
    calibration = case.with_suffix(".npz")
    network = spikec.pipeline(f'quantize{{weights=8,state=16,calibrate="{calibration}:input"}}')(network)
    x = np.load(calibration)["input"]
    ran = compare(network, {"input": x}, len(x), lanes)
    assert len(x) == 256
    assert ran.outputs["output"].any()
