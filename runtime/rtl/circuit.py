"""A circuit, and what a host must know to feed it and to read it: how elements lie in lanes, events in words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.rtl_builder import Design, Module
from spikec.runtime.rtl.observation import Observation


@dataclass(frozen=True)
class Shape:
    """`size` elements in `groups` of `lanes`: place n is lane n mod `lanes` of group n div `lanes`.

    `order` is the place of each element [size]; without it that is its number.
    """

    size: int
    lanes: int
    order: Array | None = field(default=None, compare=False, repr=False)

    @property
    def groups(self) -> int:
        return -(-self.size // self.lanes)


@dataclass(frozen=True)
class Stream:
    """The events of a step of `size` sources: words of `elements` values of `bits` bits, the first one lowest.

    `order` is the place of each source, as in `Shape`.
    """

    size: int
    elements: int
    bits: int = 1
    signed: bool = False
    order: Array | None = field(default=None, compare=False, repr=False)

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
    order: Array | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Given:
    """An input whose values the host writes, a group at a time, by the ports `port`_write, _address and _data."""

    input: str
    port: str
    width: int
    shape: Shape


@dataclass(frozen=True)
class Written:
    """Weights of `width` bits of a table, of one part of it if it has such, that the host can write while a core rests.

    The ports `port`_write, _address and _data take those of a source to a group of targets as a word: source n is row
    `first` + n, or `first` + `order`[n] where that is given, and group g has the address row * groups + g.
    """

    table: str
    part: int | None
    port: str
    width: int
    shape: Shape
    first: int
    order: Array | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Read:
    """A state that the host can read.

    `port`_data has the fields of the group that `port`_address named in the cycle before, of `width` bits, each the
    state times 2^`shift`; a single group has no address.  They are those of the end of a step from `settled` cycles
    after the one with bit `core` of `begun`.
    """

    state: str
    port: str
    width: int
    signed: bool
    shift: int
    shape: Shape
    core: int
    settled: int


@dataclass(frozen=True)
class Label:
    """An output of a run that the circuit finds: `output`_index when `output`_valid, after a cycle of `output`_start.

    It is the number of the first element with the highest value of `state`, or the `lowest`.
    """

    output: str
    state: str
    lowest: bool


@dataclass(frozen=True)
class Watched:
    """The events of a buffer inside of the circuit, for simulations: register `data` has a word of `stream` in each
    cycle in which register `when` is 1."""

    stream: Stream
    data: str
    when: str


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What a host must know of a circuit.  `inputs` and `outputs` are the host's streams by name; `states` by buffer.

    `waits` are the cores that do a step for each `go`, with what the host gives each; `keys` are (seed, path) of
    random draws by the port that takes the key, `samples` the ports that take the number of the sample.  `weights` are
    those that the host can write, `reads` states that it can read, `labels` outputs that are there at the end.

    `drawn`: the states at the start were drawn, those of sample 0.

    For simulations: `watched` are buffers that leave their cores; `ends` are registers, by path, that are 1 when a core
    has done a group of its last pass, with the groups of a step; `observation` is what a run counts and records.
    """

    inputs: dict[str, Stream] = field(default_factory=dict)
    outputs: dict[str, Stream] = field(default_factory=dict)
    states: dict[str, Held] = field(default_factory=dict)
    waits: dict[str, list[Given]] = field(default_factory=dict)
    weights: list[Written] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    keys: dict[str, tuple[int, str]] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)
    watched: dict[str, Watched] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    observation: Observation = field(default_factory=Observation)
    drawn: bool = False


@dataclass(frozen=True, kw_only=True)
class Circuit(Wiring):
    """A circuit: its modules, the one at the top, and how a host is connected to it."""

    design: Design
    top: Module


def placed(values: Array, order: Array | None) -> Array:
    """What elements have [..., size], in the order of their places."""
    if order is None:
        return values
    found = np.empty_like(values)
    found[..., order] = values
    return found


def of_elements(values: Array, order: Array | None) -> Array:
    """What places have [..., size], in the order of the elements."""
    return values if order is None else values[..., order]
