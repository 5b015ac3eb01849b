"""What comes to a core: the events of a stream and the weights of their sources."""

from __future__ import annotations

from dataclasses import dataclass

from spikec.lower.synapses import Rows
from spikec.runtime.rtl.circuit import Stream


@dataclass(frozen=True)
class Channel:
    """What a core needs to know of events that come in: the port that they act on, and the weights of each source.

    Sources and targets of `rows` are places; they are `listed`, or have a word for each group.
    """

    port: str
    stream: Stream
    rows: Rows
    listed: bool

    @property
    def sources(self) -> int:
        return len(self.rows.begin) - 1

    @property
    def index_width(self) -> int:
        """The bits of the number of a source: that of its word, then that in the word."""
        return max(1, (self.stream.words - 1).bit_length() + (self.stream.elements - 1).bit_length())
