"""`step.draw`: Philox 4x32-10, a block of elements at a time; word 0 of each gives one uniform number."""

from __future__ import annotations

from spikec.dialects import step
from spikec.dialects.mlir import arith
from spikec.dialects.random import MULTIPLIERS, ROUNDS, WEYL
from spikec.lower.step_to_cpu import events
from spikec.lower.step_to_cpu.code import Value, ascending, index, integer, number, shaped, splat, width_of
from spikec.lower.step_to_cpu.places import Frame
from spikec.lower.step_to_cpu.plan import KEYS, SAMPLE


def lower(frame: Frame, op: step.Draw) -> None:
    held = frame.held(op.into)
    into = frame.place(op.into)
    offset = KEYS + 8 * frame.plan.key_row(op.key)
    words = [_wide(frame.word(offset + 4 * i, 32).load(index(0))) for i in range(2)]
    sample = _wide(frame.word(SAMPLE, 32).load(index(0)))
    t = arith.index_cast(integer(64), frame.t)
    high = arith.shrui(t, number(32, t.type))

    def block(first: Value, width: int, valid: int, carried: list[Value]) -> list[Value]:
        element = ascending(arith.index_cast(integer(64), first), width)
        counter = [element, splat(t, width), splat(sample, width), splat(high, width)]
        word = arith.trunci(shaped(integer(32), width), philox(counter, words))
        bits = arith.shrui(word, number(8, word.type))
        if held.element == integer(32):
            into.store(bits, first)
        else:
            real = shaped(held.element, width)
            into.store(arith.mulf(arith.uitofp(real, bits), number(2.0**-24, real)), first)
        return []

    events.blocks(frame.plan, held.size, not held.on_host, block, [])
    events.relist(frame, op.into)


def _wide(word: Value) -> Value:
    return arith.extui(integer(64), word)


def philox(counter: list[Value], key: list[Value]) -> Value:
    """Word 0 of the generator's output, in the low half.

    Words stand in 64 bits, so that a product of two needs no shuffling; what is in the high halves is ignored.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    width = width_of(c0.type)
    half = number(32, c0.type)
    for _ in range(ROUNDS):
        left, right = _product(c0, MULTIPLIERS[0]), _product(c2, MULTIPLIERS[1])
        c0 = arith.xori(arith.xori(arith.shrui(right, half), c1), splat(k0, width))
        c2 = arith.xori(arith.xori(arith.shrui(left, half), c3), splat(k1, width))
        c1, c3 = right, left
        k0, k1 = (arith.addi(k, number(w, k.type)) for k, w in zip((k0, k1), WEYL, strict=True))
    return c0


def _product(value: Value, factor: int) -> Value:
    """The product of the low halves."""
    low = arith.andi(value, number(0xFFFFFFFF, value.type))
    return arith.muli(low, number(factor, value.type))
