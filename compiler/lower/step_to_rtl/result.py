"""What the host computes of a run, and the states at its start: the entries `@finish` and `@init` of a program."""

from __future__ import annotations

import numpy as np
from spikec.analysis.dependence import entry_ops
from spikec.dialects import step
from spikec.dialects.accesses import uses
from spikec.dialects.constants import Array
from spikec.dialects.functions import symbols_in, walk
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.lower.step_to_rtl.cores import CODE
from spikec.runtime.reference.machine import Machine
from spikec.runtime.rtl.circuit import Wiring


def starts(program: Program, seed: int) -> dict[str, Array]:
    """The states at the start of sample 0, by buffer, flat; empty where all are given by the program."""
    if not any(entry_ops(program, "init")):
        return {}
    machine = Machine(program)
    with np.errstate(all="ignore"):
        machine.reset(seed, 0)
    return {name: machine.value(name, -1).copy() for name, buffer in machine.buffers.items() if buffer.kind == "state"}


def are_drawn(program: Program) -> bool:
    """Whether states at the start depend on the seed of the run."""
    return any(isinstance(op, step.Draw) for _, op in entry_ops(program, "init"))


def result(program: Program, wiring: Wiring) -> Program | None:
    """The part of a program that computes what a run gives once, from the states of the circuit; None without such.

    Raises `Refusal` where it needs what the circuit does not hold.
    """
    ops = [op for _, op in entry_ops(program, "finish")]
    if not ops:
        return None
    buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
    before = [op for entry in ("init", "step") for _, op in entry_ops(program, entry)]
    written = {use.buffer for op in before for use in uses(op, buffers) if use.writes}
    made: set[str] = set()
    for op in ops:
        for use in uses(op, buffers):
            if use.reads and use.buffer in written - made - wiring.states.keys():
                raise Refusal(CODE, f"a result of '{use.buffer}', which no core holds at the end", op.operation)
            made |= {use.buffer} if use.writes else set()
    return _part(program)


def _part(program: Program) -> Program:
    """A copy of a program with `@finish` and what that refers to."""
    part = program.clone()
    symbols, needed, found = part.symbols(), {"finish"}, ["finish"]
    while found:
        ops = walk(symbols[found.pop()])
        named = {name for op in ops for key in op.attributes for name in symbols_in(op.attributes[key])}
        found += sorted(named - needed)
        needed |= named
    for name, op in symbols.items():
        if name not in needed:
            op.erase()
    return Program(part.module, part.constants.only(needed))
