"""The synapses of a table as plain numbers in rows, whatever format it is stored in."""

from __future__ import annotations

import numpy as np
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.lower.convolution import convolved
from spikec.lower.synapses import Rows, rows, weights

MOST = 1 << 26
"""The most synapses of a table, and the most weights of a core; the largest device has fewer bits of memory."""


def synapses(program: Program, table: step.Table, part: int | None = None) -> Rows:
    """The synapses of a table in rows (i64), those of several of a pair added up, without those that are 0.

    Of a table in parts, those of one part.
    """
    _check(_count(table), table)
    pre, target, weight = _stored(program, table)
    _check(len(target), table)
    if table.parts is not None:
        mine = pre % table.parts == (part or 0)
        pre, target, weight = pre[mine] // table.parts, target[mine], weight[mine]
    return in_rows(table.pre, pre, target, weight)


def _check(count: int, table: step.Table) -> None:
    if count > MOST:
        raise Refusal("E1312", f"{count} synapses are more than a memory holds", table.operation)


def in_rows(count: int, pre: Array, target: Array, weight: Array) -> Rows:
    """The rows of `count` sources from synapses in any order."""
    width = int(target.max(initial=0)) + 1
    pairs, total = pre * width + target, weight
    if np.any(pairs[1:] <= pairs[:-1]):
        pairs, place = np.unique(pairs, return_inverse=True)
        total = np.zeros(len(pairs), np.int64)
        np.add.at(total, place, weight)
    pairs, total = pairs[total != 0], total[total != 0]
    begin = np.searchsorted(pairs, np.arange(count + 1) * width)
    return Rows(begin, pairs % width, total)


def _count(table: step.Table) -> int:
    """How many synapses there are, as far as that is known before they are made."""
    match table.format:
        case "dense":
            return int(table.pre * table.post)
        case "conv":
            return Convolution.of(table.connect).synapses
        case _:
            return 0


def _stored(program: Program, table: step.Table) -> tuple[Array, Array, Array]:
    """Row, target and weight of each synapse (i64)."""
    match table.format:
        case "dense":
            each = np.broadcast_to(_numbers(program, table).reshape(-1), table.pre * table.post)
            number = np.flatnonzero(each)
            return number // table.post, number % table.post, each[number]
        case "one_to_one":
            number = np.arange(table.pre)
            return number, number, np.broadcast_to(_numbers(program, table), table.pre)
        case "conv":
            shape = Convolution.of(table.connect)
            stored = _numbers(program, table)
            plain = shape.plain(stored) if stored.ndim else np.full(shape.weights, stored)
            windows, gathered = convolved(shape, plain.reshape(shape.weights))
            assert gathered is not None
            return windows.sources(), windows.col.astype(np.int64), gathered
        case _:
            made = rows(program, table)
            weight = np.broadcast_to(np.asarray(made.weight, np.int64), made.target.shape)
            return made.numbers(), made.target, weight


def _numbers(program: Program, table: step.Table) -> Array:
    """The weights in the order of the format, of rank 0 where all are one number."""
    return np.asarray(weights(program, table), np.int64)
