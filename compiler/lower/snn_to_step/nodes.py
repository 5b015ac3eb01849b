"""The ops of the step level while their order and their buffers are still open.

A node is one op to be.  It reads through `Access`es, which can be redirected to another buffer, and
knows the nodes whose results it needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Access:
    """One use of a buffer: the slot of `delay` steps ago, from element `low` on.

    `old` names the state whose value at the start of the step is wanted: such a use must come before
    the state's first writer.  `shape` is that of what is used.
    """

    buffer: str
    shape: tuple[int, ...]
    delay: int = 0
    low: int = 0
    old: str | None = None


@dataclass
class Fill:
    into: str
    value: Any


@dataclass
class Copy:
    of: Access
    into: str
    to: int
    size: int


@dataclass
class Propagate:
    events: Access
    table: str
    into: str
    mode: str
    tally: str
    part: int | None = None

    def earlier(self, rounds: int) -> tuple[Any, ...]:
        """What the propagate was so many rounds of a sweep ago."""
        of, part = self.events, self.part or 0
        return of.buffer, of.delay + rounds, of.low, of.old, self.table, self.mode, self.tally, part + rounds


@dataclass
class Sweep:
    """`first` are the propagates of the first round, whose delays and parts are smaller by one in each next one."""

    into: str
    first: list[Propagate]
    rounds: int = 1

    def takes(self, others: list[Propagate]) -> bool:
        """Whether these are what one round more would do."""
        return [one.earlier(0) for one in self.first] == [one.earlier(self.rounds) for one in others]


@dataclass
class Update:
    """`args` are accesses, number attributes, or None for the index; a result is None when nobody needs it."""

    program: str
    size: int
    args: list[Any]
    results: list[str | None]


@dataclass
class Map:
    program: str
    extents: list[int]
    iterators: list[str]
    args: list[Access]
    maps: list[Any]
    results: list[str]
    result_maps: list[Any]


@dataclass
class Draw:
    into: str
    path: str
    seed: int
    key: int


@dataclass
class Clock:
    into: str


@dataclass
class Tally:
    of: str
    into: str


Payload = Fill | Copy | Propagate | Sweep | Update | Map | Draw | Clock | Tally


@dataclass
class Node:
    """`after` are the numbers of the nodes that must come first; `group` a stage that the node belongs to."""

    payload: Payload
    location: Any
    after: set[int] = field(default_factory=set)
    group: str | None = None

    def reads(self) -> list[Access]:
        match self.payload:
            case Copy(of=access) | Propagate(events=access):
                return [access]
            case Sweep(first=first):
                return [one.events for one in first]
            case Update(args=args) | Map(args=args):
                return [arg for arg in args if isinstance(arg, Access)]
            case _:
                return []

    def writes(self) -> list[str]:
        match self.payload:
            case Update(results=results) | Map(results=results):
                return [result for result in results if result is not None]
            case payload:
                return [payload.into]

    @property
    def elementwise(self) -> bool:
        """Whether a buffer may be read and written at once: element n of the results needs element n alone."""
        return isinstance(self.payload, Update)
