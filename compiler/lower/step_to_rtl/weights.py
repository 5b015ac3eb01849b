"""The weights of a table as plain numbers, one for each pair, whatever format it is stored in."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from spikec.dialects import powers, step
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.functions import symbol_of
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.lower.code import python_number
from spikec.lower.convolution import convolved
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.synapses import rows

MOST = 1 << 26
"""The most pairs of a table; the largest device has fewer bits of memory."""


def matrix(program: Program, table: step.Table, part: int | None = None) -> Array:
    """The weights [pre, post] as i64, those of several synapses of a pair added up, 0 where there is none.

    Of a table in parts, those of one part.
    """
    parts = table.parts or 1
    if table.pre * parts * table.post > MOST:
        raise Refusal(
            "E1312", f"{table.pre * parts} rows of {table.post} weights are more than a memory holds", table.operation
        )
    found = np.zeros((table.pre * parts, table.post), np.int64)
    match table.format:
        case "dense":
            found[:] = _numbers(program, table).reshape(table.pre, table.post)
        case "one_to_one":
            np.fill_diagonal(found, _numbers(program, table))
        case "conv":
            shape = Convolution.of(table.connect)
            weights = _numbers(program, table)
            plain = shape.plain(weights) if weights.ndim else np.full(shape.weights, weights)
            windows, each = convolved(shape, plain.reshape(shape.weights))
            _scatter(found, windows.row, windows.col.astype(np.int64), each)
        case _:
            made = rows(Network.of(program, cast(Any, None)), table.sym_name)
            _scatter(found, made.begin, made.target, np.asarray(made.weight))
    return found.reshape(table.pre, parts, table.post)[:, part or 0]


def _scatter(found: Array, begin: Array, target: Array, weight: Any) -> None:
    source = np.repeat(np.arange(len(begin) - 1), np.diff(begin))
    np.add.at(found, (source, target), weight)


def _numbers(program: Program, table: step.Table) -> Array:
    if table.weight is not None:
        return np.asarray(python_number(table.weight), np.int64)
    stored = program.constants[str(symbol_of(table.arrays["w"]))]
    return (stored if table.code is None else powers.decode(stored)).astype(np.int64).reshape(-1)
