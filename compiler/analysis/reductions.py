"""The intervals of a `linalg.generic`: what a loop nest leaves in its results.

A result that each point adds to is the initial value plus as many addends as the reduction has points; the
others (extrema, and what is chosen along with them) are evaluated until nothing changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spikec.analysis import intervals, real_intervals
from spikec.analysis.intervals import Interval, is_real, limits, width
from spikec.analysis.refinement import Body, Special, Values
from spikec.dialects.mlir import ir
from spikec.runtime.reference.nests import affine_map, extents

_ROUNDS = 8
_ADDITIONS = ("arith.addi", "arith.addf")


def reduction(op: Any, specials: Mapping[str, Special]) -> tuple[list[Any], Callable[[list[Interval]], list[Interval]]]:
    """What a `linalg.generic` uses, and the function from that to its results."""
    body = Body(op.regions[0].blocks[0], specials)
    types = [result.type for result in op.results]
    nest = _Nest(body, types, len(op.operands) - len(types), _points(op))
    uses = [*op.operands, *body.captured]
    return uses, lambda found: nest.run(found[: len(op.operands)], found[len(op.operands) :])


@dataclass(frozen=True)
class _Nest:
    """A body with `inputs` operands before those that it starts from, run `points` times for each result."""

    body: Body
    types: list[Any]
    inputs: int
    points: int

    def run(self, operands: list[Interval], captured: list[Interval]) -> list[Interval]:
        inputs, starts = operands[: self.inputs], operands[self.inputs :]
        if self.points == 1:
            return self._results(self.body.run([*inputs, *starts], captured))
        # While the loop runs, nothing is known of a result before it is found here.
        anything = [limits(type) for type in self.types]
        values = self.body.run([*inputs, *anything], captured)
        sums = {k: self._sum(k, starts[k], values) for k in range(len(starts)) if self._addend(k) is not None}
        during = [sums[k][0] if k in sums else start for k, start in enumerate(starts)]
        for _ in range(_ROUNDS):
            found = self._results(self.body.run([*inputs, *during], captured))
            wider = [d if k in sums else d.hull(found[k]) for k, d in enumerate(during)]
            if wider == during:
                return [sums[k][1] if k in sums else result for k, result in enumerate(found)]
            during = wider
        during = [sums[k][0] if k in sums else anything[k] for k in range(len(starts))]
        found = self._results(self.body.run([*inputs, *during], captured))
        return [sums[k][1] if k in sums else result for k, result in enumerate(found)]

    def _results(self, values: Values) -> list[Interval]:
        return [values.slots[slot] for slot in self.body.returned]

    def _addend(self, result: int) -> int | None:
        """The slot of what each point adds to a result, if that is all that happens to it."""
        own = self.body.arguments[self.inputs + result]
        node = next((n for n in self.body.nodes if self.body.returned[result] in n.results), None)
        if node is None or node.name not in _ADDITIONS or len(node.operands) != 2:
            return None
        a, b = node.operands
        addend = b if a == own else a if b == own else None
        return None if addend is None or addend == own else addend

    def _sum(self, result: int, start: Interval, values: Values) -> tuple[Interval, Interval]:
        """A sum before any of its additions, and after all of them."""
        addend = self._addend(result)
        assert addend is not None
        type = self.types[result]
        before = start.hull(self._after(start, values.slots[addend], self.points - 1, type))
        return before, self._after(start, values.slots[addend], self.points, type)

    def _after(self, start: Interval, addend: Interval, times: int, type: Any) -> Interval:
        if not is_real(type):
            found = intervals.add(start, intervals.multiply(addend, intervals.point(times)))
            return found if limits(type).covers(found) else limits(type)
        if not (start.is_bounded and addend.is_bounded):
            return limits(type)
        total = real_intervals.add(start, real_intervals.multiply(addend, intervals.point(float(times))))
        roundings = 2 * times * 2.0 ** (-23 if width(type) == 32 else -52)
        size = max(map(abs, start)) + times * max(map(abs, addend))
        slack = roundings * size + times * 2.0**-126 if roundings < 0.5 else math.inf
        return real_intervals.rounded(Interval(total.low - slack, total.high + slack, total.nan), width(type))


def _points(op: Any) -> int:
    """How many points of the nest lead to each element of a result."""
    kinds = list(ir.ArrayAttr(op.attributes["iterator_types"]))
    maps = [affine_map(attribute, len(kinds)) for attribute in ir.ArrayAttr(op.attributes["indexing_maps"])]
    loops = extents(maps, [operand.type.shape for operand in op.operands])
    return math.prod(extent for extent, kind in zip(loops, kinds, strict=True) if "reduction" in str(kind))
