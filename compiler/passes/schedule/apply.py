"""Writes a plan into a program: its stages as functions, `@step` and `@run` over them, slots of buffers."""

from __future__ import annotations

from typing import Any

from spikec.analysis.dependence import Dependences
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.mlir import arith, func, ir, scf
from spikec.dialects.program import Program
from spikec.passes.schedule.plan import Group, Plan


def apply(program: Program, dependences: Dependences, plan: Plan) -> None:
    """Changes the program that `dependences` are of; raises InternalError for a plan that is no schedule of it."""
    for problem in plan.problems(dependences):
        raise InternalError(f"no schedule: {problem}", "schedule", program.text())
    grown = plan.slots(dependences)
    with program.module.context, ir.Location.unknown():
        i64 = ir.IntegerType.get_signless(64)
        for name, slots in grown.items():
            dependences.buffers[name].operation.attributes["slots"] = ir.IntegerAttr.get(i64, slots)
        old = _replaced(program)
        locations = {name: op.location for name, op in old.items()}
        with ir.InsertionPoint(program.module.body):
            _stages(dependences, plan, locations)
            _step(plan, locations["step"])
            _run(plan, locations.get("run", locations["step"]))
        for op in old.values():
            op.erase()


def _replaced(program: Program) -> dict[str, Any]:
    """The functions that are made anew; their names are free from now on."""
    old = {name: op for name, op in program.symbols().items() if _is_replaced(name, op)}
    for name, op in old.items():
        op.attributes["sym_name"] = ir.StringAttr.get(f"{name}.before")
    return old


def _is_replaced(name: str, op: Any) -> bool:
    return op.name == "func.func" and (name in ("step", "run") or name.startswith("stage."))


def _stages(dependences: Dependences, plan: Plan, locations: dict[str, Any]) -> None:
    for stage in plan.stages:
        first = dependences.ops[stage.ops[0]].operation
        location = locations.get(stage.name, first.location)
        (t,), block = _function(stage.name, 1, location, private=True)
        with ir.InsertionPoint(block):
            for number in stage.ops:
                made = dependences.ops[number].operation.clone()
                made.operation.operands[0] = t
            func.ReturnOp([], loc=location)


def _function(name: str, count: int, location: Any, private: bool = False) -> tuple[list[Any], Any]:
    with location:
        type = ir.FunctionType.get([ir.IndexType.get()] * count, [])
        block = func.FuncOp(name, type, visibility="private" if private else None).add_entry_block()
    return list(block.arguments), block


def _step(plan: Plan, location: Any) -> None:
    (t,), block = _function("step", 1, location)
    with ir.InsertionPoint(block), location:
        for stage in plan.stages:
            func.CallOp([], stage.name, [t])
        func.ReturnOp([])


def _run(plan: Plan, location: Any) -> None:
    (begin, end), block = _function("run", 2, location)
    with ir.InsertionPoint(block), location:
        one = _index(1)
        if plan.block == 1:
            _steps(begin, end, one, [stage.name for stage in plan.stages])
        else:
            outer = scf.ForOp(begin, end, _index(plan.block))
            with ir.InsertionPoint(outer.body):
                last = _end(outer.induction_variable, plan.block, end)
                for group in plan.groups:
                    _group(group, plan.block, outer.induction_variable, last, one)
                scf.YieldOp([])
        func.ReturnOp([])


def _group(group: Group, block: int, begin: Any, end: Any, one: Any) -> None:
    """The steps begin ... end - 1 of a group, in sub-blocks where it has some."""
    names = [stage.name for stage in group.stages]
    if group.block == 1:
        _steps(begin, end, one, names)
    elif group.block == block:
        for name in names:
            _steps(begin, end, one, [name])
    else:
        loop = scf.ForOp(begin, end, _index(group.block))
        with ir.InsertionPoint(loop.body):
            last = _end(loop.induction_variable, group.block, end)
            for name in names:
                _steps(loop.induction_variable, last, one, [name])
            scf.YieldOp([])


def _end(begin: Any, steps: int, end: Any) -> Any:
    return arith.minsi(arith.addi(begin, _index(steps)), end)


def _steps(begin: Any, end: Any, one: Any, stages: list[str]) -> None:
    loop = scf.ForOp(begin, end, one)
    with ir.InsertionPoint(loop.body):
        for stage in stages:
            func.CallOp([], stage, [loop.induction_variable])
        scf.YieldOp([])


def _index(value: int) -> Any:
    return arith.constant(ir.IndexType.get(), value)
