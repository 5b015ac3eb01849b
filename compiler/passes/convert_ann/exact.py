"""Weights and biases on grids of powers of two, so fine as sums without rounding allow.

A real of 24 bits (or 53) holds every multiple of 2^-k below 2^(24 - k).  Whole activations times weights that are
multiples of 2^-k are such numbers, and so is each part of their sum, in any order and spread over any number of steps:
what a spiking network adds up is then what the other computed at once, to the last bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from spikec.analysis import ranges, scalars
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.passes import structure
from spikec.passes.canonicalize import Canonicalize
from spikec.passes.canonicalize.states import Fixed, Store
from spikec.passes.convert_ann import linearity

BITS = {"f32": 24, "f64": 53}
_MOST_KEPT_FREE = 12
_SUMS = (snn.Propagate.name(), "arith.addf", "arith.subf", "arith.mulf")

Parts = dict[Any, int]
"""Of a value, the k for which all its elements are multiples of 2^-k; of others nothing is known."""


def exact(program: Program) -> tuple[Program, bool]:
    """The program with its constants rounded to grids, and whether all its sums are exact then.

    They are not where something other than whole numbers is added up.
    """
    for free in range(1, _MOST_KEPT_FREE + 1):
        made = program.clone()
        with made.module.context, ir.Location.unknown():
            _Grid(made, free).run()
        made = Canonicalize().run(made)
        if _fits(made):
            return made, True
    return program, False


class _Grid:
    """One attempt: `free` bits of a number are kept for the sums that a value is added up in."""

    def __init__(self, program: Program, free: int) -> None:
        self.program = program
        self.symbols = program.symbols()
        self.fixed = Fixed(program)
        self.store = Store(program)
        self.ranges = ranges.analyse(program)
        self.free = free
        self.parts: Parts = {}
        self.weights: dict[str, int] = {}

    def run(self) -> None:
        for operation in list(self.symbols["step"].regions[0].blocks[0].operations):
            op = operation.operation
            if op.name == snn.Propagate.name():
                self._propagate(op)
            elif op.name in ("arith.addf", "arith.subf"):
                self._sum(op)
            elif op.name == "arith.mulf":
                self._product(op)
            known = _parts_of(op, self.parts, self.symbols, self.program, self.fixed)
            if known is not None:
                self.parts[op.results[0]] = known

    # ------------------------------------------------------------ constants

    def _propagate(self, op: Any) -> None:
        self._bias(op, 1, op.results[0])
        view = snn.Synapses(self.symbols[snn.Propagate(op).synapses])
        name, old = symbol_of(view.weight), _weights(view, self.program)
        if old is None:
            return
        finest = self._room(op.results[0], self.parts.get(op.operands[0], 0))
        finest = min(finest, self.weights.get(view.sym_name, finest))
        self.weights[view.sym_name] = finest
        new = _rounded(old, finest)
        if name is None:
            view.operation.attributes["weight"] = scalars.attribute(new, view.weight.type)
            return
        type = ir.RankedTensorType.get(list(new.shape), snn.Constant(self.symbols[name]).type.element_type)
        stored = self.store.array(f"{name}.exact", new, type, view.operation.location, view.operation)
        view.operation.attributes["weight"] = ir.FlatSymbolRefAttr.get(stored)

    def _sum(self, op: Any) -> None:
        for place in (0, 1):
            self._bias(op, place, op.results[0])

    def _product(self, op: Any) -> None:
        for place in (0, 1):
            other = self.parts.get(op.operands[1 - place])
            if other is not None and self.fixed.array(op.operands[1 - place]) is None:
                self._replace(op, place, self._room(op.results[0], other))

    def _bias(self, op: Any, place: int, total: Any) -> None:
        self._replace(op, place, self._room(total, 0))

    def _replace(self, op: Any, place: int, finest: int) -> None:
        """Rounds an operand that is a constant."""
        array = self.fixed.array(op.operands[place])
        if array is None or array.dtype.kind != "f":
            return
        new = _rounded(array, finest)
        if not np.array_equal(new, array):
            op.operands[place] = self.store.value("exact", new, op.operands[place].type, op)
        self.parts[op.operands[place]] = _least(new)

    def _room(self, total: Any, taken: int) -> int:
        """The bits behind the point that one factor of the addends of `total` may have, of which `taken` are gone."""
        bits = BITS[str(total.type.element_type)] - self.free - _bits_before(self.ranges.of(total)) - taken
        return max(0, bits // (1 + _factors_behind(total, self.fixed)))


def _rounded(array: Array, finest: int) -> Array:
    return np.asarray(np.ldexp(np.rint(np.ldexp(array.astype(np.float64), finest)), -finest).astype(array.dtype))


def _least(array: Array) -> int:
    """The least k for which all elements are multiples of 2^-k."""
    mantissas, exponents = np.frexp(array.astype(np.float64)[array != 0])
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    trailing = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    return int(max(0, (53 - trailing - exponents).max(initial=0)))


def _bits_before(interval: Any) -> int:
    reach = max(abs(interval.low), abs(interval.high))
    return max(0, math.ceil(math.log2(reach + 1))) if math.isfinite(reach) else 1 << 10


def _factors_behind(value: Any, fixed: Fixed) -> int:
    """How many more times a value is weighed before it is rounded, or ends."""
    most = 0
    for op in structure.users(value):
        if not op.results or op.name in ("math.floor", "math.roundeven"):
            continue
        factor = op.name in (snn.Propagate.name(), "arith.mulf") and op.operands[0] == value
        linear = factor or op.name in ("arith.addf", "arith.subf", snn.Propagate.name()) or linearity.is_move(op)
        if linear or linearity.is_sum(op) or linearity.is_largest(op):
            most = max(most, int(factor) + _factors_behind(op.results[0], fixed))
    return most


# ---------------------------------------------------------------- what is known


def _is_whole(value: Any) -> bool:
    return isinstance(value.type.element_type, ir.IntegerType)


def _parts_of(op: Any, parts: Parts, symbols: dict[str, Any], program: Program, fixed: Fixed) -> int | None:
    """How fine the result of an op is; None where that is not known."""
    if len(op.results) != 1 or str(getattr(op.results[0].type, "element_type", "")) not in BITS:
        return None
    constant = fixed.array(op.results[0])
    if constant is not None:
        return _least(constant[np.isfinite(constant)]) if constant.dtype.kind == "f" else None
    if op.name in ("math.floor", "math.roundeven", "arith.sitofp", "arith.uitofp"):
        return 0
    if op.name == snn.Read.name():
        return _state(snn.Read(op).of, symbols)
    if op.name == snn.Propagate.name():
        return _arrived(op, parts, symbols, program)
    known = [parts.get(operand) for operand in op.operands]
    if linearity.is_sum(op) or linearity.is_largest(op) or linearity.is_move(op):
        known = known[: 1 if op.name == "linalg.generic" else None]
    elif op.name == "arith.mulf":
        return None if None in known else sum(k for k in known if k is not None)
    elif op.name not in ("arith.addf", "arith.subf", "arith.negf", "arith.maximumf", "arith.minimumf"):
        return None
    return None if None in known else max(k for k in known if k is not None)


def _arrived(op: Any, parts: Parts, symbols: dict[str, Any], program: Program) -> int | None:
    events, init = op.operands[0], parts.get(op.operands[1])
    one = 0 if _is_whole(events) else parts.get(events)
    view = snn.Synapses(symbols[snn.Propagate(op).synapses])
    weights = _weights(view, program)
    if one is None or init is None or weights is None:
        return None
    return max(init, one + _least(weights))


def _weights(view: snn.Synapses, program: Program) -> Array | None:
    """The weights of a projection where they are reals that are known; None for others."""
    name = symbol_of(view.weight)
    found = scalars.number(view.weight) if name is None else program.constants.get(name)
    return found if found is not None and found.dtype.kind == "f" else None


def _state(name: str, symbols: dict[str, Any]) -> int | None:
    """A state that keeps whole numbers has none but those."""
    for operation in symbols["step"].regions[0].blocks[0].operations:
        op = operation.operation
        if op.name == snn.Write.name() and snn.Write(op).to == name:
            source = op.operands[0]
            while (before := structure.defining(source)) is not None:
                if before.name in ("math.floor", "math.roundeven"):
                    return 0
                if before.name not in ("arith.maximumf", "arith.minimumf") and not linearity.is_move(before):
                    return None
                source = before.operands[0]
    return None


def _fits(program: Program) -> bool:
    """Whether every sum and product of weighed numbers is a number that a real holds."""
    symbols, fixed, found = program.symbols(), Fixed(program), ranges.analyse(program)
    parts: Parts = {}
    for operation in symbols["step"].regions[0].blocks[0].operations:
        op = operation.operation
        known = _parts_of(op, parts, symbols, program, fixed)
        adds_up = op.name in _SUMS or linearity.is_sum(op)
        if known is None:
            if op.name == snn.Propagate.name():
                return False
            continue
        value = op.results[0]
        parts[value] = known
        # One bit more for what a neuron keeps beside its input: the steps that it has sent.
        if adds_up and known + _bits_before(found.of(value)) + 1 > BITS[str(value.type.element_type)]:
            return False
        if op.name == "math.floor" and op.operands[0] not in parts:
            return False
    return True
