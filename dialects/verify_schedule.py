"""Whether `@run` does what `@step` called in a row would do: the rules of schedules.

`@run` is walked through with numbers for its two arguments, which gives the order of all calls of stages.  Every
stage must be called once for each step, in ascending order, and of two stages that use one slot of a buffer the one
that comes first in a row of `@step`s must come first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects import step
from spikec.dialects.accesses import Use, conflicts, distance, uses
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program

Problem = tuple[Any, str]

MOST_CALLS = 200_000
"""How long the walk is at most; blocks that are longer are not followed to their end."""


def rules(program: Program) -> Iterator[Problem]:
    """Every broken rule as (operation, text), for a program that keeps all other rules."""
    symbols = program.symbols()
    stages, found = [], []
    for wrapped in symbols["step"].regions[0].blocks[0].operations:
        op = wrapped.operation
        if op.name == "func.call":
            stages.append(str(symbol_of(op.attributes["callee"])))
            if stages.count(stages[-1]) == 2:
                found.append((op, f"@step calls @{stages[-1]} twice"))
        elif op.name.startswith("scf."):
            found.append((op, "@step is a row of calls, without loops"))
    for stage in dict.fromkeys(stages):
        found += list(_straight(symbols[stage]))
    yield from found
    if not found and "run" in symbols:
        yield from _run(program, symbols, stages)


def _straight(stage: Any) -> Iterator[Problem]:
    """A stage is a row of ops of the dialect, all of the step that is its argument."""
    block = stage.regions[0].blocks[0]
    for wrapped in block.operations:
        op = wrapped.operation
        if op.name == "func.return":
            continue
        if step.DIALECT.view(op) is None:
            yield op, "a stage is a row of ops of the dialect, without calls and loops"
        elif list(op.operands) != [block.arguments[0]]:
            yield op, "an op of a stage has the step of the stage"


def _run(program: Program, symbols: dict[str, Any], stages: list[str]) -> Iterator[Problem]:
    run = symbols["run"]
    if any(step.DIALECT.view(wrapped.operation) for wrapped in symbols["step"].regions[0].blocks[0].operations):
        yield symbols["step"], "where there is a @run, all ops of @step are in stages"
        return
    strides = [1, *constants(run)]
    far = _distances(program, symbols, stages)
    most = max(3, MOST_CALLS // max(1, len(stages)))
    for begin, end in sorted({(0, min(most, 2 * max(strides) + 2)), (1, 1 + min(most, max(strides))), (2, 3)}):
        walk = Walk(len(stages) * (end - begin))
        try:
            walk.function(run, begin, end)
        except _Endless as problem:
            yield run, str(problem)
            return
        problems = list(_order(walk.calls, stages, far, begin, end))
        if problems:
            yield from ((run, text) for text in problems)
            return


def constants(run: Any) -> list[int]:
    """The positive constants of a function, which are the steps of blocks, sub-blocks and loops."""
    found: list[int] = []
    pending = [run]
    while pending:
        op = pending.pop()
        if op.name == "arith.constant":
            found.append(int(ir.IntegerAttr(op.attributes["value"]).value))
        pending += [inner.operation for region in op.regions for block in region.blocks for inner in block.operations]
    return [value for value in found if value > 0]


class _Endless(Exception):
    """More is done than a schedule can need."""


@dataclass
class Walk:
    """Runs a function of calls and loops; `calls` are the (stage, step) in order."""

    most: int
    calls: list[tuple[str, int]] = field(default_factory=list)
    rounds: int = 0

    def function(self, op: Any, *arguments: int) -> None:
        self._block(op.regions[0].blocks[0], {}, list(arguments))

    def _block(self, block: Any, values: dict[Any, int], arguments: list[int]) -> None:
        values = {**values, **dict(zip(map(ir.Value, block.arguments), arguments, strict=True))}
        for wrapped in block.operations:
            op = wrapped.operation
            operands = [values[ir.Value(operand)] for operand in op.operands]
            match op.name:
                case "arith.constant":
                    values[ir.Value(op.results[0])] = int(ir.IntegerAttr(op.attributes["value"]).value)
                case "arith.addi":
                    values[ir.Value(op.results[0])] = operands[0] + operands[1]
                case "arith.minsi":
                    values[ir.Value(op.results[0])] = min(operands)
                case "scf.for":
                    self._loop(op, values, operands)
                case "func.call":
                    self.calls.append((str(symbol_of(op.attributes["callee"])), operands[0]))
                    if len(self.calls) > self.most:
                        raise _Endless("@run calls stages more than once per step")
                case _:
                    pass  # the ends of loops and of the function

    def _loop(self, op: Any, values: dict[Any, int], operands: list[int]) -> None:
        if len(operands) != 3:
            raise _Endless("a loop of @run carries no values")
        begin, end, stride = operands
        if stride < 1:
            raise _Endless(f"a loop of @run advances by {stride}")
        for value in range(begin, end, stride):
            self.rounds += 1
            if self.rounds > 4 * self.most + 4:
                raise _Endless("@run goes round more often than there are calls to make")
            self._block(op.regions[0].blocks[0], values, [value])


Distances = dict[tuple[str, str], tuple[int, str]]
"""The least distance at which the second stage must follow the first, and the buffer that is the reason."""


def _distances(program: Program, symbols: dict[str, Any], stages: list[str]) -> Distances:
    """What must keep its order, from the slots that the buffers have."""
    buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
    users: dict[str, list[tuple[int, Use]]] = defaultdict(list)
    for number, stage in enumerate(stages):
        for wrapped in symbols[stage].regions[0].blocks[0].operations:
            view = step.DIALECT.view(wrapped.operation)
            for use in uses(view, buffers) if view is not None else ():
                users[use.buffer].append((number, use))
    far: Distances = {}
    for name, found in users.items():
        for u, v, steps in _apart(buffers[name], found):
            pair = (stages[u], stages[v])
            if u != v and (pair not in far or steps < far[pair][0]):
                far[pair] = (steps, name)
    return far


def _apart(buffer: step.Buffer, users: list[tuple[int, Use]]) -> Iterator[tuple[int, int, int]]:
    """Two stages by number, and the distance of a use by the second one from a use by the first one."""
    if buffer.kind == "input":
        # The first stage that uses an input makes its list, which the others read.
        maker = users[0][0]
        for number, _ in users if "list" in (buffer.forms or []) else ():
            yield maker, number, 0
            yield number, maker, buffer.slots
        return
    slots = None if buffer.kind == "output" else buffer.slots
    for (u, first), (v, second) in conflicts(users):
        steps = distance(first, second, slots, u < v)
        if steps is not None:
            yield u, v, steps


def _order(calls: list[tuple[str, int]], stages: list[str], far: Distances, begin: int, end: int) -> Iterator[str]:
    """What is wrong with the calls of the steps begin ... end - 1."""
    when: dict[str, list[int]] = {stage: [] for stage in stages}
    for number, (stage, t) in enumerate(calls):
        if stage not in when:
            yield f"@run calls @{stage}, which @step does not call"
            return
        if t != begin + len(when[stage]):
            yield f"@run calls @{stage} for step {t} where step {begin + len(when[stage])} is due"
            return
        when[stage].append(number)
    for stage, done in when.items():
        if len(done) != end - begin:
            yield f"@run calls @{stage} for {len(done)} of {end - begin} steps"
            return
    for (one, other), (steps, name) in far.items():
        for t in range(end - begin - steps):
            if when[one][t] > when[other][t + steps]:
                late = f"@{one} of step {begin + t} is done with it"
                yield f"@{other} of step {begin + t + steps} uses @{name} before {late}"
                break
