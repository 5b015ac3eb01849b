"""From level `step` to code for a CPU: memref, scf, arith and vector, then LLVM IR with a layout.

    func.func private @stage.a(%arena, %constants, %host..., %strides, %begin, %t) { loops over blocks of neurons }
    func.func private @run(%arena, %constants, %host..., %strides, %begin, %end) { the time loop }

`plan` lays the buffers out, `stages` emits the functions op by op, `entries` adds the C entries in LLVM.
"""

from __future__ import annotations

from spikec.backends.cpu.module import CpuModule
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects.program import Program
from spikec.lower.step_to_cpu.stages import build


def lower(program: Program, target: CpuTarget) -> CpuModule:
    """Lowers a verified program at level `step`; the program is not changed."""
    return build(program, target)
