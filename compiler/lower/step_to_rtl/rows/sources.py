"""Where the list of each source is: a table in one or two steps.

In two steps sources stand in blocks of a power of two.  Of a block the first table says which group the lists of its
sources count from, and of which kind the block is; of each kind the second one has the lists of all its sources.  The
sources of a convolution at one position are of a few kinds, whatever the position: that is its address generation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from spikec.dialects.constants import Array

_LARGEST = 9  # larger blocks, of 2^9 sources and more, are hardly ever alike


@dataclass(frozen=True)
class Sources:
    """Source i is the one of number i mod 2^`low` in block i div 2^`low`.

    `base` and `kind` [blocks], None where there is one block, at group 0; `near` [kinds * 2^low] are words of the first
    entry of a list, the number of its entries and the groups between the base and that of the first entry, each of so
    many bits as `widths` says, the first one lowest.
    """

    low: int
    base: Array | None
    kind: Array | None
    near: Array
    widths: tuple[int, int, int]

    @staticmethod
    def of(first: Array, count: Array, group: Array) -> Sources:
        """The form with the fewest bits."""
        most = max(0, (len(first) - 1).bit_length())
        lows = sorted({*range(min(most, _LARGEST)), most})
        return min((_blocks(low, first, count, group, most) for low in lows), key=lambda one: one.bits)

    @property
    def steps(self) -> int:
        """The tables that are read, one after the other."""
        return 1 if self.base is None else 2

    @property
    def far_widths(self) -> tuple[int, int]:
        """The bits of base and kind."""
        assert self.base is not None and self.kind is not None
        return _bits(self.base), _bits(self.kind)

    @property
    def far(self) -> Array:
        """The words of the first table: the base, then the kind."""
        assert self.base is not None and self.kind is not None
        return np.asarray(self.base | self.kind << self.far_widths[0])

    @property
    def bits(self) -> int:
        """The bits of both tables."""
        near = len(self.near) * sum(self.widths)
        return near if self.base is None else near + len(self.base) * sum(self.far_widths)


def _blocks(low: int, first: Array, count: Array, group: Array, most: int) -> Sources:
    """The form with 2^low sources of a block."""
    sources = len(first)
    rows = np.zeros((3, -(-sources // (1 << low)) << low), np.int64)
    rows[:, :sources] = first, count, group
    first, count, group = rows.reshape(3, -1, 1 << low)
    if low == most:
        base = np.zeros(1, np.int64)
    else:
        base = np.where(count > 0, group, np.iinfo(np.int64).max).min(1)
        base[~count.any(1)] = 0
    ahead = np.where(count > 0, group - base[:, np.newaxis], 0)
    widths = _bits(first), _bits(count), _bits(ahead)
    words = first | count << widths[0] | ahead << (widths[0] + widths[1])
    if low == most:
        return Sources(low, None, None, words[0, :sources], widths)
    near, kind = np.unique(words, axis=0, return_inverse=True)
    return Sources(low, base, kind.reshape(-1), near.reshape(-1), widths)


def _bits(array: Array) -> int:
    return max(1, int(array.max(initial=0)).bit_length())
