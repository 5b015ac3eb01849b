"""Propagates over dense tables for many steps at once: the steps are in the lanes of vectors.

Where a large share of the sources is active, it is cheaper to go through all of them once than through the list of
each step.  A word of marks for each source has a bit for each of as many steps as a register of sums has lanes.  The
sums of some targets in all those steps stay in registers while the sources go by in ascending order, and each weight
is added in the lanes that are marked: no other sum is touched, so that each gets the additions of the language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spikec.dialects import step
from spikec.dialects.mlir import arith, func, ir, math, memref
from spikec.lower.code import (
    Type,
    Value,
    as_index,
    converted,
    either,
    index,
    integer,
    less,
    loop,
    number,
    plus,
    python_number,
    splat,
    summed,
)
from spikec.lower.step_to_cpu import events
from spikec.lower.step_to_cpu.places import Frame, Place
from spikec.lower.step_to_cpu.plan import PREFIX, Plan, storage
from spikec.lower.step_to_cpu.squares import transposed
from spikec.lower.step_to_cpu.synapses.arrivals import Weights
from spikec.lower.step_to_cpu.synapses.bitmaps import mask_of


@dataclass(frozen=True)
class Function:
    """Code for any places and numbers, so that all stages share it: `types` follow those of both blocks of memory."""

    name: str
    types: list[Type]
    body: Callable[..., None]


def functions(plan: Plan, ops: Sequence[step.Propagate], symbols: Mapping[str, Any]) -> list[Function]:
    """What calls of some propagates need."""
    kinds = {Kind.of(plan, op, step.Table(symbols[op.table])) for op in ops}
    made = [Function(kind.name, kind.types, kind.add_all) for kind in kinds]
    mark = Function(MARK, [ir.IndexType.get()] * 9, mark_all)
    return sorted([mark, *made] if made else [], key=lambda function: function.name)


MARK = "abreast.mark"


def mark(frame: Frame, op: step.Propagate, table: step.Table, marks: int, steps: Value) -> None:
    """Marks the active sources of some steps, of which the frame's is the first.

    At `marks` there is a row of words for each group of as many steps as a word has bits.
    """
    held = frame.held(op.from_)
    slot = frame.slot(held, op.delay)
    numbers = [held.list, 4 * held.list_stride, held.count, held.slots, op.low, table.pre, marks]
    slot = index(0) if slot is None else slot
    func.CallOp([], PREFIX + MARK, [frame.arena, frame.constants, *map(index, numbers), slot, steps])


def mark_all(
    plan: Plan,
    arena: Value,
    constants: Value,
    list_at: Value,
    apart: Value,
    count_at: Value,
    slots: Value,
    low: Value,
    sources: Value,
    marks_at: Value,
    slot: Value,
    steps: Value,
) -> None:
    """The body of the function that marks the sources from `low` on.

    Lists, counts and marks begin at bytes of the arena; the list of a step, in `slot` first, is `apart` bytes from that
    in the next slot.
    """
    word = integer(plan.native)
    counts = _place(plan, arena, count_at, integer(64), slots)
    size = arith.muli(arith.ceildivui(steps, index(plan.native)), sources)
    marks = _place(plan, arena, marks_at, word, size)
    loop(index(0), size, 1, lambda k: marks.store(number(0, word), k))
    bounds = [arith.index_cast(integer(32), bound) for bound in (low, arith.addi(low, sources))]

    def one(t: Value, slot: Value) -> list[Value]:
        entries = _place(plan, arena, arith.addi(list_at, arith.muli(slot, apart)), integer(32), apart)
        count = as_index(counts.load(slot))
        begin, end = (events.first_from(entries.load, index(0), count, bound) for bound in bounds)
        row = arith.subi(arith.muli(arith.divui(t, index(plan.native)), sources), low)
        bit = arith.shli(number(1, word), arith.index_cast(word, arith.remui(t, index(plan.native))))

        def event(k: Value) -> None:
            at = arith.addi(row, as_index(entries.load(k)))
            marks.store(arith.ori(marks.load(at), bit), at)

        loop(begin, end, 1, event)
        return [_wrapped(plus(slot, 1), slots)]

    loop(index(0), steps, 1, one, [slot])


def _wrapped(slot: Value, slots: Value) -> Value:
    """A slot of a ring, or the one behind its last, which is the first."""
    return arith.select(less(slot, slots), slot, arith.subi(slot, slots))


def _place(plan: Plan, block: Value, offset: Value, element: Type, size: Value) -> Place:
    """Elements of a block of memory from a byte on."""
    type = ir.MemRefType.get([ir.ShapedType.get_dynamic_size()], storage(element))
    return Place(memref.view(type, block, offset, [size]), None, element, plan.flush == "store")


def add(frame: Frame, op: step.Propagate, table: step.Table, marks: int, group: Value, begin: Any) -> None:
    """Adds the weights of the marked sources in the steps of a group, which begins with the frame's.

    `marks` is the place of those of the first group.  The sums begin with the number `begin`, or for None with what
    they are.
    """
    into, weights = frame.held(op.into), Weights(frame, table)
    assert weights.held is not None
    target, targets = (index(0), table.post) if frame.tile is None else (frame.tile.begin, frame.tile.width)
    slot = frame.slot(into, 0)
    numbers = [
        _bytes(weights.held.values, weights.first(target), weights.held.width),
        index(weights.row),
        _bytes(marks, arith.muli(group, index(table.pre)), frame.plan.native // 8),
        index(table.pre),
        _bytes(into.values, target, into.width),
        index(targets),
        index(into.stride * into.width),
        index(0) if slot is None else slot,
        index(into.slots),
        number(begin is not None, integer(1)),
        number(0 if begin is None else python_number(begin), into.element),
    ]
    func.CallOp([], PREFIX + Kind.of(frame.plan, op, table).name, [frame.arena, frame.constants, *numbers])


def _bytes(begin: int, elements: Value, width: int) -> Value:
    return plus(arith.muli(elements, index(width)), begin)


@dataclass(frozen=True)
class Kind:
    """A function that adds weights of one type to sums of another one, whatever their places and numbers."""

    sums: Type
    weights: Type

    @staticmethod
    def of(plan: Plan, op: step.Propagate, table: step.Table) -> Kind:
        weights = ir.FlatSymbolRefAttr(table.arrays["w"]).value
        return Kind(plan.buffers[op.into].element, plan.buffers[weights].element)

    @property
    def name(self) -> str:
        return f"abreast.{self.sums}.{self.weights}"

    @property
    def types(self) -> list[Type]:
        """Of its arguments behind the two blocks of memory."""
        return [*[ir.IndexType.get()] * 9, integer(1), self.sums]

    def add_all(
        self,
        plan: Plan,
        arena: Value,
        constants: Value,
        weights_at: Value,
        row: Value,
        marks_at: Value,
        sources: Value,
        sums_at: Value,
        targets: Value,
        apart: Value,
        slot: Value,
        slots: Value,
        anew: Value,
        begin: Value,
    ) -> None:
        """Its body.

        Weights, marks and sums begin at bytes of the two blocks; the weights of a source are `row` elements from those
        of the next one, and the sums of a step, in `slot` first, `apart` bytes from those in the next slot.  Where they
        are made `anew` they begin with a number.
        """
        lanes, bits = plan.native, integer(plan.native)

        weights = _place(plan, constants, weights_at, self.weights, row)
        marks = _place(plan, arena, marks_at, bits, sources)
        sums = []
        for lane in range(lanes):
            later = _wrapped(plus(slot, lane), slots)
            sums.append(_place(plan, arena, arith.addi(sums_at, arith.muli(later, apart)), self.sums, targets))

        def square(target: Value) -> None:
            def source(k: Value, *sums: Value) -> list[Value]:
                active = mask_of(marks.load(k))
                start = arith.addi(target, arith.muli(k, row))
                return [
                    _added(value, splat(converted(weights.load(plus(start, j)), self.sums), lanes), active, j % 2 == 1)
                    for j, value in enumerate(sums)
                ]

            numbers = [splat(begin, lanes)] * lanes
            types = [value.type for value in numbers]
            rows = either(anew, types, lambda: numbers, lambda: transposed([sum.load(target, lanes) for sum in sums]))
            rows = transposed(loop(index(0), sources, 1, source, rows))
            for sum, value in zip(sums, rows, strict=True):
                sum.store(value, target)

        loop(index(0), targets, lanes, square)


def _added(value: Value, weight: Value, active: Value, fused: bool) -> Value:
    """value + weight in the active lanes, value in the others.

    Every other one may be `fused`, with a product by one: those units of a processor have nothing else to do.
    """
    if fused and not isinstance(weight.type.element_type, ir.IntegerType):
        one = arith.select(active, number(1.0, weight.type), number(0.0, weight.type))
        return arith.select(active, math.fma(one, weight, value), value)
    return arith.select(active, summed(value, weight), value)
