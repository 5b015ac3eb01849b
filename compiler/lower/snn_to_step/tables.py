"""Synapses in storage: which format a projection's recipe gets, and its arrays.

| recipe | format |
|---|---|
| all, no pair left out, an array of weights | dense, over the array itself |
| all, no pair left out, one weight | dense up to `DENSE_LIMIT` synapses, then csr (2 bytes a synapse instead of 4) |
| one_to_one, no pair left out | one_to_one |
| everything else, with a weight for each synapse | csr, a bitmap or blocks (`formats`) |
| everything else | csr, in parts by delay where delays differ |
"""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects import connectors, powers, snn, step
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.functions import signature, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Cell, Note, Table
from spikec.dialects.program import Program
from spikec.lower import connect
from spikec.lower.convolution import convolved
from spikec.lower.recipes import Recipes
from spikec.lower.snn_to_step import formats
from spikec.lower.snn_to_step.buffers import Buffers
from spikec.lower.snn_to_step.types import element_of, shape_of
from spikec.runtime.interface import numpy_type

DENSE_LIMIT = 1 << 24


class Tables:
    """The tables of the synapses that are used, made on first use."""

    def __init__(self, program: Program, buffers: Buffers, seed: int) -> None:
        self._program = program
        self._symbols = program.symbols()
        self._buffers = buffers
        self._recipes = Recipes(program, seed)
        self._tables: dict[str, dict[str, Any]] = {}

    def of(self, synapses: str) -> str:
        """The name of the table of a `snn.synapses`."""
        if synapses not in self._tables:
            self._tables[synapses] = self._table(snn.Synapses(self._symbols[synapses]))
        name: str = self._tables[synapses]["sym_name"]
        return name

    def note(self) -> Note:
        """How the synapses are stored: format, number and bytes of each projection."""
        columns = ("projection", "format", "synapses", "bytes")
        return Table("storage of synapses", columns, tuple(self._row(one) for one in self._tables.values()))

    def _row(self, fields: dict[str, Any]) -> tuple[Cell, ...]:
        kept = {key: self._buffers.store.get(array.value) for key, array in fields["arrays"].items()}
        arrays = {key: array for key, array in kept.items() if array is not None}
        count = fields["pre"] * (fields["post"] if fields["format"] == "dense" else 1)
        if "row" in arrays:
            count = int(arrays["row"][-1]) * (fields.get("block") or 1)
        columns = f", {fields['index']}-bit columns" if "col" in arrays else ""
        return fields["sym_name"], fields["format"] + columns, count, sum(array.nbytes for array in arrays.values())

    def build(self) -> None:
        """Makes the ops, at the current insertion point."""
        for fields in self._tables.values():
            with fields["location"]:
                step.Table.build(**{name: value for name, value in fields.items() if name != "location"})

    def _table(self, synapses: snn.Synapses) -> dict[str, Any]:
        name = self._buffers.fresh(synapses.sym_name)
        kind = ir.StringAttr(synapses.connect["kind"]).value
        weights = symbol_of(synapses.weight)
        location = synapses.operation.location
        fields: dict[str, Any] = {
            "sym_name": name,
            "pre": synapses.pre,
            "post": synapses.post,
            "element": self._element(synapses, weights),
            "code": synapses.code,
            "location": location,
        }
        if synapses.delay is not None:
            least, most = synapses.delay_range
            return self._compressed({**fields, "parts": most - least + 1}, synapses, kind, weights)
        if weights is not None and self._symbols[weights].name == "func.func":
            return self._compressed(fields, synapses, kind, weights)
        filtered = "filter" in synapses.connect or connectors.NONZERO in synapses.connect
        if kind == "one_to_one" and not filtered:
            arrays = {} if weights is None else {"w": self._diagonal(synapses, weights, location)}
            return self._finish(fields, "one_to_one", arrays, None if weights else synapses.weight)
        if kind == "all" and not filtered and weights is not None:
            return self._finish(fields, "dense", {"w": self._matrix(synapses, weights, location)}, None)
        if kind == "all" and not filtered and synapses.pre * synapses.post <= DENSE_LIMIT:
            return self._finish(fields, "dense", {"w": self._filled(synapses, location)}, None)
        return self._compressed(fields, synapses, kind, weights)

    def _element(self, synapses: snn.Synapses, weights: str | None) -> Any:
        if weights is None:
            return synapses.weight.type
        if self._symbols[weights].name == "func.func":
            return signature(self._symbols[weights]).results[0]
        return element_of(snn.Constant(self._symbols[weights]).type)

    def _diagonal(self, synapses: snn.Synapses, weights: str, location: Any) -> str:
        if synapses.code is None:
            return self._buffers.constant(weights)
        return self._weights(synapses, self._array(synapses, weights), location)

    def _matrix(self, synapses: snn.Synapses, weights: str, location: Any) -> str:
        """The buffer of the weights as [pre, post]: the constant itself, or the same elements in that shape."""
        declared = snn.Constant(self._symbols[weights])
        shape = (synapses.pre, synapses.post)
        if synapses.code is not None:
            return self._weights(synapses, self._array(synapses, weights).reshape(shape), location)
        if shape_of(declared.type) == shape or weights not in self._program.constants:
            return self._buffers.constant(weights)
        return self._weights(synapses, self._program.constants[weights].reshape(shape), location)

    def _filled(self, synapses: snn.Synapses, location: Any) -> str:
        element = numpy_type(synapses.weight.type)
        array = np.full((synapses.pre, synapses.post), synapses.weight.value, dtype=element)
        return self._weights(synapses, array, location)

    def _weights(self, synapses: snn.Synapses, array: Array, location: Any) -> str:
        """A buffer of the weights of a projection, as they are or as codes."""
        name = f"{synapses.sym_name}.w"
        if synapses.code is not None:
            return self._buffers.array(name, powers.encode(array), location)
        return self._buffers.array(name, array, location, self._element(synapses, symbol_of(synapses.weight)))

    def _compressed(
        self, fields: dict[str, Any], synapses: snn.Synapses, kind: str, weights: str | None
    ) -> dict[str, Any]:
        name, location = synapses.sym_name, synapses.operation.location
        rows, array = self._connected(synapses, kind)
        stored = self._stored(synapses, rows, array)
        arrays = {key: self._buffers.array(f"{name}.{key}", made, location) for key, made in stored.arrays.items()}
        if array is not None:
            arrays["w"] = self._weights(synapses, array, location)
        fields |= {"index": stored.index, "block": stored.block}
        return self._finish(fields, stored.format, arrays, None if weights else synapses.weight)

    def _stored(self, synapses: snn.Synapses, rows: connect.Rows, array: Array | None) -> formats.Stored:
        """Rows without weights of their own, or in parts, have one format."""
        if array is None or synapses.delay is not None:
            return formats.csr(rows, synapses.post)
        return formats.chosen(rows, synapses.post, max(4, array.itemsize))

    def _connected(self, synapses: snn.Synapses, kind: str) -> tuple[connect.Rows, Array | None]:
        """The rows, and the weight of each synapse where they differ."""
        rows, weights = self._recipe(synapses, kind)
        if weights is None or connectors.NONZERO not in synapses.connect:
            return rows, weights
        return connect.without_zeros(rows, weights)

    def _recipe(self, synapses: snn.Synapses, kind: str) -> tuple[connect.Rows, Array | None]:
        if kind == "conv":
            weights = symbol_of(synapses.weight)
            array = None if weights is None else self._array(synapses, weights)
            try:
                return convolved(Convolution.of(synapses.connect), array)
            except OverflowError as error:
                raise CompileError([Diagnostic("E0605", "error", f"{synapses.sym_name}: {error}")]) from None
        rows = self._recipes.rows(synapses)
        made = self._recipes.weights(synapses, rows)
        if synapses.delay is None:
            return rows, made
        least, most = synapses.delay_range
        rows, order = connect.in_parts(rows, self._recipes.delays(synapses, rows) - least, most - least + 1)
        return rows, None if made is None else made[order]

    def _array(self, synapses: snn.Synapses, weights: str) -> Array:
        return self._recipes.array(synapses, weights)

    def _finish(self, fields: dict[str, Any], format: str, arrays: dict[str, str], weight: Any) -> dict[str, Any]:
        references = {name: ir.FlatSymbolRefAttr.get(buffer) for name, buffer in arrays.items()}
        return {**fields, "format": format, "arrays": references, "weight": weight}
