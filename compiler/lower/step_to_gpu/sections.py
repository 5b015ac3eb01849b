"""Which ops of a step are done by the same threads one after the other.

An op whose threads each write their own element, and read of what others wrote in this step their own element alone,
goes on in the threads of those others: filling a port, adding what arrives, the neuron, its records and statistics are
one section.  What scatters is a section of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spikec.analysis.dependence import Dependences
from spikec.analysis.ways import leads
from spikec.dialects import step
from spikec.dialects.accesses import Use, conflicts, distance, uses
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.propagations import propagations
from spikec.lower.step_to_gpu import maps
from spikec.lower.step_to_gpu.layout import BLOCK

Scatters = Callable[[Any], bool]


@dataclass
class Section:
    """Ops by their numbers, in order; `size` threads have an element (of a scattering section: see there)."""

    ops: list[int]
    size: int
    scatters: bool = False
    before: set[int] = field(default_factory=set)  # sections that must be over in the same step

    @property
    def blocks(self) -> int:
        return max(1, -(-self.size // BLOCK))


def device_uses(scatters: Scatters) -> Callable[[Any, Mapping[str, step.Buffer]], Iterator[Use]]:
    """What each op does to buffers on the device, where sums that are not scattered are read, added to and written."""

    def found(op: Any, buffers: Mapping[str, step.Buffer]) -> Iterator[Use]:
        for use in uses(op, buffers):
            if propagations(op) and use.writes:
                yield Use(use.buffer, adds=True) if scatters(op) else Use(use.buffer, reads=True, replaces=(0, 0))
            else:
                yield use

    return found


def sections(dependences: Dependences, scatters: Scatters) -> list[Section]:
    """The sections of a step, which follow each other as their `before` says."""
    tied = _tied(dependences)
    found: list[Section] = []
    home: dict[int, int] = {}
    for number, one in enumerate(dependences.ops):
        elements = _elements(one, dependences.buffers, dependences.tables)
        before = {home[other] for other in tied[number]}
        apart = {home[other] for other, own in tied[number].items() if not own}
        chosen = None
        if not scatters(one):
            chosen = next((k for k in reversed(range(len(found))) if _joins(found, k, elements, before, apart)), None)
        if chosen is None:
            chosen = len(found)
            found.append(Section([], elements, scatters(one)))
        found[chosen].ops.append(number)
        found[chosen].size = max(found[chosen].size, elements)
        found[chosen].before |= before - {chosen}
        home[number] = chosen
    return found


def _joins(found: list[Section], k: int, elements: int, before: set[int], apart: set[int]) -> bool:
    """Whether an op may go on in section k: no other section that it must wait for waits for section k."""
    section = found[k]
    if section.scatters or section.blocks != max(1, -(-elements // BLOCK)) or k in apart:
        return False
    return not any(other != k and leads([other], k, lambda one: found[one].before) for other in before)


def _tied(dependences: Dependences) -> list[dict[int, bool]]:
    """Of each op, the earlier ops that it must follow in a step, and whether each thread waits for itself alone."""
    result: list[dict[int, bool]] = [{} for _ in dependences.ops]
    for name, users in dependences.uses.items():
        buffer = dependences.buffers[name]
        unbounded = name in dependences.renewed or buffer.kind in ("input", "output")
        for (u, first), (v, second) in conflicts(users):
            if u >= v or distance(first, second, None if unbounded else buffer.slots, before=True) != 0:
                continue
            own = all(owns(dependences, number, use) for number, use in ((u, first), (v, second)))
            result[v][u] = result[v].get(u, True) and own
    return result


def owns(dependences: Dependences, number: int, use: Use) -> bool:
    """Whether each thread of an op touches its own element of a buffer alone."""
    op, name = dependences.ops[number], use.buffer
    if use.delay:
        return False
    match op:
        case step.Propagate() | step.Sweep():
            return use.writes
        case step.Copy():
            return use.writes or op.low == op.to
        case step.Update():
            return use.writes or size(dependences.buffers[name].type) == op.size
        case step.Map():
            return maps.owns(op, name, dependences.buffers)
        case _:
            return True


def _elements(op: Any, buffers: Mapping[str, step.Buffer], tables: Mapping[str, step.Table]) -> int:
    """How many threads of an op have an element."""
    match op:
        case step.Update():
            return int(op.size)
        case step.Map():
            return maps.threads(op, buffers)
        case step.Tally():
            return size(buffers[op.of].type)
        case step.Record():
            return size(buffers[str(buffers[op.into].of)].type)
        case _:
            return size(buffers[str(symbol_of(op.into) if not isinstance(op.into, str) else op.into)].type)
