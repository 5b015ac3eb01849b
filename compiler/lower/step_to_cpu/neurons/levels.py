"""How many of some ascending numbers a value reaches: found by bisection in registers, not by one comparison for each.

A program says it as a sum of truth values, such as the count of a Poisson input does.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from spikec.dialects.mlir import arith, ir, llvm, vector
from spikec.lower.code import Value, integer, intrinsic, number, python_number, shaped
from spikec.lower.scalars import Instead

LANES = 16
"""Lanes of a register; two registers hold the levels."""
FEW = 4
"""Levels that are as soon compared one by one."""


def counts(program: Any, width: int) -> dict[Value, Instead]:
    """What stands in a program of 32-bit reals for each sum of comparisons, in vectors of so many lanes."""
    if width % LANES:
        return {}
    found: dict[Value, Instead] = {}
    for op in reversed(program.regions[0].blocks[0].operations):
        result = None if op.operation.name == "func.return" else ir.Value(op.operation.results[0])
        if result is None or result in found or op.operation.name != "arith.addi":
            continue
        compared, levels, parts = _levels(result)
        if compared is None or not FEW < len(levels) < 2 * LANES or any(a > b for a, b in pairwise(levels)):
            continue
        found |= dict.fromkeys(parts)
        found[result] = (compared, _bisection(levels, result.type))
    return found


def _levels(sum: Value) -> tuple[Value | None, list[float], list[Value]]:
    """The value that is compared (None if there is no such one), the levels, and the results that only serve here."""
    compared: Value | None = None
    levels: list[float] = []
    parts: list[Value] = []
    while True:
        op = sum.owner
        last = not (isinstance(op, ir.Operation | ir.OpView) and op.operation.name == "arith.addi")
        flag = sum if last else ir.Value(op.operation.operands[1])
        level = _level(flag)
        if level is None or (compared is not None and level[0] != compared):
            return None, [], []
        compared, value, truth = level
        levels.insert(0, value)
        parts += [flag, truth]
        if last:
            return compared, levels, parts
        sum = ir.Value(op.operation.operands[0])
        if not _used_once(sum):
            return None, [], []
        parts.append(sum)


def _level(flag: Value) -> tuple[Value, float, Value] | None:
    """What a truth value, extended to an integer, compares with which number, and the truth value."""
    extended = flag.owner
    if isinstance(extended, ir.Block) or extended.operation.name != "arith.extui" or not _used_once(flag):
        return None
    truth = ir.Value(extended.operation.operands[0])
    compared = truth.owner
    if isinstance(compared, ir.Block) or compared.operation.name != "arith.cmpf" or not _used_once(truth):
        return None
    x, level = map(ir.Value, compared.operation.operands)
    reached = ir.IntegerAttr(compared.operation.attributes["predicate"]).value == arith.CmpFPredicate.OGE
    constant = level.owner
    if not reached or isinstance(constant, ir.Block) or constant.operation.name != "arith.constant":
        return None
    if not isinstance(x.type, ir.F32Type):
        return None
    return x, float(python_number(constant.operation.attributes["value"])), truth


def _used_once(value: Value) -> bool:
    return len(list(value.uses)) == 1


def _bisection(levels: list[float], type: Any) -> Callable[[Value], Value]:
    """Of vectors of reals."""
    steps = [1 << n for n in reversed(range(len(levels).bit_length()))]
    # Nothing reaches a NaN.
    padded = np.full(2 * LANES + steps[0], np.nan, np.float32)
    padded[: len(levels)] = levels

    def register(x: Value) -> Value:
        words = shaped(integer(32), LANES)
        n: Value | None = None
        for step in steps:
            # Lane n has what must be reached for n + step.
            halves = [
                arith.constant(x.type, ir.DenseElementsAttr.get(half.copy(), type=x.type))
                for half in padded[step - 1 :][: 2 * LANES].reshape(2, LANES)
            ]
            if n is None:
                level = number(float(padded[step - 1]), x.type)
            elif len(levels) < LANES:
                level = intrinsic("llvm.x86.avx512.permvar.sf.512", [halves[0], n], x.type)
            else:
                level = intrinsic("llvm.x86.avx512.vpermi2var.ps.512", [halves[0], n, halves[1]], x.type)
            there = arith.cmpf(arith.CmpFPredicate.OGE, x, level)
            more = arith.select(there, number(step, words), number(0, words))
            n = more if n is None else arith.ori(n, more)
        assert n is not None
        return n

    def count(x: Value) -> Value:
        width = int(x.type.shape[0])
        counted = llvm.mlir_poison(shaped(integer(32), width))
        for lane in range(0, width, LANES):
            part = vector.extract_strided_slice(shaped(x.type.element_type, LANES), x, [lane], [LANES], [1])
            counted = vector.insert_strided_slice(register(part), counted, [lane], [1])
        bits = type.width
        if bits == 32:
            return counted
        return (arith.extui if bits > 32 else arith.trunci)(shaped(type, width), counted)

    return count
