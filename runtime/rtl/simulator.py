"""The compiled simulator of circuits: the same cycles as `runtime.reference.rtl`, as machine code."""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.memory_content import image
from spikec.dialects.netlist import Netlist, elaborate
from spikec.dialects.program import Program
from spikec.runtime.executor import jit
from spikec.runtime.rtl.code import ENTRY, code
from spikec.runtime.rtl.layout import WORD, Layout, stride, words

Column = int | Sequence[int] | Array


class Simulator:
    """A circuit and its state.  `cycles` counts the clock cycles since power-on."""

    def __init__(self, program: Program, top: str | None = None) -> None:
        """Compiles the circuit below one module, by default the program's top; the program must be verified."""
        self._netlist: Netlist = elaborate(program, top)
        self._layout = Layout.of(self._netlist)
        self._code = jit.Program(code(self._netlist, self._layout), speed=2)
        kinds = [*[ctypes.c_void_p] * 4, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64]
        self._run = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(self._code.address(ENTRY))
        self._registers = np.zeros(max(1, self._layout.register_words), np.uint64)
        self._memories = np.zeros(max(1, self._layout.memory_bytes), np.uint8)
        self._places = {one.path: one.output for one in [*self._netlist.registers, *self._netlist.reads]}
        self.power_on()

    def power_on(self) -> None:
        """Registers and memories as they are at the start."""
        self.cycles = 0
        self._registers[:] = 0
        for register in self._netlist.registers:
            self.poke(register.path, register.init)
        for memory, offset in zip(self._netlist.memories, self._layout.memories, strict=True):
            content = image(memory.array, memory.depth, memory.width, stride(memory.width))
            self._memories[offset : offset + content.size] = content.reshape(-1)

    def cycle(self, inputs: Mapping[str, int], reset: bool = False) -> dict[str, int]:
        """One clock cycle; returns the outputs before its end.  Numbers are taken modulo 2^width."""
        return {name: _number(rows[0]) for name, rows in self.run(1, inputs, reset=reset).items()}

    def run(
        self,
        cycles: int,
        inputs: Mapping[str, Column],
        record: Collection[str] | None = None,
        stop: str | None = None,
        reset: Column = 0,
    ) -> dict[str, Array]:
        """Runs clock cycles; an input is one number for all of them, or one for each.

        Returns the outputs named by `record` (all, by default) as uint64 [cycles], or [cycles, words] for more than 64
        bits, the least significant word first; inputs of more than 64 bits may have that form too.  The run ends after
        the first cycle in which the output `stop`, of at most 64 bits, is not 0.
        """
        if cycles < 1:
            raise ValueError(f"{cycles} cycles")
        netlist = self._netlist
        if set(inputs) != set(netlist.inputs):
            raise ValueError(f"inputs {sorted(inputs)} for a circuit with {sorted(netlist.inputs)}")
        if unknown := {*(record or ()), *([stop] if stop else [])} - set(netlist.outputs):
            raise ValueError(f"no outputs {sorted(unknown)} among {sorted(netlist.outputs)}")
        given = [_column("rst", reset, 1, cycles)]
        given += [_column(name, inputs[name], netlist.widths[net], cycles) for name, net in netlist.inputs.items()]
        outputs = {
            name: np.zeros((cycles if record is None or name in record else 1, words(netlist.widths[net])), np.uint64)
            for name, net in netlist.outputs.items()
        }
        done = self._call([*given, *outputs.values()], cycles, np.zeros((1, 1), np.uint64) if stop is None else outputs[stop])
        self.cycles += done
        kept = outputs if record is None else record
        return {name: outputs[name][:done, 0] if outputs[name].shape[1] == 1 else outputs[name][:done] for name in kept}

    def _call(self, columns: list[Array], cycles: int, stop: Array) -> int:
        addresses = np.array([column.ctypes.data for column in columns], np.uint64)
        strides = np.array([_stride(column) for column in columns], np.int64)
        state = (self._registers, self._memories, addresses, strides)
        return int(self._run(*(one.ctypes.data for one in state), cycles, stop.ctypes.data, _stride(stop)))

    def peek(self, path: str) -> int:
        """The value of a register or of a named synchronous read, by its path such as `core.v`."""
        net = self._places[path]
        place = self._layout.registers[net]
        return _number(self._registers[place : place + words(self._netlist.widths[net])])

    def poke(self, path: str, value: int) -> None:
        """Sets what `peek` reads."""
        net = self._places[path]
        width, place = self._netlist.widths[net], self._layout.registers[net]
        self._registers[place : place + words(width)] = _words(value, width)

    def memory(self, path: str) -> Array:
        """The words of a memory, to read and to write: unsigned integers [depth], or uint64 [depth, words]."""
        index = next(k for k, memory in enumerate(self._netlist.memories) if memory.path == path)
        memory, offset = self._netlist.memories[index], self._layout.memories[index]
        size = stride(memory.width)
        bytes = self._memories[offset : offset + memory.depth * size]
        rows: Array = bytes.view(f"u{min(8, size)}").reshape(memory.depth, -1)
        return rows[:, 0] if size <= 8 else rows


def _stride(column: Array) -> int:
    """Words from one cycle to the next."""
    return column.shape[1] if column.shape[0] > 1 else 0


def _words(value: int, width: int) -> Array:
    count = words(width)
    data = (value & ((1 << width) - 1)).to_bytes(8 * count, "little")
    return np.frombuffer(data, np.uint64)


def _number(row: Any) -> int:
    return int.from_bytes(np.ascontiguousarray(row, np.uint64).tobytes(), "little")


def _column(name: str, value: Column, width: int, cycles: int) -> Array:
    """The values of an input as words [1 or cycles, words]; the code takes their low bits."""
    count = words(width)
    if isinstance(value, int | np.integer | bool):
        return _words(int(value), width).reshape(1, count)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iub":
        if width > WORD:
            value = np.stack([_words(int(one), width) for one in value])
        else:
            value = np.array([int(one) & ((1 << width) - 1) for one in value], np.uint64)
    if value.ndim == 1 and count == 1:
        value = value[:, None]
    if value.shape != (cycles, count):
        raise ValueError(f"input '{name}' of shape {list(value.shape)}, where {[cycles, count]} is needed")
    return np.ascontiguousarray(value).astype(np.uint64)
