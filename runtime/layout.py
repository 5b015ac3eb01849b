"""Where everything of a compiled network lies in memory: what a host must know of the code.

All state of a network is in one block of memory, the arena; its constants are in a second one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from spikec.dialects.constants import Array, Constants

FORMAT = 2
ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Stored:
    """A constant in the block of constants: `rows` rows of `length` elements, `stride` elements apart.

    Where there are `axes`, they are in the order of those of the array's `shape`, which it has when each of its rows is
    followed by `pad` zeros.
    """

    name: str
    dtype: str
    rows: int
    length: int
    stride: int
    offset: int
    shape: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()
    pad: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """A host array: `size` elements of `dtype` (a step's slice for inputs and outputs)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int

    @property
    def itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Recorder:
    """A probe of `size` elements; `cursor` is where the arena counts an event probe's rows (i64)."""

    key: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    every: int
    cursor: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A buffer that outlives a step, in the arena: `slots` stretches of `size` elements, `stride` elements apart."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    slots: int
    stride: int
    offset: int


@dataclass(frozen=True, slots=True)
class Draw:
    """A source of random numbers; its key follows from the run's seed and these."""

    path: str
    seed: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What a host must know of compiled code.  `arena` and `constants` are sizes in bytes."""

    arena: int
    constants: int
    stored: tuple[Stored, ...]
    inputs: tuple[Stream, ...]
    outputs: tuple[Stream, ...]
    results: tuple[Stream, ...]
    probes: tuple[Recorder, ...]
    cells: tuple[Cell, ...]
    counters: tuple[tuple[str, int], ...]
    draws: tuple[Draw, ...]
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Layout:
        """Raises KeyError, TypeError or ValueError where `data` is not what `to_json` gives."""
        if data["format"] != FORMAT:
            raise ValueError(f"layout format {data['format']} where {FORMAT} is needed")

        def streams(key: str) -> tuple[Stream, ...]:
            return tuple(Stream(**{**s, "shape": tuple(s["shape"])}) for s in data[key])

        return Layout(
            arena=int(data["arena"]),
            constants=int(data["constants"]),
            stored=tuple(Stored(**{**s, "shape": tuple(s["shape"]), "axes": tuple(s["axes"])}) for s in data["stored"]),
            inputs=streams("inputs"),
            outputs=streams("outputs"),
            results=streams("results"),
            probes=tuple(Recorder(**{**p, "shape": tuple(p["shape"])}) for p in data["probes"]),
            cells=tuple(Cell(**{**c, "shape": tuple(c["shape"])}) for c in data["cells"]),
            counters=tuple((str(name), int(offset)) for name, offset in data["counters"]),
            draws=tuple(Draw(**d) for d in data["draws"]),
        )

    def keys(self, seed: int) -> Array:
        """The key array of a run: two 32-bit words per draw."""
        from spikec.dialects.random import key

        words = [word for draw in self.draws for word in key(seed, draw.seed, draw.path)]
        return np.array(words, dtype=np.uint32)


def aligned(size: int) -> Array:
    """`size` zero bytes (at least one) that start at a multiple of 64."""
    raw = np.zeros(max(size, 1) + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + max(size, 1)]


def pack(layout: Layout, constants: Mapping[str, Array]) -> Array:
    """The block of constants as bytes, aligned; raises KeyError for an array that is not in the store.

    A store of a program has its arrays in the block from then on, those that lie there as they are.
    """
    block = aligned(layout.constants)
    for stored in layout.stored:
        own = np.ascontiguousarray(constants[stored.name])
        array = own.view(np.uint8) if own.dtype == np.bool_ else own.astype(stored.dtype, copy=False)
        size = stored.rows * stored.stride * array.itemsize
        place = block[stored.offset : stored.offset + size].view(array.dtype).reshape(stored.rows, stored.stride)
        if stored.pad:
            array = np.pad(array.reshape(stored.shape[0], -1), ((0, 0), (0, stored.pad)))
        if stored.axes:
            array = array.reshape(stored.shape).transpose(stored.axes)
        place[:, : stored.length] = array.reshape(stored.rows, stored.length)
        same = stored.stride == stored.length and array.dtype.itemsize == own.dtype.itemsize
        if isinstance(constants, Constants) and same and not stored.axes:
            constants.adopt(stored.name, place.view(own.dtype).reshape(own.shape))
        del own, array  # before there is room for the next one
    return block
