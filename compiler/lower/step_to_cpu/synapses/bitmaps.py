"""Tables of the format `bitmap`: a bit for each pair of a source and a target, in words of `WORD` bits."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spikec.dialects import step
from spikec.dialects.mlir import arith, ir, vector
from spikec.dialects.propagations import Propagation
from spikec.lower.code import (
    Value,
    index,
    integer,
    loop,
    number,
    plus,
    shaped,
)
from spikec.lower.step_to_cpu.places import Frame, Place
from spikec.lower.step_to_cpu.synapses.arrivals import Rows, Source, Weights
from spikec.lower.step_to_cpu.threads.shares import Share

WORD = step.BITMAP_WORD
WORD_BYTES = WORD // 8


@dataclass(frozen=True)
class Bits:
    """The rows of the active sources in one bitmap; `coming` are the sources of the next step where they are known."""

    tally: str
    source: Source
    coming: Source | None
    weights: Weights
    row: Rows
    bits: Place
    words: int
    pre: int

    @classmethod
    def of(cls, frame: Frame, op: Propagation, table: step.Table, source: Source) -> Bits:
        known = op.delay > 1 and frame.held(op.from_).listed
        coming = Source(replace(frame, t=plus(frame.t, 1)), op, table) if known else None
        weights, row = Weights(frame, table), Rows(frame, table)
        return cls(op.tally, source, coming, weights, row, *bits_of(frame, table), max(1, table.pre))

    def first_word(self, k: Value) -> Value:
        """Of the row of the k-th active source."""
        return arith.muli(self.source.at(k)[0], index(self.words))

    def rows(self) -> Value:
        return arith.subi(self.source.end, self.source.begin)

    def additions(self) -> Value:
        """How many synapses the rows have."""

        def one(k: Value, total: Value) -> list[Value]:
            i, _ = self.source.at(k)
            return [arith.addi(total, arith.subi(self.row.end(i), self.row.begin(i)))]

        return loop(self.source.begin, self.source.end, 1, one, [index(0)])[0]


def bits_of(frame: Frame, table: step.Table) -> tuple[Place, int]:
    """The bits of a bitmap, and how many words a row has."""
    name = ir.FlatSymbolRefAttr(table.arrays["bits"]).value
    return frame.place(name), frame.held(name).size // max(1, table.pre)


def own_words(share: Share | None, post: int, words: int) -> tuple[Value, Value]:
    """The stretch of the words of a row that have targets; of a worker, those of its own."""
    words = min(words, -(-post // WORD))
    if share is None:
        return index(0), index(words)
    begin, end = share.of(post)
    after = arith.divui(plus(end, WORD - 1), index(WORD))
    return arith.minsi(arith.divui(begin, index(WORD)), index(words)), arith.minsi(after, index(words))


def mask_of(bits: Value) -> Value:
    """The bits of an integer as truth values in lanes."""
    one = vector.broadcast(ir.VectorType.get([1], bits.type), bits)
    return vector.bitcast(shaped(integer(1), int(bits.type.width)), one)


def part_of(word: Value, first: int, lanes: int) -> Value:
    """Some bits of a word as an integer of so many bits."""
    moved = arith.shrui(word, number(first, word.type)) if first else word
    return moved if lanes == WORD else arith.trunci(integer(lanes), moved)
