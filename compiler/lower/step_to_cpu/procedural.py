"""Propagates over tables of the format `procedural`: the targets of each active source are drawn anew.

As many jumps from target to target are drawn at once as a vector holds; the row ends with the first one that leads past
the last target.  The logarithm is the list of operations that stands everywhere in its place, in f64, and so are the
jumps the very numbers that a stored table would have been made from.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from spikec.analysis.elementary import elementary
from spikec.dialects import step
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import arith, ir, vector
from spikec.lower.elementary import expand
from spikec.lower.step_to_cpu import scalars
from spikec.lower.step_to_cpu.arrivals import Source, Weights, summed
from spikec.lower.step_to_cpu.code import (
    Value,
    as_index,
    ascending,
    choose,
    index,
    integer,
    less,
    loop,
    number,
    plus,
    repeat,
    shaped,
    splat,
    word,
)
from spikec.lower.step_to_cpu.draws import philox
from spikec.lower.step_to_cpu.places import Frame, Place


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
            jumps = _jumps(table, element, draw, width)
            for lane in range(width):
                jump = vector.extract(jumps, [], [lane]) if width > 1 else jumps
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


def _jumps(table: step.Table, element: Value, first: Value, width: int) -> Value:
    """By how many targets the draws first, first + 1, ... of an element move on, as i64."""
    draw = ascending(word(first), width)
    none = number(0, draw.type)
    key = [number(one, integer(64)) for one in table.key]
    drawn = arith.trunci(shaped(integer(32), width), philox([splat(element, width), draw, none, none], key))
    # 1 - u, exactly: u is a whole number of 2^-24.
    left = arith.subi(number(1 << 24, drawn.type), arith.shrui(drawn, number(8, drawn.type)))
    real = shaped(ir.F64Type.get(), width)
    rest = arith.mulf(arith.sitofp(real, left), number(2.0**-24, real))
    p = ir.FloatAttr(table.connect["p"]).value
    scale = float(elementary("log", np.asarray(1.0 - p)))
    # Nothing is negative, so that cutting off is rounding down.  A jump past the last target may be any such one.
    bounded = arith.minimumf(arith.divf(expand("log", rest), number(scale, real)), number(float(table.post), real))
    return arith.addi(arith.fptosi(draw.type, bounded), number(1, draw.type))
