"""From a program at level `step` to a circuit."""

from __future__ import annotations

from collections.abc import Mapping

from spikec.analysis.dependence import entry_ops
from spikec.analysis.intervals import Interval
from spikec.dialects.constants import Array
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.dialects.rtl_builder import Design
from spikec.lower.step_to_rtl.cores import CODE
from spikec.lower.step_to_rtl.hardware.names import plain
from spikec.lower.step_to_rtl.hardware.top import Top
from spikec.lower.step_to_rtl.observation import observe
from spikec.lower.step_to_rtl.plans import Lanes, Plans
from spikec.runtime.rtl.circuit import Circuit


def build(
    program: Program,
    lanes: Lanes = 1,
    starts: Mapping[str, Array] | None = None,
    ranges: Mapping[str, Interval] | None = None,
    bank: int | None = None,
    writable: bool = False,
) -> Circuit:
    """The circuit of a program; `lanes` of all cores, or by the name of a core.  Raises `Refusal`.

    `starts` are the states after the program's `@init`, by buffer; without them it must not compute any.  `ranges` are
    intervals of input buffers, narrower than their types.  `bank` cuts memories of weights into banks of so many rows,
    a power of two, with registers before what chooses among them: a deep memory is slow without.  Where weights are
    `writable`, the host can give each pair of a source and a target any weight of their type.
    """
    first = next((op for _, op in entry_ops(program, "init")), None)
    if starts is None and first is not None:
        raise Refusal(CODE, "states that are computed before the first step", first.operation)
    with program.module.context, ir.Location.unknown():
        return circuit(program, Plans.of(program, lanes, starts or {}, ranges or {}, bank, writable))


def circuit(program: Program, plans: Plans) -> Circuit:
    """The circuit of the cores of a program.  Needs a current context."""
    name = plain(str(program.attribute("model")))
    design = Design(name)
    with design:
        found = Top(plans, design, name).circuit
    observe(program, plans.cut, found)
    return found
