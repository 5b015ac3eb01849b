"""Which sums of delayed synapses are made ahead, in rings: one slot for each step in which something may arrive.

A sweep looks in every step at the events of as many steps as there are delays.  A ring takes each event once, when the
shortest delay has passed: all its weights are added to the slots of the steps in which they arrive.  That is the same
order of additions: events of older steps came first.  See `pushes` for the code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from spikec.dialects import step
from spikec.dialects.accesses import uses
from spikec.dialects.arena import padded, stage_ops, width
from spikec.dialects.functions import size, walk
from spikec.dialects.program import Program
from spikec.dialects.propagations import Propagation, propagations

COUNT = 4  # bytes of a number of additions
LONGEST = 1 << 26
"""Bytes of the slots of a ring; where delays are longer, sweeps look back."""


@dataclass(frozen=True)
class Arrival:
    """A table with its source: `op` as in the first round, the shortest of its delays, how many steps they span.

    `counts` is the offset in the arena of its additions by slot, twice one after the other.
    """

    op: Propagation
    least: int
    parts: int
    counts: int = -1


@dataclass(frozen=True)
class Ring:
    """`arrivals` in the order in which they act; `least` is the shortest delay of all; slots of `size` elements."""

    into: str
    arrivals: tuple[Arrival, ...]
    least: int
    depth: int
    size: int
    element: Any
    offset: int = -1

    @property
    def stride(self) -> int:
        return padded(self.size)

    @property
    def bytes(self) -> int:
        return self.depth * self.stride * width(self.element)

    def placed(self, offset: int) -> Ring:
        """The ring at an offset of the arena, with its counts behind it."""
        first, apart = offset + self.bytes, 2 * self.depth * COUNT
        counted = [replace(one, counts=first + n * apart) for n, one in enumerate(self.arrivals)]
        return replace(self, offset=offset, arrivals=tuple(counted))

    @property
    def taken(self) -> int:
        """Bytes of the ring and its counts."""
        return self.bytes + len(self.arrivals) * 2 * self.depth * COUNT


def rings(program: Program) -> Iterator[Ring]:
    """The rings of a program, without places; needs the module's context."""
    symbols = program.symbols()
    buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
    apart = blocked(symbols["run"]) if "run" in symbols else True
    users: dict[str, list[Any]] = defaultdict(list)
    for op in stage_ops(program):
        for name in {use.buffer for use in uses(op, buffers)}:
            users[name].append(op)
    for name, ops in users.items():
        found = _ring(buffers[name], ops, symbols)
        if found is None:
            continue
        # All events are taken when the shortest delay has passed, those of tables with longer delays too.
        known = found.least > 0 and not apart
        if known or all(one.least == found.least for one in found.arrivals):
            yield found


def _ring(buffer: step.Buffer, ops: list[Any], symbols: dict[str, Any]) -> Ring | None:
    """The ring of a sum that starts from zero, is made by sweeps alone, and used afterwards in the same stage."""
    sweeps = [op for op in ops if isinstance(op, step.Sweep) and op.into == buffer.sym_name]
    fills = [op for op in ops if isinstance(op, step.Fill)]
    from_zero = len(fills) == 1 and str(fills[0].value).startswith(("0 ", "0.0"))
    together = len({str(op.operation.parent.attributes["sym_name"]) for op in ops}) == 1
    if buffer.kind != "temp" or not sweeps or not from_zero or not together or ops[: len(sweeps) + 1] != fills + sweeps:
        return None
    arrivals = _arrivals(sweeps, symbols)
    if arrivals is None:
        return None
    least = min(one.least for one in arrivals)
    depth = max(one.least + one.parts for one in arrivals) - least
    found = Ring(buffer.sym_name, arrivals, least, depth, size(buffer.type), buffer.type.element_type)
    return found if found.bytes <= LONGEST else None


def _arrivals(sweeps: list[step.Sweep], symbols: dict[str, Any]) -> tuple[Arrival, ...] | None:
    """The tables of sweeps in their order; None where there is none for all, or a part of a table never acts."""
    rounds = [propagations(sweep) for sweep in sweeps]
    order = [one.table for one in max(rounds, key=len)]
    seen: dict[str, set[int]] = defaultdict(set)
    first: dict[str, Propagation] = {}
    for each in rounds:
        places = [order.index(one.table) if one.table in order else -1 for one in each]
        if -1 in places or places != sorted(set(places)):
            return None
        for one in each:
            assert one.part is not None
            seen[one.table] |= set(range(one.part - one.rounds + 1, one.part + 1))
            before = first.setdefault(one.table, one)
            assert before.part is not None
            shift = one.part - before.part
            if replace(before, part=one.part, delay=before.delay + shift, rounds=one.rounds) != one:
                return None  # such as an input, whose past is another buffer
    made = []
    for name in order:
        table, one = step.Table(symbols[name]), first[name]
        assert one.part is not None
        if "part" not in table.arrays or seen[name] != set(range(table.parts)):
            return None
        made.append(Arrival(one, one.delay - one.part, table.parts))
    return tuple(made)


def blocked(run: Any) -> bool:
    """Whether some stages run several steps before others do."""
    loops = [op for op in walk(run) if op.name == "scf.for"]
    return len(loops) != 1
