"""The scalar ops of `arith` and `math` on arrays: a table from op name to what makes its function.

`SCALAR[name](op)` reads types and attributes once and gives a function from operand arrays to the
result array; arrays stand for scalars, one element per neuron.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.elementary import FUNCTIONS
from spikec.dialects.mlir import ir
from spikec.runtime.reference import elementary, reals
from spikec.runtime.reference.elements import dtype, element, number, shape, width, wrap

Kernel = Callable[..., Array]
Factory = Callable[[Any], Kernel]

ORDERED: dict[int, Kernel] = {
    1: np.equal,
    2: np.greater,
    3: np.greater_equal,
    4: np.less,
    5: np.less_equal,
    6: lambda a, b: (a < b) | (a > b),
    7: lambda a, b: ~(np.isnan(a) | np.isnan(b)),
    13: np.not_equal,
}
"""`arith.cmpf` by predicate: oeq, ogt, oge, olt, ole, one, ord and une."""

INTEGRAL: dict[int, tuple[bool, Kernel]] = {
    0: (True, np.equal),
    1: (True, np.not_equal),
    2: (True, np.less),
    3: (True, np.less_equal),
    4: (True, np.greater),
    5: (True, np.greater_equal),
    6: (False, np.less),
    7: (False, np.less_equal),
    8: (False, np.greater),
    9: (False, np.greater_equal),
}
"""`arith.cmpi` by predicate, and whether it takes its operands as signed."""


def signed(value: Array) -> Array:
    """An integer as numpy's signed number: a true i1 is -1."""
    return -value.astype(np.int8) if value.dtype == np.bool_ else value


def unsigned(value: Array, width: int) -> Array:
    """An integer as an unsigned number of at least its width."""
    if width < 8:
        return (value.astype(np.uint8) & np.uint8((1 << width) - 1)).astype(np.uint8)
    return value.astype(f"uint{width}")


def integer_sum(a: Array, b: Array, width: int) -> Array:
    return wrap(signed(a) + signed(b), width)


def integer_product(a: Array, b: Array, width: int) -> Array:
    return wrap(signed(a) * signed(b), width)


def saturated(value: Array, width: int, to: Any) -> Array:
    """A real cut to an integer of `width` bits: towards zero, at most the extremes, NaN to 0."""
    whole = np.trunc(value.astype(np.float64))
    limit = 2.0 ** (width - 1)
    inside = (whole >= -limit) & (whole < limit)
    least, most = -(1 << (width - 1)), (1 << (width - 1)) - 1
    result = np.where(inside, whole, 0.0).astype(np.int64)
    result = np.where(whole >= limit, most, np.where(whole < -limit, least, result))
    return wrap(result, width).astype(to)


def _same(kernel: Kernel) -> Factory:
    """The same function for every type."""
    return lambda op: kernel


def _integer(kernel: Kernel) -> Factory:
    """Signed integers that wrap at the width of the result."""

    def make(op: Any) -> Kernel:
        bits = width(op.results[0].type)
        return lambda *operands: wrap(kernel(*map(signed, operands)), bits)

    return make


def _conversion(convert: Callable[[Array, int, int, Any], Array]) -> Factory:
    """`convert(value, bits of the operand, bits of the result, dtype of the result)`."""

    def make(op: Any) -> Kernel:
        source, target, to = width(op.operands[0].type), width(op.results[0].type), dtype(op.results[0].type)
        return lambda value: convert(value, source, target, to)

    return make


def _predicate(op: Any) -> int:
    return int(ir.IntegerAttr(op.attributes["predicate"]).value)


def _compare_integers(op: Any) -> Kernel:
    is_signed, kernel = INTEGRAL[_predicate(op)]
    if is_signed:
        return lambda a, b: kernel(signed(a), signed(b))
    bits = width(op.operands[0].type)
    return lambda a, b: kernel(unsigned(a, bits), unsigned(b, bits))


def _constant(op: Any) -> Kernel:
    attribute, type = op.attributes["value"], op.results[0].type
    if isinstance(type, ir.ShapedType):
        attribute = ir.DenseElementsAttr(attribute).get_splat_value()
    value = np.full(shape(type), number(attribute), dtype(element(type)))
    return lambda: value


SCALAR: dict[str, Factory] = {
    "arith.constant": _constant,
    "arith.addf": _same(reals.add),
    "arith.subf": _same(reals.subtract),
    "arith.mulf": _same(reals.multiply),
    "arith.divf": _same(reals.divide),
    "arith.negf": _same(np.negative),
    "arith.maximumf": _same(reals.maximum),
    "arith.minimumf": _same(reals.minimum),
    "arith.cmpf": lambda op: ORDERED[_predicate(op)],
    "arith.select": _same(np.where),
    "arith.addi": _integer(np.add),
    "arith.subi": _integer(np.subtract),
    "arith.muli": _integer(np.multiply),
    "arith.floordivsi": _integer(np.floor_divide),
    "arith.remsi": _integer(np.fmod),
    "arith.maxsi": _integer(np.maximum),
    "arith.minsi": _integer(np.minimum),
    "arith.cmpi": _compare_integers,
    "arith.shrsi": _integer(np.right_shift),
    "arith.shli": _integer(np.left_shift),
    "arith.andi": _same(np.bitwise_and),
    "arith.ori": _same(np.bitwise_or),
    "arith.xori": _same(np.bitwise_xor),
    "arith.extui": _conversion(lambda v, source, target, to: unsigned(v, source).astype(to)),
    "arith.extsi": _conversion(lambda v, source, target, to: signed(v).astype(to)),
    "arith.trunci": _conversion(lambda v, source, target, to: wrap(v, target).astype(to)),
    "arith.uitofp": _conversion(lambda v, source, target, to: unsigned(v, source).astype(to)),
    "arith.sitofp": _conversion(lambda v, source, target, to: signed(v).astype(to)),
    "arith.fptosi": _conversion(lambda v, source, target, to: saturated(v, target, to)),
    "math.sqrt": _same(np.sqrt),
    "math.floor": _same(np.floor),
    "math.ceil": _same(np.ceil),
    "math.trunc": _same(np.trunc),
    "math.roundeven": _same(np.rint),
    "math.absf": _same(np.abs),
    "math.absi": _integer(np.abs),
    **{f"math.{name}": _same(partial(elementary.evaluate, name)) for name in FUNCTIONS},
}
