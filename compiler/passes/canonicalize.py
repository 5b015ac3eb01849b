"""Canonical form: constants folded, common values computed once, nothing unused.

    func.func private @N(%V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}) {
      %a = arith.constant 0.5 : f32
      %b = arith.constant 0.25 : f32
      %c = arith.addf %a, %b : f32
      %x = arith.mulf %c, %V : f32
      %y = arith.mulf %c, %V : f32
      %z = arith.addf %x, %y : f32
      return %z : f32
    }

becomes

    func.func private @N(%V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}) {
      %c = arith.constant 7.500000e-01 : f32
      %x = arith.mulf %c, %V : f32
      %z = arith.addf %x, %x : f32
      return %z : f32
    }

Everything is exact.  Constants fold by the project's own arithmetic, since upstream's folders keep
subnormals and take exp and log from the C library.  Programs and arrays that nothing names go, and so do
unused values.  A `propagate` is never removed or merged: the weight additions that it does are counted.
States, populations and projections stay, used or not: a run reports them.  At level `step` the programs alone
are changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from spikec.analysis import scalars
from spikec.dialects import snn
from spikec.dialects.functions import SCALAR_OPS, is_private, symbol_name, walk
from spikec.dialects.mlir import arith, ir
from spikec.dialects.program import Program

PURE = SCALAR_OPS | {
    "tensor.extract",
    "tensor.splat",
    "tensor.extract_slice",
    "tensor.concat",
    "tensor.expand_shape",
    "tensor.collapse_shape",
    "linalg.generic",
    snn.Read.name(),
    snn.Draw.name(),
    snn.Clock.name(),
}
"""Ops without effect: a state that is read, a draw and the clock do not change within a step."""

REMOVABLE = frozenset({"func.func", snn.Constant.name(), snn.Param.name()})


@dataclass(frozen=True)
class Canonicalize:
    """Folds constants, computes common values once and removes what is unused."""

    name: ClassVar[str] = "canonicalize"

    def run(self, program: Program) -> Program:
        result = program.clone()
        with result.module.context, ir.Location.unknown():
            for op in result.symbols().values():
                if op.name == "func.func" and (result.level == "snn" or _is_program(op)):
                    _canonicalize(op.regions[0].blocks[0])
            _remove_unused_symbols(result)
        if result.level == "step":
            return result
        declared = [constant.sym_name for constant in result.ops(snn.Constant)]
        return replace(result, constants=result.constants.only(declared))


def _canonicalize(block: Any) -> None:
    seen: dict[tuple[Any, ...], Any] = {}
    for op in [operation.operation for operation in block.operations]:
        if op.name in PURE and not _fold(op, seen):
            _merge(op, seen)
    for op in reversed([operation.operation for operation in block.operations]):
        if op.name in PURE and not any(_used(result) for result in op.results):
            op.erase()


def _used(value: Any) -> bool:
    return next(iter(value.uses), None) is not None


def _fold(op: Any, seen: dict[tuple[Any, ...], Any]) -> bool:
    """Replaces an op on constants by a constant."""
    moves = op.name in ("tensor.splat", "tensor.extract")
    if op.name == "arith.constant" or (op.name not in SCALAR_OPS and not moves):
        return False
    numbers = [_number(operand) for operand in op.operands]
    if any(number is None for number in numbers):
        return False
    value = numbers[0] if moves else scalars.evaluate(op, [n for n in numbers if n is not None])
    if value is None:
        return False
    type = op.results[0].type
    attribute = scalars.attribute(value, getattr(type, "element_type", type))
    if isinstance(type, ir.RankedTensorType):
        attribute = ir.DenseElementsAttr.get_splat(type, attribute)
    with ir.InsertionPoint(op), op.location:
        made = arith.ConstantOp(type, attribute).operation
    op.results[0].replace_all_uses_with(made.results[0])
    op.erase()
    _merge(made, seen)
    return True


def _number(value: Any) -> Any:
    """The number that a value always is, or None."""
    if isinstance(value, ir.BlockArgument) or value.owner.name != "arith.constant":
        return None
    attribute = value.owner.operation.attributes["value"]
    if isinstance(attribute, ir.DenseElementsAttr):
        if not attribute.is_splat:
            return None
        attribute = attribute.get_splat_value()
    return scalars.number(attribute)


def _merge(op: Any, seen: dict[tuple[Any, ...], Any]) -> None:
    """Replaces an op by an equal one before it."""
    if len(list(op.regions)):
        return
    attributes = tuple(sorted(((name, op.attributes[name]) for name in op.attributes), key=lambda entry: entry[0]))
    key = (op.name, attributes, tuple(op.operands), tuple(result.type for result in op.results))
    if key not in seen:
        seen[key] = op
        return
    for result, same in zip(op.results, seen[key].results, strict=True):
        result.replace_all_uses_with(same)
    op.erase()


def _remove_unused_symbols(program: Program) -> None:
    """Removes programs, parameters and constants that nothing refers to, until none is left."""
    while True:
        used = {name for op in walk(program.module.operation) for name in _referred(op)}
        unused = [op for name, op in program.symbols().items() if name not in used and _removable(op)]
        if not unused:
            return
        for op in unused:
            op.erase()


def _removable(op: Any) -> bool:
    return op.name in REMOVABLE and (op.name != "func.func" or _is_program(op))


def _is_program(function: Any) -> bool:
    return is_private(function) and not symbol_name(function).startswith("stage.")


def _referred(op: Any) -> Iterator[str]:
    for name in op.attributes:
        yield from _symbols(op.attributes[name])


def _symbols(attribute: Any) -> Iterator[str]:
    if isinstance(attribute, ir.FlatSymbolRefAttr):
        yield attribute.value
    elif isinstance(attribute, ir.ArrayAttr):
        for entry in attribute:
            yield from _symbols(entry)
    elif isinstance(attribute, ir.DictAttr):
        for named in attribute:
            yield from _symbols(named.attr)
