"""Propagates over tables of the format `procedural`: the targets of each active source are drawn anew.

As many jumps from target to target are drawn at once as a vector holds; the row ends with the first one that leads past
the last target.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from spikec.dialects import step
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import arith, vector
from spikec.lower import scalars
from spikec.lower.code import (
    Value,
    as_index,
    ascending,
    choose,
    index,
    less,
    loop,
    plus,
    repeat,
    summed,
    word,
)
from spikec.lower.jumps import jumps
from spikec.lower.step_to_cpu.places import Frame, Place
from spikec.lower.step_to_cpu.synapses.arrivals import Source, Weights


def lower(
    frame: Frame, table: step.Table, source: Source, weights: Weights, into: Place, symbols: dict[str, Any]
) -> Value:
    """Returns the number of additions."""
    last = index(table.post - 1)
    filter = symbol_of(table.connect.get("filter"))
    keep = None if filter is None else symbols[filter]
    width = frame.plan.native

    def one(k: Value, total: Value) -> list[Value]:
        i, value = source.at(k)
        element = word(i)
        arriving = weights.arriving(i, value, into.element)

        def inside(target: Value, draw: Value, total: Value) -> Value:
            return less(target, last)

        def drawn(target: Value, draw: Value, total: Value) -> list[Value]:
            moves = jumps(table, element, ascending(word(draw), width))
            for lane in range(width):
                jump = vector.extract(moves, [], [lane]) if width > 1 else moves
                target = arith.addi(target, as_index(jump))
                there = arith.cmpi(arith.CmpIPredicate.sle, target, last)
                total = choose(there, partial(reached, target, total), total)
            return [target, plus(draw, width), total]

        def reached(target: Value, total: Value) -> Value:
            if keep is None:
                return added(target, total)
            kept = scalars.run(keep, [element, word(target)], 1)[0]
            return choose(kept, lambda: added(target, total), total)

        def added(target: Value, total: Value) -> Value:
            into.store(summed(into.load(target), arriving), target)
            return plus(total, 1)

        return [repeat(inside, drawn, [index(-1), index(0), total])[2]]

    return loop(source.begin, source.end, 1, one, [index(0)])[0]
