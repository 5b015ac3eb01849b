"""A network lowered for a CPU: what `lower.step_to_cpu` hands to this backend."""

from __future__ import annotations

from dataclasses import dataclass

from spikec.runtime.layout import Layout
from spikec.runtime.workers import Division


@dataclass(frozen=True)
class CpuModule:
    """`mlir` is the code in memref, scf and vector; `llvm` the same as LLVM IR text; `layout` where things lie."""

    model: str
    mlir: str
    llvm: str
    layout: Layout

    @property
    def plan(self) -> Layout:
        """What an artifact tells a host."""
        return self.layout

    @property
    def state_bytes(self) -> int:
        """What a network in memory takes, without its constants."""
        return self.layout.arena


@dataclass(frozen=True)
class WorkersModule:
    """The time loop of a network for several threads, as LLVM IR text, and how the work is shared out."""

    llvm: str
    division: Division
