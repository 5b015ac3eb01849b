"""Exact integers that a lane computes: a graph of additions, shifts, tests and choices, each with its interval.

A node is a mathematical integer, so no width is part of it: as many bits as its interval needs hold it, and sums modulo
a power of two above them are right.  What wraps in its type says so by a node `wrap`.  Equal expressions are one node,
also across the passes of a core; the constructors simplify, so that

- a subtraction of a constant is an addition, and constants stand on the right and are gathered,
- a division by 2^k stands outside of what is added to it or chosen, and a product with 2^k inside,
- a comparison is the sign of a difference (which the difference of a reset may be too) or a `below` of a constant,
- a factor becomes shifts and additions.

kind      value             meaning
const     the number
input     its name          a field, a weight, what a channel brings
add, sub                    the kinds that take an adder
join      c >= 0            args[0] + c, where args[0] ends in so many zero bits that no carry arises
mul                         of two variables
shl, shr  by k              times 2^k, divided by 2^k and rounded down
wrap      bits              the number of so many bits, in two's complement, that is equal modulo 2^bits
low       bits              the number from 0 to 2^bits - 1 that is equal modulo 2^bits
below     c                 args[0] < c, as 0 or 1
same                        args[0] = args[1], as 0 or 1
select                      args[1] where args[0] is 1, else args[2]
and, or, xor                bit by bit, of two's complement
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from spikec.analysis import intervals
from spikec.analysis.intervals import BOOL, Interval, point

ADDERS = ("add", "sub", "mul")


@dataclass(eq=False, slots=True)
class Node:
    """`range` are the values that it can have; `number` orders nodes after those that they are made of."""

    kind: str
    args: tuple[Node, ...]
    value: int | str | None
    range: Interval
    number: int
    location: Any = None
    aligned: int = 0  # of an input: how many of its lowest bits are certainly 0

    @property
    def constant(self) -> int | None:
        return int(self.range.low) if self.range.is_point else None

    @property
    def zeros(self) -> int:
        """How many of the lowest bits are certainly 0."""
        match self.kind:
            case "const":
                return ((int(self.range.low) & -int(self.range.low)).bit_length() - 1) % 64
            case "shl":
                return int(self.value or 0) + self.args[0].zeros
            case "add" | "sub" | "or" | "xor" | "select":
                return min(arg.zeros for arg in self.args[-2:])
            case _:
                return self.aligned

    @property
    def width(self) -> int:
        """Its bits: unsigned where it is never negative, else two's complement."""
        return bits(self.range)


def bits(range: Interval) -> int:
    """The bits that hold all values of an interval; with a sign where one is negative."""
    low, high = int(range.low), int(range.high)
    return max(1, high.bit_length()) if low >= 0 else max((~low).bit_length(), max(high, 0).bit_length()) + 1


def below_power(c: int) -> bool:
    """Whether `x < c` is a look at the upper bits of x: c is 0 or a power of two of either sign."""
    return abs(c) & (abs(c) - 1) == 0


