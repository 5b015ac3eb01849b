"""Which memory of the device keeps each buffer of level `step`.

Truth values are kept as words of 32 bits, everything else as numbers.  Each buffer is a memory of its own.  A slot is
padded to whole blocks of threads, so that blocks load and store without a test; a pad holds anything, the bits of a pad
are 0.  A ring has a power of two of slots, so that the slot of a step is found without a division.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects import step
from spikec.dialects.arena import Needs
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower.code import python_number
from spikec.lower.step_to_gpu.code import WORD, i32
from spikec.runtime.launches import BARRIER, HEAD, KEYS, HostArray, Memory

BLOCK = 128
"""Threads of a block."""

HOST_KINDS = ("input", "output", "result", "probe")
DTYPES = {"i1": "bool", "i2": "int8", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64"}
DTYPES |= {"f32": "float32", "f64": "float64"}


@dataclass
class Held:
    """A buffer of level `step` and how the device keeps it.

    `element` is the type of its numbers in programs, `kept` the one in memory.  `word` is the place in the head of the
    strides of a host array.  A buffer that is not `stored` lives in registers alone.
    """

    op: step.Buffer
    name: str
    kind: str
    element: Any
    kept: Any
    size: int
    shape: tuple[int, ...]
    slots: int = 1
    word: int = -1
    stored: bool = True

    @property
    def bits(self) -> bool:
        """Whether it is kept as words."""
        return str(self.element) == "i1" and self.kind not in ("output", "result", "probe")

    @property
    def on_host(self) -> bool:
        return self.kind in HOST_KINDS

    @property
    def blocks(self) -> int:
        """Blocks of threads that have a thread for each element."""
        return max(1, -(-self.size // BLOCK))

    @property
    def stride(self) -> int:
        """Elements, or words, from one slot to the next; of a host array, from one step to the next."""
        if self.on_host:
            return max(1, -(-self.size // WORD)) if self.bits else max(1, self.size)
        return self.blocks * BLOCK // (WORD if self.bits else 1)

    @property
    def dtype(self) -> str:
        """The host's type of an element."""
        return DTYPES[str(self.element)]

    @property
    def kept_dtype(self) -> str:
        return "uint32" if self.bits else DTYPES[str(self.kept)]


@dataclass
class Layout:
    """The buffers by name, the draws by key, and the arrays that the lowering made for the device."""

    buffers: dict[str, Held]
    draws: dict[int, tuple[str, int]]
    made: dict[str, Any] = field(default_factory=dict)

    def key_word(self, key: int) -> int:
        """The place in the head of the first of the two words of a draw's key."""
        return KEYS + 2 * sorted(self.draws).index(key)

    def hosts(self) -> list[Held]:
        return [held for kind in HOST_KINDS for held in self.buffers.values() if held.kind == kind]

    def memories(self, used: Mapping[str, int]) -> tuple[Memory, ...]:
        """The memory of all buffers that kernels name (`used`), and of the arrays that those start as."""
        there = [
            held for held in self.buffers.values() if (held.stored and held.name in used) or held.kind == "counter"
        ]
        found = [self._memory(held) for held in there]
        found += [
            Memory(name, "constant", str(array.dtype), int(array.size), stride=int(array.size), size=int(array.size))
            for name, array in self.made.items()
            if name in used
        ]
        words = KEYS + 2 * len(self.draws) + 2 * len(self.hosts())
        found.append(Memory(HEAD, "head", "int64", words, stride=words, size=words))
        if BARRIER in used:
            found.append(Memory(BARRIER, "barrier", "int32", 1, stride=1, size=1))
        return tuple(found)

    def _memory(self, held: Held) -> Memory:
        if held.kind == "counter":
            return Memory(held.name, "counter", "int64", 1, stride=1, size=1)
        if held.on_host:
            return Memory(held.name, held.kind, held.kept_dtype, held.stride, 1, held.stride, held.size, held.bits)
        if held.kind == "constant":
            words = held.stride if held.bits else max(1, held.size)
            return Memory(held.name, "constant", held.kept_dtype, words, 1, words, held.size, held.bits)
        return Memory(
            held.name,
            "state",
            held.kept_dtype,
            held.slots * held.stride,
            held.slots,
            held.stride,
            held.size,
            held.bits,
            self._init(held),
        )

    def _init(self, held: Held) -> float | str | None:
        initial = held.op.init
        if initial is None or held.kind not in ("state", "stream", "temp"):
            return None
        name = symbol_of(initial)
        if name is not None:
            return name
        number = python_number(initial)
        return None if number == 0 and not str(initial).startswith("-") else number

    def host_arrays(self, used: Mapping[str, int]) -> tuple[HostArray, ...]:
        """Inputs, outputs, results and probes, in the order of the head; those that no kernel names have no buffer."""
        found = []
        for held in self.hosts():
            name = held.name.partition(".")[2]
            there = held.name if held.name in used else None
            values, bits = (None, there) if held.bits else (there, None)
            record = str(held.op.record or "")
            found.append(
                HostArray(name, held.kind, held.dtype, held.shape, held.size, values, bits, record, held.op.every or 1)
            )
        return tuple(found)


def layout(program: Program, scattered: set[str]) -> Layout:
    """The memory of a program; integers of less than 32 bits that are `scattered` to are kept in 32."""
    buffers = {}
    for buffer in program.ops(step.Buffer):
        type = buffer.type
        element = type.element_type
        wide = buffer.sym_name in scattered and isinstance(element, ir.IntegerType) and element.width < WORD
        kept = i32() if wide else _kept(element)
        buffers[buffer.sym_name] = Held(
            buffer, buffer.sym_name, buffer.kind, element, kept, size(type), tuple(type.shape)
        )
    result = Layout(buffers, Needs.of(program).keys)
    for number, held in enumerate(result.hosts()):
        held.word = KEYS + 2 * len(result.draws) + 2 * number
    return result


def _kept(element: Any) -> Any:
    """Integers of less than 8 bits take a byte."""
    if isinstance(element, ir.IntegerType) and element.width < 8:
        return ir.IntegerType.get_signless(8)
    return element
