"""The storage of rows of synapses that each have a weight of their own: csr, a bitmap, or blocks.

The choice is that of the cost model (`spikec.analysis.cost_model`): cycles of the processor for one event, from how
many synapses a row has on average.  How many events there are makes no difference, since every format walks the rows
of active sources alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from spikec.analysis.cost_model import MOST_STORED, kernel_cycles, row_cycles
from spikec.dialects import procedural, snn
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
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
    """A bit for each pair up to the last target of any source; None where a pair has several synapses."""
    source, words = rows.sources(), _words(rows)
    bits = np.zeros((len(rows.row) - 1, words * BITMAP_WORD), bool)
    bits[source, rows.col] = True
    if int(np.count_nonzero(bits)) != len(rows.col):
        return None
    packed = np.packbits(bits, bitorder="little").view("<i2").astype(np.int16)
    return Stored("bitmap", {"row": rows.row, "bits": packed})


def _words(rows: Rows) -> int:
    """Words of a row of a bitmap."""
    return int(rows.col.max(initial=0)) // BITMAP_WORD + 1


def blocks(rows: Rows, post: int) -> Stored | None:
    """Blocks of targets; None where synapses are not in whole blocks."""
    for size in BLOCKS:
        if post % size or np.any(rows.row % size):
            continue
        targets = rows.col.reshape(-1, size).astype(np.int64)
        if np.array_equal(targets, targets[:, :1] // size * size + np.arange(size)):
            count = post // size
            arrays = {"row": (rows.row // size).astype(np.int32), "col": connect.narrowed(targets[:, 0] // size, count)}
            return Stored("block", arrays, connect.index_bits(count), size)
    return None


MAKERS: Mapping[str, Callable[[Rows, int], Stored | None]] = {"csr": csr, "bitmap": bitmap, "block": blocks}


def of(format: str, rows: Rows, post: int) -> Stored | None:
    """Rows in a format; None where they have none of that name."""
    maker = MAKERS.get(format)
    return None if maker is None else maker(rows, post)


def keeps_kernels(shape: Convolution, weights: Array | None) -> bool:
    """Whether a convolution is cheaper as its kernels alone than unrolled to rows."""
    width = 4 if weights is None else max(4, weights.itemsize)
    unrolled = ("csr",) if weights is None else ("csr", "bitmap")
    mean = shape.synapses / shape.pre
    return kernel_cycles(shape, width) <= min(row_cycles(format, mean, shape.post, width) for format in unrolled)


def too_large(synapses: snn.Synapses) -> bool:
    """Whether the rows of a 'prob' connector would take so much memory that they are better drawn at each event."""
    bits = connect.index_bits(synapses.post)
    return procedural.expected(synapses) * bits / 8 > MOST_STORED


def chosen(rows: Rows, post: int, width: int) -> Stored:
    """The cheapest format that fits, for sums of `width` bytes."""
    mean = len(rows.col) / max(1, len(rows.row) - 1)
    reach = min(post, _words(rows) * BITMAP_WORD)
    order = sorted(MAKERS, key=lambda format: row_cycles(format, mean, reach, width))
    return next(made for made in (MAKERS[format](rows, post) for format in order) if made is not None)
