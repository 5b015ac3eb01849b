"""The functions of the module: stages, the time loop, start and end, built op by op."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace
from typing import Any

from spikec.backends.cpu.module import CpuModule
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects import step
from spikec.dialects.accesses import uses
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.functions import walk
from spikec.dialects.mlir import arith, func, ir, memref, scf
from spikec.dialects.program import Program
from spikec.lower import to_llvm
from spikec.lower.code import index, integer, loop, python_number, word
from spikec.lower.step_to_cpu import entries, events, maps, moves
from spikec.lower.step_to_cpu.neurons import draws, quotients, update
from spikec.lower.step_to_cpu.places import Frame
from spikec.lower.step_to_cpu.plan import KEYS, PREFIX, SAMPLE, Held, Plan, layout, plan, storage
from spikec.lower.step_to_cpu.synapses import abreast, ahead, marked, propagate, pushes
from spikec.lower.step_to_cpu.synapses.rings import Ring
from spikec.lower.step_to_cpu.tiled_stage import TiledStage
from spikec.lower.step_to_cpu.tiles import Tiled, called

PIPELINE = (
    "builtin.module(cse,convert-vector-to-scf{full-unroll=true},lower-affine,expand-strided-metadata,lower-affine,"
    "convert-scf-to-cf,convert-vector-to-llvm,convert-math-to-llvm,convert-index-to-llvm,finalize-memref-to-llvm,"
    "convert-func-to-llvm{use-bare-ptr-memref-call-conv=true},convert-arith-to-llvm,convert-cf-to-llvm,"
    "convert-ub-to-llvm,reconcile-unrealized-casts)"
)
MOST_INLINED = 16
"""With more stages than these LLVM leaves each a function: its time grows faster than the length of a function."""


def build(program: Program, target: CpuTarget, fast: bool) -> CpuModule:
    with program.module.context, ir.Location.unknown():
        placed = plan(program, target)
        described = layout(placed, program)
        module = Builder(program, placed, target).module()
        mlir, text = translated(module, lambda: entries.add(module, placed, described), target, fast)
    return CpuModule(program.attribute("model"), mlir, text, described)


def translated(module: Any, add_entries: Callable[[], None], target: CpuTarget, fast: bool) -> tuple[str, str]:
    """A module as MLIR and as LLVM IR, where it has entries; the module is changed."""
    to_llvm.check(module, "step_to_cpu")
    if fast:
        _permit_other_roundings(module)
    elif target.fuses:
        quotients.replace(module)
    mlir = str(module)
    to_llvm.run(PIPELINE, module)
    add_entries()
    return mlir, to_llvm.text(module, "step_to_cpu")


def _permit_other_roundings(module: Any) -> None:
    """Products may be added without being rounded, and multiplied by in place of divisions by their reciprocal.

    Sums stay in order: the elementary functions are made of differences that would vanish otherwise.
    """
    flags = ir.Attribute.parse("#arith.fastmath<contract,arcp>")
    for op in walk(module.operation):
        if op.name in ("arith.addf", "arith.subf", "arith.mulf", "arith.divf", "arith.negf"):
            op.attributes["fastmath"] = flags


class Builder:
    """Builds the module of one program."""

    def __init__(self, program: Program, placed: Plan, target: CpuTarget) -> None:
        self.program = program
        self.plan = placed
        self.target = target
        self.symbols = program.symbols()
        self.views = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
        self.listers = self._listers()
        self.readers = ahead.readers(program)
        byte = integer(8)
        self.common = [ir.MemRefType.get([placed.arena], byte), ir.MemRefType.get([max(placed.constants, 1)], byte)]
        self.hosts = self._host_types()
        self.strides = ir.MemRefType.get([max(1, sum(h.kind == "input" for h in placed.hosts))], integer(64))

    def _host_types(self) -> list[Any]:
        types = []
        for held in self.plan.hosts:
            if held.kind == "probe":
                rows = held.op.record == "event"
                types.append(ir.MemRefType.get([held.size], integer(32) if rows else storage(held.element)))
            types.append(ir.MemRefType.get([held.size], storage(held.element)))
        return types

    def module(self) -> Any:
        result = ir.Module.create()
        with ir.InsertionPoint(result.body):
            for number, ring in enumerate(self.plan.rings.values()):
                self._ring(number, ring)
            self._additions()
            for name in self._stages():
                if name in self.plan.tiled:
                    self._stage_in_tiles(name, self.plan.tiled[name])
                else:
                    self._stage(name, lambda frame, name=name: self._stage_body(frame, name))
            self._run(self.symbols["run"])
            self._init()
            self._finish()
        return result

    def _function(self, name: str, types: list[Any], public: bool = False, apart: bool = False) -> Any:
        """A function with memref arguments that do not alias; `noinline` if `apart`, or called by another language."""
        op = func.FuncOp(PREFIX + name, (types, []), visibility=None if public else "private")
        arguments = []
        for type in types:
            plain = not isinstance(type, ir.MemRefType)
            arguments.append(ir.DictAttr.get({} if plain else {"llvm.noalias": ir.UnitAttr.get()}))
        op.arg_attrs = ir.ArrayAttr.get(arguments)
        op.attributes["passthrough"] = ir.ArrayAttr.get(self._passthrough(public or apart))
        linkage = ir.Attribute.parse("#llvm.linkage<internal>")
        op.attributes["llvm.linkage"] = linkage
        op.add_entry_block()
        return op

    def _passthrough(self, apart: bool) -> list[Any]:
        def pair(key: str, value: str) -> Any:
            return ir.ArrayAttr.get([ir.StringAttr.get(key), ir.StringAttr.get(value)])

        attributes = [ir.StringAttr.get("nounwind")]
        if self.target.flush != "store":
            attributes.append(pair("denormal-fp-math", "preserve-sign,preserve-sign"))
        if self.plan.compress:
            attributes += [pair("prefer-vector-width", "512"), pair("min-legal-vector-width", "512")]
        if apart:
            # Of a public function because the mode of the floating-point unit is set before the call: nothing may move
            # across it.
            attributes.append(ir.StringAttr.get("noinline"))
        return attributes

    def _stage(self, name: str, body: Any) -> None:
        index_type = ir.IndexType.get()
        types = [*self.common, *self.hosts, self.strides, index_type, index_type]
        op = self._function(name, types, apart=len(self._stages()) > MOST_INLINED)
        with ir.InsertionPoint(op.entry_block):
            *arguments, t = op.arguments
            body(self._frame(arguments, t))
            func.ReturnOp([])

    def _stage_in_tiles(self, name: str, tiled: Tiled) -> None:
        """A stage that runs the steps from one to another, for a tile of its targets after the other."""
        index_type = ir.IndexType.get()
        op = self._function(name, [*self.common, *self.hosts, self.strides, *[index_type] * 3], apart=True)
        with ir.InsertionPoint(op.entry_block):
            *arguments, begin, end = op.arguments
            TiledStage(
                tiled,
                self._views(self.symbols[name]),
                self.symbols,
                lambda t, tile=None: replace(self._frame(arguments, t), tile=tile),
                lambda frame: self._list_inputs(frame, name),
                self._do,
            ).lower(begin, end)
            func.ReturnOp([])

    @staticmethod
    def _views(function: Any) -> list[Any]:
        operations = function.regions[0].blocks[0].operations
        return [view for one in operations if (view := step.DIALECT.view(one.operation)) is not None]

    def _ops(self, frame: Frame, function: Any) -> None:
        self._do(frame, self._views(function))

    def _do(self, frame: Frame, views: list[Any]) -> None:
        while views:
            with views[0].operation.location:
                count = marked.chained(frame, views, self.symbols)
                if count:
                    marked.chain(frame, views[:count], self.symbols)
                else:
                    self._op(frame, views[0])
            views = views[count or 1 :]

    def _op(self, frame: Frame, op: Any) -> None:
        ring = None if frame.share is not None else self.plan.rings.get(getattr(op, "into", ""))
        match op:
            case step.Fill() if ring is not None:
                given = [frame.arena, frame.constants, *frame.hosts.values(), frame.strides, frame.begin]
                self._push(given, ring, frame.t, frame.t)
                pushes.take(frame, ring)
            case step.Sweep() if ring is not None:
                pass  # done where the sum began
            case step.Fill():
                moves.fill(frame, op)
            case step.Copy():
                moves.copy(frame, op)
            case step.Propagate() | step.Sweep():
                propagate.lower(frame, op, self.symbols)
            case step.Update():
                update.lower(frame, op, self.symbols)
                ahead.fetch_next(frame, op, self.readers, self.symbols)
            case step.Map():
                maps.lower(frame, op, self.symbols)
            case step.Draw():
                draws.lower(frame, op)
            case step.Clock():
                moves.clock(frame, op)
            case step.Tally():
                moves.tally(frame, op)
            case step.Record():
                moves.record(frame, op)
            case _:
                raise InternalError(f"no lowering of {op.name()}", "step_to_cpu")

    def _ring(self, number: int, ring: Ring) -> None:
        """The function that adds events to a ring, of step `t` as far as they arrive from step `since` on."""
        index_type = ir.IndexType.get()
        types = [*self.common, *self.hosts, self.strides, index_type, index_type, index_type]
        op = self._function(f"ring.{number}", types, apart=True)
        with ir.InsertionPoint(op.entry_block):
            *arguments, t, since = op.arguments
            pushes.push(self._frame(arguments, t), ring, self.symbols, since)
            func.ReturnOp([])

    def _additions(self) -> None:
        """The functions that make sums of many steps at once: to mark sources, and for each pair of types."""
        stages = [(name, tiled.count) for name, tiled in self.plan.tiled.items() if tiled.abreast is not None]
        ops = [op for name, count in stages for op in self._views(self.symbols[name])[:count]]
        propagates = [op for op in ops if isinstance(op, step.Propagate)]
        for made in abreast.functions(self.plan, propagates, self.symbols):
            op = self._function(made.name, [*self.common, *made.types], apart=True)
            with ir.InsertionPoint(op.entry_block):
                made.body(self.plan, *op.arguments)
                func.ReturnOp([])

    def _push(self, arguments: list[Any], ring: Ring, t: Any, since: Any) -> None:
        number = list(self.plan.rings).index(ring.into)
        func.CallOp([], f"{PREFIX}ring.{number}", [*arguments, t, since])

    def _frame(self, arguments: list[Any], t: Any) -> Frame:
        arena, constants, *hosts, strides, begin = arguments
        return Frame(self.plan, arena, constants, dict(enumerate(hosts)), strides, begin, t)

    def _rings(self, arguments: list[Any], end: Any) -> None:
        """Before the time loop: rings that are good for its first step, and from its end on."""
        frame = self._frame(arguments, arguments[-1])

        def remake() -> None:
            for ring in self.plan.rings.values():
                pushes.remake(frame, ring, lambda t, since, ring=ring: self._push(arguments, ring, t, since))

        pushes.where_stale(frame, remake)
        pushes.good_for(frame).store(word(end), index(0))

    def _stages(self) -> list[str]:
        """The stages of a step in order."""
        block = self.symbols["step"].regions[0].blocks[0]
        calls = [o.operation for o in block.operations if o.operation.name == "func.call"]
        return [ir.FlatSymbolRefAttr(call.attributes["callee"]).value for call in calls]

    def _stage_body(self, frame: Frame, name: str) -> None:
        self._list_inputs(frame, name)
        self._ops(frame, self.symbols[name])

    def _list_inputs(self, frame: Frame, name: str) -> None:
        """The first stage that uses an input makes its list."""
        for held in self.plan.hosts:
            if held.kind == "input" and self.listers.get(held.name) == name:
                events.relist(frame, held.name)

    def _listers(self) -> dict[str, str]:
        """The first stage that uses each buffer."""
        first: dict[str, str] = {}
        for name in self._stages():
            for operation in self.symbols[name].regions[0].blocks[0].operations:
                view = step.DIALECT.view(operation.operation)
                for use in uses(view, self.views) if view is not None else ():
                    first.setdefault(use.buffer, name)
        return first

    def _run(self, run: Any) -> None:
        """The time loop as the program arranged it."""
        index_type = ir.IndexType.get()
        op = self._function("run", [*self.common, *self.hosts, self.strides, index_type, index_type], public=True)
        source = run.regions[0].blocks[0]
        with ir.InsertionPoint(op.entry_block):
            begin, end = list(op.arguments)[-2:]
            if self.plan.rings:
                self._rings(list(op.arguments)[:-1], end)
            values = dict(zip(map(ir.Value, source.arguments), (begin, end), strict=True))
            Schedule(list(op.arguments)[:-1], self.plan.tiled).copy(source, values)

    def _init(self) -> None:
        """Clears the arena, sets the head and the initial states, then does what `@init` says."""
        words = ir.MemRefType.get([max(1, 2 * len(self.plan.draws))], integer(32))
        op = self._function("init", [*self.common, words, integer(32)], public=True)
        with ir.InsertionPoint(op.entry_block):
            arena, constants, keys, sample = op.arguments
            frame = Frame(self.plan, arena, constants, {}, None, None, index(0))
            zero = arith.constant(integer(8), 0)
            loop(index(0), index(self.plan.arena), 1, lambda i: memref.store(zero, arena, [i]))
            frame.word(SAMPLE, 32).store(sample, index(0))
            for i in range(2 * len(self.plan.draws)):
                frame.word(KEYS + 4 * i, 32).store(memref.load(keys, [index(i)]), index(0))
            for held in self.plan.buffers.values():
                self._initial(frame, held)
            if "init" in self.symbols:
                self._ops(frame, self.symbols["init"])
            func.ReturnOp([])

    def _initial(self, frame: Frame, held: Held) -> None:
        initial = held.op.init
        if initial is None or held.kind not in ("state", "stream", "temp"):
            return
        frame = replace(frame, t=index(held.slots - 1))  # the slot of step -1
        if isinstance(initial, ir.FlatSymbolRefAttr):
            source = frame.place(ir.FlatSymbolRefAttr(initial).value)
            moves.move(frame, source, 0, frame.place(held.name), index(0), held.size)
        elif python_number(initial) != 0 or str(initial).startswith("-"):
            moves.fill_with(frame, held, python_number(initial))
        else:
            return
        events.relist(frame, held.name)

    def _finish(self) -> None:
        index_type = ir.IndexType.get()
        op = self._function("finish", [*self.common, *self.hosts, index_type], public=True)
        with ir.InsertionPoint(op.entry_block):
            arena, constants, *hosts, t = op.arguments
            frame = Frame(self.plan, arena, constants, dict(enumerate(hosts)), None, None, t)
            if "finish" in self.symbols:
                self._ops(frame, self.symbols["finish"])
            func.ReturnOp([])


class Schedule:
    """Copies the loops of `@run`, giving each stage the arguments that it has on a CPU.

    A loop over the steps of a stage in `tiles` is a call.
    """

    def __init__(self, arguments: list[Any], tiles: Container[str] = ()) -> None:
        self.arguments = arguments
        self.tiles = tiles

    def copy(self, block: Any, values: dict[Any, Any]) -> list[Any]:
        """Copies the ops of a block; the operands of its terminator."""
        for wrapped in block.operations:
            op = wrapped.operation
            operands = [values[ir.Value(o)] for o in op.operands]
            with op.location:
                match op.name:
                    case "func.return":
                        self.end()
                        return []
                    case "scf.yield":
                        return operands
                    case "func.call":
                        stage = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
                        self.call(stage, operands[0])
                    case "scf.for":
                        self.loop(op, operands, values)
                    case _:
                        attributes = {key: op.attributes[key] for key in op.attributes}
                        types = [r.type for r in op.results]
                        made = ir.Operation.create(op.name, results=types, operands=operands, attributes=attributes)
                        values.update(zip(map(ir.Value, op.results), made.results, strict=True))
        return []

    def end(self) -> None:
        func.ReturnOp([])

    def call(self, stage: str, t: Any) -> None:
        func.CallOp([], PREFIX + stage, [*self.arguments, t])

    def loop(self, op: Any, operands: list[Any], values: dict[Any, Any]) -> None:
        begin, end, stride, *carried = operands
        stage = called(op)
        if stage is not None and stage in self.tiles:
            func.CallOp([], PREFIX + stage, [*self.arguments, begin, end])
            return
        made = scf.ForOp(begin, end, stride, carried)
        body = op.regions[0].blocks[0]
        inner = {**values, **dict(zip(map(ir.Value, body.arguments), made.body.arguments, strict=True))}
        with ir.InsertionPoint(made.body):
            scf.YieldOp(self.copy(body, inner))
        values.update(zip(map(ir.Value, op.results), made.results, strict=True))
