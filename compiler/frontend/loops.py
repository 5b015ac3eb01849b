"""The loops of index notation: which element of a value each point uses, and how far each loop runs.

A subscript is a sum of loop indices times whole numbers.  A loop runs over the axis that its index alone addresses;
one that stands alone nowhere runs as far as all its subscripts stay inside.  A subscript that leaves its axis wraps
around, as on a ring.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import ir
from spikec.frontend.emitter import show_shape
from spikec.frontend.values import Mistake, Value


@dataclass(eq=False)
class Loop:
    """One index; `extent` is 0 until it is known."""

    name: str
    span: Span
    extent: int = 0


@dataclass(frozen=True)
class Subscript:
    """constant + the sum of loop * factor."""

    factors: tuple[tuple[Loop, int], ...]
    constant: int = 0

    @property
    def alone(self) -> Loop | None:
        """The loop whose index this is, and nothing else."""
        if self.constant == 0 and len(self.factors) == 1 and self.factors[0][1] == 1:
            return self.factors[0][0]
        return None

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
        reach = [factor * (loop.extent - 1) for loop, factor in self.factors]
        return self.constant + sum(r for r in reach if r < 0), self.constant + sum(r for r in reach if r > 0)


@dataclass(eq=False)
class Access:
    """An element of `value` for each point; without subscripts it is a scalar."""

    value: Value
    subscripts: tuple[Subscript, ...]
    span: Span
    loops: list[Loop] = field(init=False)

    def __post_init__(self) -> None:
        found = {loop: None for subscript in self.subscripts for loop, _ in subscript.factors}
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
        constant = subscript.constant if inside else subscript.constant - low // extent * extent
        terms = [ir.AffineExpr.get_dim(loops.index(loop)) * factor for loop, factor in subscript.factors]
        if constant or not terms:
            terms.append(ir.AffineExpr.get_constant(constant))
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total if inside else total % extent


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
            factors = dict(subscript.factors)
            if loop not in factors:
                continue
            others = [other for other in factors if other is not loop]
            if min(factors.values()) < 0 or subscript.constant < 0 or not all(other.extent for other in others):
                found.append(0)
                continue
            rest = extent - 1 - subscript.constant - sum(factors[o] * (o.extent - 1) for o in others)
            found.append(rest // factors[loop] + 1)
    if not found or min(found) < 1:
        if not checked:
            return 1
        message = f"how far '{loop.name}' runs is not clear"
        raise Mistake(
            "E0303", loop.span, message, f"some value needs the index '{loop.name}' alone, as in 'x[{loop.name}]'"
        )
    return min(found)
