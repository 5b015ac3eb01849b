"""The verifier of all levels: MLIR's own rules, each op's fields, and how ops refer to each other.

`verify(program)` raises an `InternalError` that lists every problem with its source location: a program
that does not verify is a bug of the pass that made it, or hand-written IR (`spikec opt` reports it as
the user's error).

Three rounds, each only if the one before found nothing: upstream's verifier; every op alone and its
references; the rules of the level (`verify_snn`, `verify_step`, `verify_rtl`), which rely on the rounds before.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from spikec.dialects import connectors, snn, step
from spikec.dialects.definition import Op
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.functions import (
    SCALAR_OPS,
    TENSOR_OPS,
    argument_marks,
    argument_roles,
    is_private,
    result_marks,
    result_roles,
    symbol_name,
    walk,
)
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.references import unresolved

__all__ = ["SCALAR_OPS", "TENSOR_OPS", "argument_roles", "problems", "result_roles", "verify"]

ENTRIES = {"snn": ("init", "step", "finish"), "step": ("init", "step", "run", "finish")}
STAGE_OPS = frozenset({"func.call", "scf.for", "scf.yield", "arith.constant", "arith.addi", "arith.minsi"})
DECLARATIONS = frozenset(
    op.name() for op in (snn.Constant, snn.Param, snn.State, snn.Synapses, snn.Population, snn.Probe)
) | {step.Buffer.name(), step.Table.name()}

Problem = tuple[Any, str]
"""An operation and what is wrong with it."""


def problems(program: Program) -> list[tuple[str, str]]:
    """Every problem of a program as (location, text); empty for a valid one."""
    try:
        program.module.operation.verify()
    except ir.MLIRError as error:
        return [(str(d.location), d.message) for d in error.error_diagnostics] or [("unknown", str(error))]
    with program.module.context, ir.Location.unknown():
        found = list(_names(program)) or [*_module(program), *_structure(program)]
        if not found:
            # Most commands meet one level alone.
            found = list(import_module(f"spikec.dialects.verify_{program.level}").rules(program))
        return [(str(op.location), f"'{op.name}': {text}") for op, text in found]


def verify(program: Program, where: str = "") -> None:
    """Raises an `InternalError` naming `where` (the pass) when the program is invalid."""
    found = problems(program)
    if found:
        lines = "\n".join(f"  {location}: {text}" for location, text in found)
        raise InternalError(f"invalid IR after {where or 'construction'}:\n{lines}", where, program.text())


def _names(program: Program) -> Iterator[Problem]:
    """Every op at the top of a module has a name, which is text."""
    for operation in program.module.body.operations:
        op = operation.operation
        if "sym_name" not in op.attributes:
            yield op, "has no 'sym_name'"
        elif not isinstance(op.attributes["sym_name"], ir.StringAttr):
            yield op, f"attribute 'sym_name' must be a string, not {op.attributes['sym_name']}"


def _module(program: Program) -> Iterator[Problem]:
    """The module's own attributes."""
    module, level = program.module.operation, program.level
    kinds = {"model": ir.StringAttr}
    if level != "rtl":  # a circuit has cycles
        kinds |= {"dt": ir.FloatAttr, "dt_unit": ir.StringAttr}
    for name, kind in kinds.items():
        key = f"{level}.{name}"
        if key not in module.attributes:
            yield module, f"attribute '{key}' is missing"
        elif not isinstance(module.attributes[key], kind):
            yield module, f"attribute '{key}' must not be {module.attributes[key]}"


def _structure(program: Program) -> Iterator[Problem]:
    """Every op alone: does it belong here, are its attributes of the right kinds, do its references resolve?"""
    if program.level == "rtl":
        return  # its rules check that too
    symbols = program.symbols()
    for operation in program.module.body.operations:
        op = operation.operation
        if op.name == "func.func":
            yield from _function(op, symbols, program.level)
            continue
        view = _view(op)
        if view is None or view.dialect != program.level or op.name not in DECLARATIONS:
            yield op, f"does not belong at the top of a module at level {program.level}"
        else:
            yield from _alone(view, symbols)
    if "step" not in symbols:
        yield program.module.operation, "there is no entry point @step"


def _function(op: Any, symbols: dict[str, Any], level: str) -> Iterator[Problem]:
    name = symbol_name(op)
    if not is_private(op) and name not in ENTRIES[level]:
        yield op, f"'{name}' is not an entry point of level {level} ({', '.join(ENTRIES[level])})"
    if len(list(op.regions[0].blocks)) != 1:
        yield op, f"@{name} must have a body of one block"
        return
    yield from _marks(op)
    program = is_private(op) and not (level == "step" and name.startswith("stage."))
    upstream = SCALAR_OPS if program else TENSOR_OPS if level == "snn" else STAGE_OPS
    where = "a program" if program else f"an entry point at level {level}"
    # No op of a program has regions.
    inside = [inner.operation for inner in op.regions[0].blocks[0].operations] if program else walk(op)
    for inner in inside:
        kind = inner.name
        if kind in ("func.func", "func.return") or kind in upstream:
            continue
        view = _view(inner)
        if program or view is None or view.dialect != level or inner.name in DECLARATIONS:
            yield inner, f"is not an op of {where}"
        else:
            yield from _alone(view, symbols)


MARKS: dict[str, Any] = {
    **dict.fromkeys((snn.PORT, snn.STATE, snn.PARAM, snn.NAME, snn.UNIT, snn.KIND), ir.StringAttr),
    **dict.fromkeys((snn.INDEX, snn.EVENT, snn.OUT), ir.UnitAttr),
    snn.RANGE: ir.ArrayAttr,
    snn.SCALE: ir.FloatAttr,
    connectors.DRAW: ir.StringAttr,
    connectors.SEED: ir.IntegerAttr,
    connectors.ARRAY: ir.FlatSymbolRefAttr,
    connectors.BY: ir.StringAttr,
}
"""The kind of each mark of an argument or result."""


def _marks(function: Any) -> Iterator[Problem]:
    for marks in [*argument_marks(function), *result_marks(function)]:
        for name, attribute in marks.items():
            kind = MARKS.get(name)
            if kind is None:
                yield function, f"unknown mark '{name}'"
            elif not isinstance(attribute, kind):
                yield function, f"mark '{name}' must not be {attribute}"
            elif kind is ir.ArrayAttr and not (
                len(attribute) == 2 and all(isinstance(bound, ir.FloatAttr) for bound in attribute)
            ):
                yield function, f"mark '{name}' is two reals, not {attribute}"


def _alone(view: Op, symbols: dict[str, Any]) -> Iterator[Problem]:
    texts = list(view.problems()) or list(unresolved(view, symbols))
    for text in texts:
        yield view.operation, text


def _view(op: Any) -> Op | None:
    return snn.DIALECT.view(op) or step.DIALECT.view(op)
