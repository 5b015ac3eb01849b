"""Philox 4x32-10 as MLIR, on scalars and vectors alike."""

from __future__ import annotations

from spikec.dialects.mlir import arith
from spikec.dialects.random import MULTIPLIERS, ROUNDS, WEYL
from spikec.lower.code import Value, number, splat, width_of


def philox(counter: list[Value], key: list[Value]) -> Value:
    """Word 0 of the generator's output, in the low half.

    Words stand in 64 bits, so that a product of two needs no shuffling; what is in the high halves is ignored.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    width = width_of(c0.type)
    half = number(32, c0.type)
    for _ in range(ROUNDS):
        left, right = _product(c0, MULTIPLIERS[0]), _product(c2, MULTIPLIERS[1])
        c0 = arith.xori(arith.xori(arith.shrui(right, half), c1), splat(k0, width))
        c2 = arith.xori(arith.xori(arith.shrui(left, half), c3), splat(k1, width))
        c1, c3 = right, left
        k0, k1 = (arith.addi(k, number(w, k.type)) for k, w in zip((k0, k1), WEYL, strict=True))
    return c0


def _product(value: Value, factor: int) -> Value:
    """The product of the low halves."""
    low = arith.andi(value, number(0xFFFFFFFF, value.type))
    return arith.muli(low, number(factor, value.type))
