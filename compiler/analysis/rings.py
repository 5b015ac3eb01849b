"""States of events as streams: the value of the step before gets a slot of its own.

A state is updated in place, so all its users go through a step together.  That is right for potentials, which an
update reads and writes; events are written anew in each step.  As a stream of two slots, what read the state before
its update reads it with a delay of one step, and what reads it afterwards can follow many steps later.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from spikec.analysis.dependence import entry_ops
from spikec.dialects import step
from spikec.dialects.accesses import WHOLE, uses
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program


def spread(program: Program) -> bool:
    """Makes streams of all states of events that allow it; whether there were any."""
    with program.module.context, ir.Location.unknown():
        buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
        inside = [op for _, op in entry_ops(program)]
        outside = [op for entry in ("init", "finish") for op in _entry_ops(program, entry)]
        found = [name for name, buffer in buffers.items() if _is_events(buffer)]
        early = {name: _early(name, inside, outside, buffers) for name in found}
        for name, ops in early.items():
            for op in ops or ():
                _read_before(op, name)
            if ops is not None:
                attributes = buffers[name].operation.attributes
                attributes["kind"] = ir.StringAttr.get("stream")
                attributes["slots"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 2)
    return any(ops is not None for ops in early.values())


def _is_events(buffer: step.Buffer) -> bool:
    return buffer.kind == "state" and (str(buffer.type.element_type) in ("i1", "i2") or "list" in (buffer.forms or []))


def _entry_ops(program: Program, entry: str) -> list[Any]:
    symbols = program.symbols()
    if entry not in symbols:
        return []
    views = [step.DIALECT.view(wrapped.operation) for wrapped in symbols[entry].regions[0].blocks[0].operations]
    return [view for view in views if view is not None]


def _early(name: str, inside: list[Any], outside: list[Any], buffers: dict[str, step.Buffer]) -> list[Any] | None:
    """The ops that use the value of the step before; None where the state cannot be a stream."""
    of: dict[int, list[Any]] = defaultdict(list)
    for number, op in enumerate(inside):
        of[number] = [use for use in uses(op, buffers) if use.buffer == name]
    writers = [number for number, found in of.items() if any(use.writes for use in found)]
    whole = all(use.replaces == WHOLE for number in writers for use in of[number] if use.writes)
    in_place = any(use.reads for number in writers for use in of[number])
    elsewhere = any(use.writes for op in outside for use in uses(op, buffers) if use.buffer == name)
    if not writers or not whole or in_place or elsewhere:
        return None
    early = [inside[number] for number in range(writers[0]) if of[number]]
    early += [op for op in outside if any(use.buffer == name for use in uses(op, buffers))]
    if any(isinstance(op, step.Record | step.Tally) for op in early):
        return None
    return early


def _read_before(op: Any, name: str) -> None:
    """Gives the uses of one buffer by an op a delay of one step."""
    attributes = op.operation.attributes
    if isinstance(op, step.Update | step.Map):
        names = [symbol_of(arg) if isinstance(op, step.Update) else arg for arg in op.args]
        delays = [1 if arg == name else delay for arg, delay in zip(names, op.delays, strict=True)]
        attributes["delays"] = step.Update.fields["delays"].encode(delays)
    elif isinstance(op, step.Sweep):
        delays = [1 if source == name else delay for source, delay in zip(op.from_, op.delays, strict=True)]
        attributes["delays"] = step.Sweep.fields["delays"].encode(delays)
    else:
        attributes["delay"] = step.Copy.fields["delay"].encode(1)
