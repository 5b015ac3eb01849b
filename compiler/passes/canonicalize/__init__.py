"""Canonical form: constants folded, common values computed once, nothing unused.

    "snn.param"() {sym_name = "n.c", value = 0.25 : f32} : () -> ()
    func.func private @N(%V: f32 {snn.state = "V"}, %c: f32 {snn.param = "c"}) -> (f32 {snn.state = "V"}) {
      %a = arith.constant 0.5 : f32
      %s = arith.addf %a, %c : f32
      %x = arith.mulf %s, %V : f32
      %y = arith.mulf %s, %V : f32
      %z = arith.addf %x, %y : f32
      return %z : f32
    }

becomes

    func.func private @N(%V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}) {
      %s = arith.constant 7.500000e-01 : f32
      %x = arith.mulf %s, %V : f32
      %z = arith.addf %x, %x : f32
      return %z : f32
    }

Everything is exact, bit for bit.  Parameters that are numbers become constants of the program (`parameters`),
constants fold and algebraic identities are applied (`blocks`, `identities`), and what depends only on states that
never change is computed now (`states`).

The code is our own since upstream's passes are not exact here: the folders behind `canonicalize` and `sccp` keep
subnormals and take exp and log from the C library, and upstream's `cse` leaves the ops of the project alone,
because it knows nothing of their effects.

Programs, parameters and arrays that nothing names go, unused values too, and a state that nothing reads, probes or
owns.  A `propagate` is never removed or merged: the weight additions that it does are counted.  Populations and
projections stay, used or not: a run reports them.  At level `step` the programs alone are changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from spikec.dialects import snn
from spikec.dialects.functions import is_private, symbol_name
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.passes import structure
from spikec.passes.canonicalize import parameters, states
from spikec.passes.canonicalize.blocks import simplify, sweep

REMOVABLE = frozenset({"func.func", snn.Constant.name(), snn.Param.name(), snn.State.name()})


@dataclass(frozen=True)
class Canonicalize:
    """Folds constants, computes common values once and removes what is unused; exact."""

    name: ClassVar[str] = "canonicalize"
    level: ClassVar[str] = "any"

    def run(self, program: Program) -> Program:
        result = program.clone()
        with result.module.context, ir.Location.unknown():
            if result.level == "step":
                _simplify(result, programs_only=True)
                _remove_unused_symbols(result)
                return result
            return _network(result)


def _network(program: Program) -> Program:
    parameters.repeated_values(program)
    parameters.into_programs(program)
    _simplify(program)
    # A parameter may turn out to be unused only now, and a value to be known.
    parameters.into_programs(program)
    while states.fold(program):
        _simplify(program)
    _remove_unused_symbols(program)
    declared = [constant.sym_name for constant in program.ops(snn.Constant)]
    return replace(program, constants=program.constants.only(declared))


def _simplify(program: Program, programs_only: bool = False) -> None:
    for op in program.symbols().values():
        if op.name == "func.func" and (not programs_only or _is_program(op)):
            simplify(op.regions[0].blocks[0])


def _remove_unused_symbols(program: Program) -> None:
    """Removes programs, parameters, constants and states that nothing refers to, until none is left."""
    while True:
        writes = [(op, name) for op, name in states.referred(program) if op.name == snn.Write.name()]
        used = {name for op, name in states.referred(program) if op.name != snn.Write.name()}
        unused = {name: op for name, op in program.symbols().items() if name not in used and _removable(op)}
        if not unused:
            return
        for op in [*(op for op, name in writes if name in unused), *unused.values()]:
            op.erase()
        for block in structure.entry_blocks(program.symbols()):
            sweep(block)


def _removable(op: Any) -> bool:
    return op.name in REMOVABLE and (op.name != "func.func" or _is_program(op))


def _is_program(function: Any) -> bool:
    return is_private(function) and not symbol_name(function).startswith("stage.")
