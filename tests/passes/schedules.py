"""Schedules drawn at random, and engines that run one program as several schedules arrange it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from spikec.analysis.dependence import Dependences
from spikec.dialects import step
from spikec.dialects.program import Program
from spikec.passes.schedule.apply import apply
from spikec.passes.schedule.blocks import batches, blocked, parts
from spikec.passes.schedule.graphs import ordered
from spikec.passes.schedule.plan import Group, Plan, Stage
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import StepEngine

Array = npt.NDArray[Any]


def random_schedule(program: Program, seed: int) -> Program:
    """The program under a legal schedule of which order, stages, groups and blocks are drawn at random."""
    result = program.clone()
    dependences = Dependences.of(result)
    apply(result, dependences, random_plan(dependences, Random(seed)))
    return result


def random_plan(dependences: Dependences, random: Random) -> Plan:
    stages = _stages(dependences, random)
    plan = blocked(dependences, stages, random.choice((1, 2, 3, 4, 5, 7, 16)))
    groups: list[Group] = []
    for group in plan.groups:
        if groups and random.random() < 0.3:
            groups[-1] = _joined(dependences, [*groups[-1].stages, *group.stages], plan.block, random)
        else:
            groups.append(group)
    return Plan(tuple(groups), plan.block)


def _stages(dependences: Dependences, random: Random) -> list[Stage]:
    """A random order of the ops, cut at random places."""
    now = [pair for pair, far in dependences.edges.items() if far == 0]
    order = ordered(range(len(dependences.ops)), now, key=lambda op: (random.random(), op))
    assert order is not None
    share = random.choice((0.1, 0.3, 0.6, 1.0))
    cuts = [0, *(i for i in range(1, len(order)) if random.random() < share), len(order)]
    return [Stage(f"stage.{n}", tuple(order[a:b])) for n, (a, b) in enumerate(pairwise(cuts))]


def _joined(dependences: Dependences, stages: Sequence[Stage], block: int, random: Random) -> Group:
    """Stages as one group, with any sub-block that leaves them an order."""
    names = {stage.name for stage in stages}
    rest = tuple(op for op in range(len(dependences.ops)) if not any(op in stage.ops for stage in stages))
    part = parts(dependences, [*stages, Stage("rest", rest)])
    inside = {p: far for p, far in dependences.quotient(part).items() if len(names) not in p}
    found = []
    for steps in range(1, max(batches(inside, block)) + 1):
        order = ordered(range(len(stages)), [pair for pair, far in inside.items() if far < steps])
        if order is not None:
            found.append(Group(tuple(stages[number] for number in order), steps))
    return random.choice(found)


class Runner:
    """The reference interpreter on one program, run in stretches."""

    def __init__(self, program: Program, interface: Interface, scheduled: bool = True, seed: int = 0) -> None:
        self.engine = StepEngine(program, interface, scheduled)
        self.engine.reset(seed)
        kinds = {buffer.sym_name: buffer.kind for buffer in program.ops(step.Buffer)}
        self.states = [name for name, kind in kinds.items() if kind in ("state", "stream")]

    def run(self, inputs: Mapping[str, Array], stretches: Sequence[int]) -> dict[str, Array]:
        """Everything that can be seen: outputs, probes, counts and results of all stretches, states at the end."""
        seen: dict[str, Array] = {}
        parts: dict[str, list[Array]] = {}
        done = 0
        for steps in stretches:
            given = {name: array[done : done + steps] for name, array in inputs.items()}
            trace = self.engine.advance(given, frozenset(inputs), steps)
            for kind in ("outputs", "probes", "values"):
                for name, array in getattr(trace, kind).items():
                    parts.setdefault(f"{kind} {name}", []).append(np.asarray(array))
            for name, count in trace.emitted.items():
                parts.setdefault(f"emitted {name}", []).append(np.array([count]))
            for name, count in trace.projections.items():
                parts.setdefault(f"synaptic events of {name}", []).append(np.array([count]))
            done += steps
        seen.update({name: np.concatenate(arrays) for name, arrays in parts.items()})
        seen.update({f"result {name}": value for name, value in self.engine.finish().items()})
        seen.update({f"state {name}": self.engine.state(name) for name in self.states})
        return seen


def stretches(random: Random, steps: int) -> list[int]:
    """Lengths of runs in a row that are `steps` together."""
    lengths: list[int] = []
    while steps:
        lengths.append(random.randint(1, steps) if random.random() < 0.5 else min(steps, random.randint(1, 3)))
        steps -= lengths[-1]
    return lengths
