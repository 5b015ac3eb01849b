"""A lowered program: what `lower/step_to_gpu` gives and the PTX target takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spikec.dialects.constants import Array
from spikec.dialects.notes import Table
from spikec.runtime.launches import Launches


@dataclass(frozen=True)
class GpuModule:
    """Kernels as LLVM IR, and what their host needs.

    `mlir` is the code before its lowering to LLVM; `constants` are the arrays of the plan's "constant" buffers and
    of those that others start as, by name, flat, as the device keeps them.  `tables` says how each part of the network
    is done, for reports.  `reordered` are the projections whose sums of reals are added in any order.
    """

    model: str
    mlir: str
    llvm: str
    launches: Launches
    constants: Mapping[str, Array]
    tables: tuple[Table, ...]
    reordered: tuple[str, ...] = ()

    @property
    def plan(self) -> Launches:
        """What an artifact tells a host."""
        return self.launches

    @property
    def state_bytes(self) -> int:
        """What one sample takes on the device, without constants."""
        return self.launches.state_bytes
