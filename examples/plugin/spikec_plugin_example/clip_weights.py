"""Clipped weights: no weight is larger than a limit.

    "snn.synapses"() {sym_name = "p", ..., weight = 0.5 : f32} : () -> ()

becomes, with limit=0.1,

    "snn.synapses"() {sym_name = "p", ..., weight = 1.000000e-01 : f32} : () -> ()

An analogue synapse or a narrow memory cell holds weights of a range; this pass says what a network makes of it.
The limit is in SI base units, as weights are.  Weights that are integers stay: clip before `quantize`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from spikec.dialects import snn
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Table
from spikec.dialects.program import Program


@dataclass(frozen=True)
class ClipWeights:
    """Makes weights that are larger than a limit as large as it."""

    name: ClassVar[str] = "clip-weights"
    level: ClassVar[str] = "snn"

    limit: float = field(metadata={"help": "the largest weight of either sign, in SI base units"})

    def __post_init__(self) -> None:
        if not self.limit > 0:
            raise ValueError(f"limit must be positive, not {self.limit}")

    def run(self, program: Program) -> Program:
        result = program.clone()
        with result.module.context, ir.Location.unknown():
            symbols = result.symbols()
            rows = [self._clip(synapses, result, symbols) for synapses in result.ops(snn.Synapses)]
        columns = ("projection", "largest before", "clipped share")
        return result.noted(Table(f"weights clipped to {self.limit:g}", columns, tuple(rows)))

    def _clip(self, synapses: Any, program: Program, symbols: dict[str, Any]) -> tuple[str, float | None, float | None]:
        """Changes the weights of one projection; gives its row of the report."""
        weight = synapses.weight
        if isinstance(weight, ir.FloatAttr):
            before = np.array(weight.value)
            clipped = np.clip(before, -self.limit, self.limit)
            synapses.operation.attributes["weight"] = ir.FloatAttr.get(weight.type, float(clipped))
        elif isinstance(weight, ir.FlatSymbolRefAttr) and _is_real(program.constants.get(weight.value)):
            before = program.constants[weight.value]
            limit = before.dtype.type(self.limit)
            clipped = np.clip(before, -limit, limit)
            # Others may use the array too, so that this projection gets one of its own.
            name = f"{synapses.sym_name}.clipped.{len(symbols)}"
            with ir.InsertionPoint(symbols[weight.value]):
                op = snn.Constant.build(
                    sym_name=name,
                    type=snn.Constant(symbols[weight.value]).type,
                    digest=program.constants.add(name, clipped),
                )
            symbols[name] = op
            synapses.operation.attributes["weight"] = ir.FlatSymbolRefAttr.get(name)
        else:
            return synapses.sym_name, None, None
        return synapses.sym_name, float(np.abs(before).max(initial=0)), float(np.mean(clipped != before))


def _is_real(array: Any) -> bool:
    """Whether there is an array of reals; weights that a function computes have none."""
    return array is not None and array.dtype.kind == "f"
