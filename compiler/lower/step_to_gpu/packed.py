"""Rows of synapses as the device keeps them: numbers of few bits, in places from which several are loaded at once.

Where targets and weights fit together into 32 bits, a synapse is one number: the target below, the weight above.  Else
targets and weights are two arrays, or targets are one where all weights are the same.  Rows begin where a load of
`width` synapses may; between them, the last target of a row is repeated, with weights that change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.mlir import arith, vector
from spikec.lower.code import Type, Value, converted, number
from spikec.lower.step_to_gpu.code import WORD, Elements, constant, i32
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.thread import Thread
from spikec.lower.synapses import Rows

AT_ONCE = 8
"""Synapses that a lane loads at once, at most."""

Synapses = Callable[[Value, int, Type], Sequence[tuple[Value, Value]]]
"""The targets (i32) and weights (of a type) of so many synapses that follow each other."""


def packed(network: Network, name: str) -> Packed:
    """The rows of a table, packed; once for a network."""
    key = f"{name}.packed"
    if key not in network.decoded:
        network.decoded[key] = Packed(network.rows(name), network.tables[name].post)
    found: Packed = network.decoded[key]
    return found


@dataclass(frozen=True)
class Packed:
    """Rows of synapses with `post` targets."""

    rows: Rows
    post: int

    @cached_property
    def mean(self) -> int:
        """Synapses of a row, rounded down."""
        return len(self.rows.target) // max(1, len(self.rows.begin) - 1)

    @cached_property
    def longest(self) -> int:
        return int(self.rows.lengths().max(initial=0))

    @property
    def weighted(self) -> bool:
        """Whether synapses have weights of their own."""
        return isinstance(self.rows.weight, np.ndarray)

    @cached_property
    def bits(self) -> int:
        """Bits of a target in a number that is a synapse; 0 where they are two."""
        bits, weight = max(1, (self.post - 1).bit_length()), self.rows.weight
        return bits if isinstance(weight, np.ndarray) and bits + _width(weight) <= WORD else 0

    @cached_property
    def width(self) -> int:
        """Synapses that a lane loads at once: as many as leave all lanes busy, a power of two."""
        return 1 << min(AT_ONCE, max(1, self.mean // WORD)).bit_length() - 1

    @property
    def chunk(self) -> int:
        """Synapses that a warp loads at once."""
        return WORD * self.width

    @cached_property
    def _room(self) -> Array:
        return -(-self.rows.lengths() // self.width) * self.width

    def _spans(self) -> Array:
        return np.stack([np.cumsum(self._room) - self._room, self.rows.lengths()], axis=1).astype(np.int32)

    def _synapses(self) -> Array:
        weight, target = np.asarray(self.rows.weight).astype(np.int32), self.rows.target.astype(np.int32)
        return self._placed(self._last(np.int32), weight << self.bits | target)

    def _targets(self) -> Array:
        return self._placed(self._last(np.uint16 if self.post <= 1 << 16 else np.uint32), self.rows.target)

    def _weights(self) -> Array:
        weight = np.asarray(self.rows.weight)
        kept = weight.dtype if weight.dtype.kind == "f" else np.int32 if _width(weight) <= WORD else np.int64
        return self._placed(np.full(self._room.sum(), -0.0, kept), weight)

    def _last(self, kept: type[np.generic]) -> Array:
        """The last target of each row, as often as the row has room."""
        target, end = self.rows.target, self.rows.begin[1:]
        return np.repeat(target[end - 1].astype(kept), self._room) if len(target) else target.astype(kept)

    def _placed(self, between: Array, numbers: Array) -> Array:
        """The numbers of all synapses, row by row, with what is given between."""
        begin = np.cumsum(self._room) - self._room
        between[np.repeat(begin - self.rows.begin[:-1], self.rows.lengths()) + np.arange(len(numbers))] = numbers
        return between

    def on_device(self, thread: Thread, name: str) -> tuple[Elements, Synapses]:
        """For each row the place of its first synapse and their number; and what loads synapses."""
        spans = thread.constant(f"{name}:rows.spans", self._spans)
        if self.bits:
            made = {"synapses": self._synapses}
        elif self.weighted:
            made = {"targets": self._targets, "weights": self._weights}
        else:
            made = {"targets": self._targets}
        arrays = [thread.constant(f"{name}:rows.{key}", make) for key, make in made.items()]

        def load(at: Value, count: int, type: Type) -> list[tuple[Value, Value]]:
            loaded = [array.several(at, count) for array in arrays]
            return [self._synapse([vector.extract(one, [], [k]) for one in loaded], type) for k in range(count)]

        return spans, load

    def _synapse(self, loaded: Sequence[Value], type: Type) -> tuple[Value, Value]:
        if self.bits:
            target = arith.andi(loaded[0], constant((1 << self.bits) - 1))
            return target, converted(arith.shrsi(loaded[0], constant(self.bits)), type)
        target = loaded[0] if loaded[0].type == i32() else arith.extui(i32(), loaded[0])
        weight = self.rows.weight
        return target, converted(loaded[1], type) if isinstance(weight, np.ndarray) else number(weight, type)


def _width(weights: Array) -> float:
    """The bits that numbers need: signed integers; reals are never few enough."""
    if weights.dtype.kind == "f":
        return math.inf
    least, most = int(weights.min(initial=0)), int(weights.max(initial=0))
    return max((-1 - least).bit_length(), most.bit_length()) + 1
