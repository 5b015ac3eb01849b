"""Neuron programs: a `func.func private` over scalars, emitted in place for scalars or for vectors of lanes.

Most ops are cloned with vector types.  The others are those whose meaning LLVM leaves open (division by zero,
shifts too far, conversions out of range) and the elementary functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spikec.dialects.elementary import FUNCTIONS
from spikec.dialects.mlir import arith, ir
from spikec.lower.code import Value, element_of, intrinsic, number, python_number, shaped
from spikec.lower.elementary import expand

Instead = tuple[Value, Callable[[Value], Value]] | None
"""Of which other value of a program a result is computed, and how; None for one that is not needed then."""


def run(
    program: Any, arguments: Sequence[Value], width: int, instead: Mapping[Value, Instead] | None = None
) -> list[Value]:
    """The results of a program for `arguments`, its scalars or vectors of `width` lanes, one per argument.

    The results that `instead` names are computed as it says.
    """
    instead = instead or {}
    block = program.regions[0].blocks[0]
    values = dict(zip((_key(a) for a in block.arguments), arguments, strict=True))
    for op in block.operations:
        operation = op.operation
        if operation.results and (result := _key(operation.results[0])) in instead:
            other = instead[result]
            if other is not None:
                values[result] = other[1](values[_key(other[0])])
            continue
        operands = [values[_key(o)] for o in operation.operands]
        if operation.name == "func.return":
            return operands
        with operation.location:
            values[_key(operation.results[0])] = _emit(operation, operands, width)
    raise AssertionError("a program without a return")


def _key(value: Any) -> Any:
    return ir.Value(value)


def _emit(operation: Any, operands: list[Value], width: int) -> Value:
    type = shaped(operation.results[0].type, width)
    name = operation.name
    if name == "arith.constant":
        return number(python_number(operation.attributes["value"]), type)
    if name in _SPECIAL:
        return _SPECIAL[name](operands, type)
    if name.removeprefix("math.") in FUNCTIONS:
        return expand(name.removeprefix("math."), operands[0])
    attributes = {key: operation.attributes[key] for key in operation.attributes}
    return ir.Operation.create(name, results=[type], operands=operands, attributes=attributes).result


def _is(predicate: Any, left: Value, right: Value) -> Value:
    return arith.cmpi(predicate, left, right)


def _divisor(b: Value, type: Any) -> tuple[Value, Value, Value]:
    """A divisor that no division traps on, and where it was 0 or -1."""
    zero = _is(arith.CmpIPredicate.eq, b, number(0, type))
    minus = _is(arith.CmpIPredicate.eq, b, number(-1, type))
    return arith.select(arith.ori(zero, minus), number(1, type), b), zero, minus


def _floor_divide(operands: list[Value], type: Any) -> Value:
    """Rounds down; x // 0 is 0, and x // -1 wraps."""
    a, b = operands
    safe, zero, minus = _divisor(b, type)
    quotient = arith.divsi(a, safe)
    rest = arith.subi(a, arith.muli(quotient, safe))
    uneven = _is(arith.CmpIPredicate.ne, rest, number(0, type))
    apart = _is(arith.CmpIPredicate.slt, arith.xori(rest, safe), number(0, type))
    down = arith.select(arith.andi(uneven, apart), arith.subi(quotient, number(1, type)), quotient)
    signed = arith.select(minus, arith.subi(number(0, type), a), down)
    return arith.select(zero, number(0, type), signed)


def _remainder(operands: list[Value], type: Any) -> Value:
    """With the sign of the dividend; by 0 it is 0."""
    a, b = operands
    safe, _, _ = _divisor(b, type)
    return arith.remsi(a, safe)


def _shift_left(operands: list[Value], type: Any) -> Value:
    a, n = operands
    bits = number(element_of(type).width, type)
    fits = _is(arith.CmpIPredicate.ult, n, bits)
    return arith.select(fits, arith.shli(a, arith.select(fits, n, number(0, type))), number(0, type))


def _shift_right(operands: list[Value], type: Any) -> Value:
    a, n = operands
    last = number(element_of(type).width - 1, type)
    fits = _is(arith.CmpIPredicate.ult, n, last)
    return arith.shrsi(a, arith.select(fits, n, last))


def _to_integer(operands: list[Value], type: Any) -> Value:
    """Saturates; a NaN gives 0."""
    return intrinsic("llvm.fptosi.sat", operands, type)


_SPECIAL: dict[str, Callable[[list[Value], Any], Value]] = {
    "arith.floordivsi": _floor_divide,
    "arith.remsi": _remainder,
    "arith.shli": _shift_left,
    "arith.shrsi": _shift_right,
    "arith.fptosi": _to_integer,
}
