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
