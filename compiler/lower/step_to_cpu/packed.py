"""Propagates over tables of the formats `bitmap` and `block`, whose targets a vector reaches several at a time.

A row of a bitmap is walked by the words of its bits: the next weights are spread over the lanes whose bits are set, and
the other lanes get the number that changes nothing.  Machines that cannot spread a register go from bit to bit.
A row of blocks is walked block by block, each a vector.
"""

from __future__ import annotations

from spikec.dialects import step
from spikec.dialects.mlir import arith, ir, math, vector
from spikec.lower.step_to_cpu.arrivals import Source, Weights, summed
from spikec.lower.step_to_cpu.code import (
    Type,
    Value,
    as_index,
    index,
    integer,
    intrinsic,
    loop,
    number,
    plus,
    repeat,
    shaped,
)
from spikec.lower.step_to_cpu.places import Frame, Place

WORD = step.BITMAP_WORD
REGISTER = 512


def bitmap(frame: Frame, table: step.Table, source: Source, weights: Weights, into: Place, padded: bool) -> Value:
    """Returns the number of additions; `padded` says that `into` has room for whole vectors."""
    row, bits = _array(frame, table, "row"), _array(frame, table, "bits")
    words = -(-table.post // WORD)
    width = int(into.element.width)
    spreads = frame.plan.compress and padded and width >= 32
    lanes = min(frame.plan.native, REGISTER // width)

    def one(k: Value, total: Value) -> list[Value]:
        i, value = source.at(k)
        begin, end = as_index(row.load(i)), as_index(row.load(plus(i, 1)))
        first = arith.muli(i, index(words))

        def word(b: Value, at: Value) -> list[Value]:
            set_bits = bits.load(arith.addi(first, b))
            target = arith.muli(b, index(WORD))
            if not spreads:
                return [_bit_by_bit(weights, into, set_bits, target, at, value)]
            for part in range(0, WORD, lanes):
                at = _spread(weights, into, _part(set_bits, part, lanes), plus(target, part), at, value)
            return [at]

        loop(index(0), index(words), 1, word, [begin])
        return [arith.addi(total, arith.subi(end, begin))]

    return loop(source.begin, source.end, 1, one, [index(0)])[0]


def _part(word: Value, first: int, lanes: int) -> Value:
    """Some bits of a word as an integer of so many bits."""
    moved = arith.shrui(word, number(first, word.type)) if first else word
    return moved if lanes == WORD else arith.trunci(integer(lanes), moved)


def _spread(weights: Weights, into: Place, mask: Value, target: Value, at: Value, value: Value | None) -> Value:
    """Adds the weights from `at` on to the lanes whose bits are set; the place of the next weight."""
    lanes = int(mask.type.width)
    there = vector.bitcast(shaped(integer(1), lanes), vector.broadcast(ir.VectorType.get([1], mask.type), mask))
    arriving = weights.arriving(at, value, into.element, lanes)
    nothing = number(_neutral(into.element), arriving.type)
    spread = intrinsic("llvm.x86.avx512.mask.expand", [arriving, nothing, there], arriving.type)
    into.store(summed(into.load(target, lanes), spread), target)
    return arith.addi(at, as_index(math.ctpop(mask), unsigned=True))


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
    row, col = _array(frame, table, "row"), _array(frame, table, "col")
    width = table.block

    def one(k: Value, total: Value) -> list[Value]:
        i, value = source.at(k)
        begin, end = as_index(row.load(i)), as_index(row.load(plus(i, 1)))

        def add(j: Value) -> None:
            target = arith.muli(as_index(col.load(j), unsigned=True), index(width))
            arriving = weights.arriving(arith.muli(j, index(width)), value, into.element, width)
            into.store(summed(into.load(target, width), arriving), target)

        loop(begin, end, 1, add)
        return [arith.addi(total, arith.subi(end, begin))]

    return arith.muli(loop(source.begin, source.end, 1, one, [index(0)])[0], index(width))


def _array(frame: Frame, table: step.Table, name: str) -> Place:
    return frame.place(ir.FlatSymbolRefAttr(table.arrays[name]).value)
