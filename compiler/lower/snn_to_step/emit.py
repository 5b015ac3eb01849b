"""Nodes as ops of the step dialect, in stages, and the entry points that call them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from spikec.dialects import snn, step
from spikec.dialects.functions import result_marks, symbol_name
from spikec.dialects.mlir import arith, func, ir, scf
from spikec.lower.snn_to_step.buffers import Buffers
from spikec.lower.snn_to_step.nodes import (
    Access,
    Clock,
    Copy,
    Draw,
    Fill,
    Map,
    Node,
    Propagate,
    Sweep,
    Tally,
    Update,
)
from spikec.lower.snn_to_step.programs import Programs


class Emitter:
    """Writes functions at the end of a module."""

    def __init__(self, module: Any, buffers: Buffers, programs: Programs) -> None:
        self._block = module.body
        self._buffers = buffers
        self._programs = programs

    def stage(self, name: str, nodes: Sequence[Node], location: Any, private: bool = True) -> None:
        """A function of the nodes in order."""
        # Programs that nodes turn out to need come before the stage.
        ready = [self._listed(node) for node in nodes]
        t, block = self._function(name, 1, private, location)
        with ir.InsertionPoint(block):
            for node in ready:
                with node.location:
                    _build(node, t[0])
            with location:
                func.ReturnOp([])

    def records(self, name: str, probes: Sequence[str], location: Any) -> None:
        """The stage that records all probes."""
        t, block = self._function(name, 1, True, location)
        with ir.InsertionPoint(block):
            for probe in probes:
                with self._buffers[probe].location:
                    step.Record.build(t[0], into=probe)
            with location:
                func.ReturnOp([])

    def step(self, stages: Sequence[str], location: Any) -> None:
        """`@step`: the stages in order."""
        t, block = self._function("step", 1, False, location)
        with ir.InsertionPoint(block), location:
            for stage in stages:
                func.CallOp([], stage, [t[0]])
            func.ReturnOp([])

    def run(self, stages: Sequence[str], location: Any) -> None:
        """`@run`: the time loop over the stages."""
        (begin, end), block = self._function("run", 2, False, location)
        with ir.InsertionPoint(block), location:
            one = arith.constant(ir.IndexType.get(), 1)
            loop = scf.ForOp(begin, end, one)
            with ir.InsertionPoint(loop.body):
                for stage in stages:
                    func.CallOp([], stage, [loop.induction_variable])
                scf.YieldOp([])
            func.ReturnOp([])

    def _function(self, name: str, count: int, private: bool, location: Any) -> tuple[list[Any], Any]:
        with ir.InsertionPoint(self._block), location:
            type = ir.FunctionType.get([ir.IndexType.get()] * count, [])
            op = func.FuncOp(name, type, visibility="private" if private else None)
            block = op.add_entry_block()
        return list(block.arguments), block

    def _listed(self, node: Node) -> Node:
        """A fill or copy into a buffer with a list, as an update: what writes events one by one keeps all forms."""
        payload = node.payload
        if not isinstance(payload, Fill | Copy):
            return node
        buffer = self._buffers[payload.into]
        if "list" not in (buffer.forms() or []):
            return node
        value = payload.value if isinstance(payload, Fill) else payload.of
        program = self._programs.identity(buffer.type.element_type)
        return Node(Update(program, buffer.size, [value], [payload.into]), node.location)


def _build(node: Node, t: Any) -> None:
    match node.payload:
        case Fill(into, value):
            step.Fill.build(t, into=into, value=value)
        case Copy(of, into, to, size):
            step.Copy.build(t, from_=of.buffer, delay=of.delay, low=of.low, into=into, to=to, size=size)
        case Propagate(events, table, into, mode, tally):
            step.Propagate.build(
                t,
                from_=events.buffer,
                delay=events.delay,
                low=events.low,
                table=table,
                into=into,
                mode=mode,
                tally=tally,
            )
        case Sweep(into, first, rounds):
            step.Sweep.build(
                t,
                rounds=rounds,
                from_=[one.events.buffer for one in first],
                delays=[one.events.delay for one in first],
                lows=[one.events.low for one in first],
                tables=[one.table for one in first],
                parts=[one.part for one in first],
                into=into,
                modes=[one.mode for one in first],
                tallies=[one.tally for one in first],
            )
        case Update() as update:
            _build_update(update, t)
        case Map() as map:
            step.Map.build(
                t,
                program=map.program,
                extents=map.extents,
                iterators=map.iterators,
                args=[access.buffer for access in map.args],
                delays=[access.delay for access in map.args],
                maps=[ir.AffineMapAttr.get(m) for m in map.maps],
                results_=map.results,
                result_maps=[ir.AffineMapAttr.get(m) for m in map.result_maps],
            )
        case Draw(into, path, seed, key):
            step.Draw.build(t, into=into, path=path, seed=seed, key=key)
        case Clock(into):
            step.Clock.build(t, into=into)
        case Tally(of, into):
            step.Tally.build(t, of=of, into=into)
        case _:
            assert_never(node.payload)


def _build_update(update: Update, t: Any) -> None:
    unit = ir.UnitAttr.get()
    args = [
        ir.FlatSymbolRefAttr.get(arg.buffer) if isinstance(arg, Access) else unit if arg is None else arg
        for arg in update.args
    ]
    step.Update.build(
        t,
        program=update.program,
        size=update.size,
        args=args,
        delays=[arg.delay if isinstance(arg, Access) else 0 for arg in update.args],
        results_=[unit if result is None else ir.FlatSymbolRefAttr.get(result) for result in update.results],
    )


def mark_events(module: Any, buffers: Buffers) -> None:
    """Marks the results of programs whose buffers are kept as lists: they are events."""
    functions = {symbol_name(op.operation): op.operation for op in module.body.operations}
    for name in functions:
        for update in _updates(functions[name]):
            for number, result in enumerate(update.results_):
                if isinstance(result, ir.FlatSymbolRefAttr) and "list" in (buffers[result.value].forms() or []):
                    _mark(functions[update.program], number)


def _updates(function: Any) -> list[step.Update]:
    if function.name != "func.func":
        return []
    ops = [op.operation for block in function.regions[0].blocks for op in block.operations]
    return [step.Update(op) for op in ops if op.name == step.Update.name()]


def _mark(function: Any, number: int) -> None:
    marks = result_marks(function)
    if snn.STATE not in marks[number]:
        marks[number][snn.EVENT] = ir.UnitAttr.get()
        function.attributes["res_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(entry) for entry in marks])
