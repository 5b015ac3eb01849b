"""Memory planning: where each buffer lies in the arena, temps that are never alive at once on the same bytes.

States, streams, lists of the host's events and counters keep what they hold from step to step: each has bytes of its
own.  A temp is alive from the first op of a step that writes it to the last one that uses it; where the ops are in
different loops of a blocked `@run`, from the start of the first loop to the end of the last one, since the loops
stand in for each other's steps.  A temp that some op reads before it is written whole is alive always.

Temps are placed from the largest to the smallest, each into the smallest gap between those that it is alive with.
`spikec.dialects.arena` has the rules of sizes and paddings, `spikec.dialects.verify_memory` checks what comes out by
walking through the schedule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects import arena, step
from spikec.dialects.accesses import Use, covered, uses
from spikec.dialects.arena import Arena, Extent, Needs
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Table
from spikec.dialects.program import Program

ENTRIES = ("init", "step", "run", "finish")
Life = dict[str, tuple[int, int]]
"""For each entry that uses a temp, the first and the last place of the entry at which it is alive."""


def plan(program: Program, reuse: bool = True) -> Program:
    """A program at level `step` whose buffers have offsets; without `reuse`, one after the other."""
    result = program.clone()
    with result.module.context, ir.Location.unknown():
        needs = Needs.of(result)
        taken = arena.extents(result, needs)
        alone = arena.apart(taken, taken, needs)
        made = _shared(taken, needs, lives(result)) if reuse else alone
        _write(result, made)
        return result.noted(_table(result, taken, needs, alone, made))


# ---------------------------------------------------------------- lives


@dataclass
class _Loop:
    """The places that the body of a loop takes in its entry."""

    begin: int
    end: int = 0


Place = tuple[int, tuple[_Loop, ...]]
"""The place of an op in an entry, and the loops around it from the outermost on."""


@dataclass
class _Entry:
    """Walks an entry with the stages that it calls, and collects the uses of temps in order."""

    symbols: Mapping[str, Any]
    buffers: Mapping[str, step.Buffer]
    found: dict[str, list[tuple[Place, Use]]] = field(default_factory=lambda: defaultdict(list))
    places: int = 0

    def walk(self, block: Any, loops: tuple[_Loop, ...] = ()) -> None:
        for wrapped in block.operations:
            op = wrapped.operation
            if op.name == "func.call":
                self.walk(self.symbols[str(symbol_of(op.attributes["callee"]))].regions[0].blocks[0], loops)
            elif op.name == "scf.for":
                loop = _Loop(self.places)
                self.walk(op.regions[0].blocks[0], (*loops, loop))
                loop.end = self.places
            elif (view := step.DIALECT.view(op)) is not None:
                self.places += 1
                for use in uses(view, self.buffers):
                    if self.buffers[use.buffer].kind == "temp":
                        self.found[use.buffer].append(((self.places, loops), use))


def lives(program: Program) -> dict[str, Life | None]:
    """When each temp is alive; None stands for always."""
    symbols = program.symbols()
    buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
    result: dict[str, Life | None] = {name: {} for name, buffer in buffers.items() if buffer.kind == "temp"}
    for name in ENTRIES:
        if name not in symbols:
            continue
        entry = _Entry(symbols, buffers)
        entry.walk(symbols[name].regions[0].blocks[0])
        for temp, found in entry.found.items():
            life = result[temp]
            if life is None or not _starts_anew(found, size(buffers[temp].type)):
                result[temp] = None
            else:
                life[name] = _stretch([place for place, _ in found])
    return result


def _stretch(places: list[Place]) -> tuple[int, int]:
    """The first and the last place; loops that hold only some of the ops count from end to end."""
    common = 0
    shortest = min(len(loops) for _, loops in places)
    while common < shortest and len({id(loops[common]) for _, loops in places}) == 1:
        common += 1
    begins = [loops[common].begin if len(loops) > common else place for place, loops in places]
    ends = [loops[common].end if len(loops) > common else place for place, loops in places]
    return min(begins), max(ends)


def _starts_anew(found: list[tuple[Place, Use]], count: int) -> bool:
    """Whether all elements are written before one of them is used."""
    done: list[tuple[int, int]] = []
    for number in sorted({place[0] for place, _ in found}):
        here = [use for place, use in found if place[0] == number]
        if any(use.delay for use in here):
            return False
        if any(use.needs_old for use in here) and not covered(done, count):
            return False
        done += [(first, count if n is None else n) for use in here if use.replaces for first, n in [use.replaces]]
    return True


def _meet(one: Life | None, other: Life | None) -> bool:
    """Whether two temps are alive at once somewhere."""
    if one is None or other is None:
        return True
    return any(one[e][0] <= other[e][1] and other[e][0] <= one[e][1] for e in one.keys() & other.keys())


# ---------------------------------------------------------------- places


def _shared(taken: Mapping[str, Extent], needs: Needs, lives: Mapping[str, Life | None]) -> Arena:
    """What is kept one after the other, then the temps on shared bytes."""
    kept = arena.apart([name for name in taken if name not in lives], taken, needs)
    pool = _packed({name: taken[name].bytes for name in taken if name in lives}, lives)
    room = max((offset + taken[name].bytes for name, offset in pool.items()), default=0)
    offsets = {**kept.offsets, **{name: kept.size + offset for name, offset in pool.items()}}
    return Arena(kept.size + room, offsets, kept.scratch)


def _packed(sizes: Mapping[str, int], lives: Mapping[str, Life | None]) -> dict[str, int]:
    """Offsets of temps, by best fit in descending order of size."""
    offsets: dict[str, int] = {}
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        others = sorted((offsets[o], offsets[o] + sizes[o]) for o in offsets if _meet(lives[name], lives[o]))
        offsets[name] = min(_gaps(others, sizes[name]))[1]
    return offsets


def _gaps(occupied: list[tuple[int, int]], wanted: int) -> Iterator[tuple[float, int]]:
    """The (length, offset) of the gaps that are large enough; the last one has no end."""
    end = 0
    for begin, after in occupied:
        if begin - end >= wanted:
            yield begin - end, end
        end = max(end, after)
    yield float("inf"), end


def _write(program: Program, made: Arena) -> None:
    i64 = ir.IntegerType.get_signless(64)
    module = program.module.operation.attributes
    for key in (arena.SIZE, arena.SCRATCH):
        if key in module:
            del module[key]
    module[arena.SIZE] = ir.IntegerAttr.get(i64, made.size)
    if made.scratch >= 0:
        module[arena.SCRATCH] = ir.IntegerAttr.get(i64, made.scratch)
    for buffer in program.ops(step.Buffer):
        if buffer.sym_name in made.offsets:
            buffer.operation.attributes["offset"] = ir.IntegerAttr.get(i64, made.offsets[buffer.sym_name])
        elif buffer.offset is not None:
            del buffer.operation.attributes["offset"]


# ---------------------------------------------------------------- report

KINDS = ("state", "stream", "input", "output", "result", "temp")


def _table(program: Program, taken: Mapping[str, Extent], needs: Needs, alone: Arena, made: Arena) -> Table:
    """Bytes of each kind of buffer; the columns of bytes add up to the two sizes of the arena."""
    kinds = {b.sym_name: b.kind for b in program.ops(step.Buffer) if b.sym_name in taken}
    bytes = {kind: sum(taken[name].bytes for name in kinds if kinds[name] == kind) for kind in KINDS}
    words = sum(kind not in KINDS for kind in kinds.values())
    first = arena.aligned(arena.head(needs) + arena.WORD * words)
    rows: list[tuple[str, int, int, int]] = [("counters, keys", words + len(needs.keys), first, first)]
    for kind in KINDS:
        number = sum(k == kind for k in kinds.values())
        used = bytes[kind] - (alone.size - made.size if kind == "temp" else 0)
        if number:
            rows.append((kind if kind in ("state", "stream", "temp") else f"{kind}, lists", number, bytes[kind], used))
    if needs.scratch:
        rows.append(("shared list", 1, arena.scratch_bytes(needs), arena.scratch_bytes(needs)))
    rows.append(("all", sum(row[1] for row in rows), alone.size, made.size))
    return Table("memory of the network", ("kind", "buffers", "bytes apart", "bytes planned"), tuple(rows))
