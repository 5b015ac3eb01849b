"""Small pieces of code at the current insertion point: indices, loops, branches, constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spikec.dialects.mlir import arith, ir, scf, vector

Value = Any
Type = Any


def index(value: int) -> Value:
    return arith.constant(ir.IndexType.get(), value)


def integer(bits: int) -> Type:
    return ir.IntegerType.get_signless(bits)


def plus(left: Value, right: Value | int) -> Value:
    """left + right, indices; nothing is emitted for + 0."""
    if isinstance(right, int):
        return left if right == 0 else arith.addi(left, index(right))
    return arith.addi(left, right)


def word(value: Value) -> Value:
    """An index as i64."""
    return arith.index_cast(integer(64), value)


def as_index(value: Value, unsigned: bool = False) -> Value:
    """An integer as an index."""
    return (arith.index_castui if unsigned else arith.index_cast)(ir.IndexType.get(), value)


def shaped(element: Type, width: int) -> Type:
    """`element`, or a vector of `width` of them when `width` is more than 1."""
    return ir.VectorType.get([width], element) if width > 1 else element


def element_of(type: Type) -> Type:
    return ir.VectorType(type).element_type if isinstance(type, ir.VectorType) else type


def width_of(type: Type) -> int:
    return int(ir.VectorType(type).shape[0]) if isinstance(type, ir.VectorType) else 1


def number(value: float | int, type: Type) -> Value:
    """A constant of a scalar or vector type."""
    element = element_of(type)
    if isinstance(element, ir.IntegerType):
        if element.width == 1:
            attribute: Any = ir.IntegerAttr.get(element, int(bool(value)))
        else:
            attribute = ir.IntegerAttr.get(element, int(value))
    elif isinstance(element, ir.IndexType):
        attribute = ir.IntegerAttr.get(element, int(value))
    else:
        attribute = ir.FloatAttr.get(element, float(value))
    if element != type:
        attribute = ir.DenseElementsAttr.get_splat(type, attribute)
    return arith.constant(type, attribute)


def python_number(attribute: Any) -> float | int:
    """The value of a number attribute."""
    if isinstance(attribute, ir.BoolAttr):
        return int(ir.BoolAttr(attribute).value)
    if isinstance(attribute, ir.IntegerAttr):
        return int(ir.IntegerAttr(attribute).value)
    return float(ir.FloatAttr(attribute).value)


def splat(value: Value, width: int) -> Value:
    """A scalar in each lane."""
    return vector.broadcast(shaped(value.type, width), value) if width > 1 else value


def lanes(element: Type, width: int) -> Value:
    """0, 1, 2, ... in an integer vector."""
    type = shaped(element, width)
    return arith.constant(type, ir.DenseElementsAttr.get([ir.IntegerAttr.get(element, i) for i in range(width)], type))


def ascending(first: Value, width: int) -> Value:
    """first, first + 1, ... in an integer vector; `first` itself when `width` is 1."""
    return arith.addi(splat(first, width), lanes(first.type, width)) if width > 1 else first


def loop(begin: Value, end: Value, step: int, body: Callable[..., Any], carried: Sequence[Value] = ()) -> list[Value]:
    """for i in range(begin, end, step): carried = body(i, *carried); the last values."""
    op = scf.ForOp(begin, end, index(step), list(carried))
    with ir.InsertionPoint(op.body):
        values = body(op.induction_variable, *op.inner_iter_args)
        scf.YieldOp(list(values) if carried else [])
    return list(op.results)


UNROLLED = 8  # times that `repeated` writes a body


def repeated(end: int, step: int, body: Callable[..., Any], carried: Sequence[Value] = ()) -> Sequence[Value]:
    """As `loop` from 0 on; where the times are few, without a loop."""
    if end > UNROLLED * step:
        return loop(index(0), index(end), step, body, carried)
    for first in range(0, end, step):
        values = body(index(first), *carried)
        carried = values if carried else ()
    return carried


def when(condition: Value, body: Callable[[], None]) -> None:
    op = scf.IfOp(condition)
    with ir.InsertionPoint(op.then_block):
        body()
        scf.YieldOp([])


def either(
    condition: Value,
    types: Sequence[Type],
    then: Callable[[], Sequence[Value] | None],
    otherwise: Callable[[], Sequence[Value] | None],
) -> list[Value]:
    """The values of then() where the condition holds, else those of otherwise(); without types they may have none."""
    made = scf.IfOp(condition, list(types), has_else=True)
    for block, body in ((made.then_block, then), (made.else_block, otherwise)):
        with ir.InsertionPoint(block):
            scf.YieldOp(list(body() or ()))
    return list(made.results)


def choose(condition: Value, then: Callable[[], Value], otherwise: Value) -> Value:
    """then() where the condition holds, else a value that is there already."""
    return either(condition, [otherwise.type], lambda: [then()], lambda: [otherwise])[0]


def repeat(
    condition: Callable[..., Value], body: Callable[..., Sequence[Value]], carried: Sequence[Value]
) -> list[Value]:
    """while condition(*carried): carried = body(*carried); the last values."""
    types = [value.type for value in carried]
    op = scf.WhileOp(types, list(carried))
    before = ir.Block.create_at_start(op.before, types)
    after = ir.Block.create_at_start(op.after, types)
    with ir.InsertionPoint(before):
        scf.ConditionOp(condition(*before.arguments), list(before.arguments))
    with ir.InsertionPoint(after):
        scf.YieldOp(list(body(*after.arguments)))
    return list(op.results)


def down(value: Value, multiple: int) -> Value:
    """The largest multiple that an index reaches."""
    return arith.muli(arith.divui(value, index(multiple)), index(multiple))


def less(left: Value, right: Value) -> Value:
    """left < right, signed integers or indices."""
    return arith.cmpi(arith.CmpIPredicate.slt, left, right)


def nonzero(value: Value, zero: Value | None = None) -> Value:
    """Whether an integer or real (or each lane) is not zero; a NaN is not.  `zero` may be given."""
    zero = number(0, value.type) if zero is None else zero
    element = element_of(value.type)
    if isinstance(element, ir.IntegerType):
        if element.width == 1:
            return value
        return arith.cmpi(arith.CmpIPredicate.ne, value, zero)
    return arith.cmpf(arith.CmpFPredicate.UNE, value, zero)


def as_bits(active: Value) -> Value:
    """The truth values of lanes as an integer, the first one in the lowest bit."""
    whole = integer(int(active.type.shape[0]))
    return vector.extract(vector.bitcast(ir.VectorType.get([1], whole), active), [], [0])


def any_of(active: Value) -> Value:
    """Whether a lane of a vector is true."""
    return nonzero(as_bits(active))


def converted(value: Value, element: Type) -> Value:
    """A signed integer or real (or each lane) in another element type; i1 counts as 0 or 1."""
    own = element_of(value.type)
    if own == element:
        return value
    target = shaped(element, width_of(value.type))
    if isinstance(own, ir.IntegerType):
        unsigned = own.width == 1
        if isinstance(element, ir.IntegerType):
            if own.width > element.width:
                return arith.trunci(target, value)
            return (arith.extui if unsigned else arith.extsi)(target, value)
        return (arith.uitofp if unsigned else arith.sitofp)(target, value)
    return (arith.extf if element.width > own.width else arith.truncf)(target, value)


def summed(left: Value, right: Value) -> Value:
    """left + right in their type, integers or reals."""
    return (arith.addi if isinstance(element_of(left.type), ir.IntegerType) else arith.addf)(left, right)


def product(left: Value, right: Value) -> Value:
    """left * right in their type, integers or reals."""
    return (arith.muli if isinstance(element_of(left.type), ir.IntegerType) else arith.mulf)(left, right)


def intrinsic(name: str, operands: Sequence[Value], result: Type) -> Value:
    """A call of an LLVM intrinsic that is overloaded over its operands' types."""
    attributes = {
        "intrin": ir.StringAttr.get(name),
        "op_bundle_sizes": ir.DenseI32ArrayAttr.get([]),
        "operandSegmentSizes": ir.DenseI32ArrayAttr.get([len(operands), 0]),
    }
    return ir.Operation.create(
        "llvm.call_intrinsic", results=[result], operands=list(operands), attributes=attributes
    ).result
