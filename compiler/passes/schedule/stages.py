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
from collections.abc import Iterator
from itertools import pairwise

from spikec.dialects import step
from spikec.dialects.accesses import Use
from spikec.passes.schedule.dependence import HOST, Dependences
from spikec.passes.schedule.graphs import leads, ordered
from spikec.passes.schedule.plan import Stage


def stages(dependences: Dependences) -> tuple[Stage, ...]:
    """The stages in an order in which one step can run them."""
    ties = _Ties(dependences)
    for name in dependences.uses:
        writers = [op for op, use in dependences.uses[name] if use.writes]
        if dependences.buffers[name].kind not in HOST:
            for writer in writers[1:]:
                ties.tie(writers[0], writer)
    for op, sources in _sources(dependences).items():
        ties.tie(max(sources), op)
    for number in reversed(range(len(dependences.ops))):
        users = {ties.part[user] for user in _users(dependences, number)}
        if len(users) == 1 and not _feeds(dependences, number):
            ties.tie(number, users.pop())
    return _named(dependences, _joined(dependences, ties.part))


class _Ties:
    """The part that each op belongs to, named by one of its ops; parts never wait for each other in one step."""

    def __init__(self, dependences: Dependences) -> None:
        self._dependences = dependences
        self.part = list(range(len(dependences.ops)))

    def tie(self, first: int, second: int) -> None:
        """Joins two parts, unless a third one stands between them."""
        one, other = self.part[first], self.part[second]
        if one == other:
            return
        pairs = self._dependences.quotient(self.part, below=1)
        if leads(pairs, one, other) or leads(pairs, other, one):
            return
        self.part = [one if p == other else p for p in self.part]


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
    return isinstance(dependences.ops[op], step.Propagate)


def _users(dependences: Dependences, op: int) -> Iterator[int]:
    """The later ops that use a temporary that an op writes."""
    for name, users in dependences.uses.items():
        if dependences.buffers[name].kind == "temp" and any(o == op and use.writes for o, use in users):
            yield from (user for user, use in users if use.reads and user > op)


def _feeds(dependences: Dependences, op: int) -> bool:
    """Whether what an op writes is the source of a propagation."""
    written = {name for name, users in dependences.uses.items() if any(o == op and u.writes for o, u in users)}
    return any(isinstance(o, step.Propagate) and o.from_ in written for o in dependences.ops)


def _joined(dependences: Dependences, part: list[int]) -> list[int]:
    """Neighbours without propagation as one part, where that ties nothing else together."""
    heavy = {part[op] for op in range(len(part)) if _propagates(dependences, op)}
    order = _order(dependences, part)
    for before, after in pairwise(order):
        one = part[before]
        if one in heavy or part[after] in heavy:
            continue
        pairs = dependences.quotient(part)
        if not leads(pairs, one, after) and not leads(pairs, after, one):
            part = [one if p == after else p for p in part]
    return part


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
