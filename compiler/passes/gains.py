"""Gains: whether a value can be multiplied by a constant without a multiplication, and making it so.

    (W x + b) * g   is   (g W) x + g b

A gain goes through sums, reshapes and concatenations down to projections, whose weights take it, and to constants.
Factors are f64 until the result is rounded, once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import arith, ir
from spikec.dialects.notes import Cell
from spikec.dialects.program import Program
from spikec.passes import structure
from spikec.passes.canonicalize.parameters import repeated
from spikec.passes.canonicalize.states import Fixed, Store
from spikec.runtime.interface import flush_subnormals

REALS = ("f32", "f64")
SUMS = ("arith.addf", "arith.subf", "arith.negf")


class Gains:
    """The gains of one program; `rows` says which projection took what."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.symbols = program.symbols()
        self.fixed = Fixed(program)
        self.store = Store(program)
        self.rows: list[tuple[Cell, ...]] = []

    def of(self, op: Any) -> tuple[Any, Array] | None:
        """(v, factor) of an op that is v * factor; None for another op, and for a constant."""
        if str(getattr(op.results[0].type, "element_type", "")) not in REALS:
            return None
        if op.name == "arith.negf":
            return op.operands[0], np.asarray(-1.0)
        if op.name not in ("arith.mulf", "arith.divf"):
            return None
        places = (0, 1) if op.name == "arith.mulf" else (1,)
        for place in places:
            number = self.fixed.array(op.operands[place])
            if number is not None:
                factor = inverse(number) if op.name == "arith.divf" else number.astype(np.float64)
                return (op.operands[1 - place], factor) if np.all(np.isfinite(factor)) else None
        return None

    # ------------------------------------------------------------ asking

    def takes(self, value: Any, factor: Array) -> bool:
        """Whether `scaled` can be done; what another op uses too is left as it is."""
        number = self.fixed.array(value)
        if number is not None:
            return _product(number, factor) is not None
        op = structure.defining(value)
        if op is None or len(structure.users(value)) != 1:
            return False
        if op.name in SUMS:
            return all(self.takes(operand, factor) for operand in op.operands)
        if op.name in structure.RESHAPES:
            return self.takes(op.operands[0], _reshaped(factor, op.operands[0].type))
        if op.name == "tensor.concat":
            return all(self.takes(part, share) for part, share in _parts(op, factor))
        if op.name == snn.Propagate.name():
            return self.takes(op.operands[1], _reshaped(factor, op.operands[1].type)) and (
                self.weights(self._synapses(op), factor, "target") is not None
            )
        inner = self.of(op)
        return inner is not None and self._combined(inner[1], factor, value.type) is not None

    def _combined(self, one: Array, other: Array, type: Any) -> Array | None:
        """The product of two gains as the program would hold it."""
        with np.errstate(all="ignore"):
            return _product(np.ones((), scalars.DTYPES[str(type.element_type)]), one * other)

    def _synapses(self, op: Any) -> snn.Synapses:
        return snn.Synapses(self.symbols[snn.Propagate(op).synapses])

    def weights(self, view: snn.Synapses, factor: Array, side: str) -> Array | None:
        """The weights of a projection (rank 0: one number) after one gain per "target" or "source"; None if they
        cannot have them."""
        if view.scale is not None or view.code is not None or view.delay is not None:
            return None
        constant = symbol_of(view.weight)
        if constant is not None and constant not in self.program.constants:
            return None
        old = scalars.number(view.weight) if constant is None else self.program.constants[constant]
        if old is None or old.dtype.kind != "f":
            return None
        number = repeated(factor)
        if number is not None:
            return _product(old, number)
        shaped = _per_weight(view, old, factor, side)
        return None if shaped is None else _product(np.broadcast_to(shaped[0], shaped[1].shape), shaped[1])

    # ------------------------------------------------------------ doing

    def scaled(self, value: Any, factor: Array, at: Any) -> Any:
        """A value that is `value` times `factor`, for the op `at` alone; `takes` has said that there is one."""
        number = self.fixed.array(value)
        if number is not None:
            product = _product(number, factor)
            assert product is not None
            return self.constant(value, product, at)
        op = structure.defining(value)
        if op.name in SUMS:
            for place, operand in enumerate(list(op.operands)):
                op.operands[place] = self.scaled(operand, factor, op)
        elif op.name in structure.RESHAPES:
            op.operands[0] = self.scaled(op.operands[0], _reshaped(factor, op.operands[0].type), op)
        elif op.name == "tensor.concat":
            for place, (part, share) in enumerate(_parts(op, factor)):
                op.operands[place] = self.scaled(part, share, op)
        elif op.name == snn.Propagate.name():
            op.operands[1] = self.scaled(op.operands[1], _reshaped(factor, op.operands[1].type), op)
            self.reweigh(op, factor, "target")
        else:
            return self._multiplied(op, factor, value.type)
        return value

    def _multiplied(self, op: Any, factor: Array, type: Any) -> Any:
        inner = self.of(op)
        assert inner is not None
        source, first = inner
        if self.takes(source, first * factor):
            return self.scaled(source, first * factor, op)
        product = self._combined(first, factor, type)
        assert product is not None
        gain = self.store.value("gain", product, type, op)
        with ir.InsertionPoint(op), op.location:
            return arith.mulf(source, gain)

    def constant(self, like: Any, array: Array, at: Any) -> Any:
        """A constant in the place of another one, before the op `at`."""
        op = structure.defining(like)
        name = f"{snn.Read(op).of}.fused" if op.name == snn.Read.name() else "fused"
        return self.store.value(name, array, like.type, at)

    def reweigh(self, op: Any, factor: Array, side: str) -> None:
        """Gives the projection of a propagate its gain; another projection if someone else uses this one too."""
        view = self._synapses(op)
        weights = self.weights(view, factor, side)
        assert weights is not None
        if self._uses(view.sym_name) > 1:
            clone = view.operation.clone(ip=ir.InsertionPoint(view.operation)).operation
            name = self.store.fresh(f"{view.sym_name}.fused")
            clone.attributes["sym_name"] = ir.StringAttr.get(name)
            op.attributes["synapses"] = ir.FlatSymbolRefAttr.get(name)
            self.symbols[name] = clone
            view = snn.Synapses(clone)
        self.rows.append((view.sym_name, side, float(np.min(factor)), float(np.max(factor))))
        element = ir.F64Type.get() if weights.dtype == np.float64 else ir.F32Type.get()
        if weights.ndim == 0:
            view.operation.attributes["weight"] = scalars.attribute(weights, element)
            return
        type = ir.RankedTensorType.get(list(weights.shape), element)
        name = symbol_of(view.weight) or f"{view.sym_name}.weight"
        name = self.store.array(f"{name}.fused", weights, type, view.operation.location, view.operation)
        view.operation.attributes["weight"] = ir.FlatSymbolRefAttr.get(name)

    def _uses(self, synapses: str) -> int:
        blocks = structure.entry_blocks(self.symbols)
        ops = [operation.operation for block in blocks for operation in block.operations]
        return sum(op.name == snn.Propagate.name() and snn.Propagate(op).synapses == synapses for op in ops)


