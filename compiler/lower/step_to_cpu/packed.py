"""Propagates over tables of the formats `bitmap` and `block`, whose targets a vector reaches several at a time.

A row of a bitmap is walked by the words of its bits: the next weights are spread over the lanes whose bits are set, and
the other lanes get the number that changes nothing.  Machines that cannot spread a register go from bit to bit.  Where
synapses have one weight, it is added in the lanes whose bits are set, and the next row is fetched meanwhile.
A row of blocks is walked block by block, each a vector.
"""

from __future__ import annotations

from collections.abc import Sequence

from spikec.analysis.cost_model import KEPT
from spikec.dialects import step
from spikec.dialects.mlir import arith, ir, math, vector
from spikec.lower.code import (
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
    summed,
)
from spikec.lower.step_to_cpu.arrivals import Rows, Source, Weights
from spikec.lower.step_to_cpu.places import LINE, Frame, Place
from spikec.lower.step_to_cpu.shares import Share

WORD = step.BITMAP_WORD
REGISTER = 512
WORD_BYTES = WORD // 8
PREFETCHED = 32  # cache lines of a row
TOGETHER = 4  # rows of a bitmap


def bitmap(frame: Frame, table: step.Table, source: Source, weights: Weights, into: Place, padded: bool) -> Value:
    """Returns the number of additions; `padded` says that `into` has room for whole vectors.

    Where the sums of all words fit in registers, they stay there while rows go by.
    """
    row, bits = Rows(frame, table), _array(frame, table, "bits")
    words = frame.held(ir.FlatSymbolRefAttr(table.arrays["bits"]).value).size // max(1, table.pre)
    own = own_words(frame.divided, table.post, words)
    if weights.place is None and padded and frame.plan.native > 1:
        return _marked(frame, source, weights, into, row, bits, words, own)
    width = int(into.element.width)
    lanes = min(frame.plan.native, REGISTER // width)
    spreads = frame.plan.compress and padded and width >= 32
    parts = range(0, WORD, lanes)

    def spread(set_bits: Value, sums: Sequence[Value], at: Value, value: Value | None) -> list[Value]:
        """The place of the next weight, and the sums with the weights of a word."""
        added = []
        for part, before in zip(parts, sums, strict=True):
            mask = _part(set_bits, part, lanes)
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


def _marked(
    frame: Frame,
    source: Source,
    weights: Weights,
    into: Place,
    row: Rows,
    bits: Place,
    words: int,
    own: tuple[Value, Value],
) -> Value:
    """The rows of a bitmap whose synapses have one weight, several at once, so that sums go to memory less often."""
    lanes = min(frame.plan.native, WORD)
    last = plus(source.end, -1)

    def fetch(k: Value) -> None:
        ahead = arith.muli(source.at(arith.minsi(k, last))[0], index(words))
        if frame.divided is not None:
            loop(*own, LINE // WORD_BYTES, lambda b: bits.prefetch(arith.addi(ahead, b)))
            return
        bits.prefetch_lines(ahead, WORD_BYTES, min(PREFETCHED, -(-words * WORD_BYTES // LINE)))

    def several(count: int, k: Value, total: Value) -> list[Value]:
        firsts, arriving = [], []
        for n in range(count):
            i, value = source.at(plus(k, n))
            total = arith.addi(total, arith.subi(row.end(i), row.begin(i)))
            firsts.append(arith.muli(i, index(words)))
            arriving.append(weights.arriving(index(0), value, into.element, lanes))
            fetch(plus(k, count + n))

        def word(b: Value) -> None:
            there = [bits.load(arith.addi(first, b)) for first in firsts]
            for part in range(0, WORD, lanes):
                target = plus(arith.muli(b, index(WORD)), part)
                sums = into.load(target, lanes)
                for mask, weight in zip(there, arriving, strict=True):
                    sums = arith.select(_mask(_part(mask, part, lanes)), summed(sums, weight), sums)
                into.store(sums, target)

        loop(*own, 1, word)
        return [total]

    whole = arith.divui(arith.subi(source.end, source.begin), index(TOGETHER))
    between = arith.addi(source.begin, arith.muli(whole, index(TOGETHER)))
    total = loop(source.begin, between, TOGETHER, lambda k, total: several(TOGETHER, k, total), [index(0)])
    return loop(between, source.end, 1, lambda k, total: several(1, k, total), total)[0]


def own_words(share: Share | None, post: int, words: int) -> tuple[Value, Value]:
    """The stretch of the words of a row; of a worker, those of its targets."""
    if share is None:
        return index(0), index(words)
    begin, end = share.of(post)
    after = arith.divui(plus(end, WORD - 1), index(WORD))
    return arith.minsi(arith.divui(begin, index(WORD)), index(words)), arith.minsi(after, index(words))


def _mask(bits: Value) -> Value:
    """The bits of an integer as truth values in lanes."""
    lanes = int(bits.type.width)
    return vector.bitcast(shaped(integer(1), lanes), vector.broadcast(ir.VectorType.get([1], bits.type), bits))


def _part(word: Value, first: int, lanes: int) -> Value:
    """Some bits of a word as an integer of so many bits."""
    moved = arith.shrui(word, number(first, word.type)) if first else word
    return moved if lanes == WORD else arith.trunci(integer(lanes), moved)


def _spread(weights: Weights, element: Type, mask: Value, at: Value, value: Value | None) -> Value:
    """The weights from `at` on in the lanes whose bits are set."""
    there = _mask(mask)
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
