"""The logic of a circuit bit by bit: gates of two or three inputs between registers, memories and adders.

A literal is twice the number of a node, and one more where it is inverted; 0 and 1 are the constants.  Equal gates are
one node, and constants and equal inputs are simplified, as every synthesis does before it looks for tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

ZERO, ONE = 0, 1
LEAF, AND, XOR, MUX = range(4)
_GATES = 2  # the bits of sums that are not worth a chain of carries

Word = list[int]
"""Literals, the least significant first."""


@dataclass
class Adder:
    """Sums of two words with a carry: `outputs` are leaves, made from the literals at their places."""

    first: Word
    second: Word
    outputs: Word


@dataclass
class Bits:
    """`kinds` and `fanins` of nodes, which come after what they are made of; `adders` are chains of carries."""

    kinds: list[int] = field(default_factory=lambda: [LEAF])
    fanins: list[tuple[int, ...]] = field(default_factory=lambda: [()])
    adders: list[Adder] = field(default_factory=list)
    _known: dict[tuple[int, ...], int] = field(default_factory=dict)
    _sums: dict[tuple[int, ...], Adder] = field(default_factory=dict)

    def leaf(self) -> int:
        """A bit that no gate makes."""
        return self._node(LEAF, ())

    def leaves(self, width: int) -> Word:
        return [self.leaf() for _ in range(width)]

    def _node(self, kind: int, fanins: tuple[int, ...]) -> int:
        self.kinds.append(kind)
        self.fanins.append(fanins)
        return 2 * (len(self.kinds) - 1)

    def _gate(self, kind: int, *fanins: int) -> int:
        key = (kind, *fanins)
        if key not in self._known:
            self._known[key] = self._node(kind, fanins)
        return self._known[key]

    # ------------------------------------------------------------ gates

    def and_(self, a: int, b: int) -> int:
        if a > b:
            a, b = b, a
        if a == ZERO or a ^ 1 == b:
            return ZERO
        return b if a in (ONE, b) else self._gate(AND, a, b)

    def or_(self, a: int, b: int) -> int:
        return self.and_(a ^ 1, b ^ 1) ^ 1

    def xor(self, a: int, b: int) -> int:
        inverted = (a ^ b) & 1
        a, b = min(a & -2, b & -2), max(a & -2, b & -2)
        if a == b:
            return inverted
        return (b if a == ZERO else self._gate(XOR, a, b)) ^ inverted

    def mux(self, condition: int, a: int, b: int) -> int:
        """a where the condition is 1."""
        if condition & 1:
            condition, a, b = condition ^ 1, b, a
        if condition == ZERO or a == b:
            return b
        if a in (ONE, condition):
            return self.or_(condition, b)
        if a == ZERO:
            return self.and_(condition ^ 1, b)
        if b in (ZERO, condition):
            return self.and_(condition, a)
        if b == ONE:
            return self.or_(condition ^ 1, a)
        if a == b ^ 1:
            return self.xor(condition, b)
        for arm, other, first in ((b, a, ONE), (a, b, ZERO)):
            if not arm & 1 and self.kinds[arm >> 1] == MUX:
                inner, x, y = self.fanins[arm >> 1]
                if other in (x, y):  # one choice where two have the same outcome
                    inner, rest = (inner, y) if other == x else (inner ^ 1, x)
                    return self.mux(self.or_(condition ^ first ^ 1, inner), other, rest)
        return self._gate(MUX, condition, a, b)

    # ------------------------------------------------------------ words

    def tree(self, gate: Callable[[int, int], int], word: Sequence[int], none: int) -> int:
        """All bits of a word by one kind of gate."""
        found = list(word) or [none]
        while len(found) > 1:
            pairs = [found[k : k + 2] for k in range(0, len(found), 2)]
            found = [gate(*pair) if len(pair) > 1 else pair[0] for pair in pairs]
        return found[0]

    def all(self, word: Sequence[int]) -> int:
        return self.tree(self.and_, word, ONE)

    def any(self, word: Sequence[int]) -> int:
        return self.tree(self.or_, word, ZERO)

    def equal(self, a: Word, b: Word) -> int:
        return self.all([self.xor(x, y) ^ 1 for x, y in zip(a, b, strict=True)])

    def less(self, a: Word, b: Word) -> int:
        """a < b, both unsigned."""
        if all(bit in (ZERO, ONE) for bit in a) or all(bit in (ZERO, ONE) for bit in b):
            found = ZERO
            for x, y in zip(a, b, strict=True):
                found = self.mux(self.xor(x, y), y, found)
            return found
        return self.sum(a, [bit ^ 1 for bit in b], ONE, carry=True)[-1] ^ 1

    def sum(self, a: Word, b: Word, carry_in: int = ZERO, carry: bool = False) -> Word:
        """a + b + carry_in, with the carry as one bit more where it is wanted."""
        low, a, b = self._passed(list(a), list(b), carry_in)
        if not a:
            return low
        if len(a) <= _GATES:
            return [*low, *self._gates(a, b, ZERO if low else carry_in)[: len(a) + carry]]
        key = (*a, -1, *b, -1, ZERO if low else carry_in)
        if key not in self._sums:
            # A carry that is no constant comes in through a place of its own.
            more = [carry_in] if carry_in > ONE and not low else []
            self._sums[key] = Adder([*more, *a], [*more, *b], self.leaves(len(a) + 1))
            self.adders.append(self._sums[key])
        found = self._sums[key].outputs
        return [*low, *(found if carry else found[:-1])]

    def _gates(self, a: Word, b: Word, carry: int) -> Word:
        """The sum of a few bits and its carry."""
        found = []
        for x, y in zip(a, b, strict=True):
            either = self.xor(x, y)
            found.append(self.xor(either, carry))
            carry = self.mux(either, carry, x)
        return [*found, carry]

    def _passed(self, a: Word, b: Word, carry_in: int) -> tuple[Word, Word, Word]:
        """The lowest bits that no carry touches, and what remains."""
        low: Word = []
        while a and carry_in == ZERO and ZERO in (a[0], b[0]):
            one, other = a.pop(0), b.pop(0)
            low.append(one if other == ZERO else other)
        return low, a, b
