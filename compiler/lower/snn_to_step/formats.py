"""The storage of rows of synapses that each have a weight of their own: csr, a bitmap, or blocks.

The choice is that of the cost model (`spikec.analysis.cost_model`): cycles of the processor for one event, from how
many synapses a row has on average.  How many events there are makes no difference, since every format walks the rows
of active sources alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from spikec.analysis.cost_model import row_cycles
from spikec.dialects.constants import Array
from spikec.dialects.step import BITMAP_WORD
from spikec.lower import connect
from spikec.lower.connect import Rows

BLOCKS = (64, 32, 16, 8)
"""Targets of a block; the most that fits."""


@dataclass(frozen=True)
class Stored:
    """A format with its arrays but for the weights, which are the synapses' in row order in all of them."""

    format: str
    arrays: Mapping[str, Array]
    index: int | None = None
    block: int | None = None


def csr(rows: Rows, post: int) -> Stored:
    """A target for each synapse."""
    return Stored("csr", {"row": rows.row, "col": rows.col}, connect.index_bits(post))


def bitmap(rows: Rows, post: int) -> Stored | None:
    """A bit for each pair; None where a pair has several synapses."""
    source, words = rows.sources(), -(-post // BITMAP_WORD)
    bits = np.zeros((len(rows.row) - 1, words * BITMAP_WORD), bool)
    bits[source, rows.col] = True
    if int(np.count_nonzero(bits)) != len(rows.col):
        return None
    packed = np.packbits(bits, bitorder="little").view("<i2").astype(np.int16)
    return Stored("bitmap", {"row": rows.row, "bits": packed})


def blocks(rows: Rows, post: int) -> Stored | None:
    """Blocks of targets; None where synapses are not in whole blocks."""
    for size in BLOCKS:
        if post % size or np.any(rows.row % size):
            continue
        targets = rows.col.reshape(-1, size).astype(np.int64)
        if np.array_equal(targets, targets[:, :1] // size * size + np.arange(size)):
            bits = connect.index_bits(post // size)
            col = (targets[:, 0] // size).astype(np.uint16 if bits == 16 else np.uint32)
            return Stored("block", {"row": (rows.row // size).astype(np.int32), "col": col}, bits, size)
    return None


def chosen(rows: Rows, post: int, width: int) -> Stored:
    """The cheapest format that fits, for sums of `width` bytes."""
    mean = len(rows.col) / max(1, len(rows.row) - 1)
    makers = {"csr": csr, "bitmap": bitmap, "block": blocks}
    order = sorted(makers, key=lambda format: row_cycles(format, mean, post, width))
    return next(made for made in (makers[format](rows, post) for format in order) if made is not None)
