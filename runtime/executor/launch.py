"""One launch of a kernel: its records in memory, the run, and what they say afterwards."""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from spikec.runtime.executor import faults, jit, layout, races, scheduler
from spikec.runtime.executor.errors import ExecutionError
from spikec.runtime.executor.kernel import Kernel, rounded
from spikec.runtime.executor.memory import Bytes, DeviceMemory, aligned
from spikec.runtime.executor.module import Parameter
from spikec.runtime.executor.subset import DECLARATIONS, compile_functions

MOST_THREADS = 1024
"""Of a block."""
MOST_SHARED = 232_448
"""Bytes of shared memory of a block (227 KiB, the most of any device)."""
MOST_BLOCKS = 1 << 24
RESIDENT_THREADS = 16_384
"""Threads that are resident if nothing else is asked for."""
MOST_RESIDENT_THREADS = 1 << 20
POOL_BYTES = 1 << 29
"""For the vectors of the race check."""

_RACE_FUNCTIONS = {
    layout.RACE_ACCESS: "access",
    layout.RACE_FENCE: "fence",
    layout.RACE_SYNC: "sync",
    layout.RACE_WARP: "warp_barrier",
    layout.RACE_BARRIER: "barrier",
    layout.RACE_RETIRE: "retire",
}

Extent = tuple[int, int, int]
Argument = int | float | bytes


@dataclass
class Device:
    """What launches share: the choices of the machine, its memory and random numbers."""

    random: np.random.Generator
    resident: int | None
    races: bool
    poison: bool
    limit: int
    memory: DeviceMemory
    scratch: dict[str, Bytes] = field(default_factory=dict)
    clock: int = 0
    """The highest clock of the race check so far."""


@functools.cache
def _scheduler() -> jit.Program:
    functions = compile_functions(scheduler.FUNCTIONS, [scheduler.run])
    return jit.Program(DECLARATIONS + functions, thorough=True)


@functools.cache
def _race_check() -> jit.Program:
    return jit.Program(DECLARATIONS + compile_functions(races.FUNCTIONS, races.ENTRIES), thorough=True)


def _packed(kernel: Kernel, arguments: Sequence[Argument]) -> Bytes:
    """The parameter block."""
    if len(arguments) != len(kernel.parameters):
        raise ExecutionError(f"{kernel.name} takes {len(kernel.parameters)} arguments, not {len(arguments)}")
    size = max((p.offset + p.size for p in kernel.parameters), default=0)
    block = aligned(size)
    for parameter, argument in zip(kernel.parameters, arguments, strict=True):
        data = _bytes(parameter, argument)
        block[parameter.offset : parameter.offset + parameter.size] = np.frombuffer(data, np.uint8)
    return block


def _bytes(parameter: Parameter, argument: Argument) -> bytes:
    if isinstance(argument, bytes):
        if len(argument) != parameter.size:
            raise ExecutionError(f"{parameter.name} has {parameter.size} bytes, not {len(argument)}")
        return argument
    if parameter.kind in ("f32", "f64"):
        return struct.pack("<f" if parameter.kind == "f32" else "<d", argument)
    bits = 8 * parameter.size
    if parameter.size not in (1, 2, 4, 8) or argument != int(argument) or not -(1 << bits - 1) <= argument < 1 << bits:
        raise ExecutionError(f"{argument} is not possible for {parameter.name}, a {parameter.kind}")
    return (int(argument) % (1 << bits)).to_bytes(parameter.size, "little")


