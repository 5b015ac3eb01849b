"""The arena: one block of bytes that holds all that a network keeps.  What each buffer takes of it, and where.

The rules are the same for every target, so that a plan made once holds on all of them:

- The block begins with the number of steps done (i64), the sample of the batch (i32, padded to 8 bytes) and the key
  array of the run (8 bytes for each draw).
- A counter is one i64.  So is the cursor of a probe of events, which counts the rows that it gave.
- Any other buffer begins at a multiple of `ALIGNMENT` and holds, each from such a multiple on, the values of its slots,
  the lists of its slots (i32) and the lengths of the lists (i64), as far as its forms and its uses need them.
  Inputs and outputs have their values with the host, and lists alone here.
- A slot is padded to whole blocks of `LANES` elements, and a list has one block more, so that code on vectors may
  load and store whole ones.  A pad holds anything.  It belongs to its buffer as the elements do.
- Ops that walk the active elements of a buffer without a list make one, in a place that they share.

`step.buffer` has the `offset` of each buffer in bytes, the module `step.arena`, the size of the block, and
`step.scratch`, the offset of the shared list, where there is one.  A program without them has its buffers one after
the other (`apart`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects import step
from spikec.dialects.functions import size, symbol_of, walk
from spikec.dialects.program import Program
from spikec.dialects.propagations import propagations

ALIGNMENT = 64
LANES = 32
"""Elements of the longest block of vector code: two registers of 512 bits of f32."""

STEPS, SAMPLE, KEYS = 0, 8, 16
WORD = 8
SIZE, SCRATCH = "step.arena", "step.scratch"


@dataclass(frozen=True)
class Extent:
    """What a buffer takes: its size in bytes, and where its parts begin, from its own offset on; -1 for no such part.

    `stride` is the number of elements from one slot to the next, `list_stride` the same for lists.
    """

    bytes: int
    values: int = -1
    stride: int = 1
    list: int = -1
    list_stride: int = 0
    count: int = -1

    @property
    def alignment(self) -> int:
        return WORD if self.bytes == WORD else ALIGNMENT


@dataclass
class Needs:
    """What the ops of all functions need beyond the forms that buffers declare.

    `values` are the buffers whose values are read or written one by one, `scratch` the elements of the longest list
    that is made in passing, `keys` the (path, seed) of each draw by its key.
    """

    values: set[str] = field(default_factory=set)
    keys: dict[int, tuple[str, int]] = field(default_factory=dict)
    scratch: int = 0

    @staticmethod
    def of(program: Program) -> Needs:
        needs = Needs({b.sym_name for b in program.ops(step.Buffer) if not _starts_silent(b)})
        buffers = {b.sym_name: b for b in program.ops(step.Buffer)}
        for op in stage_ops(program):
            needs._add(op, buffers)
        return needs

    def _add(self, op: Any, buffers: Mapping[str, step.Buffer]) -> None:
        match op:
            case step.Propagate() | step.Sweep():
                for one in propagations(op):
                    self._active(buffers[one.from_])
            case step.Copy():
                self.values.update((op.from_, op.into))
            case step.Fill() if getattr(op.value, "value", 1) != 0:
                self.values.add(op.into)
            case step.Update():
                self.values.update(name for name in map(symbol_of, op.args) if name is not None)
            case step.Map():
                self.values.update(op.args)
                self.values.update(op.results_)
            case step.Draw():
                self.keys[op.key] = (op.path, op.seed)
                self.values.add(op.into)
            case step.Record():
                probe = buffers[op.into]
                if probe.record == "value":
                    self.values.add(str(probe.of))
                else:
                    self._active(buffers[str(probe.of)])
            case step.Tally() if "list" not in (buffers[op.of].forms or []):
                self.values.add(op.of)

    def _active(self, buffer: step.Buffer) -> None:
        """The active elements of a buffer are walked: its own list, or one made for the occasion."""
        if "list" not in (buffer.forms or []):
            self.values.add(buffer.sym_name)
            self.scratch = max(self.scratch, size(buffer.type))


def _starts_silent(buffer: step.Buffer) -> bool:
    """Whether nothing is to be written at the start: the arena is all zeros."""
    return buffer.init is None or str(buffer.init) == "false"


def stage_ops(program: Program) -> Iterator[Any]:
    """The typed ops of all functions of a program, in order."""
    for operation in program.module.body.operations:
        if operation.operation.name == "func.func":
            for inner in walk(operation.operation):
                view = step.DIALECT.view(inner)
                if view is not None:
                    yield view


def padded(count: int) -> int:
    return -(-count // LANES) * LANES


def aligned(offset: int, alignment: int = ALIGNMENT) -> int:
    return -(-offset // alignment) * alignment


def width(element: Any) -> int:
    """Bytes of an element in memory: i1 and i2 take one."""
    return max(8, int(element.width)) // 8


def extent(buffer: step.Buffer, needs: Needs) -> Extent | None:
    """What a buffer takes of the arena; None for nothing."""
    forms = buffer.forms or []
    if buffer.kind == "counter" or (buffer.kind == "probe" and buffer.record == "event"):
        return Extent(WORD, values=0)
    if buffer.kind in ("constant", "probe"):
        return None
    count, element = size(buffer.type), buffer.type.element_type
    stride = padded(max(count, 1))
    end, values, entries, lengths = 0, -1, -1, -1
    if buffer.kind in ("state", "stream", "temp"):
        if not forms or "mask" in forms or str(element) != "i1" or buffer.sym_name in needs.values:
            values, end = 0, aligned(buffer.slots * stride * width(element))
    list_stride = stride + LANES if "list" in forms else 0
    if list_stride:
        entries = end
        lengths = aligned(entries + 4 * buffer.slots * list_stride)
        end = aligned(lengths + WORD * buffer.slots)
    return Extent(end, values, stride, entries, list_stride, lengths) if end else None


def extents(program: Program, needs: Needs) -> dict[str, Extent]:
    """What each buffer takes that is in the arena, by name; needs the module's context."""
    found = {buffer.sym_name: extent(buffer, needs) for buffer in program.ops(step.Buffer)}
    return {name: taken for name, taken in found.items() if taken is not None}


