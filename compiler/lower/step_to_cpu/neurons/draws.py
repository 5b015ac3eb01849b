"""`step.draw`: Philox 4x32-10, a block of elements at a time; word 0 of each gives one uniform number."""

from __future__ import annotations

from spikec.dialects import step
from spikec.dialects.mlir import arith
from spikec.lower.code import Value, ascending, index, integer, number, shaped, splat
from spikec.lower.philox import philox
from spikec.lower.step_to_cpu import events
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

    events.blocks(frame.plan, held.size, not held.on_host, block, [], frame.stretch(held.size))
    events.relist(frame, op.into)


def _wide(word: Value) -> Value:
    return arith.extui(integer(64), word)
