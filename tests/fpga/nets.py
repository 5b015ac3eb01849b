"""Small networks as circuits for a target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import spikec
from spikec.backends.fpga.module import FpgaModule
from spikec.backends.fpga.target import FpgaTarget
from spikec.dialects.program import Program
from spikec.lower import snn_to_step, step_to_rtl
from spikec.runtime.interface import Interface

LEAKY = "in I\n var V = 0\n V := exp(-dt / 16 ms) * V + I\n spike when V >= 1 { V -= 1 }"


def network(folder: Path, body: str, quantize: str = "weights=4,state=10,decay=shift", **arrays: np.ndarray) -> Program:
    """A network of integers; its model has leaky neurons N and the arrays in `weights.npz`."""
    np.savez(folder / "weights.npz", **arrays)
    loads = "".join(f' param {k} : real{list(a.shape)} = load("weights.npz", "{k}")\n' for k, a in arrays.items())
    text = f"model Net {{\n step 1 ms\n neuron N {{ {LEAKY} }}\n{loads}{body}\n}}\n"
    (folder / "net.snn").write_text(text)
    return spikec.pipeline(f"quantize{{{quantize}}}")(spikec.load(folder / "net.snn"))


def layers(folder: Path, quantize: str = "weights=4,state=10,decay=shift") -> Program:
    """12 inputs, 6 and 3 neurons, those of the second layer with a delayed projection among them."""
    rng = np.random.default_rng(0)
    body = " input x : spikes[12]\n a = N[6](w1 @ x)\n pop b : N[3]\n b.I = w2 @ a\n"
    body += " proj b -> b.I { connect all; weight -0.2; delay 2 ms }\n output y = b\n output z = a\n output label = argmax(over_time(count, b))"
    return network(folder, body, quantize, w1=rng.normal(0.2, 0.4, (6, 12)), w2=rng.normal(0.4, 0.5, (3, 6)))


def module(net: Program, target: FpgaTarget) -> tuple[FpgaModule, Interface]:
    """The circuit of a network for a target."""
    return step_to_rtl.lower(snn_to_step.lower(net, 0), target), Interface.of(net)
