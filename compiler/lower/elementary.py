"""The elementary functions as MLIR: the instruction lists of `dialects.elementary`, on scalars and vectors alike."""

from __future__ import annotations

from typing import Any

from spikec.dialects.elementary import OPS, TABLE, Operand
from spikec.dialects.mlir import arith, ir, math


def expand(name: str, x: Any) -> Any:
    """`name`(x) for an f32 or f64 value or vector `x`, operation by operation."""
    vector = ir.VectorType(x.type).shape if isinstance(x.type, ir.VectorType) else None
    real = ir.VectorType(x.type).element_type if vector else x.type
    bits = 64 if isinstance(real, ir.F64Type) else 32
    types = {"R": _shaped(real, vector), "I": _shaped(ir.IntegerType.get_signless(bits), vector)}
    values: dict[str, Any] = {"x": x}
    result = x
    for instruction in TABLE[name, bits]:
        kinds = OPS[instruction.op].split(":")[0]
        operands = [_value(o, values, types.get(k)) for o, k in zip(instruction.operands, kinds, strict=True)]
        result = values[instruction.result] = _emit(instruction.op, operands, types)
    return result


def _shaped(element: Any, shape: list[int] | None) -> Any:
    return ir.VectorType.get(shape, element) if shape else element


def _value(operand: Operand, values: dict[str, Any], type: Any) -> Any:
    if isinstance(operand, str):
        return values[operand]
    element = ir.VectorType(type).element_type if isinstance(type, ir.VectorType) else type
    if isinstance(element, ir.IntegerType):
        # Integers wrap: a constant with the sign bit set is given as its negative twin.
        number = ir.IntegerAttr.get(element, int(operand))
    else:
        number = ir.FloatAttr.get(element, float(operand))
    return arith.constant(type, ir.DenseElementsAttr.get_splat(type, number) if element != type else number)


_PLAIN = {
    "addf": arith.addf,
    "subf": arith.subf,
    "mulf": arith.mulf,
    "divf": arith.divf,
    "absf": math.absf,
    "select": arith.select,
    "addi": arith.addi,
    "subi": arith.subi,
    "andi": arith.andi,
    "xori": arith.xori,
    "shli": arith.shli,
    "shrsi": arith.shrsi,
}


def _emit(op: str, operands: list[Any], types: dict[str, Any]) -> Any:
    match op:
        case "lt":
            return arith.cmpf(arith.CmpFPredicate.OLT, *operands)
        case "eq":
            return arith.cmpi(arith.CmpIPredicate.eq, *operands)
        case "bits":
            return arith.bitcast(types["I"], operands[0])
        case "real":
            return arith.bitcast(types["R"], operands[0])
    return _PLAIN[op](*operands)
