"""From a program at level `step` to a circuit for a target, with what its host needs."""

from __future__ import annotations

from collections.abc import Mapping

from spikec.backends.fpga.module import FpgaModule
from spikec.backends.fpga.target import FpgaTarget
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, UsageError, did_you_mean
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.lower.step_to_rtl.choose import choose
from spikec.lower.step_to_rtl.cores import cut
from spikec.lower.step_to_rtl.elements.links import linked
from spikec.lower.step_to_rtl.result import result, starts


def lower(program: Program, target: FpgaTarget, seed: int = 0) -> FpgaModule:
    """The circuit of a program for a target; states that are drawn at the start are those of a run seed.

    Raises CompileError for what has no circuit, UsageError for lanes of cores that are not there.
    """
    try:
        first = starts(program, seed)
        circuit, predicted = choose(program, target, first, _lanes(program, target, first))
        model, host = str(program.attribute("model")), result(program, circuit)
        return FpgaModule(model, circuit, program, seed, host, prediction=predicted, tables=predicted.tables())
    except Refusal as refusal:
        raise CompileError([refusal.diagnostic(target.name)]) from None


def _lanes(program: Program, target: FpgaTarget, first: Mapping[str, Array]) -> dict[str, int]:
    """The lanes that were asked for, by the names of cores; they are given by these or by their populations."""
    if target.lanes is None:
        return {}
    link = linked(program, first)
    names = [core.name for core in cut(link.program, link.late).cores]
    if isinstance(target.lanes, int):
        return dict.fromkeys(names, target.lanes)
    cores = {}
    for name, number in target.lanes.items():
        core = name if name in names else f"{name}_core"
        if core not in names:
            near = did_you_mean(core, names)
            raise UsageError(
                f"--target {target.name}: there is no core '{name}'; {near or 'there is ' + ', '.join(names)}"
            )
        cores[core] = number
    return cores
