"""A schedule as data: stages, groups of stages, and how many steps each advances before the next one runs.

for each block of `Plan.block` steps:
  for each group:
    for each sub-block of `Group.block` steps:
      for each stage of the group:
        for each step: the ops of the stage

"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from spikec.analysis.dependence import Dependences


@dataclass(frozen=True)
class Stage:
    """Ops that run together in one step, in this order."""

    name: str
    ops: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Stages that advance together: each runs `block` steps before the next one does."""

    stages: tuple[Stage, ...]
    block: int = 1


@dataclass(frozen=True)
class Plan:
    """Groups in order; each runs `block` steps before the next one does."""

    groups: tuple[Group, ...]
    block: int = 1

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(stage for group in self.groups for stage in group.stages)

    @cached_property
    def places(self) -> dict[int, tuple[int, int, int]]:
        """The (group, stage in the group, place in the stage) of each op."""
        return {
            op: (g, s, i)
            for g, group in enumerate(self.groups)
            for s, stage in enumerate(group.stages)
            for i, op in enumerate(stage.ops)
        }

    def gap(self, first: int, second: int) -> int:
        """The least d for which op `first` of any step t surely runs before op `second` of step t + d."""
        return self._gap(self.places[first], self.places[second])

    def _gap(self, one: tuple[int, int, int], other: tuple[int, int, int]) -> int:
        if one[0] != other[0]:
            return 0 if one[0] < other[0] else self.block
        if one[1] != other[1]:
            return 0 if one[1] < other[1] else self.groups[one[0]].block
        return 0 if one[2] < other[2] else 1

    def problems(self, dependences: Dependences) -> Iterator[str]:
        """What makes the plan no schedule of these ops."""
        if sorted(self.places) != list(range(len(dependences.ops))):
            yield "some op is not in exactly one stage"
            return
        if any(not 1 <= group.block <= self.block for group in self.groups):
            yield "the steps of a group are not between 1 and those of a block"
        for (u, v), far in dependences.edges.items():
            if far < self.gap(u, v):
                yield f"op {v} must follow op {u} {far} steps later, but only does so {self.gap(u, v)} steps later"

    def slots(self, dependences: Dependences) -> dict[str, int]:
        """The slots of each buffer that needs more than it has; those of an input are its lists."""
        grown = {name: dependences.slots_needed(name, self.gap) for name in dependences.renewed}
        grown.update({name: self._lists(dependences, name) for name in dependences.uses if _listed(dependences, name)})
        return {name: slots for name, slots in grown.items() if slots > dependences.buffers[name].slots}

    def _lists(self, dependences: Dependences, name: str) -> int:
        """The lists that an input needs: the first stage that uses it makes the list of its step."""
        users = [self.places[op] for op, _ in dependences.uses[name]]
        group, stage, _ = min(users)
        return max(self._gap(user, (group, stage, -1)) for user in users)


def _listed(dependences: Dependences, name: str) -> bool:
    buffer = dependences.buffers[name]
    return buffer.kind == "input" and "list" in (buffer.forms or [])
