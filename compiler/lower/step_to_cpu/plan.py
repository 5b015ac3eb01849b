"""Where everything lies: each buffer's place in the arena, among the constants or with the host.

The arena starts with a head: the number of steps done (i64), the sample of the batch (i32, padded to 8
bytes), the key array, the counters and the cursors of event probes; the buffers follow.  On a machine with
vectors, each slot is padded to whole blocks of `lanes` elements, so that updates need no remainder loop; a
pad holds numbers that nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from spikec.dialects import step
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower.step_to_cpu.code import python_number
from spikec.runtime.layout import ALIGNMENT, Cell, Draw, Layout, Recorder, Stored, Stream

STEPS, SAMPLE, KEYS = 0, 8, 16
HOST_KINDS = ("input", "output", "result")
DTYPES = {
    "i1": "bool",
    "i2": "int8",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
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
    def flush(self) -> str: ...


@dataclass
class Held:
    """A buffer with its places; an offset of -1 means that the form is not kept.

    `values`: offset of the elements; `list`: of the ascending indices (i32) of nonzero elements; `count`: of their
    number (i64), one per slot.  For a constant `values` is the offset among the constants.  `host` is the position
    in the host's table, for inputs, outputs, results and probes.
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
    flush: str
    arena: int = KEYS
    constants: int = 0
    buffers: dict[str, Held] = field(default_factory=dict)
    cursors: dict[str, int] = field(default_factory=dict)
    draws: dict[int, Draw] = field(default_factory=dict)
    hosts: list[Held] = field(default_factory=list)
    scratch: int = -1
    scratch_size: int = 0

    def key_row(self, key: int) -> int:
        """The row of a draw op in the key array."""
        return sorted(self.draws).index(key)

    def host_entries(self) -> int:
        """How many pointers the host's table has; a probe has two."""
        return sum(2 if held.kind == "probe" else 1 for held in self.hosts)

    def reserve(self, size: int) -> int:
        """The offset of `size` new bytes of the arena."""
        offset = -(-self.arena // self.alignment) * self.alignment
        self.arena = offset + size
        return offset

    @property
    def alignment(self) -> int:
        return ALIGNMENT if self.lanes > 1 else 8

    def padded(self, size: int) -> int:
        return -(-size // self.lanes) * self.lanes


def plan(program: Program, limits: Limits) -> Plan:
    """Lays out a program at level `step`; needs the module's context."""
    buffers = list(program.ops(step.Buffer))
    real = 64 if any(str(b.type.element_type) == "f64" for b in buffers) else 32
    native = limits.vector_bits // real or 1
    result = Plan(2 * native if native > 1 else 1, native, limits.compress, limits.flush)
    uses = _Uses.of(program)
    result.draws = uses.draws
    result.arena = KEYS + 8 * len(uses.draws)
    _head(result, buffers)
    tables = list(program.ops(step.Table))
    for buffer in buffers:
        _place(result, buffer, uses, tables, program.constants)
    for kind in ("input", "output", "result", "probe"):
        for held in result.buffers.values():
            if held.kind == kind:
                held.host = result.host_entries()
                result.hosts.append(held)
    if uses.scratch:
        result.scratch_size = result.padded(uses.scratch) + result.lanes
        result.scratch = result.reserve(4 * result.scratch_size)
    result.arena = -(-result.arena // ALIGNMENT) * ALIGNMENT
    return result


def _head(result: Plan, buffers: list[Any]) -> None:
    """Counters and cursors: one i64 each."""
    for buffer in buffers:
        if buffer.kind == "counter":
            held = result.buffers[buffer.sym_name] = _held(buffer)
            held.values, held.stride = result.arena, 1
            result.arena += 8
        elif buffer.kind == "probe" and buffer.record == "event":
            result.cursors[buffer.sym_name] = result.arena
            result.arena += 8


def _held(buffer: Any) -> Held:
    type = buffer.type
    shape = tuple(type.shape)
    return Held(buffer, buffer.sym_name, buffer.kind, type.element_type, _size(type), shape, buffer.slots)


def _place(result: Plan, buffer: Any, uses: _Uses, tables: list[Any], constants: Mapping[str, Any]) -> None:
    if buffer.kind == "counter":
        return
    held = result.buffers[buffer.sym_name] = _held(buffer)
    forms = buffer.forms or []
    listed = "list" in forms
    if held.kind == "constant":
        _place_constant(result, held, uses, tables)
    elif held.kind in ("state", "stream", "temp"):
        held.stride = result.padded(held.size)
        if not forms or "mask" in forms or not held.spikes or held.name in uses.values:
            held.values = result.reserve(held.slots * held.stride * held.width)
    if listed and held.kind not in ("constant", "probe"):
        # A whole vector is stored at the end of a list, beyond its last entry.
        held.list_stride = result.padded(held.size) + result.lanes
        held.list = result.reserve(held.slots * held.list_stride * 4)
        held.count = result.reserve(held.slots * 8)


def _place_constant(result: Plan, held: Held, uses: _Uses, tables: list[Any]) -> None:
    """Rows of a dense table are padded to whole vectors, unless something else reads the array."""
    users = [t for t in tables if any(_named(a) == held.name for a in t.arrays.values())]
    held.stride = held.size
    if users and all(t.format == "dense" for t in users) and held.name not in uses.values:
        held.rows = users[0].pre
        held.stride = -(-users[0].post // result.native) * result.native
    held.values = -(-result.constants // ALIGNMENT) * ALIGNMENT
    pad = result.lanes if result.lanes > 1 else 0
    result.constants = held.values + (held.rows * held.stride + pad) * held.width


def _named(attribute: Any) -> str:
    return str(ir.FlatSymbolRefAttr(attribute).value)


@dataclass
class _Uses:
    """What the ops of all stages need beyond the forms that buffers declare."""

    values: set[str] = field(default_factory=set)
    draws: dict[int, Draw] = field(default_factory=dict)
    scratch: int = 0

    @staticmethod
    def of(program: Program) -> _Uses:
        uses = _Uses({b.sym_name for b in program.ops(step.Buffer) if b.init is not None})
        buffers = {b.sym_name: b for b in program.ops(step.Buffer)}
        for op in stage_ops(program):
            uses._add(op, buffers)
        return uses

    def _add(self, op: Any, buffers: dict[str, Any]) -> None:
        match op:
            case step.Propagate():
                self._active(buffers[op.from_])
            case step.Copy():
                self.values.update((op.from_, op.into))
            case step.Fill() if python_number(op.value) != 0:
                self.values.add(op.into)
            case step.Update():
                self.values.update(_named(a) for a in op.args if isinstance(a, ir.FlatSymbolRefAttr))
            case step.Map():
                self.values.update(op.args)
                self.values.update(op.results_)
            case step.Draw():
                self.draws[op.key] = Draw(op.path, op.seed)
                self.values.add(op.into)
            case step.Record():
                probe = buffers[op.into]
                if probe.record == "value":
                    self.values.add(probe.of)
                else:
                    self._active(buffers[probe.of])
            case step.Tally() if "list" not in (buffers[op.of].forms or []):
                self.values.add(op.of)

    def _active(self, buffer: Any) -> None:
        """The active elements of a buffer are walked: its own list, or one made for the occasion."""
        if "list" not in (buffer.forms or []):
            self.values.add(buffer.sym_name)
            self.scratch = max(self.scratch, _size(buffer.type))


def _size(type: Any) -> int:
    size = 1
    for extent in type.shape:
        size *= extent
    return size


def stage_ops(program: Program) -> Iterator[Any]:
    """The typed ops of all functions of a program, in order."""
    for operation in program.module.body.operations:
        if operation.operation.name == "func.func":
            for inner in _walk(operation.operation):
                view = step.DIALECT.view(inner)
                if view is not None:
                    yield view


def _walk(operation: Any) -> Iterator[Any]:
    for region in operation.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield inner.operation
                yield from _walk(inner.operation)


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
        stored=tuple(_stored(h) for h in plan.buffers.values() if h.kind == "constant"),
        inputs=streams("input"),
        outputs=streams("output"),
        results=streams("result"),
        probes=tuple(_recorder(plan, h) for h in plan.hosts if h.kind == "probe"),
        cells=tuple(_cell(h) for h in plan.buffers.values() if h.kind in ("state", "stream", "temp") and h.values >= 0),
        counters=tuple((h.name, h.values) for h in plan.buffers.values() if h.kind == "counter"),
        draws=tuple(plan.draws[key] for key in sorted(plan.draws)),
    )


def _stored(held: Held) -> Stored:
    return Stored(
        held.name, held.dtype, held.rows, held.size // held.rows if held.rows else 0, held.stride, held.values
    )


def _recorder(plan: Plan, held: Held) -> Recorder:
    buffer = held.op
    key = held.name.removeprefix("probe.")
    cursor = plan.cursors.get(held.name, -1)
    return Recorder(key, buffer.record, held.dtype, held.shape, held.size, buffer.every, cursor)


def _cell(held: Held) -> Cell:
    return Cell(held.name, held.dtype, held.shape, held.size, held.slots, held.stride, held.values)