def inverse(number: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(1.0 / number.astype(np.float64))


def _product(old: Array, factor: Array) -> Array | None:
    """old * factor in the type of `old`, or None where numbers would be lost to overflow or underflow."""
    if old.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):
        # The sum leaves no negative zero, which would be a constant of its own.
        product = flush_subnormals(np.asarray(old.astype(np.float64) * factor).astype(old.dtype)) + old.dtype.type(0)
    lost = (np.isfinite(old) & ~np.isfinite(product)) | ((product == 0) & (old != 0) & (np.asarray(factor) != 0))
    return None if np.any(lost) else np.asarray(product)


def _reshaped(factor: Array, type: Any) -> Array:
    shape = tuple(type.shape)
    return np.asarray(factor if factor.ndim == 0 else factor.reshape(shape))


def _parts(op: Any, factor: Array) -> list[tuple[Any, Array]]:
    """The operands of a concatenation, each with its share of a factor."""
    axis = ir.IntegerAttr(op.attributes["dim"]).value
    ends = np.cumsum([operand.type.shape[axis] for operand in op.operands])[:-1]
    full = np.broadcast_to(factor, tuple(op.results[0].type.shape))
    return list(zip(op.operands, np.split(full, ends, axis=axis), strict=True))


def _per_weight(view: snn.Synapses, old: Array, factor: Array, side: str) -> tuple[Array, Array] | None:
    """Weights and factors in one shape (the weights may be one number), or None where two synapses of one weight
    would need different factors."""
    flat = factor.reshape(-1)
    match ir.StringAttr(view.connect["kind"]).value:
        case "one_to_one":
            return old.reshape(-1) if old.ndim else old, flat
        case "conv":
            return _per_kernel(Convolution.of(view.connect), old, flat, side)
        case "table" if old.ndim:
            return None
        case _ if old.ndim:
            pairs = (view.pre, view.post)
            return old.reshape(pairs), np.broadcast_to(flat if side == "target" else flat[:, np.newaxis], pairs)
        case _:
            return None


def _per_kernel(shape: Convolution, old: Array, factor: Array, side: str) -> tuple[Array, Array] | None:
    extents = shape.output if side == "target" else shape.input
    channels = factor.reshape(extents[0], math.prod(extents[1:]))
    if np.any(channels != channels[:, :1]):
        return None
    outputs, members = shape.weights[:2]
    pairs = np.broadcast_to(channels[:, :1], (outputs, members)) if side == "target" else None
    if pairs is None:
        group = np.arange(outputs) // (outputs // shape.groups)
        pairs = channels[group[:, np.newaxis] * members + np.arange(members), 0]
    return old, np.broadcast_to(pairs.reshape(*pairs.shape, *[1] * len(shape.kernel)), shape.weights)
