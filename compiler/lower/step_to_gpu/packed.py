"""Rows of synapses as the device keeps them: numbers of few bits, in places from which several are loaded at once.

Where targets and weights fit together into 32 bits, a synapse is one number: the target below, the weight above.  Else
targets and weights are two arrays, or targets are one where all weights are the same.  Rows begin where a load of
`width` synapses may, so there are gaps between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.mlir import arith, vector
from spikec.lower.code import Type, Value, converted, number
from spikec.lower.step_to_gpu.code import WORD, Elements, constant, i32
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.sources import narrowed
from spikec.lower.step_to_gpu.synapses import Rows, rows
from spikec.lower.step_to_gpu.thread import Thread

WIDEST_LOAD = 16
"""Bytes that a lane loads at once."""

Synapses = Callable[[Value, int, Type], Sequence[tuple[Value, Value]]]
"""The targets (i32) and weights (of a type) of so many synapses that follow each other."""


def packed(network: Network, name: str) -> Packed:
    """The rows of a table, packed; once for a network."""
    key = f"{name}.packed"
    if key not in network.decoded:
        table = network.tables[name]
        network.decoded[key] = Packed(rows(network, name), table.pre, table.post, table.parts or 1)
    found: Packed = network.decoded[key]
    return found


@dataclass(frozen=True)
class Packed:
    """Row `source * parts + part` has the synapses of a source; `post` is the number of targets."""

    rows: Rows
    pre: int
    post: int
    parts: int

    @cached_property
    def mean(self) -> int:
        """Synapses of a row, rounded down."""
        return len(self.rows.target) // max(1, self.pre * self.parts)

    @cached_property
    def longest(self) -> int:
        return int(self.rows.lengths().max(initial=0))

    @cached_property
    def bits(self) -> int | None:
        """Bits of a target in a number that is a synapse; None where they are two."""
        weight = self.rows.weight
        if not isinstance(weight, np.ndarray) or weight.dtype.kind == "f":
            return None
        bits = max(1, (self.post - 1).bit_length())
        return bits if bits + _width(weight) <= WORD else None

    @cached_property
    def width(self) -> int:
        """Synapses that a lane loads at once: as many as fit and leave all lanes busy, a power of two."""
        fits = min(WIDEST_LOAD // max(array.itemsize for array in self._arrays), max(1, self.mean // WORD))
        return 1 << (fits.bit_length() - 1)

    @cached_property
    def _arrays(self) -> list[Array]:
        """What the device keeps of each synapse, in their order."""
        target, weight = self.rows.target, self.rows.weight
        if self.bits is not None:
            return [(weight.astype(np.int64) << self.bits | target).astype(np.int32)]
        targets = target.astype(np.uint16 if self.post <= 1 << 16 else np.uint32)
        if not isinstance(weight, np.ndarray):
            return [targets]
        return [targets, narrowed(weight)]

    @cached_property
    def _begin(self) -> Array:
        lengths = self.rows.lengths()
        room = -(-lengths // self.width) * self.width
        return np.cumsum(room) - room

    def _spans(self) -> Array:
        return np.stack([self._begin, self.rows.lengths()], axis=1).astype(np.int32)

    def _placed(self, array: Array) -> Array:
        """Numbers of all synapses, those of each row from its place on."""
        lengths = self.rows.lengths()
        result = np.zeros(int(self._begin[-1] + lengths[-1]), array.dtype)
        result[np.repeat(self._begin - self.rows.begin[:-1], lengths) + np.arange(len(array))] = array
        return result

    def on_device(self, thread: Thread, name: str) -> tuple[Elements, Synapses]:
        """For each row the place of its first synapse and their number; and what loads synapses."""
        spans = thread.constant(f"{name}:rows.spans", self._spans)
        names = ("synapses",) if self.bits is not None else ("targets", "weights")
        arrays = [
            thread.constant(f"{name}:rows.{key}", partial(self._placed, array))
            for key, array in zip(names, self._arrays, strict=False)
        ]

        def load(at: Value, count: int, type: Type) -> list[tuple[Value, Value]]:
            loaded = [array.several(at, count) for array in arrays]
            return [self._synapse([vector.extract(one, [], [k]) for one in loaded], type) for k in range(count)]

        return spans, load

    def _synapse(self, loaded: Sequence[Value], type: Type) -> tuple[Value, Value]:
        if self.bits is not None:
            target = arith.andi(loaded[0], constant((1 << self.bits) - 1))
            return target, converted(arith.shrsi(loaded[0], constant(self.bits)), type)
        target = loaded[0] if loaded[0].type == i32() else arith.extui(i32(), loaded[0])
        if not isinstance(self.rows.weight, np.ndarray):
            return target, number(self.rows.weight, type)
        return target, converted(loaded[1], type)


def _width(weights: Array) -> int:
    """The bits that signed integers need."""
    least, most = int(weights.min(initial=0)), int(weights.max(initial=0))
    return max((-1 - least).bit_length(), most.bit_length()) + 1
