"""Where the state of a circuit lies in memory."""

from __future__ import annotations

from dataclasses import dataclass

from spikec.dialects.netlist import Netlist

WORD = 64
_LINE = 64


def words(width: int) -> int:
    """How many 64-bit words a register or a port of so many bits takes."""
    return -(-width // WORD)


def stride(width: int) -> int:
    """The bytes of one word of a memory: 1, 2, 4, or a multiple of 8."""
    return next((size for size in (1, 2, 4) if width <= 8 * size), 8 * words(width))


@dataclass(frozen=True, slots=True)
class Layout:
    """`registers` are offsets in words by net, registers and synchronous reads; `memories` offsets in bytes."""

    registers: dict[int, int]
    memories: tuple[int, ...]
    register_words: int
    memory_bytes: int

    @staticmethod
    def of(netlist: Netlist) -> Layout:
        registers, used = {}, 0
        for net in [*(one.output for one in netlist.registers), *(one.output for one in netlist.reads)]:
            registers[net] = used
            used += words(netlist.widths[net])
        memories, size = [], 0
        for memory in netlist.memories:
            memories.append(size)
            size += -(-memory.depth * stride(memory.width) // _LINE) * _LINE
        return Layout(registers, tuple(memories), used, size)
