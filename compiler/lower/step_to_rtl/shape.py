"""How elements lie in groups of lanes, and events in words of streams."""

from __future__ import annotations

from dataclasses import dataclass

from spikec.dialects.constants import Array


@dataclass(frozen=True)
class Shape:
    """`size` elements in `groups` of `lanes`: element n is lane n mod `lanes` of group n div `lanes`."""

    size: int
    lanes: int

    @property
    def groups(self) -> int:
        return -(-self.size // self.lanes)


@dataclass(frozen=True)
class Stream:
    """The events of a step of `size` sources: words of `elements` values of `bits` bits, the first one lowest."""

    size: int
    elements: int
    bits: int = 1
    signed: bool = False

    @property
    def words(self) -> int:
        """The words of a step."""
        return -(-self.size // self.elements)

    @property
    def width(self) -> int:
        """The bits of a word."""
        return self.elements * self.bits


@dataclass(frozen=True)
class Channel:
    """What a core needs to know of events that come in: the port that they act on, and the weights of each source."""

    port: str
    stream: Stream
    weights: Array

    @property
    def index_width(self) -> int:
        """The bits of the number of a source: that of its word, then that in the word."""
        return max(1, (self.stream.words - 1).bit_length() + (self.stream.elements - 1).bit_length())
