"""A circuit, and what a host must know to feed it and to read it: how elements lie in lanes, events in words."""

from __future__ import annotations

from dataclasses import dataclass

from spikec.dialects.rtl_builder import Design, Module


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
class Held:
    """Where a state lives: `memory` has groups of `lanes` fields of `width` bits, each the state times 2^`shift`.

    Of a single group it is a register.
    """

    memory: str
    width: int
    signed: bool
    lanes: int
    shift: int
    size: int


@dataclass(frozen=True)
class Given:
    """An input whose values the host writes, a group at a time, by the ports `port`_write, _address and _data."""

    input: str
    port: str
    width: int
    shape: Shape


@dataclass(frozen=True)
class Circuit:
    """`inputs` and `outputs` are the host's streams by name; `states` by buffer.

    `waits` are the cores that do a step for each `go`, with what the host gives each; `keys` are (seed, path) of
    random draws by the port that takes the key, `samples` the ports that take the number of the sample.
    """

    design: Design
    top: Module
    inputs: dict[str, Stream]
    outputs: dict[str, Stream]
    states: dict[str, Held]
    waits: dict[str, list[Given]]
    keys: dict[str, tuple[int, str]]
    samples: list[str]
