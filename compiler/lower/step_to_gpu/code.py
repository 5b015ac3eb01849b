"""Small pieces of GPU code at the current insertion point: addresses, atomics, what the threads of a warp do together.

Indices are i32 everywhere; a real is f32 or f64, and events are words of 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spikec.dialects.mlir import arith, ir, scf
from spikec.lower.code import Type, Value, converted, intrinsic, number

WORD = 32
_DYNAMIC = -(2**31)
_ADD, _FLOAT_ADD, _RELAXED, _ACQUIRE_RELEASE = 1, 11, 2, 6


def i32() -> Type:
    return ir.IntegerType.get_signless(32)


def i64() -> Type:
    return ir.IntegerType.get_signless(64)


def pointer_type() -> Type:
    return ir.Type.parse("!llvm.ptr<1>")


def constant(value: int) -> Value:
    """An i32; of a number from 2^31 on, the integer of the same bits."""
    return number((value + 2**31) % 2**32 - 2**31, i32())


def add(left: Value, right: Value | int) -> Value:
    return left if isinstance(right, int) and right == 0 else arith.addi(left, _value(right))


def minus(left: Value, right: Value | int) -> Value:
    return left if isinstance(right, int) and right == 0 else arith.subi(left, _value(right))


def times(left: Value, right: Value | int) -> Value:
    return left if isinstance(right, int) and right == 1 else arith.muli(left, _value(right))


def over(left: Value, right: int) -> Value:
    """left / right of numbers that are not negative, rounded down."""
    if right == 1:
        return left
    if right & (right - 1) == 0:
        return arith.shrui(left, constant(right.bit_length() - 1))
    return arith.divui(left, constant(right))


def rest(left: Value, right: int) -> Value:
    """left modulo right of numbers that are not negative; of any numbers where right is a power of two."""
    if right & (right - 1) == 0:
        return arith.andi(left, constant(right - 1))
    return arith.remui(left, constant(right))


def less(left: Value, right: Value | int) -> Value:
    """left < right, signed."""
    return arith.cmpi(arith.CmpIPredicate.slt, left, _value(right))


def equal(left: Value, right: Value | int) -> Value:
    return arith.cmpi(arith.CmpIPredicate.eq, left, _value(right))


def different(left: Value, right: Value | int) -> Value:
    return arith.cmpi(arith.CmpIPredicate.ne, left, _value(right))


def between(low: int, value: Value, high: Value | int) -> Value:
    """low <= value < high."""
    return arith.cmpi(arith.CmpIPredicate.ult, minus(value, low), minus(_value(high), low))


def both(left: Value, right: Value) -> Value:
    return arith.andi(left, right)


def least(left: Value, right: Value | int) -> Value:
    return arith.minsi(left, _value(right))


def _value(number: Value | int) -> Value:
    return constant(number) if isinstance(number, int) else number


def loop(
    begin: Value | int,
    end: Value | int,
    step: Value | int,
    body: Callable[..., Sequence[Value] | None],
    carried: Sequence[Value] = (),
) -> list[Value]:
    """for i in range(begin, end, step): carried = body(i, *carried); the last values.  Indices are i32."""
    op = scf.ForOp(_value(begin), _value(end), _value(step), list(carried))
    with ir.InsertionPoint(op.body):
        values = body(op.induction_variable, *op.inner_iter_args)
        scf.YieldOp(list(values or []) if carried else [])
    return list(op.results)


def either(
    condition: Value,
    then: Callable[[], Sequence[Value]],
    otherwise: Callable[[], Sequence[Value]],
    like: Sequence[Value],
) -> list[Value]:
    """then() where the condition holds, else otherwise(): values of the types of others."""
    made = scf.IfOp(condition, [value.type for value in like], has_else=True)
    for block, values in ((made.then_block, then), (made.else_block, otherwise)):
        with ir.InsertionPoint(block):
            scf.YieldOp(list(values()))
    return list(made.results)


def op(name: str, operands: Sequence[Value] = (), result: Type | None = None, **attributes: Any) -> Any:
    """The result of an operation of any dialect, where it has one."""
    made = ir.Operation.create(
        name, results=[] if result is None else [result], operands=list(operands), attributes=attributes
    )
    return made.result if result is not None else None


# ---------------------------------------------------------------- memory


@dataclass(frozen=True)
class Elements:
    """Numbers of one type that follow each other on the device, from `address` on.

    A number is kept as `kept` and handed out as `element`: integers may be kept wider or, below 8 bits, in a byte.
    """

    address: Value
    kept: Type
    element: Type

    def at(self, i: Value | int) -> Value:
        """The address of element i."""
        return offset(self.address, i, self.kept)

    def moved(self, i: Value | int) -> Elements:
        """The numbers from element i on."""
        return replace(self, address=self.at(i))

    def load(self, i: Value | int) -> Value:
        return _as(op("llvm.load", [self.at(i)], self.kept), self.element)

    def several(self, i: Value, count: int) -> Value:
        """A vector of `count` numbers as they are kept, from element i on; its address is a multiple of its size."""
        type = ir.VectorType.get([count], self.kept)
        size = count * int(self.kept.width) // 8
        return op("llvm.load", [self.at(i)], type, alignment=ir.IntegerAttr.get(i64(), size))

    def store(self, value: Value, i: Value | int) -> None:
        op("llvm.store", [_as(value, self.kept), self.at(i)])

    def add(self, value: Value, i: Value | int) -> None:
        """Adds to element i at once, whatever other threads do; integers of 32 and 64 bits and reals alone."""
        atomic_add(self.at(i), _as(value, self.kept))


def offset(address: Value, i: Value | int, type: Type) -> Value:
    """The address of element i (i32 or i64, not negative) of `type`."""
    dynamic = not isinstance(i, int)
    if not dynamic and i == 0:
        return address
    return op(
        "llvm.getelementptr",
        [address, i] if dynamic else [address],
        pointer_type(),
        elem_type=ir.TypeAttr.get(type),
        rawConstantIndices=ir.DenseI32ArrayAttr.get([_DYNAMIC if dynamic else i]),
        noWrapFlags=ir.IntegerAttr.get(i32(), 7),
    )


def _as(value: Value, type: Type) -> Value:
    return value if value.type == type else converted(value, type)


def atomic_add(address: Value, value: Value) -> Value:
    """Adds on the device, in no order with other accesses; the value before."""
    kind = _ADD if isinstance(value.type, ir.IntegerType) else _FLOAT_ADD
    return op(
        "llvm.atomicrmw",
        [address, value],
        value.type,
        bin_op=ir.IntegerAttr.get(i64(), kind),
        ordering=ir.IntegerAttr.get(i64(), _RELAXED),
        syncscope=ir.StringAttr.get("device"),
    )


def fence() -> None:
    """What the thread did before is there for all who see what it does afterwards, and the other way round."""
    op("llvm.fence", ordering=ir.IntegerAttr.get(i64(), _ACQUIRE_RELEASE), syncscope=ir.StringAttr.get("device"))


# ---------------------------------------------------------------- warps


def ballot(condition: Value) -> Value:
    """The word of a truth value of each thread of the warp, all of which must be here."""
    return op(
        "nvvm.vote.sync", [constant(-1), condition], i32(), kind=ir.Attribute.parse("#nvvm<vote_sync_kind ballot>")
    )


def from_lane(value: Value, lane: Value) -> Value:
    """The i32 that a lane of the warp has; all of its threads must be here, with the same `lane`."""
    return intrinsic("llvm.nvvm.shfl.sync.idx.i32", [constant(-1), value, lane, constant(31)], i32())


def join_warp() -> None:
    """What the threads of the warp did before is over; all of them must be here."""
    op("nvvm.bar.warp.sync", [constant(-1)])


def warp_sum(value: Value) -> Value:
    """The sum of an i32 over the threads of the warp, all of which must be here, in each of them."""
    for distance in (16, 8, 4, 2, 1):
        other = intrinsic(
            "llvm.nvvm.shfl.sync.bfly.i32", [constant(-1), value, constant(distance), constant(31)], i32()
        )
        value = arith.addi(value, other)
    return value


def bit(word: Value, place: Value) -> Value:
    """Whether a bit of a word is set."""
    moved = arith.shrui(word, place)
    return different(arith.andi(moved, constant(1)), 0)


def lowest(word: Value) -> Value:
    """The place of the lowest set bit of a word that is not zero."""
    return op("llvm.intr.cttz", [word], i32(), is_zero_poison=ir.BoolAttr.get(True))


def without_lowest(word: Value) -> Value:
    """A word without its lowest set bit."""
    return arith.andi(word, minus(word, 1))


def special(name: str) -> Value:
    """A special register, such as `tid.x`, as i32."""
    return op(f"nvvm.read.ptx.sreg.{name}", (), i32())


def opaque(value: Value) -> Value:
    """An i32 of which compilers do not know that it is the same each time, so that nothing made of it is kept."""
    dialect = ir.IntegerAttr.get(i64(), 0)
    return op(
        "llvm.inline_asm",
        [value],
        i32(),
        asm_string=ir.StringAttr.get("mov.b32 $0, $1;"),
        constraints=ir.StringAttr.get("=r,r"),
        has_side_effects=ir.UnitAttr.get(),
        asm_dialect=dialect,
        tail_call_kind=ir.Attribute.parse("#llvm.tailcallkind<none>"),
    )
