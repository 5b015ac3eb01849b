"""A generator of random numbers: Philox 4x32-10 (`dialects.random`), four bits of a product a cycle.

A number takes 10 rounds of 9 cycles.  It is made for the elements of one lane in their order, step after step, one
ahead of what is taken.
"""

from __future__ import annotations

from spikec.dialects.random import MULTIPLIERS, ROUNDS, WEYL
from spikec.dialects.rtl_builder import Design, Module, Register, Signal
from spikec.runtime.rtl.circuit import Shape

WORD = 32
DIGIT = 4
BITS = 24
"""Of a number that is drawn."""
STEP_BITS = 48


def philox(design: Design, name: str, shape: Shape, lane: int) -> Module:
    """The module: `key` (word 0 in the low half) and `sample`, which stay as they are; `valid`, `drawn`, `ready`."""
    module = design.module(name)
    key, sample = module.input("key", 2 * WORD), module.input("sample", WORD)
    ready = module.input("ready", 1)
    digits = WORD // DIGIT
    valid, busy = module.reg("valid", 1, init=0), module.reg("busy", 1, init=0)
    digit, round_ = module.reg("digit", digits.bit_length(), init=0), module.reg("round", ROUNDS.bit_length(), init=0)
    begin = (~busy & ~valid).named("begin")
    mix = (busy & digit.eq(digits)).named("mix")
    last = (mix & round_.eq(ROUNDS - 1)).named("last")
    busy.next(begin | (busy & ~last))
    valid.next(last | (valid & ~ready))
    digit.next(module.mux(mix | begin, 0, digit + 1))
    round_.next(module.mux(begin, 0, round_ + 1), enable=begin | mix)
    element, step = _place(module, shape, lane, last)
    keys = [_key(module, k, key[WORD * k : WORD * (k + 1)], begin, mix) for k in range(2)]
    even = [_Product(module, f"product{k}", MULTIPLIERS[k]) for k in range(2)]
    odd = [module.reg(f"counter{k}", WORD) for k in (1, 3)]
    step_high = step[WORD:].zext(WORD)
    for k, other, start in ((0, 1, element), (1, 0, sample)):
        even[k].load(begin, start, mix, even[other].high ^ odd[k] ^ keys[k])
    for k, start in ((0, step[:WORD]), (1, step_high)):
        odd[k].next(module.mux(begin, start, even[1 - k].low), enable=begin | mix)
    drawn = module.reg("number", BITS)
    drawn.next((even[1].high ^ odd[0] ^ keys[0])[WORD - BITS :], enable=last)
    module.output("valid", valid)
    module.output("drawn", drawn)
    return module


class _Product:
    """A word times a constant: `low` gives up its digits from the lowest on, and takes those of the product."""

    def __init__(self, module: Module, name: str, factor: int) -> None:
        self._module, self._factor = module, factor
        self.high: Register = module.reg(f"{name}_high", WORD)
        self.low: Register = module.reg(f"{name}_low", WORD)

    def load(self, begin: Signal, start: Signal, mix: Signal, following: Signal) -> None:
        """The word is `start` with `begin`, `following` with `mix`; else one digit more is done."""
        module, wide = self._module, WORD + DIGIT
        parts = [module.mux(self.low[k], module.constant(self._factor << k, wide), 0) for k in range(DIGIT)]
        total = (parts[0] + parts[1]) + (parts[2] + parts[3]) + self.high.zext(wide)
        fresh = begin | mix
        self.high.next(module.mux(fresh, 0, total[DIGIT:]))
        shifted = module.concat(total[:DIGIT], self.low[DIGIT:])
        self.low.next(module.mux(fresh, module.mux(begin, start, following), shifted))


def _key(module: Module, number: int, start: Signal, begin: Signal, mix: Signal) -> Register:
    found = module.reg(f"key{number}", WORD)
    found.next(module.mux(begin, start, found + WEYL[number]), enable=begin | mix)
    return found


def _place(module: Module, shape: Shape, lane: int, done: Signal) -> tuple[Signal, Signal]:
    """The element and the step that the next number is for."""
    step = module.reg("step", STEP_BITS, init=0)
    if shape.groups == 1:
        step.next(step + 1, enable=done)
        return module.constant(lane, WORD), step
    last = lane + (shape.groups - 1) * shape.lanes
    element = module.reg("element", last.bit_length(), init=lane)
    end = element.eq(last)
    element.next(module.mux(end, lane, element + shape.lanes), enable=done)
    step.next(step + 1, enable=done & end)
    return element.zext(WORD), step
