"""What each op of level `step` reads and writes, and how far apart two uses of one buffer must stay.

A *use* of a buffer by an op in step t concerns the slot of step t - delay.  Two uses of one buffer conflict where
at least one of them writes; the first use must then be over before the second one begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spikec.dialects import step
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.propagations import propagations


@dataclass(frozen=True, slots=True)
class Use:
    """How one op uses one buffer.

    `replaces` is the stretch (first element, number of elements) whose former values the op does not need; the whole
    buffer for a number of None.  `adds` marks an op that only adds integers: the order among such ops is free.
    """

    buffer: str
    delay: int = 0
    reads: bool = False
    replaces: tuple[int, int | None] | None = None
    adds: bool = False

    @property
    def writes(self) -> bool:
        return self.adds or self.replaces is not None

    @property
    def needs_old(self) -> bool:
        """Whether the op needs what the slot of this step holds."""
        return self.delay == 0 and (self.reads or self.adds)


WHOLE = (0, None)


def uses(op: Any, buffers: Mapping[str, step.Buffer]) -> Iterator[Use]:
    """The uses that one op makes of buffers; statistics, which only count, are left out."""
    match op:
        case step.Fill() | step.Draw() | step.Clock():
            yield Use(op.into, replaces=WHOLE)
        case step.Copy():
            yield Use(op.from_, op.delay, reads=True)
            yield Use(op.into, replaces=(op.to, op.size))
        case step.Propagate() | step.Sweep():
            for one in propagations(op):
                for sooner in range(one.rounds):
                    yield Use(one.from_, one.delay - sooner, reads=True)
            integer = isinstance(buffers[op.into].type.element_type, ir.IntegerType)
            yield Use(op.into, adds=True) if integer else _changed(op.into)
        case step.Update():
            for arg, delay in zip(op.args, op.delays, strict=True):
                name = symbol_of(arg)
                if name is not None:
                    yield Use(name, delay, reads=True)
            for result in op.results_:
                name = symbol_of(result)
                if name is not None:
                    yield Use(name, replaces=WHOLE)
        case step.Map():
            for name, delay in zip(op.args, op.delays, strict=True):
                yield Use(name, delay, reads=True)
            for name in op.results_:
                yield _changed(name)
        case step.Tally():
            yield Use(op.of, reads=True)
        case step.Record():
            of = buffers[op.into].of
            assert of is not None
            yield Use(of, reads=True)
            yield _changed(op.into)


def _changed(name: str) -> Use:
    """Read and written in place."""
    return Use(name, reads=True, replaces=(0, 0))


def distance(first: Use, second: Use, slots: int | None, before: bool) -> int | None:
    """The least number of steps after which `second` meets the slot that `first` used; None for never.

    `slots` None stands for as many as there are steps.  `before` tells that the op of `first` stands before the other
    one in a step; only then can they meet in the same step.
    """
    between = second.delay - first.delay
    if slots is None:
        return between if between > 0 or (between == 0 and before) else None
    between %= slots
    return between if between > 0 or before else slots


def conflict(first: Use, second: Use) -> bool:
    """Whether the order of two uses of one buffer matters."""
    return (first.writes or second.writes) and not (first.adds and second.adds)


def conflicts(users: Sequence[tuple[int, Use]]) -> Iterator[tuple[tuple[int, Use], tuple[int, Use]]]:
    """All ordered pairs of two uses of one buffer that conflict."""
    writers = [user for user in users if user[1].writes]
    readers = [user for user in users if not user[1].writes]
    for one in writers:
        yield from ((one, other) for other in writers if conflict(one[1], other[1]))
        for other in readers:
            yield one, other
            yield other, one


def covered(stretches: Iterable[tuple[int, int]], count: int) -> bool:
    """Whether stretches of (first element, number) cover the elements 0 to count - 1."""
    end = 0
    for first, length in sorted(stretches):
        if first > end:
            return False
        end = max(end, first + length)
    return end >= count
