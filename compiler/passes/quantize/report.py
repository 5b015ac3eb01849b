"""What quantize tells: inputs, weights, states and factors, and how the integers do on calibration data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.diagnostics import Diagnostic
from spikec.dialects.functions import symbol_of, walk
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Note, Table
from spikec.dialects.program import Program
from spikec.passes.quantize.arithmetic import SATURATES
from spikec.passes.quantize.quality import weights_table
from spikec.passes.quantize.scales import Weights


def notes(
    bits: Mapping[str, int], made: Program, weights: Mapping[str, Weights], shifts: list[tuple[float, float]]
) -> list[Note]:
    """The tables of an integer program, and a warning for each layer of zeros; `bits` are those of each
    projection's weights, `shifts` are (wanted, used) factors."""
    rows = [(name, bits[name], one.integers) for name, one in weights.items()]
    found: list[Note] = [weights_table(rows)] if rows else []
    found.append(_states(made))
    if shifts:
        found.append(_factors(shifts))
    for name, one in weights.items():
        if one.integers.zero:
            found.append(Diagnostic("W1201", "warning", f"quantize: all weights of '{name}' are zero"))
    return found


def _states(made: Program) -> Table:
    """The scale and the bits of each state, and whether it can leave them."""
    saturating = {
        ir.StringAttr(op.attributes[SATURATES]).value
        for op in walk(made.module.operation)
        if SATURATES in op.attributes
    }
    rows = []
    for view in made.ops(snn.State):
        if view.scale is None:
            continue
        scale = _scale(view.scale, made)
        reach = scale * (2.0 ** (view.bits - 1) - 1)
        ends = "saturates" if view.sym_name in saturating else "proven"
        rows.append((view.sym_name, view.bits, scale, reach, ends))
    return Table("quantize: states", ("state", "bits", "scale", "reach", "overflow"), tuple(rows))


def _scale(attribute: Any, made: Program) -> float:
    """A scale as one number: the greatest of those per channel."""
    name = symbol_of(attribute)
    return float(attribute.value) if name is None else float(np.max(made.constants[name]))


def _factors(shifts: list[tuple[float, float]]) -> Table:
    rows = tuple((wanted, used) for wanted, used in dict.fromkeys(shifts))
    return Table("quantize: factors by shifts", ("wanted", "used"), rows)
