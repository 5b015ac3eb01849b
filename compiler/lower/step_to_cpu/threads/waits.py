"""Where the workers of one network wait for each other: between two tasks that touch the same memory.

`@run` is walked through with what was touched since all workers last waited, and how many rounds of the loop ago: a
task that meets any of it is waited for.  What was touched in another loop may be of any step; there the wait stands
before the loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects import step
from spikec.dialects.arena import Arena, Extent
from spikec.dialects.functions import symbol_of, walk
from spikec.lower.step_to_cpu.threads.shares import PART_SLOTS
from spikec.lower.step_to_cpu.threads.tasks import FIRST, Access, Task

MOST_ROUNDS = 64
"""Older than this counts as of any age; rings of longer delays are waited for once more at worst."""

Touched = frozenset[tuple[Access, int | None]]
"""What was touched, and how many steps ago; None for any number."""


@dataclass
class Memory:
    """Which accesses are to the same bytes."""

    slots: Mapping[str, int]
    shared: frozenset[frozenset[str]]

    @staticmethod
    def of(buffers: Mapping[str, step.Buffer], taken: Mapping[str, Extent], places: Arena) -> Memory:
        """The memory of a program: temps that are never alive at once may share bytes."""
        spans = sorted((places.offsets[name], places.offsets[name] + taken[name].bytes, name) for name in taken)
        shared = set()
        for i, (_, end, name) in enumerate(spans):
            for begin, _, other in spans[i + 1 :]:
                if begin >= end:
                    break
                shared.add(frozenset((name, other)))
        return Memory({name: buffer.slots for name, buffer in buffers.items()}, frozenset(shared))

    def meet(self, first: Access, age: int | None, second: Access) -> bool:
        """Whether workers that do not wait may get in each other's way; `second` comes `age` steps later."""
        if not (first.writes or second.writes) or first.reach == second.reach == FIRST:
            return False
        if first.buffer != second.buffer:
            return frozenset((first.buffer, second.buffer)) in self.shared
        if first.form != second.form or (first.reach is not None and first.reach == second.reach):
            return False
        slots = PART_SLOTS if first.form == "parts" else self.slots[first.buffer]
        return age is None or (age + first.delay - second.delay) % slots == 0


@dataclass
class Waits:
    """The numbers of the tasks by stage, and the loops of `@run`, before which all workers wait."""

    stages: Mapping[str, Sequence[Task]]
    memory: Memory
    tasks: set[tuple[str, int]] = field(default_factory=set)
    loops: set[Any] = field(default_factory=set)

    @staticmethod
    def of(run: Any, stages: Mapping[str, Sequence[Task]], memory: Memory) -> Waits:
        found = Waits(stages, memory)
        found._block(run.regions[0].blocks[0], frozenset())
        return found

    def _block(self, block: Any, touched: Touched) -> Touched:
        for wrapped in block.operations:
            op = wrapped.operation
            if op.name == "func.call":
                touched = self._stage(str(symbol_of(op.attributes["callee"])), touched)
            elif op.name == "scf.for":
                touched = self._loop(op, touched)
        return touched

    def _stage(self, name: str, touched: Touched) -> Touched:
        for number, task in enumerate(self.stages[name]):
            if (name, number) in self.tasks or self._meets(touched, task.accesses):
                self.tasks.add((name, number))
                touched = frozenset()
            touched |= {(access, 0) for access in task.accesses}
        return touched

    def _meets(self, touched: Touched, accesses: Sequence[Access]) -> bool:
        return any(self.memory.meet(before, age, access) for before, age in touched for access in accesses)

    def _loop(self, op: Any, touched: Touched) -> Touched:
        body = op.regions[0].blocks[0]
        touched = frozenset((access, None) for access, _ in touched)
        if op in self.loops or self._meets(touched, list(self._within(op))):
            self.loops.add(op)
            touched = frozenset()
        after = touched
        while True:
            after = self._block(body, touched)
            more = touched | {(access, _older(age)) for access, age in after}
            if more == touched:
                return frozenset((access, None) for access, _ in touched | after)
            touched = more

    def _within(self, loop: Any) -> Iterator[Access]:
        for op in walk(loop):
            if op.name == "func.call":
                for task in self.stages[str(symbol_of(op.attributes["callee"]))]:
                    yield from task.accesses


def _older(age: int | None) -> int | None:
    return None if age is None or age >= MOST_ROUNDS else age + 1