class Launch:
    """One launch: its records in memory, and what they say afterwards."""

    def __init__(
        self,
        device: Device,
        kernel: Kernel,
        grid: Extent,
        block: Extent,
        shared: int,
        arguments: Sequence[Argument],
        cooperative: bool,
    ) -> None:
        self._device = device
        self._kernel = kernel
        self._grid = grid
        self._block = block
        threads, blocks = self._extents(grid, block)
        self._blocks = blocks
        self._resident = self._residents(threads, blocks, cooperative)
        self._shared = self._shared_table(shared)
        self._parameters = _packed(kernel, arguments)
        self._record = np.zeros(layout.LAUNCH_BYTES // layout.WORD, np.int64)
        self._fill(threads, blocks)

    # Checks

    def _extents(self, grid: Extent, block: Extent) -> tuple[int, int]:
        threads, blocks = block[0] * block[1] * block[2], grid[0] * grid[1] * grid[2]
        most = self._kernel.max_threads or MOST_THREADS
        if min(block) < 1 or threads > min(most, MOST_THREADS):
            raise ExecutionError(f"{self._kernel.name}: a block of {block} threads is not possible (at most {most})")
        if min(grid) < 1 or blocks > MOST_BLOCKS:
            raise ExecutionError(f"{self._kernel.name}: a grid of {grid} blocks is not possible")
        return threads, blocks

    def _residents(self, threads: int, blocks: int, cooperative: bool) -> int:
        asked = self._device.resident
        most = asked or max(1, (MOST_RESIDENT_THREADS if cooperative else RESIDENT_THREADS) // threads)
        if cooperative and blocks > most:
            raise ExecutionError(f"{self._kernel.name}: of {blocks} blocks of a cooperative launch {most} are resident")
        return min(blocks, most, max(1, MOST_RESIDENT_THREADS // threads))

    def _shared_table(self, shared: int) -> NDArray[np.int64]:
        rows = [(0, 0)]
        total = self._kernel.static_shared
        for offset, array in self._kernel.shared:
            size = max(0, shared) if array.dynamic else array.size
            rows.append((offset, size))
            total = max(total, offset + size)
        if shared < 0 or total > MOST_SHARED:
            raise ExecutionError(f"{self._kernel.name}: {total} bytes of shared memory are not possible")
        self._shared_bytes = rounded(total, 16)
        return np.array(rows, np.int64)

    # Records

    def _scratch(self, name: str, size: int) -> int:
        """Memory of the host that launches share; what is in it is of no account."""
        kept = self._device.scratch
        if name not in kept or len(kept[name]) < size:
            kept[name] = aligned(size, zero=False)
        return kept[name].ctypes.data

    def _fill(self, threads: int, blocks: int) -> None:
        kernel, memory, device = self._kernel, self._device.memory, self._device
        warps = -(-threads // layout.LANES)
        slot = layout.WARP_RECORDS + warps * layout.WARP_BYTES
        shadow = self._shared_bytes * layout.CELL if device.races else 0
        self._order = device.random.permutation(blocks)
        fields = {
            layout.TABLE: memory.table.ctypes.data,
            layout.COUNT: memory.count,
            layout.SHARED_TABLE: self._shared.ctypes.data,
            layout.SHARED_COUNT: len(self._shared),
            layout.SHARED_BYTES: self._shared_bytes,
            layout.PARAMETERS: self._parameters.ctypes.data,
            layout.SYMBOLS: kernel.module.symbols.ctypes.data,
            layout.THREADS: threads,
            layout.WARPS: warps,
            layout.FRAME: kernel.code.frame,
            layout.BLOCKS: blocks,
            layout.RESIDENT: self._resident,
            layout.SLOTS: self._scratch("slots", slot * self._resident),
            layout.SLOT: slot,
            layout.BLOCK_ORDER: self._order.ctypes.data,
            layout.SLOT_ORDER: self._scratch("order", layout.WORD * self._resident),
            layout.STEP: kernel.code.step(),
            layout.RANDOM: int(device.random.integers(1, 1 << 62)),
            layout.LIMIT: device.limit,
            layout.SHADOW_BYTES: shadow,
            layout.POISON: int(device.random.integers(1 << 62)) if device.poison else 0,
        }
        for offset, value in fields.items():
            self._record[offset // layout.WORD] = value
        for k in range(3):
            self._record[layout.NTID // layout.WORD + k] = self._block[k]
            self._record[layout.NCTAID // layout.WORD + k] = self._grid[k]
        self._slots(slot, threads, shadow)
        if device.races:
            self._fill_race_check(threads * blocks)

    def _fill_race_check(self, threads: int) -> None:
        """The fields of the race check; clocks go on from the last launch, so its accesses are ordered before."""
        device = self._device
        if threads >= races.MOST_THREADS:
            raise ExecutionError(f"{self._kernel.name}: the race check is for fewer than {races.MOST_THREADS} threads")
        if device.clock > races.LAST_CLOCK // 2:
            device.memory.forget_accesses()
            device.clock = 0
        if "pool" not in device.scratch:
            device.scratch["pool"] = aligned(POOL_BYTES)  # pages are taken as they are used
        fields = {
            layout.POOL: device.scratch["pool"].ctypes.data,
            layout.POOL_SIZE: POOL_BYTES,
            layout.VECTOR: rounded(races.HEADER + 4 * threads, layout.WORD),
            layout.BASE_CLOCK: device.clock,
            layout.HIGH_CLOCK: device.clock + 1,
        }
        for offset, name in _RACE_FUNCTIONS.items():
            fields[offset] = _race_check().address(name)
        for offset, value in fields.items():
            self._record[offset // layout.WORD] = value

    def _slots(self, slot: int, threads: int, shadow: int) -> None:
        frames = self._scratch("frames", self._resident * threads * self._kernel.code.frame)
        shared = self._scratch("shared", self._resident * self._shared_bytes)
        shadows = self._scratch("shadows", self._resident * shadow)
        self._scratch("slots", 0)
        rows = self._device.scratch["slots"][: slot * self._resident].view(np.int64).reshape(self._resident, -1)
        turn = np.arange(self._resident)
        rows[:, layout.FIRST // layout.WORD] = frames + turn * threads * self._kernel.code.frame
        rows[:, layout.SHARED // layout.WORD] = shared + turn * self._shared_bytes
        rows[:, layout.SHARED_SHADOW // layout.WORD] = shadows + turn * shadow

    # Running

    @property
    def clock(self) -> int:
        """The race check's highest clock."""
        return self._get(layout.HIGH_CLOCK)

    @property
    def resumes(self) -> int:
        """Steps that were taken."""
        return self._get(layout.RESUMES)

    def run(self) -> bool:
        """Run; whether it failed."""
        function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(_scheduler().address("run"))
        return bool(function(self._record.ctypes.data))

    def _get(self, offset: int) -> int:
        return int(self._record[offset // layout.WORD])

    # Reports

    def report(self) -> str:
        """Kernel, line, instruction, block and thread of the fault, and what it is."""
        line = self._get(layout.FAULT_LINE)
        fault = faults.Fault(
            self._get(layout.FAULT),
            line,
            self._get(layout.FAULT_ADDRESS),
            self._get(layout.FAULT_SIZE),
            self._get(layout.FAULT_OTHER),
        )
        place = faults.Place(self._address, self._line, self._thread, self._limits)
        what = faults.describe(fault, place, self._resident, self._blocks)
        head = f"kernel {self._kernel.name}"
        if line:
            head += f", line {line}"
        block, thread = self._get(layout.FAULT_BLOCK), self._get(layout.FAULT_THREAD)
        if thread:
            head += f", block {_triple(block + layout.CTAID)} thread {_triple(thread + layout.TID)}"
        return f"{head}: {what}" + (f"\n  {self._line(line)}" if line else "")

    def _line(self, line: int) -> str:
        lines = self._kernel.module.text.lines
        return lines[line - 1].strip() if 1 <= line <= len(lines) else ""

    def _thread(self, number: int) -> str:
        """A thread by its number in the grid."""
        threads = self._block[0] * self._block[1] * self._block[2]
        block, thread = divmod(number, threads)
        return f"block {_split(block, self._grid)} thread {_split(thread, self._block)}"

    def _address(self, address: int) -> str:
        if address >= 0:
            return self._device.memory.name(address)
        array, offset = self._shared_place(address)
        name = self._kernel.shared[array][1].name if 0 <= array < len(self._kernel.shared) else "no array"
        return f"offset {offset} of shared memory ({name})"

    @staticmethod
    def _shared_place(address: int) -> tuple[int, int]:
        plain = address & ((1 << layout.SHARED_BIT) - 1)
        bits = layout.SHARED_OFFSET_BITS
        number, offset = plain >> bits, plain & ((1 << bits) - 1)
        if offset >> (bits - 1):
            number, offset = number + 1, offset - (1 << bits)
        return number - 1, offset

    def _limits(self, address: int) -> tuple[int, bool] | None:
        if address < 0:
            array, _ = self._shared_place(address)
            return (int(self._shared[array + 1, 1]), False) if 0 <= array < len(self._shared) - 1 else None
        memory = self._device.memory
        number, _ = memory.split(address)
        if not 0 < number < memory.count or not memory.table[number, 0]:
            return None
        return int(memory.table[number, 1]), bool(memory.table[number, 2])


def _split(number: int, extent: Extent) -> str:
    x, y, z = number % extent[0], number // extent[0] % extent[1], number // (extent[0] * extent[1])
    return f"({x}, {y}, {z})"


def _triple(place: int) -> str:
    words = (ctypes.c_int64 * 3).from_address(place)
    return f"({words[0]}, {words[1]}, {words[2]})"