def head(needs: Needs) -> int:
    """Where the buffers begin."""
    return KEYS + WORD * len(needs.keys)


def scratch_bytes(needs: Needs) -> int:
    return aligned(4 * (padded(needs.scratch) + LANES)) if needs.scratch else 0


@dataclass(frozen=True)
class Arena:
    """Offsets of buffers in bytes, the size of the block, and where the shared list is (-1 for none)."""

    size: int
    offsets: Mapping[str, int]
    scratch: int = -1


def apart(names: Iterable[str], taken: Mapping[str, Extent], needs: Needs) -> Arena:
    """The named buffers one after the other, single words first."""
    offsets, end = {}, head(needs)
    for name in sorted(names, key=lambda name: taken[name].bytes != WORD):
        offsets[name] = aligned(end, taken[name].alignment)
        end = offsets[name] + taken[name].bytes
    end = aligned(end)
    room = scratch_bytes(needs)
    return Arena(end + room, offsets, end if room else -1)


def arena(program: Program) -> Arena:
    """Where the buffers of a program are: as it was planned, or all apart; needs the module's context."""
    attributes = program.module.operation.attributes
    if SIZE in attributes:
        offsets = {b.sym_name: b.offset for b in program.ops(step.Buffer) if b.offset is not None}
        scratch = int(attributes[SCRATCH].value) if SCRATCH in attributes else -1
        return Arena(int(attributes[SIZE].value), offsets, scratch)
    needs = Needs.of(program)
    taken = extents(program, needs)
    return apart(list(taken), taken, needs)
