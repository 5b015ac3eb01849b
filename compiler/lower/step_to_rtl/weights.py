"""The weights of a table as plain numbers, one for each pair, whatever format it is stored in."""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.lower.convolution import convolved
from spikec.lower.synapses import rows, weights

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
            stored = _numbers(program, table)
            found[:] = stored.reshape(table.pre, table.post) if stored.ndim else stored
        case "one_to_one":
            np.fill_diagonal(found, _numbers(program, table))
        case "conv":
            shape = Convolution.of(table.connect)
            stored = _numbers(program, table)
            plain = shape.plain(stored) if stored.ndim else np.full(shape.weights, stored)
            windows, each = convolved(shape, plain.reshape(shape.weights))
            _scatter(found, windows.row, windows.col.astype(np.int64), each)
        case _:
            made = rows(program, table)
            _scatter(found, made.begin, made.target, np.asarray(made.weight))
    return found.reshape(table.pre, parts, table.post)[:, part or 0]


def _scatter(found: Array, begin: Array, target: Array, weight: Any) -> None:
    source = np.repeat(np.arange(len(begin) - 1), np.diff(begin))
    np.add.at(found, (source, target), weight)


def _numbers(program: Program, table: step.Table) -> Array:
    """The weights in the order of the format, of rank 0 where all are one number."""
    return np.asarray(weights(program, table), np.int64)
