"""What circuits take: cycles in the simulator, cells after yosys, and whether the spikes are those of the CPU.

    python benchmarks/fpga/measure.py [--family xilinx|ecp5|ice40|gowin] [--cells] [--route MHZ] [CASE ...]

Weights are random; a tenth of the inputs is active.  `--cells` needs pyosys and takes minutes.  `--route` places and
routes for an LFE5U-45F, packs the bitstream, and fails where the clock is not reached.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import spikec
from spikec.backends.fpga.cells import Resources
from spikec.backends.fpga.devices import DEVICES, FAMILIES
from spikec.backends.fpga.placement import place
from spikec.backends.fpga.synthesis import synthesise
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower import snn_to_step
from spikec.lower.step_to_rtl.build import build
from spikec.lower.step_to_rtl.cycles import Timing
from spikec.lower.step_to_rtl.plans import Plans
from spikec.runtime.rtl import bench
from spikec.runtime.rtl.circuit import Circuit

HERE = Path(__file__).parent
STEPS = 100


@dataclass(frozen=True)
class Case:
    """A model of this folder, its parameters, options of `quantize` and lanes of its cores.

    `writable`: the host can write the weights.  `bank`: the rows of a bank of weights.
    """

    model: str
    params: dict[str, int]
    quantize: str
    lanes: dict[str, int]
    writable: bool = False
    bank: int | None = None


LEAKY = "weights=8,state=16,decay=shift"
RECURRENT = "weights=8,state=18,decay=shift"
CASES = {
    "784-128-10": Case("dense", {}, LEAKY, {"hidden_core": 16, "class_core": 1}),
    "784-128-10 int4": Case("dense", {}, LEAKY.replace("8", "4"), {"hidden_core": 16, "class_core": 1}),
    "784-128-10 lanes for all": Case("dense", {}, LEAKY, {"hidden_core": 128, "class_core": 10}),
    "784-128-10 in banks": Case("dense", {}, LEAKY, {"hidden_core": 32, "class_core": 2}, bank=2048),
    "256-128-10": Case("dense", {"pixels": 256}, LEAKY, {"hidden_core": 4, "class_core": 1}),
    "96 + 96": Case("recurrent", {}, RECURRENT, {"a_core": 8}),
    "96 + 96 writable": Case("recurrent", {}, RECURRENT, {"a_core": 8}, writable=True, bank=2048),
    "96 + 96 refractory": Case("refractory", {}, RECURRENT, {"a_core": 8}, writable=True),
    "event camera": Case(
        "camera", {}, LEAKY, {"first_core": 16, "half_core": 4, "second_core": 16, "quarter_core": 16}
    ),
}


def arrays(case: Case, random: np.random.Generator) -> dict[str, Any]:
    """Random weights that let some neurons spike; those of one population are multiples of one number."""
    pixels = case.params.get("pixels", 784)
    if case.model == "dense":
        return {"w1": random.normal(0, 2.5 / pixels**0.5, (128, pixels)), "w2": random.normal(0, 0.35, (10, 128))}
    if case.model == "camera":
        kernels = {"k1": random.normal(0.01, 0.12, (12, 2, 5, 5)), "k2": random.normal(0.02, 0.12, (16, 12, 3, 3))}
        return kernels | {"w": random.normal(0, 0.15, (10, 1024))}
    found = {"a": random.normal(0, 0.12, (96, 96)), "f": random.normal(0.03, 0.2, (96, 96))}
    found = {name: np.round(array * 64) / 64 for name, array in found.items()}
    return found | {"theta": random.uniform(0.8, 1.2, 96)}


def measure(case: Case, family: str, cells: bool, clock: float | None = None) -> dict[str, Any]:
    """The figures of one case."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / f"{case.model}.npz", **arrays(case, random))
        (folder / "net.snn").write_text((HERE / f"{case.model}.snn").read_text())
        network = spikec.load(folder / "net.snn", case.params)
        shape = next(iter(spikec.compile(network).interface.inputs)).shape
        x = random.random((STEPS, *shape)) < 0.1
        np.savez(folder / "x.npz", x=x)
        network = spikec.pipeline(f'quantize{{{case.quantize},calibrate="{folder / "x.npz"}"}}')(network)
        program = snn_to_step.lower(network, 0)
        circuit = build(program, case.lanes, bank=case.bank, writable=case.writable)
        longest = worst(program, case)
        found: dict[str, Any] = synthesised(circuit, family) if cells else {}
        found |= routed(circuit, clock) if clock is not None else {}
        ran = bench.run(circuit, {"x": x}, STEPS)
        expected = spikec.compile(network).run({"x": x}, steps=STEPS).outputs
    equal = all(np.array_equal(ran.outputs[name], array.reshape(STEPS, -1)) for name, array in expected.items())
    if clock is not None:
        found["us for 100 steps"] = 100 * ran.cycles / STEPS / found["MHz"]
    cycles = {"cycles per step": ran.cycles / STEPS, "of the worst step": longest}
    return {"events per step": x.sum() / STEPS, **cycles, "equal": equal, **found}


def worst(program: Program, case: Case) -> float:
    """The cycles of a step in which every source has an event."""
    with program.module.context, ir.Location.unknown():
        plans = Plans.of(program, case.lanes, {}, {}, case.bank, case.writable)
        return max(
            Timing.of(plans.parts(one)).alone([plans.stream(arrival.source) for arrival in one.core.arrivals], 1.0)
            for one in plans.cores
        )


def synthesised(circuit: Circuit, family: str) -> dict[str, float]:
    """What the netlist takes."""
    return asdict(Resources.of(family, synthesise(circuit.design.program(), family, ()).cells))


def routed(circuit: Circuit, clock: float) -> dict[str, Any]:
    """The clock that an LFE5U-45F reaches, what the circuit takes of it, and the bytes of the bitstream."""
    program, device = circuit.design.program(), DEVICES["ecp5"]["45k"]
    placed = place(program, synthesise(program, "ecp5", ("json",)), device, clock * 1e6)
    used = {
        kind: count for kind, count in placed.used.items() if count and kind in ("TRELLIS_COMB", "TRELLIS_FF", "DP16KD")
    }
    return {"MHz": (placed.frequency or 0.0) / 1e6, **used, "bitstream": len(placed.bitstream)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--family", choices=FAMILIES, default="xilinx")
    parser.add_argument("--cells", action="store_true")
    parser.add_argument("--route", type=float, metavar="MHZ")
    options = parser.parse_args()
    for name in options.cases:
        print(name, measure(CASES[name], options.family, options.cells, options.route), flush=True)


if __name__ == "__main__":
    main()
