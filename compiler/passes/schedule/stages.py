"""Which ops run together: the ops of a step as stages.

Ops are tied where parting them would keep a whole array alive from one stage to the next:

1. all that write one buffer of the step (a sum, its start and its parts),
2. a user to the latest op that made a value it uses, so that probes, counters and outputs follow their source,
3. an op whose values only one stage uses to that stage (random numbers, the clock).

The source of a propagation is never tied to it: events are small, and a stage that has its sources for many steps
can run for many steps.  Where a tie would make a stage wait for itself it is not made.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from spikec.analysis.dependence import HOST, Dependences
from spikec.dialects import step
from spikec.dialects.accesses import Use
from spikec.dialects.propagations import propagations
from spikec.passes.schedule.graphs import Quotient, ordered
from spikec.passes.schedule.plan import Stage


def stages(dependences: Dependences) -> tuple[Stage, ...]:
    """The stages in an order in which one step can run them."""
    now = [pair for pair, far in dependences.edges.items() if far == 0]
    parts = Quotient(range(len(dependences.ops)), now)
    for name in dependences.uses:
        writers = [op for op, use in dependences.uses[name] if use.writes]
        if dependences.buffers[name].kind not in HOST:
            for writer in writers[1:]:
                parts.join(writers[0], writer)
    for op, sources in _sources(dependences).items():
        parts.join(max(sources), op)
    for op, users in sorted(_users(dependences).items(), reverse=True):
        homes = {parts.part[user] for user in users}
        if len(homes) == 1:
            parts.join(op, homes.pop())
    return _named(dependences, _joined(dependences, parts.part))


def _made_before(dependences: Dependences, op: int, use: Use) -> list[int]:
    """The ops of the same step that wrote what a use reads."""
    return [writer for writer, other in dependences.uses[use.buffer] if other.writes and writer < op]


def _sources(dependences: Dependences) -> dict[int, list[int]]:
    """The ops whose values of the same step each op uses, but not as the events of a propagation."""
    result: dict[int, list[int]] = defaultdict(list)
    for users in dependences.uses.values():
        for op, use in users:
            if use.reads and use.delay == 0 and not _propagates(dependences, op):
                result[op] += _made_before(dependences, op, use)
    return {op: sources for op, sources in sorted(result.items()) if sources}


def _propagates(dependences: Dependences, op: int) -> bool:
    return isinstance(dependences.ops[op], step.Propagate | step.Sweep)


def _users(dependences: Dependences) -> dict[int, list[int]]:
    """The later ops that use what an op makes, for the ops that make temporaries which are no events to propagate."""
    result: dict[int, list[int]] = defaultdict(list)
    feeding: set[int] = set()
    propagated = {one.from_ for op in dependences.ops for one in propagations(op)}
    for name, found in dependences.uses.items():
        writers = [op for op, use in found if use.writes]
        if name in propagated:
            feeding.update(writers)
        elif dependences.buffers[name].kind == "temp":
            for writer in writers:
                result[writer] += [user for user, use in found if use.reads and user > writer]
    return {op: users for op, users in result.items() if op not in feeding}


def _joined(dependences: Dependences, part: list[int]) -> list[int]:
    """Neighbours without propagation as one part, where that ties nothing else together."""
    heavy = {part[op] for op in range(len(part)) if _propagates(dependences, op)}
    parts = Quotient(part, dependences.edges)
    for before, after in pairwise(_order(dependences, part)):
        if part[before] not in heavy and part[after] not in heavy:
            parts.join(before, after)
    return parts.part


def _order(dependences: Dependences, part: list[int]) -> list[int]:
    """The parts in an order for one step, as they stood where there is a choice."""
    last = {p: op for op, p in enumerate(part)}
    result = ordered(sorted(last), dependences.quotient(part, below=1), key=lambda p: last[p])
    assert result is not None
    return result


def _named(dependences: Dependences, part: list[int]) -> tuple[Stage, ...]:
    """The parts as stages, each named after the one that its last propagation stood in, or else its last update."""
    taken: set[str] = set()
    made = []
    for chosen in _order(dependences, part):
        ops = tuple(op for op, p in enumerate(part) if p == chosen)
        propagations = [op for op in ops if _propagates(dependences, op)]
        updates = [op for op in ops if isinstance(dependences.ops[op], step.Update)]
        name = dependences.stages[(propagations or updates or ops)[-1]]
        made.append(Stage(fresh(_title(name), taken), ops))
    return tuple(made)


def _title(stage: str) -> str:
    return stage if stage.startswith("stage.") else f"stage.{stage}"


def fresh(wanted: str, taken: set[str]) -> str:
    """`wanted`, or `wanted_1` and so on where the name is taken; taken from now on."""
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(name)
    return name
