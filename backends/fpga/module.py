"""A lowered program: what `lower/step_to_rtl` gives and the FPGA target takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spikec.backends.fpga.prediction import Prediction
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.runtime.rtl.circuit import Circuit


@dataclass(frozen=True)
class FpgaModule:
    """A circuit, and what its host needs.

    `result` is the program at level `step` that computes what a run gives once, from the states that the circuit holds;
    None where there is nothing of the kind.  `prediction` is what the circuit is expected to take of its device,
    `tables` the same for reports.  `program` is what the circuit was made of, at level `step`, with what was drawn by a
    run `seed`; `measured` is what outside tools told of the circuit.
    """

    model: str
    circuit: Circuit
    program: Program
    seed: int = 0
    result: Program | None = None
    prediction: Prediction | None = None
    tables: tuple[Table, ...] = ()
    measured: list[Table] = field(default_factory=list, compare=False)

    @property
    def mlir(self) -> str:
        """The circuit as text."""
        return self.circuit.design.program().text()

    @property
    def plan(self) -> Mapping[str, Any]:
        """What an artifact tells a host: the module at the top, and its ports."""
        from spikec.backends.fpga import manifest

        return manifest.entries(self.circuit)

    @property
    def state_bytes(self) -> int:
        """What the states of a sample take on the chip."""
        bits = sum(held.size * held.width for held in self.circuit.states.values())
        return -(-bits // 8)
