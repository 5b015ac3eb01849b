"""From target to target of a table of the format `procedural`, as MLIR.

The logarithm is the list of operations that stands everywhere in its place, in f64, and so are the jumps the very
numbers that a stored table would have been made from.
"""

from __future__ import annotations

import numpy as np
from spikec.analysis.elementary import elementary
from spikec.dialects import step
from spikec.dialects.mlir import arith, ir
from spikec.lower.code import Value, integer, number, shaped, splat, width_of
from spikec.lower.elementary import expand
from spikec.lower.philox import philox


def jumps(table: step.Table, element: Value, draw: Value) -> Value:
    """By how many targets the draws of an element (i64) move on: numbers of draws (i64, or a vector) to as many i64."""
    width = width_of(draw.type)
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
