"""The compiled simulator of circuits: the same cycles as `runtime.reference.rtl`, as machine code."""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.memory_content import image
from spikec.dialects.netlist import Netlist, elaborate
from spikec.dialects.program import Program
from spikec.runtime.executor import jit
from spikec.runtime.rtl.code import ENTRY, code
from spikec.runtime.rtl.layout import Layout, stride, words

ONE, ZERO = 0, 1
_NEVER: Array = np.zeros(1, np.uint64)
_UNLIMITED = 1 << 62

Values = int | Sequence[int] | Array


@dataclass(frozen=True, slots=True)
class Gated:
    """Values of an input: the next one follows a cycle in which the output `by` is not 0, and the last one stays.

    For a stream with a handshake: the words gated by `ready`, and `valid` as ones and a final 0 gated by it too.
    Those that are `free`, one truth value each, last one cycle whatever `by` is.
    """

    values: Sequence[int] | Array
    by: str
    free: Array | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run keeps of an output: the cycles in which output `by` is not 0, so `many` of them."""

    by: str
    many: int


@dataclass(frozen=True, slots=True)
class _Column:
    """`rows` are values [n, words]; `gate` is an index of what was seen; `free` are words, one or n of them."""

    rows: Array
    gate: int
    free: Array = field(default_factory=lambda: _NEVER)

    def fields(self) -> list[int]:
        """What the code knows of it (`code.FIELDS`)."""
        count, size = self.rows.shape
        free = int(self.free.ctypes.data), int(len(self.free) > 1)
        return [int(self.rows.ctypes.data), size if count > 1 else 0, count, self.gate, *free, 0]


class Simulator:
    """A circuit and its state.  `cycles` counts the clock cycles since power-on."""

    def __init__(self, program: Program, top: str | None = None, watch: Collection[str] = ()) -> None:
        """Compiles the circuit below one module, by default the program's top; the program must be verified.

        `watch` are registers by their paths, which are outputs of the simulation too.
        """
        self._netlist: Netlist = elaborate(program, top)
        registers = {register.path: register.output for register in self._netlist.registers}
        self._netlist.outputs |= {path: registers[path] for path in watch}
        self._layout = Layout.of(self._netlist)
        self._code = jit.Program(code(self._netlist, self._layout), thorough=True)
        kinds = [*[ctypes.c_void_p] * 4, *[ctypes.c_int64] * 3]
        self._run = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(self._code.address(ENTRY))
        self._registers = np.zeros(max(1, self._layout.register_words), np.uint64)
        self._memories = np.zeros(max(1, self._layout.memory_bytes), np.uint8)
        self._places = {register.path: register.output for register in self._netlist.registers}
        self._places |= {port.path: port.output for port in self._netlist.reads}
        for register in self._netlist.registers:
            self.poke(register.path, register.init)
        for memory, offset in zip(self._netlist.memories, self._layout.memories, strict=True):
            content = image(memory.array, memory.depth, memory.width, stride(memory.width))
            self._memories[offset : offset + content.size] = content.reshape(-1)
        self._start = self._registers.copy(), self._memories.copy()
        self.cycles = 0

    @property
    def inputs(self) -> Collection[str]:
        """The names of the inputs but the reset."""
        return self._netlist.inputs

    def power_on(self) -> None:
        """Registers and memories as they are at the start."""
        registers, memories = self._start
        self._registers[:] = registers
        self._memories[:] = memories
        self.cycles = 0

    def another(self) -> Simulator:
        """The same circuit with a state of its own, before its start."""
        other = copy(self)
        registers, memories = self._start
        other._registers, other._memories = registers.copy(), memories.copy()
        other.cycles = 0
        return other

    def cycle(self, inputs: Mapping[str, int], reset: bool = False) -> dict[str, int]:
        """One clock cycle; returns the outputs before its end.  Numbers are taken modulo 2^width."""
        return {name: _number(rows[0]) for name, rows in self.run(1, inputs, reset=reset).items()}

    def run(
        self,
        cycles: int,
        inputs: Mapping[str, Values | Gated],
        record: Collection[str] | Mapping[str, str | Kept | None] | None = None,
        stop: str | None = None,
        reset: Values = 0,
    ) -> dict[str, Array]:
        """Runs clock cycles; an input is one number for all of them, one for each, or `Gated`.

        Returns the outputs that `record` names (all, by default) as uint64 [cycles], or [cycles, words] for more than
        64 bits, the least significant word first; such inputs may have that form too.  A mapping keeps of each output
        the cycles in which another one is not 0, of `Kept` so many.  The run ends after the first cycle in which output
        `stop` is not 0, or in which all is there that is to be kept, if each output has such a number.
        """
        net = self._netlist
        kept = record if isinstance(record, Mapping) else dict.fromkeys(net.outputs if record is None else record)
        if cycles < 1 or set(inputs) != set(net.inputs):
            raise ValueError(f"{cycles} cycles with inputs {sorted(inputs)} for a circuit with {sorted(net.inputs)}")
        gates = {name: by.by if isinstance(by, Kept) else by for name, by in kept.items()}
        if unknown := {*kept, *gates.values(), stop, None} - {None, *net.outputs}:
            raise ValueError(f"no outputs {sorted(map(str, unknown))} among {sorted(net.outputs)}")
        columns = [self._given("rst", reset, 1, cycles)]
        columns += [self._given(name, inputs[name], net.widths[index], cycles) for name, index in net.inputs.items()]
        many = [by.many if isinstance(by, Kept) else _UNLIMITED for by in kept.values()]
        rows = min(sum(many), _UNLIMITED) if many else _UNLIMITED
        most = {name: min(cycles, number) for name, number in zip(kept, many, strict=True)}
        outputs = {}
        for name, index in net.outputs.items():
            # One more than can be kept: a column writes in every cycle.
            place = np.zeros((most.get(name, 0) + 1, words(net.widths[index])), np.uint64)
            outputs[name] = _Column(place, self._gate(gates.get(name), ONE))
        seen = np.array([0] * len(net.outputs) + [1, 0], np.uint64)
        table = np.array([column.fields() for column in (*columns, *outputs.values())], np.uint64)
        state = (self._registers, self._memories, table, seen)
        done = int(self._run(*(one.ctypes.data for one in state), cycles, self._gate(stop, ZERO), rows))
        self.cycles += done
        ends = dict(zip(outputs, table[len(columns) :, -1].tolist(), strict=True))
        found = {name: outputs[name].rows[: ends[name]] for name in kept}
        return {name: values[:, 0] if values.shape[1] == 1 else values for name, values in found.items()}

    def _gate(self, name: str | None, otherwise: int) -> int:
        """The index of an output among what is seen."""
        outputs = list(self._netlist.outputs)
        return len(outputs) + otherwise if name is None else outputs.index(name)

    def _given(self, name: str, values: Values | Gated, width: int, cycles: int) -> _Column:
        """The column of an input; the code takes the low bits of its values."""
        if isinstance(values, Gated):
            if values.by not in self._netlist.outputs:
                raise ValueError(f"input '{name}' is gated by '{values.by}', which is no output")
            free = _NEVER if values.free is None else values.free.astype(np.uint64)
            return _Column(_rows(name, values.values, width), self._gate(values.by, ONE), free)
        if isinstance(values, int | np.integer):
            return _Column(_words(int(values), width).reshape(1, -1), self._gate(None, ONE))
        rows = _rows(name, values, width)
        if len(rows) != cycles:
            raise ValueError(f"{len(rows)} values of input '{name}' for {cycles} cycles")
        return _Column(rows, self._gate(None, ONE))

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


def _words(value: int, width: int) -> Array:
    count = words(width)
    data = (value & ((1 << width) - 1)).to_bytes(8 * count, "little")
    return np.frombuffer(data, np.uint64)


def _number(row: Any) -> int:
    return int.from_bytes(np.ascontiguousarray(row, np.uint64).tobytes(), "little")


def _rows(name: str, values: Sequence[int] | Array, width: int) -> Array:
    """Values as words [n, words]."""
    count = words(width)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iub" or (values.ndim == 1 and count > 1):
        values = np.stack([_words(int(one), width) for one in values])
    rows = values[:, None] if values.ndim == 1 else values
    if rows.ndim != 2 or rows.shape[1] != count or not len(rows):
        raise ValueError(f"values of shape {list(values.shape)} for input '{name}' of {count} words")
    return np.ascontiguousarray(rows.astype(np.uint64))
