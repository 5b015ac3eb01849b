"""The loops of index notation: which element of a value each point uses, and how far each loop runs.

A subscript is a sum of loop indices, or of quotients and remainders of such sums, times whole numbers.  A loop runs
over the axis that its index alone addresses; one that stands alone nowhere runs as far as all its subscripts stay
inside.  A subscript that leaves its axis wraps around, as on a ring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import ir
from spikec.frontend.emitter import show_shape
from spikec.frontend.values import Mistake, Value

MOST = 2**31  # elements of an axis


@dataclass(eq=False)
class Loop:
    """One index; `extent` is 0 until it is known."""

    name: str
    span: Span
    extent: int = 0


@dataclass(frozen=True)
class Divided:
    """`of // by`, or `of % by` where `remainder` is set."""

    of: Subscript
    by: int
    remainder: bool

    def limits(self) -> tuple[int, int]:
        """The least and the largest value over all points."""
        low, high = self.of.limits()
        if not self.remainder:
            return low // self.by, high // self.by
        return (low % self.by, high % self.by) if low // self.by == high // self.by else (0, self.by - 1)

    def expression(self, loops: Sequence[Loop]) -> Any:
        """The affine expression; of numbers from zero on, since that is what targets divide."""
        below = self.of.limits()[0] // self.by
        whole = Subscript(self.of.factors, self.of.constant - below * self.by).expression(loops)
        if self.remainder:
            return whole % self.by
        return ir.AffineExpr.get_floor_div(whole, self.by) + below


@dataclass(frozen=True)
class Subscript:
    """constant + the sum of index * factor, where an index is a loop's, a quotient or a remainder."""

    factors: tuple[tuple[Loop | Divided, int], ...]
    constant: int = 0

    @property
    def alone(self) -> Loop | None:
        """The loop whose index this is, and nothing else."""
        if self.constant == 0 and len(self.factors) == 1 and self.factors[0][1] == 1:
            index = self.factors[0][0]
            return index if isinstance(index, Loop) else None
        return None

    @property
    def loops(self) -> list[Loop]:
        """All loops whose index occurs."""
        nested = [[index] if isinstance(index, Loop) else index.of.loops for index, _ in self.factors]
        return [loop for loops in nested for loop in loops]

    def plus(self, other: Subscript, sign: int = 1) -> Subscript:
        sums = dict(self.factors)
        for loop, factor in other.factors:
            sums[loop] = sums.get(loop, 0) + sign * factor
        factors = tuple((loop, factor) for loop, factor in sums.items() if factor)
        return Subscript(factors, self.constant + sign * other.constant)

    def times(self, factor: int) -> Subscript:
        factors = tuple((loop, factor * own) for loop, own in self.factors if factor * own)
        return Subscript(factors, factor * self.constant)

    def limits(self) -> tuple[int, int]:
        """The least and the largest value over all points."""
        reach = [sorted((low * factor, high * factor)) for (low, high), factor in self._ranges()]
        return self.constant + sum(low for low, _ in reach), self.constant + sum(high for _, high in reach)

    def _ranges(self) -> Iterator[tuple[tuple[int, int], int]]:
        for index, factor in self.factors:
            yield (0, index.extent - 1) if isinstance(index, Loop) else index.limits(), factor

    def expression(self, loops: Sequence[Loop]) -> Any:
        """The affine expression in the indices of `loops`."""
        terms = [_expression(index, loops) * factor for index, factor in self.factors]
        if self.constant or not terms:
            terms.append(ir.AffineExpr.get_constant(self.constant))
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


@dataclass(eq=False)
class Access:
    """An element of `value` for each point; without subscripts it is a scalar."""

    value: Value
    subscripts: tuple[Subscript, ...]
    span: Span
    loops: list[Loop] = field(init=False)

    def __post_init__(self) -> None:
        found = {loop: None for subscript in self.subscripts for loop in subscript.loops}
        self.loops = list(found)

    def plain(self) -> list[Loop] | None:
        """The loops of its axes where each axis is one whole loop, all different."""
        loops = [subscript.alone for subscript in self.subscripts]
        whole = [loop for loop, extent in zip(loops, self.value.shape, strict=True) if loop and loop.extent == extent]
        return whole if len(set(whole)) == len(self.subscripts) else None

    def map(self, loops: Sequence[Loop]) -> Any:
        """The affine map from the indices of `loops` to the element."""
        results = [
            self._wrapped(subscript, extent, loops)
            for subscript, extent in zip(self.subscripts, self.value.shape, strict=True)
        ]
        return ir.AffineMap.get(len(loops), 0, results)

    @staticmethod
    def _wrapped(subscript: Subscript, extent: int, loops: Sequence[Loop]) -> Any:
        low, high = subscript.limits()
        inside = low >= 0 and high < extent
        if inside:
            return subscript.expression(loops)
        return Subscript(subscript.factors, subscript.constant - low // extent * extent).expression(loops) % extent


def _expression(index: Loop | Divided, loops: Sequence[Loop]) -> Any:
    return ir.AffineExpr.get_dim(loops.index(index)) if isinstance(index, Loop) else index.expression(loops)


def _reach(loop: Loop, subscript: Subscript, extent: int) -> int | None:
    """The largest extent of a loop with which a subscript stays inside of its axis; None where all do."""

    def inside(count: int) -> bool:
        loop.extent = count
        low, high = subscript.limits()
        return low >= 0 and high < extent

    try:
        high = 1
        while inside(high):
            if high > MOST:
                return None
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if inside(middle) else (low, middle)
        return low
    finally:
        loop.extent = 0


def find_extents(loops: Iterable[Loop], accesses: Sequence[Access], checked: bool) -> None:
    """Sets the extent of every loop; a mistake where it is not clear."""
    for access in accesses:
        for subscript, extent in zip(access.subscripts, access.value.shape, strict=True):
            loop = subscript.alone
            if loop is None or loop.extent == extent:
                continue
            if loop.extent and checked:
                message = f"'{loop.name}' runs over {loop.extent} elements, and this axis has {extent}"
                raise Mistake(
                    "E0303", access.span, message, f"the value has the shape {show_shape(access.value.shape)}"
                )
            loop.extent = max(loop.extent, extent)
    for loop in loops:
        if not loop.extent:
            loop.extent = _fitting(loop, accesses, checked)


def _fitting(loop: Loop, accesses: Sequence[Access], checked: bool) -> int:
    """The largest extent with which all subscripts of a loop stay inside of their axes."""
    found: list[int] = []
    for access in accesses:
        for subscript, extent in zip(access.subscripts, access.value.shape, strict=True):
            if loop not in subscript.loops:
                continue
            if not all(other.extent for other in subscript.loops if other is not loop):
                found.append(0)
            elif (reach := _reach(loop, subscript, extent)) is not None:
                found.append(reach)
    if not found or min(found) < 1:
        if not checked:
            return 1
        message = f"how far '{loop.name}' runs is not clear"
        raise Mistake(
            "E0303", loop.span, message, f"some value needs the index '{loop.name}' alone, as in 'x[{loop.name}]'"
        )
    return min(found)
