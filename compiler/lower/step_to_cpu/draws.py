"""`step.draw`: Philox 4x32-10, a block of elements at a time; word 0 of each gives one uniform number."""

from __future__ import annotations

from spikec.dialects import step
from spikec.dialects.mlir import arith, ir
from spikec.dialects.random import MULTIPLIERS, ROUNDS, WEYL
from spikec.lower.step_to_cpu import events
from spikec.lower.step_to_cpu.code import Value, element_of, index, integer, lanes, number, shaped, splat, width_of
from spikec.lower.step_to_cpu.places import Frame
from spikec.lower.step_to_cpu.plan import KEYS, SAMPLE


def lower(frame: Frame, op: step.Draw) -> None:
    held = frame.held(op.into)
    into = frame.place(op.into)
    offset = KEYS + 8 * frame.plan.key_row(op.key)
    words = [frame.word(offset + 4 * i, 32).load(index(0)) for i in range(2)]
    sample = frame.word(SAMPLE, 32).load(index(0))
    t = arith.index_cast(integer(64), frame.t)
    low, high = (arith.trunci(integer(32), w) for w in (t, arith.shrui(t, number(32, t.type))))

    def block(first: Value, width: int, valid: int, carried: list[Value]) -> list[Value]:
        element = splat(arith.index_cast(integer(32), first), width)
        if width > 1:
            element = arith.addi(element, lanes(integer(32), width))
        counter = [element, splat(low, width), splat(sample, width), splat(high, width)]
        bits = arith.shrui(_philox(counter, words), number(8, element.type))
        real = shaped(held.element, width)
        into.store(arith.mulf(arith.uitofp(real, bits), number(2.0**-24, real)), first)
        return []

    events.blocks(frame.plan, held.size, not held.on_host, block, [])
    events.relist(frame, op.into)


def _philox(counter: list[Value], key: list[Value]) -> Value:
    """Word 0 of the generator's output."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    width = width_of(c0.type)
    for _ in range(ROUNDS):
        left_high, left_low = _product(c0, MULTIPLIERS[0])
        right_high, right_low = _product(c2, MULTIPLIERS[1])
        c0 = arith.xori(arith.xori(right_high, c1), splat(k0, width))
        c2 = arith.xori(arith.xori(left_high, c3), splat(k1, width))
        c1, c3 = right_low, left_low
        k0, k1 = (arith.addi(k, _word(w, k.type)) for k, w in zip((k0, k1), WEYL, strict=True))
    return c0


def _product(value: Value, factor: int) -> tuple[Value, Value]:
    """The high and low words of an unsigned product."""
    width = width_of(value.type)
    wide = shaped(integer(64), width)
    product = arith.muli(arith.extui(wide, value), number(factor, wide))
    high = arith.trunci(value.type, arith.shrui(product, number(32, wide)))
    return high, arith.trunci(value.type, product)


def _word(value: int, type: Value) -> Value:
    """An unsigned 32-bit constant."""
    assert isinstance(element_of(type), ir.IntegerType)
    return number(value - (1 << 32) if value >= 1 << 31 else value, type)
