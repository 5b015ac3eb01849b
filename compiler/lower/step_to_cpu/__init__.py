"""From level `step` to code for a CPU: memref, scf, arith and vector, then LLVM IR with a layout.

    func.func private @stage.a(%arena, %constants, %host..., %strides, %begin, %t) { loops over blocks of neurons }
    func.func private @run(%arena, %constants, %host..., %strides, %begin, %end) { the time loop }

`plan` lays the buffers out, `stages` emits the functions op by op, `entries` adds the C entries in LLVM.  `workers`
makes the time loop for several threads that run one network together.
"""

from __future__ import annotations

from spikec.backends.cpu.module import CpuModule, WorkersModule
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects.program import Program
from spikec.lower.step_to_cpu.stages import build


def lower(program: Program, target: CpuTarget, fast: bool = False) -> CpuModule:
    """Lowers a verified program at level `step`; the program is not changed.

    `fast` permits other roundings of reals than those of the language: fused products, reciprocals for quotients.
    """
    return build(program, target, fast)


def lower_for_workers(program: Program, target: CpuTarget, fast: bool = False) -> WorkersModule:
    """The time loop of the same program, to be run by several threads at once."""
    from spikec.lower.step_to_cpu.threads import workers

    return workers.build(program, target, fast)
