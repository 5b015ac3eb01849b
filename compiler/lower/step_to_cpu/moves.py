"""`step.fill`, `copy`, `clock`, `tally` and `record`: what moves and counts values."""

from __future__ import annotations

from spikec.dialects import step
from spikec.dialects.mlir import arith, ir, math, memref, vector
from spikec.lower.code import (
    Value,
    as_index,
    index,
    integer,
    loop,
    nonzero,
    number,
    plus,
    python_number,
    shaped,
    when,
)
from spikec.lower.step_to_cpu import events
from spikec.lower.step_to_cpu.places import Frame, Place, shifted
from spikec.lower.step_to_cpu.plan import Held, storage


def fill(frame: Frame, op: step.Fill) -> None:
    value = python_number(op.value)
    fill_with(frame, frame.held(op.into), value)
    held = frame.held(op.into)
    if not held.listed:
        return
    if value == 0:
        events.set_count(frame, held, index(0))
    else:
        events.relist(frame, op.into)


def fill_with(frame: Frame, held: Held, value: float | int) -> None:
    """Sets all elements of this step's slot."""
    if held.values < 0 and not held.on_host:
        return
    into = frame.place(held.name)

    def block(first: Value, width: int, valid: int, carried: list[Value]) -> list[Value]:
        into.store(number(value, shaped(held.element, width)), first)
        return []

    # A pad of events stays zero.
    padded = not held.on_host and (value == 0 or not held.listed)
    events.blocks(frame.plan, held.size, padded, block, [], frame.stretch(held.size))


def copy(frame: Frame, op: step.Copy) -> None:
    source, into = frame.place(op.from_, op.delay), frame.place(op.into)
    move(frame, source, op.low, into, index(op.to), op.size)
    events.relist(frame, op.into)


def move(frame: Frame, source: Place, low: int, into: Place, to: Value, size: int) -> None:
    """into[to : to + size] = source[low : low + size]."""

    def block(first: Value, width: int, valid: int, carried: list[Value]) -> list[Value]:
        into.store(source.load(plus(first, low), width), arith.addi(first, to))
        return []

    events.blocks(frame.plan, size, False, block, [], frame.stretch(size))


def clock(frame: Frame, op: step.Clock) -> None:
    frame.place(op.into).store(arith.index_cast(integer(64), frame.t), index(0))


def tally(frame: Frame, op: step.Tally) -> None:
    held = frame.held(op.of)
    if held.listed:
        _, counts, slot = frame.list_of(held, 0)
        frame.add_to(op.into, counts.load(slot))
        return
    place = frame.place(op.of)

    def block(first: Value, width: int, valid: int, carried: list[Value]) -> list[Value]:
        return [arith.addi(carried[0], _population(nonzero(place.load(first, width)), width))]

    frame.add_to(op.into, events.blocks(frame.plan, held.size, False, block, [index(0)])[0])


def _population(active: Value, width: int) -> Value:
    """How many lanes are true."""
    if width == 1:
        return as_index(active, unsigned=True)
    packed = vector.bitcast(ir.VectorType.get([1], integer(width)), active)
    return as_index(math.ctpop(vector.extract(packed, [], [0])), unsigned=True)


def record(frame: Frame, op: step.Record) -> None:
    probe = frame.held(op.into)
    wanted = memref.extract_aligned_pointer_as_index(frame.hosts[probe.host])
    body = _record_events if probe.op.record == "event" else _record_values
    when(arith.cmpi(arith.CmpIPredicate.ne, wanted, index(0)), lambda: body(frame, probe))


def _record_values(frame: Frame, probe: Held) -> None:
    """One row of the host's samples in the steps that `every` divides."""
    buffer = probe.op
    assert frame.begin is not None
    every = index(buffer.every)

    def row() -> None:
        assert frame.begin is not None
        before = arith.divui(plus(frame.begin, buffer.every - 1), every)
        done = arith.subi(arith.divui(frame.t, every), before)
        memory = shifted(
            frame.hosts[probe.host], arith.muli(done, index(probe.size)), probe.size, storage(probe.element)
        )
        move(frame, frame.place(buffer.of), buffer.low, Place(memory, None, probe.element), index(0), probe.size)

    if buffer.every == 1:
        row()
    else:
        when(arith.cmpi(arith.CmpIPredicate.eq, arith.remui(frame.t, every), index(0)), row)


def _record_events(frame: Frame, probe: Held) -> None:
    """Rows (step, index in the recorded stretch) of the active elements, and their values unless they are spikes."""
    buffer = probe.op
    size = probe.size
    entries, begin, end = events.active(frame, buffer.of, 0, buffer.low, size)
    cursor = frame.word(frame.plan.cursors[probe.name])
    rows = Place(frame.hosts[probe.host], None, integer(32))
    first = as_index(cursor.load(index(0)))
    step_ = arith.index_cast(integer(32), frame.t)
    values = None if probe.spikes else frame.place(buffer.of)
    kept = Place(frame.hosts[probe.host + 1], None, probe.element)

    def one(k: Value) -> None:
        at = arith.addi(first, arith.subi(k, begin))
        place = arith.muli(at, index(2))
        entry = entries.load(k)
        rows.store(step_, place)
        rows.store(arith.subi(entry, number(buffer.low, entry.type)), plus(place, 1))
        if values is not None:
            kept.store(values.load(as_index(entry)), at)

    loop(begin, end, 1, one)
    done = arith.addi(first, arith.subi(end, begin))
    cursor.store(arith.index_cast(integer(64), done), index(0))
