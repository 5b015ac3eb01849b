"""Indices of active lanes, compressed as bytes: one register for 64 lanes, of which few are active as a rule."""

from __future__ import annotations

from spikec.dialects.mlir import arith, llvm, math, vector
from spikec.lower.code import Value, as_index, index, integer, intrinsic, lanes, less, plus, shaped, splat, when
from spikec.lower.step_to_cpu.places import Place

LANES = 64
"""Lanes of a register of bytes."""
PART = 16
"""Lanes of a register of entries."""


def append(entries: Place, count: Value, active: Value, bits: Value, first: Value) -> Value:
    """Writes the indices first + lane of the active lanes, 32 or 64, whose `bits` are one integer; the new count.

    Of the registers of entries only those are written that hold an index, and the first one.
    """
    numbers = lanes(integer(8), int(active.type.shape[0]))
    none = llvm.mlir_poison(numbers.type)
    packed = intrinsic("llvm.experimental.vector.compress", [numbers, active, none], numbers.type)
    base = splat(arith.index_cast(integer(32), first), PART)
    found = as_index(math.ctpop(bits), unsigned=True)

    def write(begin: int) -> None:
        part = vector.extract_strided_slice(shaped(integer(8), PART), packed, [begin], [PART], [1])
        entries.store(arith.addi(base, arith.extui(base.type, part)), plus(count, begin))
        after = begin + PART
        if after < packed.type.shape[0]:
            when(less(index(after), found), lambda: write(after))

    write(0)
    return arith.addi(count, found)
