"""Whether planned places are right: every buffer within the arena, and no value overwritten before its last use.

Buffers that keep what they hold may not share a byte with anything.  For temps that share bytes, the schedule is
walked step by step, with a note of whose values the bytes hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects import arena, step
from spikec.dialects.accesses import Use, covered, uses
from spikec.dialects.arena import Arena, Extent, Needs
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.verify_schedule import Walk, constants

Problem = tuple[Any, str]
MOST_STEPS = 300


def rules(program: Program) -> Iterator[Problem]:
    """Every broken rule as (operation, text), for a program that keeps all other rules."""
    module = program.module.operation
    buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
    if arena.SIZE not in module.attributes:
        yield from (
            (b.operation, f"has an offset in a module without '{arena.SIZE}'")
            for b in buffers.values()
            if b.offset is not None
        )
        return
    for key in (arena.SIZE, arena.SCRATCH):
        if key in module.attributes and not isinstance(module.attributes[key], ir.IntegerAttr):
            yield module, f"attribute '{key}' must be an integer, not {module.attributes[key]}"
            return
    needs = Needs.of(program)
    taken = arena.extents(program, needs)
    found = list(_offsets(buffers, taken))
    if not found:
        made = arena.arena(program)
        found = [*_bounds(module, buffers, taken, needs, made), *_overlaps(program, buffers, taken, needs, made)]
    yield from found


def _offsets(buffers: Mapping[str, step.Buffer], taken: Mapping[str, Extent]) -> Iterator[Problem]:
    for name, buffer in buffers.items():
        if name in taken and buffer.offset is None:
            yield buffer.operation, "has no offset, though others have one"
        elif name in taken and buffer.offset % taken[name].alignment:
            yield buffer.operation, f"offset {buffer.offset} is not a multiple of {taken[name].alignment}"
        elif name not in taken and buffer.offset is not None:
            yield buffer.operation, "takes nothing of the arena, and needs no offset"


def _bounds(
    module: Any, buffers: Mapping[str, step.Buffer], taken: Mapping[str, Extent], needs: Needs, made: Arena
) -> Iterator[Problem]:
    for name, extent in taken.items():
        begin = made.offsets[name]
        if begin < arena.head(needs) or begin + extent.bytes > made.size:
            yield (
                buffers[name].operation,
                f"bytes {begin}:{begin + extent.bytes} are not between {arena.head(needs)} and {made.size}",
            )
    room = arena.scratch_bytes(needs)
    if bool(room) != (made.scratch >= 0):
        yield module, f"'{arena.SCRATCH}' is {'missing' if room else 'not needed'}"
    elif room and (made.scratch < arena.head(needs) or made.scratch + room > made.size):
        yield module, f"the shared list needs {room} bytes from {made.scratch} on, of {made.size}"


def _overlaps(
    program: Program, buffers: Mapping[str, step.Buffer], taken: Mapping[str, Extent], needs: Needs, made: Arena
) -> Iterator[Problem]:
    """Pairs that share bytes: temps must never be alive at once, others may not share at all."""
    stretches = [(made.offsets[name], made.offsets[name] + taken[name].bytes, name) for name in taken]
    if needs.scratch:
        stretches.append((made.scratch, made.scratch + arena.scratch_bytes(needs), ""))
    sharing: dict[str, tuple[int, int]] = {}
    before: list[tuple[int, int, str]] = []
    broken = False
    for stretch in sorted(stretches):
        before = [other for other in before if other[1] > stretch[0]]
        for other in before:
            pair = (other[2], stretch[2])
            if all(name and buffers[name].kind == "temp" for name in pair):
                sharing.update({name: (begin, end) for begin, end, name in (other, stretch)})
            else:
                broken = True
                one, two = sorted(pair, reverse=True)
                yield buffers[one].operation, f"shares bytes with {'@' + two if two else 'the shared list'}"
        before.append(stretch)
    if sharing and not broken:
        yield from _Bytes(program.symbols(), buffers, _pieces(sharing)).walk()


def _pieces(stretches: Mapping[str, tuple[int, int]]) -> dict[str, range]:
    """The bytes of each buffer as pieces, by number: two buffers share a piece whole or not at all."""
    edges = sorted({edge for stretch in stretches.values() for edge in stretch})
    number = {edge: k for k, edge in enumerate(edges)}
    return {name: range(number[begin], number[end]) for name, (begin, end) in stretches.items()}


@dataclass
class _Bytes:
    """Whose values are in each piece of the bytes that temps share, as a schedule goes on.

    When a buffer takes a piece from another one, all that it held before is gone; `life` counts how often that was.
    `holds` are the stretches (first element, number) of a slot that were written, with the life that they are of.
    """

    symbols: Mapping[str, Any]
    buffers: Mapping[str, step.Buffer]
    pieces: Mapping[str, range]
    owner: dict[int, str] = field(default_factory=dict)
    life: Counter[str] = field(default_factory=Counter)
    holds: dict[tuple[str, int], tuple[int, list[tuple[int, int]]]] = field(default_factory=dict)
    known: dict[str, list[tuple[Any, list[Use]]]] = field(default_factory=dict)

    def walk(self) -> Iterator[Problem]:
        """Follows a start, a run, a short run, one step, and an end."""
        said: set[tuple[Any, str]] = set()
        for name, t in self._calls():
            for op, found in self._ops(name):
                for text in self._uses(found, t):
                    if (op, text) not in said:
                        said.add((op, text))
                        yield op, text

    def _calls(self) -> Iterator[tuple[str, int]]:
        """Functions and the steps that they are called with; `@step` for the ops that it holds itself."""
        yield "init", 0
        steps = 0
        if "run" in self.symbols:
            most = min(MOST_STEPS, max([1, *constants(self.symbols["run"])]))
            for begin, end in ((0, most + 1), (most + 1, most + 3)):
                run = Walk(2**62)
                run.function(self.symbols["run"], begin, end)
                yield from run.calls
            steps = most + 3
        for wrapped in self.symbols["step"].regions[0].blocks[0].operations:
            if wrapped.operation.name == "func.call":
                yield str(symbol_of(wrapped.operation.attributes["callee"])), steps
        yield "step", steps
        yield "finish", steps + 1

    def _ops(self, name: str) -> list[tuple[Any, list[Use]]]:
        """The ops of a function that use temps which share bytes."""
        if name not in self.known:
            block = self.symbols[name].regions[0].blocks[0] if name in self.symbols else None
            views = [step.DIALECT.view(o.operation) for o in block.operations] if block is not None else []
            used = [(v, [u for u in uses(v, self.buffers) if u.buffer in self.pieces]) for v in views if v is not None]
            self.known[name] = [(view.operation, found) for view, found in used if found]
        return self.known[name]

    def _uses(self, found: list[Use], t: int) -> Iterator[str]:
        for use in found:
            if use.reads or use.adds:
                yield from self._read(use.buffer, t - use.delay)
        for use in found:
            if use.writes:
                for other in found:
                    if other.buffer != use.buffer and _common(self.pieces[other.buffer], self.pieces[use.buffer]):
                        yield f"uses @{other.buffer} and writes @{use.buffer}, which share bytes"
                self._write(use, t)

    def _read(self, name: str, t: int) -> Iterator[str]:
        others = {self.owner.get(piece, name) for piece in self.pieces[name]} - {name}
        if others:
            yield f"uses @{name}, which was overwritten by {', '.join(f'@{other}' for other in sorted(others))}"
            return
        count = size(self.buffers[name].type)
        life, held = self.holds.get((name, t % self.buffers[name].slots), (0, [(0, count)]))
        if life != self.life[name] or not covered(held, count):
            yield f"uses @{name}, of which a part was overwritten and not written again"

    def _write(self, use: Use, t: int) -> None:
        name = use.buffer
        if any(self.owner.get(piece, name) != name for piece in self.pieces[name]):
            self.life[name] += 1
        self.owner.update(dict.fromkeys(self.pieces[name], name))
        if use.replaces is None:
            return
        slot, count = t % self.buffers[name].slots, size(self.buffers[name].type)
        first, number = use.replaces
        life, held = self.holds.get((name, slot), (0, [(0, count)]))
        if number is None:
            held = [(0, count)]
        elif life != self.life[name]:
            held = [(first, number)]
        elif not covered(held, count):
            held = [*held, (first, number)]
        self.holds[name, slot] = (self.life[name], held)


def _common(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop
