"""Where everything lies: each buffer's place in the arena, among the constants or with the host.

The places in the arena are those that the program says (`spikec.dialects.arena`); nothing is chosen here.  Each
slot is padded to whole blocks of `lanes` elements, so that updates need no remainder loop; a pad holds numbers that
nobody reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from spikec.analysis.cost_model import SECOND_CACHE
from spikec.dialects import step
from spikec.dialects.arena import KEYS, LANES, SAMPLE, STEPS, WORD, Extent, Needs, aligned, arena, extents, padded
from spikec.dialects.constants import Array, Constants
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.functions import size
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower.step_to_cpu.synapses.across import Across, candidates
from spikec.lower.step_to_cpu.synapses.rings import Ring, rings
from spikec.lower.step_to_cpu.tiles import Tiled, tiled
from spikec.runtime.layout import ALIGNMENT, Cell, Draw, Layout, Recorder, Stored, Stream

__all__ = ["KEYS", "PREFIX", "SAMPLE", "STEPS", "Held", "Limits", "Plan", "layout", "plan", "storage"]

PREFIX = "cpu."
"""Of the names of all functions but the C entries."""
HOST_KINDS = ("input", "output", "result")
DTYPES = {
    "i1": "bool",
    "i2": "int8",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
}


class Limits(Protocol):
    """What the lowering reads of a target: `backends.cpu.target.CpuTarget` has it."""

    @property
    def vector_bits(self) -> int: ...
    @property
    def compress(self) -> bool: ...
    @property
    def compress_bytes(self) -> bool: ...
    @property
    def flush(self) -> str: ...


@dataclass
class Held:
    """A buffer with its places; an offset of -1 means that the form is not kept.

    `values`: offset of the elements; `list`: of the ascending indices (i32) of nonzero elements; `count`: of their
    number (i64), one per slot.  For a constant `values` is the offset among the constants; of a dense table in tiles
    the rows of `tile` targets are followed by those of the next ones.  `host` is the position in the host's table,
    for inputs, outputs, results and probes.
    """

    op: Any
    name: str
    kind: str
    element: Any
    size: int
    shape: tuple[int, ...]
    slots: int
    values: int = -1
    stride: int = 0
    list: int = -1
    list_stride: int = 0
    count: int = -1
    host: int = -1
    rows: int = 1
    tile: int = 0

    @property
    def spikes(self) -> bool:
        return str(self.element) == "i1"

    @property
    def on_host(self) -> bool:
        return self.kind in HOST_KINDS

    @property
    def listed(self) -> bool:
        return self.list >= 0

    @property
    def dtype(self) -> str:
        return DTYPES[str(self.element)]

    @property
    def width(self) -> int:
        """Bytes per element in memory."""
        return int(storage(self.element).width) // 8


def storage(element: Any) -> Any:
    """The type of an element in memory: i1 and i2 take a byte."""
    if isinstance(element, ir.IntegerType) and element.width < 8:
        return ir.IntegerType.get_signless(8)
    return element


@dataclass
class Plan:
    """The buffers by name, the sizes of both blocks, and the width of vector code."""

    lanes: int
    native: int
    compress: bool
    compress_bytes: bool
    flush: str
    arena: int = KEYS
    constants: int = 0
    buffers: dict[str, Held] = field(default_factory=dict)
    cursors: dict[str, int] = field(default_factory=dict)
    draws: dict[int, Draw] = field(default_factory=dict)
    hosts: list[Held] = field(default_factory=list)
    scratch: int = -1
    scratch_size: int = 0
    across: dict[str, Across] = field(default_factory=dict)
    sums: int = -1
    inputs: int = -1
    rings: dict[str, Ring] = field(default_factory=dict)
    rings_step: int = -1
    tiled: dict[str, Tiled] = field(default_factory=dict)

    @property
    def tiled_tables(self) -> set[str]:
        return {table for stage in self.tiled.values() if stage.far for table in stage.tables}

    def key_row(self, key: int) -> int:
        """The row of a draw op in the key array."""
        return sorted(self.draws).index(key)

    def host_entries(self) -> int:
        """How many pointers the host's table has; a probe has two."""
        return sum(2 if held.kind == "probe" else 1 for held in self.hosts)

    def register(self, element: Any) -> int:
        """How many elements a register of sums holds: twice as many integers of up to 16 bits."""
        return self.lanes if isinstance(element, ir.IntegerType) and element.width <= 16 else self.native


def plan(program: Program, limits: Limits) -> Plan:
    """Lays out a program at level `step`; needs the module's context."""
    buffers = list(program.ops(step.Buffer))
    real = 64 if any(str(b.type.element_type) == "f64" for b in buffers) else 32
    native = limits.vector_bits // real or 1
    width = 2 * native if native > 1 else 1
    result = Plan(width, native, limits.compress, limits.compress_bytes, limits.flush)
    if LANES % result.lanes:
        raise InternalError(f"slots are padded to {LANES} elements, not to blocks of {result.lanes}", "step_to_cpu")
    needs, places = Needs.of(program), arena(program)
    taken = extents(program, needs)
    result.draws = {key: Draw(path, seed) for key, (path, seed) in needs.keys.items()}
    result.arena, result.scratch = places.size, places.scratch
    result.scratch_size = padded(needs.scratch) + LANES
    users: dict[str, list[Any]] = {}
    for table in program.ops(step.Table):
        for array in set(map(_named, table.arrays.values())):
            users.setdefault(array, []).append(table)
    shared = needs.values | {array for array, tables in users.items() if len(tables) > 1}
    result.tiled = tiled(program, result, shared)
    for buffer in buffers:
        held = _held(buffer)
        if held.name in taken:
            _place(result, held, taken[held.name], places.offsets[held.name])
        if held.kind == "constant":
            _place_constant(result, held, needs, users.get(held.name, []), program.constants)
        result.buffers[held.name] = held
    for kind in ("input", "output", "result", "probe"):
        for held in result.buffers.values():
            if held.kind == kind:
                held.host = result.host_entries()
                result.hosts.append(held)
    _place_lists(result)
    _place_marks(result)
    _place_across(result, program)
    _place_rings(result, program)
    return result


def _place_lists(result: Plan) -> None:
    """Room for the lists of inputs that a stage makes for all steps of a block before it uses one."""
    for stage in result.tiled.values():
        for held in (result.buffers[name] for name in stage.inputs):
            if held.slots < stage.block:
                held.slots += stage.block
                held.list = aligned(result.arena)
                held.count = aligned(held.list + 4 * held.slots * held.list_stride)
                result.arena = aligned(held.count + WORD * held.slots)


