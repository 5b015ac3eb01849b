"""What the memory of the weights of a core holds: entries of lists, then a word for each group of each source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from spikec.dialects.constants import Array
from spikec.lower.step_to_rtl.rows.channel import Channel
from spikec.lower.step_to_rtl.rows.lists import Lists, joined, weight_bits
from spikec.lower.synapses import Rows
from spikec.runtime.rtl.circuit import Shape


@dataclass(frozen=True)
class Store:
    """`words` [n, lanes] begin with the entries of the `lists` of all channels that have such.

    `before` has a number for each channel, which is added to that of a source: its place in the table of the lists, or
    else the one that, times the groups, is where its words begin.
    """

    lists: Lists | None
    words: Array
    before: list[int]

    @staticmethod
    def of(channels: list[Channel], shape: Shape) -> Store:
        listed = [channel.rows for channel in channels if channel.listed]
        lists = Lists.of(joined(listed), shape) if listed else None
        # Behind entries of lists, the words of a source begin where it has a number of its own.
        rows = 0 if lists is None or len(listed) == len(channels) else -(-len(lists.words) // shape.groups)
        parts = [] if lists is None else [lists.words, _nothing(rows * shape.groups - len(lists.words), shape)]
        sources, before = 0, []
        for channel in channels:
            if channel.listed:
                before.append(sources)
                sources += channel.sources
            else:
                parts.append(_full(channel.rows, shape))
                before.append(rows)
                rows += channel.sources
        return Store(lists, np.concatenate([_nothing(0, shape), *parts]), before)

    @property
    def weight_bits(self) -> int:
        return weight_bits(self.words)


def _nothing(words: int, shape: Shape) -> Array:
    """So many words, or none."""
    return np.zeros((max(0, words), shape.lanes), np.int64)


def _full(rows: Rows, shape: Shape) -> Array:
    """A word for each group of each source."""
    found = np.zeros((len(rows.begin) - 1, shape.groups * shape.lanes), np.int64)
    found[rows.numbers(), rows.target] = rows.weight
    return found.reshape(-1, shape.lanes)
