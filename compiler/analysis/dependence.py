"""What must come before what: the ops of one timestep, and the distances in steps at which they depend on each other.

An edge (u, v) with distance d: op v of step t + d must come after op u of step t.  Edges follow from the uses of
buffers:

- The order of the uses of a buffer that keeps its number of slots is fixed in all respects: value before use, use
  before the next value, value before value.  States are such buffers, as they are updated in place.
- A buffer that is written anew in every step before that step uses it (a temporary, a stream) can get as many slots
  as a schedule needs.  There only a value stands before its uses; how many slots the rest needs is `slots_needed`.
- Slices of the host are there for every step; integer additions into one buffer may come in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spikec.dialects import step
from spikec.dialects.accesses import Use, conflicts, covered, distance
from spikec.dialects.accesses import uses as uses_of_op
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.program import Program

RENEWED = ("temp", "stream")
HOST = ("input", "output")

Edges = dict[tuple[int, int], int]
Uses = Callable[[Any, Mapping[str, step.Buffer]], Iterator[Use]]


@dataclass(frozen=True)
class Dependences:
    """The ops of one step in order, by number; `stages` names the stage that each came from.

    `edges` have the least distance of each dependent pair.  `renewed` are the buffers that can get more slots, `uses`
    the (op, use) pairs of every buffer.
    """

    ops: tuple[Any, ...]
    stages: tuple[str, ...]
    buffers: dict[str, step.Buffer]
    tables: dict[str, step.Table]
    uses: dict[str, tuple[tuple[int, Use], ...]]
    renewed: frozenset[str]
    edges: Edges

    @staticmethod
    def of(program: Program, entry: str = "step", uses_of: Uses = uses_of_op) -> Dependences:
        """Those of an entry of a program at level `step`, which must be valid; `uses_of` tells what each op does."""
        found = list(entry_ops(program, entry))
        buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
        tables = {table.sym_name: table for table in program.ops(step.Table)}
        used: dict[str, list[tuple[int, Use]]] = defaultdict(list)
        for number, (_, op) in enumerate(found):
            for use in uses_of(op, buffers):
                used[use.buffer].append((number, use))
        kept = _written_elsewhere(program, buffers)
        renewed = frozenset(
            name
            for name, users in used.items()
            if buffers[name].kind in RENEWED and name not in kept and _renewed(users, size(buffers[name].type))
        )
        edges: Edges = {}
        for name, users in used.items():
            unbounded = name in renewed or buffers[name].kind in HOST
            _connect(edges, users, None if unbounded else buffers[name].slots)
        return Dependences(
            ops=tuple(op for _, op in found),
            stages=tuple(stage for stage, _ in found),
            buffers=buffers,
            tables=tables,
            uses={name: tuple(users) for name, users in used.items()},
            renewed=renewed,
            edges=edges,
        )

    def quotient(self, part: list[int], below: int | None = None) -> Edges:
        """The edges between the parts that ops belong to, those of a distance less than `below` alone if given."""
        result: Edges = {}
        for (u, v), far in self.edges.items():
            pair = (part[u], part[v])
            if pair[0] != pair[1] and (below is None or far < below):
                result[pair] = min(far, result.get(pair, far))
        return result

    def slots_needed(self, name: str, gap: Callable[[int, int], int]) -> int:
        """The slots that a renewed buffer needs where `gap(u, v)` steps pass until op v is surely after op u."""
        needed: int = self.buffers[name].slots
        for (u, first), (v, second) in conflicts(self.uses[name]):
            needed = max(needed, gap(u, v) + first.delay - second.delay)
        return needed


def entry_ops(program: Program, entry: str = "step") -> Iterator[tuple[str, Any]]:
    """The (stage, op) pairs of an entry, in order; the stage of an op that the entry itself holds is its name."""
    symbols = program.symbols()
    for wrapped in symbols[entry].regions[0].blocks[0].operations if entry in symbols else ():
        op = wrapped.operation
        if op.name == "func.call":
            stage = str(symbol_of(op.attributes["callee"]))
            for inner in symbols[stage].regions[0].blocks[0].operations:
                view = step.DIALECT.view(inner.operation)
                if view is not None:
                    yield stage, view
        elif (view := step.DIALECT.view(op)) is not None:
            yield entry, view


def _written_elsewhere(program: Program, buffers: dict[str, step.Buffer]) -> set[str]:
    """The buffers that start and end write: what is in their slots must stay where it is."""
    symbols, written = program.symbols(), set()
    for entry in ("init", "finish"):
        for wrapped in symbols[entry].regions[0].blocks[0].operations if entry in symbols else ():
            view = step.DIALECT.view(wrapped.operation)
            if view is not None:
                written |= {use.buffer for use in uses_of_op(view, buffers) if use.writes}
    return written


def _renewed(users: list[tuple[int, Use]], count: int) -> bool:
    """Whether each step writes all elements before it uses one of them."""
    done: list[tuple[int, int]] = []
    by_op: dict[int, list[Use]] = defaultdict(list)
    for number, use in users:
        by_op[number].append(use)
    for number in sorted(by_op):
        if any(use.needs_old for use in by_op[number]) and not covered(done, count):
            return False
        done += [(low, count if n is None else n) for u in by_op[number] if u.replaces for low, n in [u.replaces]]
    return covered(done, count)


def _connect(edges: Edges, users: list[tuple[int, Use]], slots: int | None) -> None:
    for (u, first), (v, second) in conflicts(users):
        far = distance(first, second, slots, before=u < v) if u != v else None
        if far is not None:
            edges[u, v] = min(far, edges.get((u, v), far))
