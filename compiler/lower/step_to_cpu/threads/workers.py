"""The time loop for several workers: threads that each do their share of every task, and wait where they must.

    func.func private @stage.a.0(%arena, %constants, %host..., %strides, %blocks, %worker, %workers, %begin, %t) { ... }
    func.func private @share(%arena, %constants, %host..., %strides, %blocks, %worker, %workers, %begin, %end) { ... }
    func.func private @cut(%constants, %blocks, %worker, %workers) { which part of each row of a table is whose }

A stage is cut into pieces where the workers wait for each other, so that within a function no other thread changes what
it reads.  The order of additions to a target is that of one thread, and so are the results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from spikec.backends.cpu.module import WorkersModule
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects import step
from spikec.dialects.arena import Needs, arena, extents
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.mlir import arith, func, ir, math, memref
from spikec.dialects.program import Program
from spikec.dialects.propagations import propagations
from spikec.lower.code import Value, as_index, index, integer, loop, plus, when
from spikec.lower.step_to_cpu import entries, events
from spikec.lower.step_to_cpu.places import Frame
from spikec.lower.step_to_cpu.plan import Plan, layout, plan
from spikec.lower.step_to_cpu.stages import Builder, Schedule, translated
from spikec.lower.step_to_cpu.synapses.arrivals import cuts
from spikec.lower.step_to_cpu.synapses.bitmaps import own_words
from spikec.lower.step_to_cpu.threads.shares import HEAD, Room, Share
from spikec.lower.step_to_cpu.threads.tasks import Task, tasks
from spikec.lower.step_to_cpu.threads.waits import Memory, Waits
from spikec.runtime.workers import MOST, Division

WAIT = "spikec_wait"
CUT = ("csr", "bitmap", "block")
"""Formats of tables whose rows are entered where a worker's targets begin."""


def build(program: Program, target: CpuTarget, fast: bool) -> WorkersModule:
    with program.module.context, ir.Location.unknown():
        placed = plan(program, target)
        builder = _Workers(program, placed, target)
        module = builder.module()
        described = layout(placed, program)
        _, text = translated(module, lambda: entries.add_for_workers(module, placed, described), target, fast)
        return WorkersModule(text, Division(HEAD, builder.room.size))


Piece = tuple[bool, list[Task]]
"""Tasks that follow each other without a wait, and whether all workers wait before them."""


class _Workers(Builder):
    """Builds the module of one program."""

    def __init__(self, program: Program, placed: Plan, target: CpuTarget) -> None:
        super().__init__(program, placed, target)
        self.tasks = {name: self._tasks(name) for name in self._stages()}
        needs = Needs.of(program)
        memory = Memory.of(self.views, extents(program, needs), arena(program))
        self.waits = Waits.of(self.symbols["run"], self.tasks, memory)
        self.cuts = self._cut_tables()
        self.room = Room.of(
            [held.name for held in placed.buffers.values() if held.kind == "counter"],
            {name: placed.buffers[name].size for name in self._of_kind("gather")},
            {table.sym_name: self._rows(table) for table in self.cuts},
            needs.scratch,
        )
        index_type = ir.IndexType.get()
        self.blocks = ir.MemRefType.get([HEAD + MOST * self.room.size], integer(8))
        self.given = [*self.common, *self.hosts, self.strides, self.blocks, *[index_type] * 4]

    def module(self) -> Any:
        result = ir.Module.create()
        with ir.InsertionPoint(result.body):
            func.FuncOp(WAIT, ([self.blocks, ir.IndexType.get()], []), visibility="private")
            for name in self.tasks:
                for number, (_, piece) in enumerate(self.pieces(name)):
                    self._piece(f"{name}.{number}", piece)
            self._share()
            self._cut()
        return result

    # What there is to do.

    def _tasks(self, name: str) -> list[Task]:
        inputs = [
            h.name for h in self.plan.hosts if h.kind == "input" and h.listed and self.listers.get(h.name) == name
        ]
        views = [step.DIALECT.view(op.operation) for op in self.symbols[name].regions[0].blocks[0].operations]
        return list(tasks([view for view in views if view is not None], inputs, self.views, self.symbols))

    def _of_kind(self, kind: str) -> list[str]:
        return [task.buffer for found in self.tasks.values() for task in found if task.kind == kind]

    def _cut_tables(self) -> list[step.Table]:
        """The tables whose rows are cut, each once."""
        names = {
            one.table: None
            for found in self.tasks.values()
            for task in found
            if task.divided
            for one in propagations(task.op)
        }
        found_tables = [step.Table(self.symbols[name]) for name in names]
        return [table for table in found_tables if table.format in CUT]

    def _rows(self, table: step.Table) -> int:
        return size(self.views[str(symbol_of(table.arrays["row"]))].type) - 1

    def pieces(self, name: str) -> list[Piece]:
        pieces: list[Piece] = []
        for number, task in enumerate(self.tasks[name]):
            waits = (name, number) in self.waits.tasks
            if waits or not pieces:
                pieces.append((waits, []))
            pieces[-1][1].append(task)
        return pieces

    # The functions.

    def _shared(self, arguments: Sequence[Value]) -> Frame:
        memory, constants, *hosts, strides, blocks, worker, workers, begin, t = arguments
        share = Share(self.room, blocks, worker, workers)
        return Frame(self.plan, memory, constants, dict(enumerate(hosts)), strides, begin, t, share)

    def _piece(self, name: str, piece: list[Task]) -> None:
        op = self._function(name, self.given, apart=True)
        with ir.InsertionPoint(op.entry_block):
            frame = self._shared(list(op.arguments))
            for task in piece:
                self._task(frame, task)
            func.ReturnOp([])

    def _task(self, frame: Frame, task: Task) -> None:
        if task.divided:
            with task.op.operation.location:
                self._op(frame, task.op)
            return
        assert frame.share is not None
        alone = replace(frame, share=replace(frame.share, divided=False))
        first = arith.cmpi(arith.CmpIPredicate.eq, frame.share.worker, index(0))
        when(first, lambda: self._alone(alone, task))

    def _alone(self, frame: Frame, task: Task) -> None:
        match task.kind:
            case "list":
                events.relist(frame, task.buffer)
            case "gather":
                events.gather(frame, task.buffer)
            case "op":
                with task.op.operation.location:
                    self._op(frame, task.op)

    def _share(self) -> None:
        """The time loop of one worker; what it counted is added up at the end."""
        op = self._function("share", self.given, public=True)
        # Other threads change what the arguments point to.
        op.arg_attrs = ir.ArrayAttr.get([ir.DictAttr.get({}) for _ in self.given])
        with ir.InsertionPoint(op.entry_block):
            *arguments, begin, end = op.arguments
            run = self.symbols["run"].regions[0].blocks[0]
            turns = _Turns(self, [*arguments, begin])
            turns.copy(run, dict(zip(map(ir.Value, run.arguments), (begin, end), strict=True)))

    def _cut(self) -> None:
        """Finds the worker's share of each row of the tables."""
        index_type = ir.IndexType.get()
        op = self._function("cut", [self.common[1], self.blocks, index_type, index_type], public=True)
        with ir.InsertionPoint(op.entry_block):
            constants, blocks, worker, workers = op.arguments
            share = Share(self.room, blocks, worker, workers)
            frame = Frame(self.plan, None, constants, {}, None, None, index(0), None)
            for table in self.cuts:
                _cut_rows(frame, share, table, self._rows(table))
            func.ReturnOp([])