def _place_marks(result: Plan) -> None:
    """Room for the sums and marks of stages that deal with many steps at once."""
    for name, stage in result.tiled.items():
        if stage.abreast is None:
            continue
        for held in (result.buffers[name] for name in stage.abreast.sums):
            if held.slots < stage.abreast.lanes:
                held.slots = stage.abreast.lanes
                held.values = aligned(result.arena)
                result.arena = held.values + held.slots * held.stride * held.width
        marks, groups = [], -(-stage.block // stage.abreast.lanes)
        for sources in stage.abreast.sources:
            marks.append(aligned(result.arena))
            result.arena = marks[-1] + groups * sources * stage.abreast.lanes // 8
        result.arena = aligned(result.arena)
        result.tiled[name] = replace(stage, abreast=replace(stage.abreast, marks=tuple(marks)))


def _place_rings(result: Plan, program: Program) -> None:
    """Rings, behind a word that says for which step they are good."""
    result.rings_step = aligned(result.arena)
    end = result.rings_step + ALIGNMENT
    for ring in rings(program):
        result.rings[ring.into] = ring.placed(end)
        end = aligned(end + ring.taken)
    if result.rings:
        result.arena = end


def _place_across(result: Plan, program: Program) -> None:
    """Room for convolutions with channels in lanes: copies of weights, and sums and inputs of one op at a time."""
    sums = inputs = 0
    for table, made, width in candidates(program, result.native, result.compress):
        held = result.buffers[_named(table.arrays["w"])]
        offset = aligned(result.constants)
        result.constants = offset + made.weight_count * held.width
        result.across[table.sym_name] = replace(made, weights=offset)
        sums, inputs = max(sums, made.sums * width), max(inputs, made.inputs * width)
    if sums:
        result.sums = aligned(result.arena)
        result.inputs = aligned(result.sums + sums)
        result.arena = result.inputs + inputs


def _held(buffer: Any) -> Held:
    type = buffer.type
    shape = tuple(type.shape)
    return Held(buffer, buffer.sym_name, buffer.kind, type.element_type, size(type), shape, buffer.slots)


def _place(result: Plan, held: Held, taken: Extent, offset: int) -> None:
    """The parts of a buffer that begins at an offset of the arena."""
    if held.kind == "probe":
        result.cursors[held.name] = offset
        return
    held.stride, held.list_stride = taken.stride, taken.list_stride
    held.values = offset + taken.values if taken.values >= 0 else -1
    held.list = offset + taken.list if taken.list >= 0 else -1
    held.count = offset + taken.count if taken.count >= 0 else -1


def _place_constant(result: Plan, held: Held, uses: Needs, users: list[Any], arrays: Constants) -> None:
    """Rows of a dense table are padded to whole vectors, unless something else reads the array.

    `users` are the tables that name it.  Such rows from beyond the second cache are kept in half the bytes where that
    loses nothing.
    """
    held.stride = held.size
    if users and all(t.format == "dense" for t in users) and held.name not in uses.values:
        held.rows = users[0].pre
        width = result.register(held.element)
        held.stride = -(-users[0].post // width) * width
        far = held.size * held.width > SECOND_CACHE
        if far and result.compress and str(held.element) == "f32" and _are_halves(arrays[held.name]):
            held.element = ir.F16Type.get()
        if users[0].sym_name in result.tiled_tables:
            held.tile = held.stride = result.lanes
            held.rows = users[0].pre * -(-users[0].post // held.tile)
    held.values = aligned(result.constants)
    pad = result.lanes if result.lanes > 1 else 0
    result.constants = held.values + (held.rows * held.stride + pad) * held.width


def _are_halves(array: Array) -> bool:
    """Whether numbers of 32 bits are all numbers of 16 bits."""
    with np.errstate(over="ignore"):
        return bool((array.astype(np.float16) == array).all())


def _named(attribute: Any) -> str:
    return str(ir.FlatSymbolRefAttr(attribute).value)


def layout(plan: Plan, program: Program) -> Layout:
    """What a host must know of a plan."""

    def streams(kind: str) -> tuple[Stream, ...]:
        prefix = "input." if kind == "input" else "output."
        return tuple(
            Stream(h.name.removeprefix("result.").removeprefix(prefix), h.dtype, h.shape, h.size)
            for h in plan.hosts
            if h.kind == kind
        )

    return Layout(
        arena=plan.arena,
        constants=plan.constants,
        stored=(*(_stored(h) for h in plan.buffers.values() if h.kind == "constant"), *_reordered(plan, program)),
        inputs=streams("input"),
        outputs=streams("output"),
        results=streams("result"),
        probes=tuple(_recorder(plan, h) for h in plan.hosts if h.kind == "probe"),
        cells=tuple(_cell(h) for h in plan.buffers.values() if h.kind in ("state", "stream") and h.values >= 0),
        counters=tuple((h.name, h.values) for h in plan.buffers.values() if h.kind == "counter"),
        draws=tuple(plan.draws[key] for key in sorted(plan.draws)),
    )


def _stored(held: Held) -> Stored:
    length = held.size // held.rows if held.rows else 0
    if not held.tile:
        return Stored(held.name, held.dtype, held.rows, length, held.stride, held.values)
    pre = held.shape[0]
    shape, pad = (pre, -1, held.tile), held.rows * held.tile // pre - held.size // pre
    return Stored(held.name, held.dtype, held.rows, held.tile, held.stride, held.values, shape, (1, 0, 2), pad)


def _reordered(plan: Plan, program: Program) -> Iterator[Stored]:
    """The copies of weights whose last axis is that of the channels."""
    for table in program.ops(step.Table):
        made = plan.across.get(table.sym_name)
        if made is not None:
            held = plan.buffers[_named(table.arrays["w"])]
            members, outputs = made.shape.input[0], made.shape.output[0]
            *rows, columns = made.shape.kernel
            shape = (members * math.prod(rows), outputs, columns)
            count = shape[0] * columns
            yield Stored(held.name, held.dtype, count, outputs, made.channels, made.weights, shape, (0, 2, 1))


def _recorder(plan: Plan, held: Held) -> Recorder:
    buffer = held.op
    key = held.name.removeprefix("probe.")
    cursor = plan.cursors.get(held.name, -1)
    return Recorder(key, buffer.record, held.dtype, held.shape, held.size, buffer.every, cursor)


def _cell(held: Held) -> Cell:
    return Cell(held.name, held.dtype, held.shape, held.size, held.slots, held.stride, held.values)
