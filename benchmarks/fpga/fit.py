"""How far predicted cells are from those of yosys, and the factors that bring tables of logic nearest.

    python benchmarks/fpga/fit.py [--family xilinx|ecp5|ice40|gowin] [DESIGN ...]

The factors belong into `FACTORS` of `backends/fpga/area.py`.  Weights are random.  Needs pyosys, and minutes.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import spikec
from spikec.backends.fpga import area, synthesis
from spikec.backends.fpga.cells import Resources
from spikec.backends.fpga.devices import FAMILIES
from spikec.dialects.program import Program
from spikec.lower import snn_to_step
from spikec.lower.step_to_rtl.build import build

LEAKY = "V := exp(-dt / 16 ms) * V + I\n spike when V >= 1 { V -= 1 }"
NEURONS = {
    "leaky": "in I\n var V = 0\n " + LEAKY,
    "hard": "in I\n var V = 0\n V := exp(-dt / 16 ms) * V + I\n spike when V >= 1 { V := 0 }",
    "sum": "in I\n var V = 0\n V += I\n spike when V >= 1 { V -= 1 }",
    "current": "in I\n var V = 0, i = 0\n i := exp(-dt / 4 ms) * i + I\n V := exp(-dt / 16 ms) * V + i\n"
    " spike when V >= 1 { V := 0 }",
    "refractory": "in I\n var V = 0\n V := exp(-dt / 16 ms) * V + I\n spike when V >= 1 { V := 0; hold V for 3 ms }",
    "adaptive": "in I\n var V = 0, a = 0\n V := exp(-dt / 16 ms) * V + I - a\n a := 0.9 * a\n"
    " spike when V >= 1 { V := 0; a += 0.25 }",
}


@dataclass(frozen=True)
class Design:
    """A layer of `units` neurons behind `pixels` inputs, and one of ten behind these."""

    neuron: str
    pixels: int
    units: int
    lanes: int
    quantize: str = "weights=8,state=16,decay=shift"
    bank: int | None = None

    def program(self) -> Program:
        """At level `step`."""
        random = np.random.default_rng(0)
        hidden, out = random.normal(0.05, 0.3, (self.units, self.pixels)), random.normal(0, 0.4, (10, self.units))
        text = f"model Net {{\n step 1 ms\n neuron N {{\n {NEURONS[self.neuron]}\n }}\n"
        text += f" input x : spikes[{self.pixels}]\n"
        text += f' param w : real[{self.units}, {self.pixels}] = load("w.npz", "w")\n'
        text += f' param o : real[10, {self.units}] = load("w.npz", "o")\n'
        text += f" a = N[{self.units}](w @ x)\n b = N[10](o @ a)\n output y = b\n}}\n"
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            x = random.random((50, self.pixels)) < 0.1
            np.savez(folder / "w.npz", w=hidden.astype("f4"), o=out.astype("f4"))
            np.savez(folder / "x.npz", x=x)
            (folder / "net.snn").write_text(text)
            passes = f'quantize{{{self.quantize},calibrate="{folder / "x.npz"}"}}'
            return snn_to_step.lower(spikec.pipeline(passes)(spikec.load(folder / "net.snn")), 0)


DESIGNS = {
    "leaky, 4 lanes": Design("leaky", 256, 128, 4),
    "leaky, 16 lanes": Design("leaky", 784, 128, 16),
    "leaky, 32 lanes in banks": Design("leaky", 784, 128, 32, bank=2048),
    "leaky, all lanes": Design("leaky", 100, 48, 48),
    "hard, 8 lanes, 4 bits": Design("hard", 192, 96, 8, "weights=4,state=12,decay=shift"),
    "sum, 2 lanes": Design("sum", 64, 32, 2),
    "current, 8 lanes": Design("current", 128, 64, 8),
    "refractory, 4 lanes": Design("refractory", 128, 64, 4),
    "adaptive, 4 lanes": Design("adaptive", 128, 64, 4, "weights=8,state=16"),
    "leaky, 1 lane, 300 groups": Design("leaky", 64, 300, 1),
}


def compared(design: Design, family: str) -> tuple[Resources, Resources]:
    """What is predicted with a factor of 1, and what yosys makes."""
    circuit = build(design.program(), {"a_core": design.lanes, "b_core": 2}, bank=design.bank)
    program = circuit.design.program()
    found = area.areas(program, family, lambda path: "all")["all"].resources
    return found, Resources.of(family, synthesis.synthesise(program, family, []).cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("designs", nargs="*", default=list(DESIGNS))
    parser.add_argument("--family", choices=FAMILIES, default="xilinx")
    options = parser.parse_args()
    area.FACTORS[options.family] = 1.0
    ratios = []
    for name in options.designs:
        predicted, measured = compared(DESIGNS[name], options.family)
        ratios.append(measured.luts / predicted.luts)
        print(f"{name}: predicted {astuple(predicted)}, measured {astuple(measured)}", flush=True)
    # The factor in the middle of both ends makes the largest error small.
    print(f"{options.family}: {(min(ratios) * max(ratios)) ** 0.5:.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