class _Turns(Schedule):
    """Copies the loops of `@run` for a worker."""

    def __init__(self, builder: _Workers, arguments: list[Any]) -> None:
        super().__init__(arguments)
        self.builder = builder
        *_, self.blocks, self.worker, self.workers, self.begin = arguments

    def end(self) -> None:
        """Adds what the worker counted to the counters of the network."""
        plan, room = self.builder.plan, self.builder.room
        share = Share(room, self.blocks, self.worker, self.workers)
        frame = Frame(plan, self.arguments[0], self.arguments[1], {}, None, None, self.begin)
        for name, offset in room.counters.items():
            own = share.view(offset, integer(64), 1)
            total = frame.word(frame.held(name).values).memory
            memref.atomic_rmw(arith.AtomicRMWKind.addi, memref.load(own, [index(0)]), total, [index(0)])
            memref.store(arith.constant(integer(64), 0), own, [index(0)])
        super().end()

    def call(self, stage: str, t: Any) -> None:
        for number, (waits, _) in enumerate(self.builder.pieces(stage)):
            if waits:
                self._wait()
            super().call(f"{stage}.{number}", t)

    def loop(self, op: Any, operands: list[Any], values: dict[Any, Any]) -> None:
        if op in self.builder.waits.loops:
            self._wait()
        super().loop(op, operands, values)

    def _wait(self) -> None:
        func.CallOp([], WAIT, [self.blocks, self.workers])


def _cut_rows(frame: Frame, share: Share, table: step.Table, rows: int) -> None:
    """Where the worker's share of each row of a table begins and ends."""
    row = frame.place(str(symbol_of(table.arrays["row"])))
    found = cuts(share, table, row.element, rows)
    bounds = _bits(frame, share, table) if table.format == "bitmap" else _columns(frame, share, table)

    def one(i: Value) -> None:
        begin, end = bounds(i, as_index(row.load(i)), as_index(row.load(plus(i, 1))))
        for number, bound in enumerate((begin, end)):
            found.store(arith.index_cast(row.element, bound), plus(arith.muli(i, index(2)), number))

    loop(index(0), index(rows), 1, one)


Bounds = Callable[[Value, Value, Value], tuple[Value, Value]]
"""Of a row and the stretch of an array that belongs to it, the worker's stretch."""


def _columns(frame: Frame, share: Share, table: step.Table) -> Bounds:
    """Columns, of targets or of blocks of targets, ascend."""
    columns = frame.place(str(symbol_of(table.arrays["col"])))
    first, last = (arith.divui(bound, index(table.block or 1)) for bound in share.of(table.post))

    def bounds(i: Value, begin: Value, end: Value) -> tuple[Value, Value]:
        def column(k: Value) -> Value:
            return as_index(columns.load(k), unsigned=True)

        begin = events.first_from(column, begin, end, first)
        return begin, events.first_from(column, begin, end, last)

    return bounds


def _bits(frame: Frame, share: Share, table: step.Table) -> Bounds:
    """As many weights come before as bits are set."""
    name = str(symbol_of(table.arrays["bits"]))
    bits, words = frame.place(name), frame.held(name).size // max(1, table.pre)
    first, last = own_words(share, table.post, words)

    def bounds(i: Value, begin: Value, end: Value) -> tuple[Value, Value]:
        start = arith.muli(i, index(words))

        def more(b: Value, at: Value) -> list[Value]:
            there = math.ctpop(bits.load(arith.addi(start, b)))
            return [arith.addi(at, as_index(there, unsigned=True))]

        begin = loop(index(0), first, 1, more, [begin])[0]
        return begin, loop(first, last, 1, more, [begin])[0]

    return bounds
