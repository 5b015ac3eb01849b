"""States that never change: what is computed of them alone is computed now.

    %b = "snn.read"() {of = @b, delay = 1}                 %c = "snn.read"() {of = @folded, delay = 1}
    %h = arith.constant dense<0.5> : tensor<4xf32>   -->
    %c = arith.mulf %b, %h : tensor<4xf32>

A state that nothing writes and that begins with a number or an array of the store is a constant under `delay = 1`
(older values are zero before the start).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.analysis.liveness import owned
from spikec.analysis.moves import moved
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.functions import MOVES, SCALAR_OPS, is_private, symbol_of, symbols_in, walk
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.passes import structure
from spikec.passes.canonicalize import identities
from spikec.passes.canonicalize.blocks import evaluated
from spikec.passes.canonicalize.parameters import repeated
from spikec.runtime.interface import flush_subnormals


class Fixed:
    """The arrays that values of entry points always are, in the shape of the value (or rank 0)."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._states = {view.sym_name: view for view in program.ops(snn.State)}
        for name in written(program):
            self._states.pop(name, None)

    def array(self, value: Any) -> Array | None:
        """The array of a constant or of a read of a state that never changes; None for another value."""
        number = identities.number(value)
        op = structure.defining(value)
        if number is not None or op is None or op.name != snn.Read.name():
            return number
        read = snn.Read(op)
        state = self._states.get(read.of)
        if state is None or read.delay != 1 or state.init is None or "scale" in state.operation.attributes:
            return None
        name, element = symbol_of(state.init), str(state.type.element_type)
        if name is None or element not in scalars.DTYPES:
            return scalars.number(state.init)
        if name not in self._program.constants:
            return None
        stored = self._program.constants[name].astype(scalars.DTYPES[element], copy=False)
        return flush_subnormals(stored.reshape(tuple(state.type.shape)))


def written(program: Program) -> set[str]:
    """The states that some entry point writes."""
    populations = {view.sym_name: view for view in program.ops(snn.Population)}
    found: set[str] = set()
    for block in structure.entry_blocks(program.symbols()):
        for operation in block.operations:
            op = operation.operation
            if op.name == snn.Write.name():
                found.add(snn.Write(op).to)
            elif op.name == snn.Update.name():
                found.update(owned(populations[snn.Update(op).population]))
    return found


def fold(program: Program) -> bool:
    """Computes what depends on fixed states alone; whether there was any such thing."""
    fixed = Fixed(program)
    store = Store(program)
    changed = False
    for block in structure.entry_blocks(program.symbols()):
        changed |= _fold_block(block, fixed, store)
    return changed


class Store:
    """Makes states that never change, with arrays of their own."""

    def __init__(self, program: Program) -> None:
        self._program = program
        symbols = program.symbols()
        self._taken = {*symbols, *program.constants}
        self._before = next(op for op in symbols.values() if op.name == "func.func" and not is_private(op))

    def fresh(self, wished: str) -> str:
        """A name that no symbol has yet, like the one that is wished for."""
        return structure.fresh(wished, self._taken)

    def array(self, wished: str, array: Array, type: Any, location: Any, before: Any = None) -> str:
        """Declares a constant before a declaration (by default the entry points), and returns its name."""
        name = self.fresh(wished)
        digest = self._program.constants.add(name, array.reshape(tuple(type.shape)))
        with ir.InsertionPoint(before or self._before), location:
            snn.Constant.build(sym_name=name, type=type, digest=digest)
        return name

    def value(self, wished: str, array: Array, type: Any, at: Any) -> Any:
        """A value before the op `at` that is always an array: a constant, or the read of a new state."""
        full = np.broadcast_to(array, tuple(type.shape))
        number = repeated(full)
        with ir.InsertionPoint(at), at.location:
            if number is not None:
                return identities.constant(number, type)
        name = self.array(wished, full, type, at.location)
        state = self.fresh(f"{name}.value")
        with ir.InsertionPoint(self._before), at.location:
            snn.State.build(sym_name=state, type=type, init=ir.FlatSymbolRefAttr.get(name), depth=1)
        with ir.InsertionPoint(at), at.location:
            return snn.Read.build(results=[type], of=state, delay=1).results[0]


def _fold_block(block: Any, fixed: Fixed, store: Store) -> bool:
    known: dict[Any, Array] = {}
    computed: list[Any] = []
    for operation in block.operations:
        op = operation.operation
        if len(op.results) != 1 or not isinstance(op.results[0].type, ir.RankedTensorType):
            continue
        value = fixed.array(op.results[0])
        if value is None:
            value = _computed(op, known)
            if value is not None:
                computed.append(op)
        elif op.name == snn.Read.name() and value.ndim == 0:
            computed.append(op)
        if value is not None:
            known[op.results[0]] = value
    # An op on known values alone is not kept; what the others take is made.
    gone = set(computed)
    for op in computed:
        if any(user not in gone for user in structure.users(op.results[0])):
            made = store.value("folded", known[op.results[0]], op.results[0].type, op)
            op.results[0].replace_all_uses_with(made)
    return bool(computed)


OF_ARRAYS = MOVES - {"tensor.extract", "tensor.splat"}
"""Moves whose operand is no single number; `blocks` folds the others."""


def _computed(op: Any, known: dict[Any, Array]) -> Array | None:
    if not len(op.operands) or any(operand not in known for operand in op.operands):
        return None
    operands = [known[operand] for operand in op.operands]
    if op.name in SCALAR_OPS:
        return evaluated(op, operands)
    if op.name not in OF_ARRAYS:
        return None
    shapes = [tuple(operand.type.shape) for operand in op.operands]
    return moved(op, *(np.broadcast_to(array, shape) for array, shape in zip(operands, shapes, strict=True)))


def referred(program: Program) -> Iterator[tuple[Any, str]]:
    """Each op of a module with each symbol that it refers to."""
    for op in walk(program.module.operation):
        for name in op.attributes:
            for symbol in symbols_in(op.attributes[name]):
                yield op, symbol
