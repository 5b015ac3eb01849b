"""The reference interpreter of level `rtl`: one clock cycle after the other, on Python's integers.

Plain and slow: what it computes is what a circuit means.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from spikec.dialects import rtl
from spikec.dialects.netlist import Cell, ReadPort, elaborate
from spikec.dialects.program import Program

_BINARY: dict[type, Callable[[int, int], int]] = {
    rtl.Add: operator.add,
    rtl.Sub: operator.sub,
    rtl.Mul: operator.mul,
    rtl.And: operator.and_,
    rtl.Or: operator.or_,
    rtl.Xor: operator.xor,
}
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


class RtlInterpreter:
    """A circuit and its state; `memories` are lists of words by path."""

    def __init__(self, program: Program, top: str | None = None) -> None:
        self._net = elaborate(program, top)
        self._values = [0] * len(self._net.widths)
        self.memories = {memory.path: memory.words() for memory in self._net.memories}
        self._words = list(self.memories.values())
        for register in self._net.registers:
            self._values[register.output] = register.init

    def cycle(self, inputs: Mapping[str, int], reset: bool = False) -> dict[str, int]:
        """One clock cycle; returns the outputs before its end.  Numbers are taken modulo 2^width."""
        values, net = self._values, self._net
        for name, index in net.inputs.items():
            values[index] = inputs[name] & _mask(net.widths[index])
        for cell in net.cells:
            values[cell.output] = self._cell(cell) & _mask(net.widths[cell.output])
        outputs = {name: values[index] for name, index in net.outputs.items()}
        self._edge(reset)
        return outputs

    def peek(self, path: str) -> int:
        """The value of a register."""
        return next(self._values[one.output] for one in self._net.registers if one.path == path)

    def _edge(self, reset: bool) -> None:
        values, net = self._values, self._net
        after = {}
        for port in net.reads:
            if port.enable is None or values[port.enable]:
                word = self._word(port.memory, values[port.address])
                # What nothing may depend on is made wrong here, so that a circuit that does is found.
                after[port.output] = word ^ _mask(net.widths[port.output]) if self._collides(port) else word
        for register in net.registers:
            if reset and register.resets:
                after[register.output] = register.init
            elif register.enable is None or values[register.enable]:
                after[register.output] = values[register.value]
        for write in net.writes:
            words, address = self._words[write.memory], values[write.address]
            if address < len(words):
                part = net.memories[write.memory].width // net.widths[write.enable]
                mask = sum(_mask(part) << part * k for k in _ones(values[write.enable]))
                words[address] = (words[address] & ~mask) | (values[write.data] & mask)
        for index, value in after.items():
            values[index] = value

    def _collides(self, port: ReadPort) -> bool:
        """Whether a word of an exclusive memory is read and written at once."""
        values = self._values
        return self._net.memories[port.memory].exclusive and any(
            write.memory == port.memory and values[write.address] == values[port.address] and values[write.enable]
            for write in self._net.writes
        )

    def _word(self, memory: int, address: int) -> int:
        words = self._words[memory]
        return words[address] if address < len(words) else 0

    def _signed(self, index: int) -> int:
        value, width = self._values[index], self._net.widths[index]
        return value - (1 << width) if value >> (width - 1) else value

    def _cell(self, cell: Cell) -> int:
        """The result of a cell; what is beyond its width does not matter."""
        view, nets = cell.view, cell.inputs
        inputs = [self._values[index] for index in nets]
        match view:
            case rtl.Constant():
                return int(view.value)
            case rtl.Not():
                return ~inputs[0]
            case rtl.Reduce(kind="or"):
                return int(inputs[0] != 0)
            case rtl.Reduce(kind="and"):
                return int(inputs[0] == _mask(self._net.widths[nets[0]]))
            case rtl.Reduce():
                return inputs[0].bit_count()
            case rtl.Shl():
                # No more than the width: a huge amount would make a huge number.
                return inputs[0] << min(inputs[1], self._net.widths[cell.output])
            case rtl.Shru():
                return inputs[0] >> inputs[1]
            case rtl.Shrs():
                return self._signed(nets[0]) >> inputs[1]
            case rtl.Cmp():
                signed = view.predicate.startswith("s")
                sides = [self._signed(index) for index in nets] if signed else inputs
                return int(_COMPARE[view.predicate[-2:]](*sides))
            case rtl.Mux():
                return inputs[1] if inputs[0] else inputs[2]
            case rtl.Concat():
                return inputs[0] << self._net.widths[nets[1]] | inputs[1]
            case rtl.Extract():
                return inputs[0] >> int(view.low)
            case rtl.Wire() | rtl.Zext():
                return inputs[0]
            case rtl.Sext():
                return self._signed(nets[0])
            case rtl.Read() if cell.memory is not None:
                return self._word(cell.memory, inputs[0])
        return _BINARY[type(view)](*inputs)


def _mask(width: int) -> int:
    return (1 << width) - 1


def _ones(value: int) -> list[int]:
    """The places of the bits that are 1."""
    return [k for k in range(value.bit_length()) if value >> k & 1]
