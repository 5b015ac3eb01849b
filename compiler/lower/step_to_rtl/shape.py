"""How the elements of a core lie in groups of lanes."""

from __future__ import annotations

from dataclasses import dataclass


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
    """The events of a step of `size` sources: words of `elements` values of `bits` bits, the first in the lowest bits."""

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
