"""When and where each op of a timestep runs: order, stages, blocks of steps, event-driven or dense propagation.

    fusion       ops that run one after the other as one
    dependence   what must come before what, at which distance in steps
    modes        event-driven or dense, per propagation
    stages       which ops run together
    blocks       how many steps a stage runs before the next one
    plan         a schedule as data, and what makes it legal
    apply        a plan written into the program
    memory       where each buffer lies

`plan` and `apply` take any legal plan; `stages` and `blocks` make the one that is likely to be fast.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from spikec.analysis import rings
from spikec.analysis.dependence import Dependences
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.passes.schedule import blocks, fusion, memory, modes
from spikec.passes.schedule.apply import apply
from spikec.passes.schedule.plan import Plan, Stage
from spikec.passes.schedule.stages import stages

MOST_BYTES = 1 << 30
"""What rings may take at most, so that a block of very many steps is refused before memory is taken for it."""
MOST_STEPS = 1 << 31


@dataclass(frozen=True)
class Schedule:
    """Orders a timestep: stages, blocks of steps, memory.

    `block`: how many steps a layer runs before the next (0: chosen, 1: one step at a time).  `mode`: propagations
    walk lists of events, all of their source, or what fits it.  `reuse`: temporaries share memory.  `fuse`: ops that
    follow each other become one.  Raises ValueError for other options, CompileError where rings get too large.
    """

    name: ClassVar[str] = "schedule"
    level: ClassVar[str] = "step"

    block: int = field(default=0, metadata={"help": "steps that a layer runs before the next; 0: chosen, 1: no blocks"})
    mode: Literal["auto", "event", "dense"] = field(
        default="auto", metadata={"help": "walk lists of events, or all of a source; auto: what fits each source"}
    )
    reuse: bool = field(default=True, metadata={"help": "temporaries share memory"})
    fuse: bool = field(default=True, metadata={"help": "elementwise ops that follow each other become one"})

    def __post_init__(self) -> None:
        if not 0 <= self.block <= MOST_STEPS:
            raise ValueError(f"'block' is {self.block}, not between 0 and {MOST_STEPS}")
        if self.mode not in ("auto", "event", "dense"):
            raise ValueError(f"'mode' is '{self.mode}', not auto, event or dense")

    def run(self, program: Program) -> Program:
        result = fusion.fuse(program) if self.fuse else program.clone()
        chosen = modes.choose(result, self.mode)
        dependences, plan = self._plan(result)
        spread = result.clone()
        if self.block != 1 and rings.spread(spread):
            others, blocked = self._plan(spread)
            if blocked.block > 1:
                result, dependences, plan = spread, others, blocked
        grown = plan.slots(dependences)
        _check_memory(dependences, plan, grown)
        tables = [_stages(dependences, plan), _modes(chosen), _slots(dependences, grown)]
        apply(result, dependences, plan)
        return memory.plan(result.noted(*(table for table in tables if table.rows)), self.reuse)

    def _plan(self, program: Program) -> tuple[Dependences, Plan]:
        dependences = Dependences.of(program)
        return dependences, blocks.plan(dependences, stages(dependences), self.block)


def _check_memory(dependences: Dependences, plan: Plan, grown: dict[str, int]) -> None:
    needed = blocks.ring_bytes(dependences, grown, activity=1.0)
    if needed > MOST_BYTES:
        message = f"a block of {plan.block} steps needs {needed >> 20} MiB for what stages hand on"
        raise CompileError([Diagnostic("E1231", "error", message, help=f"at most {MOST_BYTES >> 20} MiB are taken")])


def _stages(dependences: Dependences, plan: Plan) -> Table:
    rows = [
        (stage.name.removeprefix("stage."), number, plan.block, group.block, _summary(dependences, stage))
        for number, group in enumerate(plan.groups)
        for stage in group.stages
    ]
    return Table("stages", ("stage", "group", "block", "sub-block", "ops"), tuple(rows))


def _summary(dependences: Dependences, stage: Stage) -> str:
    """The ops of a stage, such as "fill, 2 propagate, update"."""
    count = Counter(dependences.ops[op].mnemonic for op in stage.ops)
    return ", ".join(name if n == 1 else f"{n} {name}" for name, n in count.items())


def _modes(chosen: list[modes.Choice]) -> Table:
    rows = tuple((choice.table, choice.source, choice.mode, choice.reason) for choice in chosen)
    return Table("propagations", ("projection", "source", "mode", "reason"), rows)


def _slots(dependences: Dependences, grown: dict[str, int]) -> Table:
    rows = tuple((name, dependences.buffers[name].slots, slots) for name, slots in grown.items())
    return Table("buffers that blocks enlarge", ("buffer", "slots before", "slots"), rows)
