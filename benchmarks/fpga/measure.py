"""What circuits take: cycles in the simulator, cells after yosys, and whether the spikes are those of the CPU.

    python benchmarks/fpga/measure.py [--family xilinx|ecp5|ice40] [--cells] [CASE ...]

Weights are random; a tenth of the inputs is active.  `--cells` needs pyosys and takes minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import spikec
from spikec.backends.fpga import verilog
from spikec.lower import snn_to_step
from spikec.lower.step_to_rtl.build import build
from spikec.runtime.rtl import bench
from spikec.runtime.rtl.circuit import Circuit

HERE = Path(__file__).parent
STEPS = 100
SYNTHESIS = {
    "xilinx": "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf",
    "ecp5": "synth_ecp5",
    "ice40": "synth_ice40",
}
SCRIPT = """
import sys
from pyosys import libyosys as yosys
design = yosys.Design()
for command in sys.stdin.read().splitlines():
    yosys.run_pass(command, design)
"""


@dataclass(frozen=True)
class Case:
    """A model of this folder, its parameters, options of `quantize` and lanes of its cores."""

    model: str
    params: dict[str, int]
    quantize: str
    lanes: dict[str, int]


LEAKY = "weights=8,state=16,decay=shift"
CASES = {
    "784-128-10": Case("dense", {}, LEAKY, {"hidden_core": 16, "class_core": 1}),
    "784-128-10 int4": Case("dense", {}, LEAKY.replace("8", "4"), {"hidden_core": 16, "class_core": 1}),
    "784-128-10 lanes for all": Case("dense", {}, LEAKY, {"hidden_core": 128, "class_core": 10}),
    "256-128-10": Case("dense", {"pixels": 256}, LEAKY, {"hidden_core": 4, "class_core": 1}),
    "96 + 96": Case("recurrent", {}, "weights=8,state=18,decay=shift", {"a_core": 8}),
}


def arrays(case: Case, random: np.random.Generator) -> dict[str, Any]:
    """Random weights that let some neurons spike; those of one population are multiples of one number."""
    pixels = case.params.get("pixels", 784)
    if case.model == "dense":
        return {"w1": random.normal(0, 2.5 / pixels**0.5, (128, pixels)), "w2": random.normal(0, 0.35, (10, 128))}
    found = {"a": random.normal(0, 0.12, (96, 96)), "f": random.normal(0.03, 0.2, (96, 96))}
    return {name: np.round(array * 64) / 64 for name, array in found.items()}


def measure(case: Case, family: str, cells: bool) -> dict[str, Any]:
    """The figures of one case."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / f"{case.model}.npz", **arrays(case, random))
        (folder / "net.snn").write_text((HERE / f"{case.model}.snn").read_text())
        network = spikec.load(folder / "net.snn", case.params)
        (size,) = next(iter(spikec.compile(network).interface.inputs)).shape
        x = random.random((STEPS, size)) < 0.1
        np.savez(folder / "x.npz", x=x)
        network = spikec.pipeline(f'quantize{{{case.quantize},calibrate="{folder / "x.npz"}"}}')(network)
        circuit = build(snn_to_step.lower(network, 0), case.lanes)
        found = synthesised(circuit, family, folder) if cells else {}
        ran = bench.run(circuit, {"x": x}, STEPS)
        expected = spikec.compile(network).run({"x": x}, steps=STEPS).outputs
    equal = all(np.array_equal(ran.outputs[name], array.reshape(STEPS, -1)) for name, array in expected.items())
    return {"events per step": x.sum() / STEPS, "cycles per step": ran.cycles / STEPS, "equal": equal, **found}


def synthesised(circuit: Circuit, family: str, folder: Path) -> dict[str, int]:
    """The cells of each kind."""
    files = verilog.emit(circuit.design.program())
    for name, data in files.items():
        (folder / name).write_bytes(data)
    sources = " ".join(name for name in files if name.endswith(".v"))
    commands = [
        f"read_verilog {sources}",
        f"{SYNTHESIS[family]} -top {circuit.top.name}",
        "tee -o cells.json stat -json",
    ]
    text = "\n".join(commands)
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=folder, input=text, text=True, check=True, capture_output=True)
    cells: dict[str, int] = json.loads((folder / "cells.json").read_text())["design"]["num_cells_by_type"]
    return summed(cells) if family == "xilinx" else cells


def summed(cells: dict[str, int]) -> dict[str, int]:
    """Cells of xilinx by resource; a block of memory is 36 kbit."""
    tables = {"RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "SRL16E": 1, "SRLC32E": 1}
    return {
        "LUT": sum(n for kind, n in cells.items() if kind.startswith("LUT")),
        "LUTRAM": sum(n * tables.get(kind, 0) for kind, n in cells.items()),
        "FF": sum(n for kind, n in cells.items() if kind.startswith("FD")),
        "half blocks": 2 * cells.get("RAMB36E1", 0) + cells.get("RAMB18E1", 0),
        "DSP": cells.get("DSP48E1", 0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--family", choices=SYNTHESIS, default="xilinx")
    parser.add_argument("--cells", action="store_true")
    options = parser.parse_args()
    for name in options.cases:
        print(name, measure(CASES[name], options.family, options.cells), flush=True)


if __name__ == "__main__":
    main()
