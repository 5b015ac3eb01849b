"""How integers are kept: their types, their limits, and what is written of them in the IR."""

from __future__ import annotations

from typing import Any

from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.mlir import ir
from spikec.passes.quantize.affine import Atom
from spikec.passes.quantize.arithmetic import Code, width


def store(code: Code, made: Atom, bits: int, state: str) -> Any:
    """An integer as a state keeps it; one that may be too great saturates."""
    low, high = limits(bits)
    have = width(made.value.type)
    if isinstance(made.value, ir.BlockArgument) and have == storage(bits).width and made.limit <= high + 1:
        return made.value
    value = code.wide(made.value)
    if made.limit > high:
        value = code.clamped(value, low, high, state)
    return code.cast(value, storage(bits).width)


def storage(bits: int) -> Any:
    """The integer type that holds a signed number of so many bits."""
    return ir.IntegerType.get_signless(next(w for w in (8, 16, 32, 64) if bits <= w))


def limits(bits: int) -> tuple[int, int]:
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def tensor_type(array: Array) -> Any:
    kind = {"f": ir.F64Type.get}.get(array.dtype.kind)
    element = kind() if kind else ir.IntegerType.get_signless(8 * array.dtype.itemsize)
    return ir.RankedTensorType.get(array.shape, element)


def f64(value: float) -> Any:
    return ir.FloatAttr.get(ir.F64Type.get(), value)


def set_marks(function: Any, which: str, marks: list[dict[str, Any]]) -> None:
    if marks:
        function.attributes[which] = ir.ArrayAttr.get([ir.DictAttr.get(m) for m in marks])


def name_of_port(mark: dict[str, Any]) -> str:
    return str(ir.StringAttr(mark[snn.PORT]).value)
