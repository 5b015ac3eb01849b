"""What a propagation reads on the device: the events of its sources, as words or one by one, and its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.mlir import arith
from spikec.dialects.propagations import Propagation
from spikec.lower.code import Type, Value, converted, nonzero, number, product
from spikec.lower.step_to_gpu.code import WORD, Elements, add, ballot, bit, constant, equal, least, over, rest, times
from spikec.lower.step_to_gpu.thread import Thread


class Source:
    """The elements low ... low + pre - 1 of a buffer, `sooner` steps after those that the propagation names."""

    def __init__(self, thread: Thread, op: Propagation, pre: int, sooner: Value | None = None) -> None:
        self.held = thread.held(op.from_)
        self.values = thread.values(op.from_, op.delay, sooner)
        self.spikes = str(self.held.element) == "i1"
        self.low, self.end = op.low, op.low + pre
        self._lane = thread.lane

    @property
    def padded(self) -> bool:
        """Whether all threads of a block may load an element."""
        return not (self.held.on_host or self.held.kind == "constant")

    @property
    def words(self) -> range:
        """The numbers of the words that have the elements."""
        return range(self.low // WORD, -(-self.end // WORD))

    def named(self, table: step.Table, what: str) -> str:
        """The name of an array on the device that a table's weights by words of these sources make."""
        return f"{table.sym_name}:{what}:{self.low % WORD}"

    def word(self, w: Value) -> Value:
        """The elements 32 w ... 32 w + 31 that are active; all threads of the warp must be here, with the same `w`."""
        if self.held.bits:
            found = self.values.load(w)
        else:
            element = add(times(w, WORD), self._lane)
            if not self.padded:
                element = least(element, self.held.size - 1)
            # What is loaded twice or from a pad is not among the elements.
            found = ballot(nonzero(self.values.load(element)))
        first, last = self.low // WORD, (self.end - 1) // WORD
        if self.low % WORD:
            found = arith.andi(found, _only(w, first, -1 << self.low % WORD))
        if self.end % WORD and not (self.held.bits and self.end == self.held.size):
            found = arith.andi(found, _only(w, last, (1 << self.end % WORD) - 1))
        return found

    def active(self, i: Value) -> tuple[Value, Value | None]:
        """Whether element i of the buffer is active, and its value where that is no plain spike."""
        if self.held.bits:
            return bit(self.values.load(over(i, WORD)), rest(i, WORD)), None
        value = self.values.load(i)
        return nonzero(value), None if self.spikes else value

    def value(self, i: Value) -> Value | None:
        """The value of element i of the buffer, which is active; None for a plain spike."""
        return None if self.spikes else self.values.load(i)


def _only(w: Value, number: int, mask: int) -> Value:
    """`mask` for the word of a number, all ones for others."""
    return arith.select(equal(w, number), constant(mask), constant(-1))


@dataclass(frozen=True)
class Weights:
    """Weights on the device, or the number that all are."""

    numbers: Elements | float

    def moved(self, i: Value) -> Weights:
        """The weights from i on."""
        return Weights(self.numbers.moved(i)) if isinstance(self.numbers, Elements) else self

    def arriving(self, i: Value, value: Value | None, type: Type) -> Value:
        """What weight i carries to its target, for an event of some value or for a plain spike (None)."""
        numbers = self.numbers
        weight = converted(numbers.load(i), type) if isinstance(numbers, Elements) else number(numbers, type)
        return weight if value is None else product(weight, converted(value, type))


def weights(
    thread: Thread, name: str, stored: Array | float, ordered: Callable[[Array], Array] = lambda stored: stored
) -> Weights:
    """The weights of a table in an order of their own, as an array on the device of some name."""
    if not isinstance(stored, np.ndarray):
        return Weights(stored)
    return Weights(thread.constant(name, lambda: narrowed(ordered(stored))))


def narrowed(numbers: Array) -> Array:
    """Integers in the smallest type that holds them all; reals as they are."""
    if numbers.dtype.kind == "f" or not numbers.size:
        return numbers
    low, high = int(numbers.min()), int(numbers.max())
    fits = (bits for bits in (8, 16, 32, 64) if -(1 << bits - 1) <= low and high < 1 << bits - 1)
    return numbers.astype(f"i{next(fits) // 8}")
