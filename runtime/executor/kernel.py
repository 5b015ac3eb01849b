"""Modules and kernels that are loaded, and their machine code."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spikec.runtime.executor import jit, layout
from spikec.runtime.executor.module import Array, Entry, Parameter, Text, parse
from spikec.runtime.executor.translate import translate

CODES = 256
"""Kernels whose machine code is kept."""
TEXTS = 64


class Code:
    """A kernel's code, which becomes machine code when it is launched first."""

    def __init__(self, text: str, kernel: str, races: bool) -> None:
        whole = parsed(text)
        made = translate(whole, whole.entries[kernel], races)
        self._ir = made.ir
        self._program: jit.Program | None = None
        self.frame = layout.THREAD_BYTES + layout.WORD * made.frame_words
        """Bytes of a thread's record."""

    def step(self) -> int:
        """The address of the function that resumes a thread."""
        if self._program is None:
            self._program = jit.Program(self._ir, thorough=False)
            self._ir = ""
        return self._program.address("step")


@functools.lru_cache(TEXTS)
def parsed(text: str) -> Text:
    """`module.parse`, once for each text."""
    return parse(text)


@functools.lru_cache(CODES)
def code(text: str, kernel: str, races: bool) -> Code:
    """The code of a kernel, made once however many machines use it."""
    return Code(text, kernel, races)


@dataclass(frozen=True)
class Kernel:
    """A kernel of a loaded module."""

    name: str
    parameters: tuple[Parameter, ...]
    max_threads: int | None
    static_shared: int
    """Bytes of shared memory without the dynamic part."""
    opcodes: frozenset[str]
    """The opcode forms it uses."""
    module: Module
    entry: Entry
    code: Code
    shared: tuple[tuple[int, Array], ...]
    """The offset of each shared array in a block's memory."""


@dataclass(frozen=True)
class Module:
    """A loaded module."""

    text: Text
    kernels: dict[str, Kernel]
    symbols: NDArray[np.int64]
    """Addresses of its global and constant arrays."""


def kernel(module: Module, entry: Entry, code: Code) -> Kernel:
    """A kernel with its shared arrays laid out one after the other, the dynamic ones all at the end."""
    arrays = [a for a in (*entry.arrays.values(), *module.text.arrays.values()) if a.space == "shared"]
    offset = 0
    places = []
    for array in arrays:
        if not array.dynamic:
            offset = rounded(offset, max(array.align, 16))
            places.append((offset, array))
            offset += array.size
    dynamic = [a for a in arrays if a.dynamic]
    start = rounded(offset, max([16, *(a.align for a in dynamic)]))
    by_name = {a.name: place for place, a in places} | {a.name: start for a in dynamic}
    return Kernel(
        entry.name,
        tuple(entry.parameters.values()),
        entry.max_threads,
        offset,
        frozenset(i.opcode for i in entry.body),
        module,
        entry,
        code,
        tuple((by_name[a.name], a) for a in arrays),
    )


def rounded(value: int, align: int) -> int:
    """The next multiple of an alignment."""
    return -(-value // align) * align
