"""Propagates over tables of the formats `bitmap` and `block`, whose targets a vector reaches several at a time.

A row of a bitmap is walked by the words of its bits: the next weights are spread over the lanes whose bits are set, and
the other lanes get the number that changes nothing.  Machines that cannot spread a register go from bit to bit.
Synapses of one weight need no spreading (`marked`).
A row of blocks is walked block by block, each a vector.
"""

from __future__ import annotations

from collections.abc import Sequence

from spikec.analysis.cost_model import KEPT
from spikec.dialects import step
from spikec.dialects.mlir import arith, ir, math
from spikec.dialects.propagations import Propagation
from spikec.lower.code import (
    Type,
    Value,
    as_index,
    index,
    intrinsic,
    loop,
    number,
    plus,
    repeat,
    summed,
)
from spikec.lower.step_to_cpu.places import Frame, Place
from spikec.lower.step_to_cpu.synapses.arrivals import Rows, Source, Weights
from spikec.lower.step_to_cpu.synapses.bitmaps import Bits, bits_of, mask_of, own_words, part_of
from spikec.lower.step_to_cpu.synapses.marked import Sum, takes

WORD = step.BITMAP_WORD
REGISTER = 512


def bitmap(frame: Frame, op: Propagation, table: step.Table, source: Source, weights: Weights, into: Place) -> Value:
    """Returns the number of additions.

    Where the sums of all words fit in registers, they stay there while rows go by.
    """
    row, (bits, words) = Rows(frame, table), bits_of(frame, table)
    own = own_words(frame.divided, table.post, words)
    if takes(frame, op, table):
        marked = Bits.of(frame, op, table, source)
        Sum(frame, into, [marked]).add(own)
        return marked.additions()
    padded = not frame.held(op.into).on_host
    width = int(into.element.width)
    lanes = min(frame.plan.native, REGISTER // width)
    spreads = frame.plan.compress and padded and width >= 32
    parts = range(0, WORD, lanes)

    def spread(set_bits: Value, sums: Sequence[Value], at: Value, value: Value | None) -> list[Value]:
        """The place of the next weight, and the sums with the weights of a word."""
        added = []
        for part, before in zip(parts, sums, strict=True):
            mask = part_of(set_bits, part, lanes)
            added.append(summed(before, _spread(weights, into.element, mask, at, value)))
            at = arith.addi(at, as_index(math.ctpop(mask), unsigned=True))
        return [at, *added]

    def in_memory(set_bits: Value, target: Value, at: Value, value: Value | None) -> Value:
        if not spreads:
            return _bit_by_bit(weights, into, set_bits, target, at, value)
        places = [plus(target, part) for part in parts]
        at, *added = spread(set_bits, [into.load(place, lanes) for place in places], at, value)
        for place, sum in zip(places, added, strict=True):
            into.store(sum, place)
        return at

    def one(k: Value, total: Value, *sums: Value) -> list[Value]:
        i, value = source.at(k)
        begin, end = row.begin(i), row.end(i)
        first = arith.muli(i, index(words))

        def word(b: Value, at: Value) -> list[Value]:
            return [in_memory(bits.load(arith.addi(first, b)), arith.muli(b, index(WORD)), at, value)]

        after: list[Value] = []
        if sums:
            at = begin
            for b in range(words):
                at, *added = spread(bits.load(plus(first, b)), sums[b * len(parts) :][: len(parts)], at, value)
                after += added
        else:
            loop(*own, 1, word, [begin])
        return [arith.addi(total, arith.subi(end, begin)), *after]

    few = words * len(parts) <= KEPT and frame.divided is None
    kept = range(0, words * WORD, lanes) if spreads and few else range(0)
    total, *sums = loop(
        source.begin, source.end, 1, one, [index(0), *(into.load(index(start), lanes) for start in kept)]
    )
    for start, sum in zip(kept, sums, strict=True):
        into.store(sum, index(start))
    return total


def _spread(weights: Weights, element: Type, mask: Value, at: Value, value: Value | None) -> Value:
    """The weights from `at` on in the lanes whose bits are set."""
    there = mask_of(mask)
    arriving = weights.arriving(at, value, element, int(mask.type.width))
    nothing = number(_neutral(element), arriving.type)
    return intrinsic("llvm.x86.avx512.mask.expand", [arriving, nothing, there], arriving.type)


def _neutral(element: Type) -> float:
    """x + -0.0 is x for all x, zeros of both signs too."""
    return 0 if isinstance(element, ir.IntegerType) else -0.0


def _bit_by_bit(weights: Weights, into: Place, bits: Value, target: Value, at: Value, value: Value | None) -> Value:
    def more(left: Value, at: Value) -> Value:
        return arith.cmpi(arith.CmpIPredicate.ne, left, number(0, left.type))

    def take(left: Value, at: Value) -> list[Value]:
        here = arith.addi(target, as_index(math.cttz(left), unsigned=True))
        into.store(summed(into.load(here), weights.arriving(at, value, into.element)), here)
        below = arith.subi(left, number(1, left.type))
        return [arith.andi(left, below), plus(at, 1)]

    return repeat(more, take, [bits, at])[1]


def blocks(frame: Frame, table: step.Table, source: Source, weights: Weights, into: Place) -> Value:
    """Returns the number of additions."""
    row, col = Rows(frame, table), _array(frame, table, "col")
    width = table.block

    def one(k: Value, total: Value) -> list[Value]:
        i, value = source.at(k)
        begin, end = row.begin(i), row.end(i)

        def add(j: Value) -> None:
            target = arith.muli(as_index(col.load(j), unsigned=True), index(width))
            arriving = weights.arriving(arith.muli(j, index(width)), value, into.element, width)
            into.store(summed(into.load(target, width), arriving), target)

        loop(begin, end, 1, add)
        return [arith.addi(total, arith.subi(end, begin))]

    return arith.muli(loop(source.begin, source.end, 1, one, [index(0)])[0], index(width))


def _array(frame: Frame, table: step.Table, name: str) -> Place:
    return frame.place(ir.FlatSymbolRefAttr(table.arrays[name]).value)