@dataclass
class Graph:
    """The nodes of a core."""

    _known: dict[Any, Node] = field(default_factory=dict)
    location: Any = None

    # ------------------------------------------------------------ leaves

    def const(self, value: int) -> Node:
        return self._node("const", (), value, point(value))

    def input(self, name: str, range: Interval, aligned: int = 0) -> Node:
        found = self._node("input", (), name, range)
        found.aligned = aligned
        return found

    def constants(self) -> set[int]:
        """The numbers that occur."""
        return {int(node.range.low) for node in self._known.values() if node.kind == "const"}

    # ------------------------------------------------------------ arithmetic

    def add(self, a: Node, b: Node) -> Node:
        if a.constant is not None:
            a, b = b, a
        c = b.constant
        if c is None:
            for one, other in ((a, b), (b, a)):
                if other.kind == "sub" and other.args[0].constant == 0:
                    return self.sub(one, other.args[1])
            return self._binary("add", a, b)
        if a.constant is not None:
            return self.const(a.constant + c)
        if c == 0:
            return a
        if a.kind == "add" and a.args[1].constant is not None:
            return self.add(a.args[0], self.const(a.args[1].constant + c))
        if 0 < c < 1 << a.zeros:
            return self._node("join", (a,), c, intervals.add(a.range, b.range))
        if a.kind == "shr":
            k = int(a.value or 0)
            return self.shr(self.add(a.args[0], self.const(c << k)), k)
        return self._binary("add", a, self.const(c))

    def sub(self, a: Node, b: Node) -> Node:
        if b.constant is not None:
            return self.add(a, self.const(-b.constant))
        if b.kind == "sub" and b.args[0].constant == 0:
            return self.add(a, b.args[1])
        return self.const(0) if a is b else self._binary("sub", a, b)

    def mul(self, a: Node, b: Node) -> Node:
        if a.constant is not None:
            a, b = b, a
        if b.constant is None:
            return self._binary("mul", a, b)
        return self._sum(a, list(_digits(b.constant))) if b.constant else self.const(0)

    def mul_power(self, a: Node, power: Node) -> Node:
        """The product by a variable that is 0 or +-2^k: a choice for each k, and one of the sign."""
        terms, before = [], self.const(0)
        for k in range(power.width):
            # The ones of -2^k begin where that of 2^k is.
            bit = self.low(self.shr(power, k), 1)
            begins = self.bitwise("and", bit, self.negated(before))
            terms.append(self.select(begins, self.shl(a, k), self.const(0)))
            before = bit
        while len(terms) > 1:
            pairs = [terms[k : k + 2] for k in range(0, len(terms), 2)]
            terms = [pair[0] if len(pair) == 1 else self.bitwise("or", *pair) for pair in pairs]
        found = self.select(self.less(power, self.const(0)), self.sub(self.const(0), terms[0]), terms[0])
        return self._bounded(found, intervals.multiply(a.range, power.range))

    def shl(self, a: Node, k: int) -> Node:
        if k == 0 or a.constant is not None:
            return a if a.constant is None else self.const(a.constant << k)
        if a.kind == "shl":
            return self.shl(a.args[0], k + int(a.value or 0))
        if a.kind == "shr" and a.value == k and a.args[0].zeros >= k:
            return a.args[0]
        if a.kind in ("add", "sub"):
            return getattr(self, a.kind)(*(self.shl(arg, k) for arg in a.args))  # type: ignore[no-any-return]
        if a.kind == "select":
            return self.select(a.args[0], *(self.shl(arm, k) for arm in a.args[1:]))
        return self._node("shl", (a,), k, _scaled(a.range, lambda x: x << k))

    def shr(self, a: Node, k: int) -> Node:
        if k == 0 or a.constant is not None:
            return a if a.constant is None else self.const(a.constant >> k)
        if a.kind == "shr":
            return self.shr(a.args[0], k + int(a.value or 0))
        if a.kind == "shl":
            own = int(a.value or 0)
            return self.shl(a.args[0], own - k) if own >= k else self.shr(a.args[0], k - own)
        return self._node("shr", (a,), k, _scaled(a.range, lambda x: x >> k))

    def shifted(self, a: Node, by: Node, left: bool) -> Node:
        """Shifted by a variable that is never negative: a choice for each of its bits."""
        for k in range(by.width):
            moved = self.shl(a, 1 << k) if left else self.shr(a, 1 << k)
            a = self.select(self.low(self.shr(by, k), 1), moved, a)
        return a

    def quotient(self, a: Node, d: int) -> Node:
        """a divided by a constant that is not 0, rounded down.

        Where 0 <= x <= most and f = ceil(2^s / d), x f / 2^s is x / d + x (f d - 2^s) / (d 2^s).  The second part does
        not reach the next integer as long as most (f d - 2^s) < 2^s.
        """
        if d < 0:
            return self.quotient(self.sub(self.const(0), a), -d)
        k = (d & -d).bit_length() - 1
        a, d = self.shr(a, k), d >> k
        if d == 1 or a.constant is not None:
            return a if d == 1 else self.const(int(a.range.low) // d)
        below = -min(int(a.range.low), 0)
        turns = -(-below // d)
        most = int(a.range.high) + turns * d
        s = next(s for s in count(d.bit_length()) if most * (-(1 << s) % d) < 1 << s)
        product = self.mul(self.add(a, self.const(turns * d)), self.const(-(-(1 << s) // d)))
        return self.add(self.shr(product, s), self.const(-turns))

    def remainder(self, a: Node, d: int) -> Node:
        """What a division by a constant leaves, with the sign of the dividend; of one by 0 it is 0."""
        d = abs(d)
        if d == 0:
            return self.const(0)
        if a.range.low < 0:
            negative, minus = self.less(a, self.const(0)), self.sub(self.const(0), a)
            rest = self.remainder(self._bounded(self.select(negative, minus, a), Interval(0, _most(a.range))), d)
            return self.select(negative, self.sub(self.const(0), rest), rest)
        if d & (d - 1) == 0:
            return self.low(a, d.bit_length() - 1) if d > 1 else self.const(0)
        rest = self.sub(a, self.mul(self.quotient(a, d), self.const(d)))
        return self._bounded(rest, Interval(0, d - 1))

    def _bounded(self, a: Node, range: Interval) -> Node:
        """A node of which more is known."""
        a.range = a.range.meet(range) or a.range
        return a

    def wrap(self, a: Node, width: int) -> Node:
        """In two's complement of so many bits; of one bit, 0 or 1."""
        if width == 1:
            return self.low(a, 1)
        around = intervals.signed_limits(width)
        return a if around.covers(a.range) else self._node("wrap", (a,), width, around)

    def low(self, a: Node, width: int) -> Node:
        around = Interval(0, (1 << width) - 1)
        return a if around.covers(a.range) else self._node("low", (a,), width, around)

    # ------------------------------------------------------------ conditions and choices

    def negated(self, a: Node) -> Node:
        if a.constant is not None:
            return self.const(1 - a.constant)
        return a.args[0] if a.kind == "xor" and a.args[1].constant == 1 else self.bitwise("xor", a, self.const(1))

    def less(self, a: Node, b: Node) -> Node:
        decided = intervals.decide("lt", a.range, b.range)
        if decided.is_point:
            return self.const(int(decided.low))
        if b.constant is not None:
            return self._below(a, b.constant)
        if a.constant is not None:
            return self.negated(self._below(b, a.constant + 1))
        return self._below(self.sub(a, b), 0)

    def difference(self, a: Node, c: int) -> Node:
        """a - c, of this very node."""
        return self._binary("add", a, self.const(-c))

    def test(self, a: Node, c: int) -> Node:
        """a < c, of this very node."""
        return self._node("below", (a,), c, BOOL)

    def same(self, a: Node, b: Node) -> Node:
        decided = intervals.decide("eq", a.range, b.range)
        if decided.is_point:
            return self.const(int(decided.low))
        if a.constant is not None:
            a, b = b, a
        if a.range == BOOL and b.constant is not None:
            return a if b.constant else self.negated(a)
        return self._node("same", (a, b), None, BOOL)

    def select(self, condition: Node, a: Node, b: Node) -> Node:
        if condition.constant is not None:
            return a if condition.constant else b
        if a is b:
            return a
        if condition.kind == "xor" and condition.args[1].constant == 1:
            return self.select(condition.args[0], b, a)
        if a.kind == b.kind == "shr" and a.value == b.value:
            return self.shr(self.select(condition, a.args[0], b.args[0]), int(a.value or 0))
        return self._node("select", (condition, a, b), None, a.range.hull(b.range))

    def bitwise(self, kind: str, a: Node, b: Node) -> Node:
        if a.constant is not None:
            a, b = b, a
        transfer = {"and": intervals.conjunction, "or": intervals.disjunction, "xor": intervals.exclusive}[kind]
        found = transfer(a.range, b.range)
        if found.is_point:
            return self.const(int(found.low))
        if kind == "xor" and a.range == BOOL and b.constant in (0, 1):
            return a if b.constant == 0 else self._node(kind, (a, b), None, BOOL)
        if b.constant in (0, -1) and kind != "xor":
            return a if (b.constant == 0) == (kind == "or") else b
        return self._node(kind, (a, b), None, found)

    # ------------------------------------------------------------ changes

    def rebuilt(self, roots: Iterable[Node], change: Callable[[Node], Node | None]) -> list[Node]:
        """The expressions with each node replaced by what `change` makes of it, where that is not None."""
        made: dict[Node, Node] = {}

        def again(node: Node) -> Node:
            if node not in made:
                changed = change(node)
                made[node] = changed if changed is not None else self._again(node, [again(arg) for arg in node.args])
            return made[node]

        return [again(root) for root in roots]

    def _again(self, node: Node, args: list[Node]) -> Node:
        if all(new is old for new, old in zip(args, node.args, strict=True)):
            return node
        self.location = node.location
        match node.kind:
            case "add" | "sub" | "mul" | "select" | "same":
                return getattr(self, node.kind)(*args)  # type: ignore[no-any-return]
            case "and" | "or" | "xor":
                return self.bitwise(node.kind, *args)
            case "join":
                return self.add(args[0], self.const(int(node.value or 0)))
            case "below":
                return self.less(args[0], self.const(int(node.value or 0)))
            case _:
                return getattr(self, node.kind)(args[0], int(node.value or 0))  # type: ignore[no-any-return]

    def _below(self, a: Node, c: int) -> Node:
        if a.kind == "shl":
            k = int(a.value or 0)
            return self._below(a.args[0], -(-c >> k))
        if a.kind == "shr":
            return self._below(a.args[0], c << int(a.value or 0))
        if a.kind == "add" and a.args[1].constant is not None:
            return self._below(a.args[0], c - a.args[1].constant)
        return self.test(a, c)

    def _sum(self, a: Node, digits: list[tuple[int, int]]) -> Node:
        """The sum of +-a * 2^k, as a tree; a positive term stands first wherever there is one."""
        terms = sorted(((self.shl(a, k), digit) for k, digit in digits), key=lambda term: -term[1])
        while len(terms) > 1:
            pairs = [terms[k : k + 2] for k in range(0, len(terms), 2)]
            terms = [pair[0] if len(pair) == 1 else self._paired(*pair) for pair in pairs]
        node, sign = terms[0]
        return node if sign > 0 else self.sub(self.const(0), node)

    def _paired(self, one: tuple[Node, int], other: tuple[Node, int]) -> tuple[Node, int]:
        (a, sign), (b, second) = one, other
        if sign == second:
            return self.add(a, b), sign
        return (self.sub(a, b), 1) if sign > 0 else (self.sub(b, a), 1)

    def _binary(self, kind: str, a: Node, b: Node) -> Node:
        transfer = {"add": intervals.add, "sub": intervals.subtract, "mul": intervals.multiply}[kind]
        if kind == "add" and b.constant is None and a.number > b.number:
            a, b = b, a
        return self._node(kind, (a, b), None, transfer(a.range, b.range))

    def _node(self, kind: str, args: tuple[Node, ...], value: int | str | None, range: Interval) -> Node:
        key = (kind, args, value)
        if key not in self._known:
            self._known[key] = Node(kind, args, value, range, len(self._known), self.location)
        found = self._known[key]
        found.range = found.range.meet(range) or found.range
        return found


def _digits(factor: int) -> Iterator[tuple[int, int]]:
    """(k, +1 or -1) of the canonical signed digits: factor is the sum of the digits times 2^k, no two side by side."""
    k = 0
    while factor:
        if factor & 1:
            digit = 2 - (factor & 3)
            yield k, digit
            factor -= digit
        factor >>= 1
        k += 1


def _most(range: Interval) -> int:
    """The largest of some numbers without their signs."""
    return max(abs(int(range.low)), abs(int(range.high)))


def _scaled(range: Interval, change: Callable[[int], int]) -> Interval:
    return Interval(change(int(range.low)), change(int(range.high)))


def above(roots: Iterable[Node]) -> list[Node]:
    """All nodes that lead to some, each after those that it is made of."""
    found: dict[Node, None] = {}
    pending = list(roots)
    while pending:
        node = pending.pop()
        if node not in found:
            found[node] = None
            pending.extend(node.args)
    return sorted(found, key=lambda node: node.number)
