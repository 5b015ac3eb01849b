"""The synapses of a table in rows, whatever format it is stored in: what the tables of other targets are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from spikec.dialects import powers, step
from spikec.dialects.constants import Array
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower import connect, filters
from spikec.lower.code import python_number


@dataclass(frozen=True)
class Rows:
    """Row r has the synapses `begin[r] : begin[r + 1]`, by ascending target; source i has the rows i * parts + part.

    `weight` has a number for each synapse, or is one for all: plain numbers, never codes of powers of two.
    """

    begin: Array
    target: Array
    weight: Array | float

    def lengths(self) -> Array:
        return np.diff(self.begin)

    def numbers(self) -> Array:
        """The row of each synapse (i64)."""
        return np.repeat(np.arange(len(self.begin) - 1), self.lengths())


def rows(program: Program, table: step.Table) -> Rows:
    """The rows of a table of the formats csr, bitmap, block and procedural, as i64."""
    begin, target = _FORMATS[table.format](program, table)
    return Rows(begin.astype(np.int64), target.astype(np.int64), weights(program, table))


def weights(program: Program, table: step.Table) -> Array | float:
    """The weights in the order of the format, or the one that all synapses have."""
    if table.weight is not None:
        return python_number(table.weight)
    stored = _array(program, table, "w")
    stored = stored if table.code is None else powers.decode(stored)
    alike = stored.size > 0 and stored.flat[0] != 0 and bool((stored == stored.flat[0]).all())
    return stored.flat[0].item() if alike else stored


def _array(program: Program, table: step.Table, key: str) -> Array:
    return program.constants[str(symbol_of(table.arrays[key]))]


def _csr(program: Program, table: step.Table) -> tuple[Array, Array]:
    column = _array(program, table, "col")
    return _array(program, table, "row"), column.view(f"u{column.itemsize}")


def _bitmap(program: Program, table: step.Table) -> tuple[Array, Array]:
    words = _array(program, table, "bits").astype("<i2").reshape(table.pre, -1)
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    return _array(program, table, "row"), np.nonzero(bits)[1]


def _blocks(program: Program, table: step.Table) -> tuple[Array, Array]:
    begin, column = _csr(program, table)
    first = column.astype(np.int64) * table.block
    return begin.astype(np.int64) * table.block, (first[:, np.newaxis] + np.arange(table.block)).reshape(-1)


def _drawn(program: Program, table: step.Table) -> tuple[Array, Array]:
    name = symbol_of(table.connect.get("filter"))
    keep = None if name is None else filters.filter_of(program.symbols()[name])
    p, (low, high) = ir.FloatAttr(table.connect["p"]).value, table.key
    made = connect.probable(table.pre, table.post, p, (low, high), keep)
    return made.row, made.col


_FORMATS: dict[str, Callable[[Program, step.Table], tuple[Array, Array]]] = {
    "csr": _csr,
    "bitmap": _bitmap,
    "block": _blocks,
    "procedural": _drawn,
}
