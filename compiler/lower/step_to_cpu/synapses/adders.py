"""How many rows of a bitmap have each bit: numbers in planes, a register for the same bit of all numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spikec.dialects.mlir import arith, vector
from spikec.lower.code import (
    Value,
    down,
    either,
    index,
    integer,
    less,
    loop,
    number,
    plus,
    shaped,
)
from spikec.lower.step_to_cpu.synapses.bitmaps import WORD, Bits

CHUNK = 512 // WORD
"""Words of a register."""


def in_planes(part: Bits, word: Value, there: Value, planes: int) -> list[Value]:
    """How many of the rows have each bit of a chunk from a word on: the bits of the numbers, in planes.

    Words that are not `there` count nothing.
    """
    begin, end = part.source.begin, part.source.end
    line = shaped(integer(32), CHUNK // 2)

    def eight(k: Value, numbers: Sequence[Value], valid: Callable[[Value], Value] | None) -> list[Value]:
        rows = []
        for n in range(8):
            at, mask = plus(k, n), there
            if valid is not None:
                mask = arith.andi(there, vector.broadcast(there.type, valid(at)))
                at = arith.minsi(at, plus(end, -1))
            start = arith.addi(part.first_word(at), word)
            # The last line of the next chunk: its first one is the last one of this chunk.
            part.bits.prefetch(plus(start, 2 * CHUNK - 1))
            rows.append(vector.bitcast(line, part.bits.load(start, CHUNK, mask)))
        return _counted(numbers, rows)

    def expect(k: Value) -> None:
        assert part.coming is not None
        start = arith.muli(part.coming.at(k)[0], index(part.words))
        part.bits.prefetch(plus(arith.addi(start, word), CHUNK - 1), 2)

    if part.coming is not None:
        loop(part.coming.begin, part.coming.end, 1, expect)
    whole = arith.addi(begin, down(arith.subi(end, begin), 8))
    none = [number(0, line)] * planes
    numbers = loop(begin, whole, 8, lambda k, *numbers: eight(k, numbers, None), none)
    last = less(whole, end)
    return either(last, [line] * planes, lambda: eight(whole, numbers, lambda k: less(k, end)), lambda: numbers)


def _counted(planes: Sequence[Value], rows: Sequence[Value]) -> list[Value]:
    """Adds eight rows of bits to numbers in planes."""
    carried, after = [*rows], []
    for plane in planes[:3]:
        # Each pair of bits of one weight gives, with what there was, a sum and a bit of the next weight.
        carries = []
        for pair in zip(carried[::2], carried[1::2], strict=True):
            plane, carry = _full_adder(plane, *pair)
            carries.append(carry)
        after.append(plane)
        carried = carries
    for plane in planes[3:]:
        after.append(arith.xori(plane, carried[0]))
        carried = [arith.andi(plane, carried[0])]
    return after


def _full_adder(a: Value, b: Value, c: Value) -> tuple[Value, Value]:
    """The sum of three bits, and what is carried."""
    one = arith.xori(a, b)
    return arith.xori(one, c), arith.ori(arith.andi(a, b), arith.andi(one, c))
