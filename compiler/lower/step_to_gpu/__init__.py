"""From level `step` to kernels for a GPU: LLVM IR for NVPTX with a plan of launches.

    forms      how each propagation is done: by the threads of its targets, or scattered from its sources
    sections   which ops are done by the same threads
    order      in which kernel of which round each section runs
    layout     which memory keeps each buffer
    kernels    sections side by side; the persistent kernel
    elements   the code of ops, one module for each kind (maps, dense, windows, gather, rows, drawn)

docs/ptx.md tells the design.
"""

from __future__ import annotations

from spikec.backends.ptx.module import GpuModule
from spikec.dialects.program import Program
from spikec.lower.step_to_gpu.build import build
from spikec.lower.step_to_gpu.network import Limits


def lower(program: Program, target: Limits) -> GpuModule:
    """Lowers a verified program at level `step`; the program is not changed."""
    return build(program, target)
