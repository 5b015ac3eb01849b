"""The storage of rows of synapses: csr, a bitmap, or blocks.

The choice is that of the cost model (`spikec.analysis.cost_model`): cycles of the processor for one event, from how
many synapses a row has on average.  How many events there are makes no difference, since every format walks the rows
of active sources alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from spikec.analysis.cost_model import FAR, MOST_STORED, SECOND_CACHE, kernel_cycles, row_bytes, row_cycles
from spikec.dialects import procedural, snn
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.step import BITMAP_LINE, BITMAP_WORD
from spikec.lower import connect
from spikec.lower.connect import STRETCH, Rows

BLOCKS = (64, 32, 16, 8)
"""Targets of a block; the most that fits."""
SPARE = 1 / 16
"""Of the words of a row, so many more may be added to fill its last line of the cache."""


@dataclass(frozen=True)
class Stored:
    """A format with its arrays but for the weights; where synapses have their own, these are in row order in all."""

    format: str
    arrays: Mapping[str, Array]
    index: int | None = None
    block: int | None = None


def csr(rows: Rows, post: int) -> Stored:
    """A target for each synapse."""
    return Stored("csr", {"row": rows.row, "col": rows.col}, connect.index_bits(post))


def bitmap(rows: Rows, post: int) -> Stored | None:
    """A bit for each pair up to the last target of any source; None where a pair has several synapses.

    Long rows end with a line of the cache.
    """
    pre, words = len(rows.row) - 1, _words(rows)
    lines = -(-words // BITMAP_LINE) * BITMAP_LINE
    words = lines if lines - words <= words * SPARE else words
    packed = np.empty((pre, words * (BITMAP_WORD // 8)), np.uint8)
    together = max(1, STRETCH // (words * BITMAP_WORD))
    for first in range(0, pre, together):
        begin = rows.row[first : first + together + 1]
        bits = np.zeros((len(begin) - 1, words * BITMAP_WORD), bool)
        bits[np.repeat(np.arange(len(begin) - 1), np.diff(begin)), rows.col[begin[0] : begin[-1]]] = True
        if np.count_nonzero(bits) != begin[-1] - begin[0]:
            return None
        packed[first : first + together] = np.packbits(bits, axis=1, bitorder="little")
    return Stored("bitmap", {"row": rows.row, "bits": packed.reshape(-1).view("<i2").astype(np.int16, copy=False)})


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
    mean, alike = shape.synapses / shape.pre, weights is None
    unrolled = min(row_cycles(format, mean, shape.post, width, alike) for format in ("csr", "bitmap"))
    return kernel_cycles(shape, width) <= unrolled


def too_large(synapses: snn.Synapses) -> bool:
    """Whether the rows of a 'prob' connector would take so much memory that they are better drawn at each event."""
    bits = connect.index_bits(synapses.post)
    return procedural.expected(synapses) * bits / 8 > MOST_STORED


def chosen(rows: Rows, post: int, width: int, possible: Collection[str] = tuple(MAKERS), alike: bool = False) -> Stored:
    """The cheapest of some formats that fits, for sums of `width` bytes; `alike`: all synapses have one weight."""
    pre = max(1, len(rows.row) - 1)
    mean = len(rows.col) / pre
    reach = min(post, _words(rows) * BITMAP_WORD)

    def cycles(format: str) -> float:
        bytes = row_bytes(format, mean, reach, connect.index_bits(post) // 8, 0 if alike else width)
        return row_cycles(format, mean, reach, width, alike) + (FAR * bytes if pre * bytes > SECOND_CACHE else 0)

    order = sorted(possible, key=cycles)
    return next(made for made in (MAKERS[format](rows, post) for format in order) if made is not None)
