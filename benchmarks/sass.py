"""What a synaptic event costs on a GPU, without one: instructions and bytes, counted in the machine code of each form.

    python benchmarks/sass.py [--chip CHIP]...

A line is a layer and a chip: the instructions of the inner loop over its synapses, for each synaptic event of a thread,
the bytes that the device keeps of a synapse and of its row, and the registers of a thread.  Numbers of instructions are
no times: loads wait for memory, and atomics for each other.  Needs ptxas (pip install 'spikec[ptxas]') and nvdisasm
(pip install nvidia-cuda-nvdisasm).
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from formats import layer
from spikec import driver
from spikec.analysis.costs import synapses_of
from spikec.backends.ptx import assembler, sass
from spikec.backends.ptx.chips import CHIPS
from spikec.compilation import Compilation, Made, Options
from spikec.dialects import step
from spikec.dialects.functions import symbol_of

COMMON = ("sm_75", "sm_80", "sm_90", "sm_100", "sm_120")
SPARSE, SHORT = "sparsify{density=0.25}", "quantize{weights=16,state=32}"


@dataclass(frozen=True)
class Case:
    """A layer of random weights: its form on the device, sources and targets, and the passes that make it."""

    name: str
    sources: int
    targets: int
    pipeline: str
    sums: str = "atomic"

    @property
    def register_sums(self) -> bool:
        """Whether threads add for their own target."""
        return not self.name.startswith("rows")


CASES = (
    Case("rows, 16 bits", 256, 1024, f"{SPARSE},{SHORT}"),
    Case("rows in chunks, 16 bits", 256, 4096, f"{SPARSE},{SHORT}"),
    Case("rows, reals", 256, 1024, SPARSE),
    Case("gather, reals", 256, 1024, SPARSE, "ordered"),
    Case("dense, 8 bits", 256, 1024, "quantize{weights=8,state=32}"),
    Case("dense, reals", 256, 1024, ""),
)


def lowered(folder: Path, case: Case, chip: str) -> Made:
    """A case as kernels, with its programs."""
    layer(folder, case.sources, case.targets)
    target = f"ptx:{chip}{{sums={case.sums}}}"
    params = {"N": str(case.sources), "P": str(case.targets)}
    return driver.emit(Compilation(folder / "net.snn", Options(params, target, case.pipeline)), ["ptx"])


def bytes_of_a_synapse(made: Made) -> str:
    """What a synapse takes in the tables of the layer, and its share of where rows begin and of gaps between them."""
    step_program = made.programs["step"]
    buffers = {buffer.sym_name: buffer for buffer in step_program.ops(step.Buffer)}
    (table,) = step_program.ops(step.Table)
    synapses = synapses_of(table, {name: buffers[str(symbol_of(array))] for name, array in table.arrays.items()})
    constants = [memory for memory in made.module.launches.memories if memory.kind == "constant"]
    own = sum(memory.bytes // memory.length for memory in constants if memory.length >= synapses)
    return f"{own} + {sum(memory.bytes for memory in constants) / synapses - own:.2f}"


def line(case: Case, chip: str) -> str:
    """A case on a chip, measured."""
    with tempfile.TemporaryDirectory() as folder:
        made = lowered(Path(folder), case, chip)
    assembled = assembler.assemble(made.files["ptx"].decode(), chip)
    (kernel,) = (kernel.name for kernel in made.module.launches.step)
    loops = [loop for loop in sass.kernels(assembled.cubin)[kernel].loops if loop.atomics or case.register_sums]
    per_event = ", ".join(f"{loop.per_event:.2f} ({loop.instructions}/{loop.events})" for loop in loops)
    registers = assembled.kernels[kernel].registers
    return f"{case.name:<24} {chip:<7} {bytes_of_a_synapse(made):>8} {registers:>9}  {per_event}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--chip", action="append", choices=tuple(CHIPS), metavar="CHIP")
    arguments = parser.parse_args()
    print(f"{'layer':<24} {'chip':<7} {'bytes':>8} {'registers':>9}  instructions for each event (way / events)")
    for case in CASES:
        for chip in arguments.chip or COMMON:
            print(line(case, chip), flush=True)


if __name__ == "__main__":
    main()
