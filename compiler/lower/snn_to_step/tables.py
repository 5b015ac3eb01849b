"""Synapses in storage: which format a projection's recipe gets, and its arrays.

| recipe | format |
|---|---|
| all, no pair left out, an array of weights | dense, over the array itself |
| all, no pair left out, one weight | dense up to `DENSE_LIMIT` synapses, then a bitmap (a bit a synapse, not 4 bytes) |
| one_to_one, no pair left out | one_to_one |
| prob, one weight | procedural where the synapses would take too much memory, else csr or a bitmap (`formats`) |
| conv | conv, or as everything else where that is cheaper (`formats`) |
| everything else, with a weight for each synapse | csr, a bitmap or blocks (`formats`) |
| everything else, with one weight | csr or a bitmap (`formats`) |
| what has a delay for each synapse | csr, in parts by delay |

A `snn.synapses` with a `format` gets that one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.analysis.costs import synapses_of
from spikec.dialects import connectors, powers, procedural, snn, step
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.functions import signature, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Cell, Note, Table
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
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
        if self._redrawn(synapses):
            return self._finish(fields | self._drawing(synapses), "procedural", {}, synapses.weight)
        if synapses.delay is not None:
            least, most = synapses.delay_range
            return self._compressed({**fields, "parts": most - least + 1}, synapses, kind, weights)
        if weights is not None and self._symbols[weights].name == "func.func":
            return self._compressed(fields, synapses, kind, weights)
        filtered = "filter" in synapses.connect or connectors.NONZERO in synapses.connect
        if kind == "one_to_one" and not filtered and synapses.format in (None, "one_to_one"):
            arrays = {} if weights is None else {"w": self._diagonal(synapses, weights, location)}
            return self._finish(fields, "one_to_one", arrays, None if weights else synapses.weight)
        pairs = kind == "all" and not filtered and synapses.format in (None, "dense")
        if pairs and weights is not None:
            return self._finish(fields, "dense", {"w": self._matrix(synapses, weights, location)}, None)
        if pairs and (synapses.format or synapses.pre * synapses.post <= DENSE_LIMIT):
            return self._finish(fields, "dense", {"w": self._filled(synapses, location)}, None)
        return self._compressed(fields, synapses, kind, weights)

    def _redrawn(self, synapses: snn.Synapses) -> bool:
        """Whether the synapses are drawn again at each event.  Raises CompileError where that is asked for in vain."""
        obstacle = procedural.obstacle(synapses)
        if synapses.format == "procedural" and obstacle is not None:
            raise _impossible(synapses, obstacle)
        if synapses.format is not None:
            return bool(synapses.format == "procedural")
        return obstacle is None and formats.too_large(synapses)

    def _drawing(self, synapses: snn.Synapses) -> dict[str, Any]:
        """The fields of a table that is drawn."""
        connect = {name: value for name, value in synapses.connect.items() if name in ("kind", "p", "filter")}
        return {"connect": connect, "key": list(self._recipes.key(synapses))}

    def filters(self) -> set[str]:
        """The functions that tables name."""
        named = [fields.get("connect", {}).get("filter") for fields in self._tables.values()]
        return {name for name in map(symbol_of, named) if name is not None}

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
        if kind == "conv" and self._keeps_kernels(synapses, weights):
            shape = Convolution.of(synapses.connect)
            stored = None if weights is None else shape.stored(self._array(synapses, weights))
            kept = {} if stored is None else {"w": self._weights(synapses, stored, location)}
            fields |= {"connect": shape.recipe()}
            return self._finish(fields, "conv", kept, None if weights else synapses.weight)
        rows, array = self._connected(synapses, kind)
        made = self._stored(synapses, rows, array)
        arrays = {key: self._buffers.array(f"{name}.{key}", one, location) for key, one in made.arrays.items()}
        if "parts" in fields:
            arrays["part"] = self._buffers.array(f"{name}.part", connect.part_of(rows, fields["parts"]), location)
        if array is not None:
            arrays["w"] = self._weights(synapses, array, location)
        fields |= {"index": made.index, "block": made.block}
        return self._finish(fields, made.format, arrays, None if weights else synapses.weight)

    def _keeps_kernels(self, synapses: snn.Synapses, weights: str | None) -> bool:
        """Whether a convolution is stored as such: not where weights of zero are no synapses."""
        array = None if weights is None else self._array(synapses, weights)
        pruned = connectors.NONZERO in synapses.connect and array is not None and not array.all()
        if synapses.format is not None or pruned:
            return not pruned and synapses.format == "conv"
        return formats.keeps_kernels(Convolution.of(synapses.connect), array)

    def _stored(self, synapses: snn.Synapses, rows: connect.Rows, array: Array | None) -> formats.Stored:
        """Rows in parts have one format; those without weights of their own are no blocks."""
        wanted = synapses.format
        possible = (
            ("csr",) if synapses.delay is not None else ("csr", "bitmap") if array is None else tuple(formats.MAKERS)
        )
        if wanted is None:
            width = 4 if array is None else max(4, array.itemsize)
            return formats.chosen(rows, synapses.post, width, possible, alike=array is None)
        made = formats.of(wanted, rows, synapses.post) if wanted in possible else None
        if made is None:
            raise _impossible(synapses)
        return made

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
        return connect.in_parts(rows, self._recipes.delays(synapses, rows) - least, most - least + 1, made)

    def _array(self, synapses: snn.Synapses, weights: str) -> Array:
        return self._recipes.array(synapses, weights)

    def _finish(self, fields: dict[str, Any], format: str, arrays: dict[str, str], weight: Any) -> dict[str, Any]:
        references = {name: ir.FlatSymbolRefAttr.get(buffer) for name, buffer in arrays.items()}
        return {**fields, "format": format, "arrays": references, "weight": weight}


def storage(program: Program) -> Note:
    """How the synapses of a program at level `step` are stored: format, number and bytes of each projection."""
    rows: list[tuple[Cell, ...]] = []
    for table in program.ops(step.Table):
        names = {key: str(symbol_of(array)) for key, array in table.arrays.items()}
        count = round(synapses_of(table, program.constants))
        columns = f", {table.index}-bit columns" if "col" in names else ""
        bytes = sum(array.nbytes for array in program.constants.only(names.values()).values())
        rows.append((table.sym_name, table.format + columns, count, bytes))
    return Table("storage of synapses", ("projection", "format", "synapses", "bytes"), tuple(rows))


def _impossible(synapses: snn.Synapses, because: str | None = None) -> CompileError:
    """The refusal of the format that a projection asks for."""
    what = f"the synapses of '{synapses.sym_name}' cannot be stored in the format '{synapses.format}'"
    text = what if because is None else f"{what}: {because}"
    return CompileError([Refusal("E1241", text, synapses.operation).diagnostic("formats")])
