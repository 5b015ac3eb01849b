"""Ops whose threads each have their own element: neurons, fills, copies, draws, records, statistics."""

from __future__ import annotations

from typing import Any

from spikec.dialects import step
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import arith, ir
from spikec.lower import scalars
from spikec.lower.code import Value, integer, nonzero, number, python_number, when
from spikec.lower.philox import philox
from spikec.lower.step_to_gpu.code import add, both, constant, equal, i32, i64, minus, rest
from spikec.lower.step_to_gpu.thread import Thread


def update(thread: Thread, op: step.Update, symbols: dict[str, Any]) -> None:
    """One neuron a thread."""
    program = symbols[op.program]
    types = [a.type for a in program.regions[0].blocks[0].arguments]
    arguments = [
        _argument(thread, attribute, delay, type, op.size)
        for attribute, delay, type in zip(op.args, op.delays, types, strict=True)
    ]
    for value, attribute in zip(scalars.run(program, arguments, 1), op.results_, strict=True):
        name = symbol_of(attribute)
        if name is not None:
            thread.write(name, value)


def _argument(thread: Thread, attribute: Any, delay: int, type: Any, size: int) -> Value:
    name = symbol_of(attribute)
    if name is not None:
        if thread.held(name).size == 1 and size > 1:
            return thread.read_at(name, constant(0), delay)
        return thread.read(name, delay)
    if isinstance(attribute, ir.UnitAttr):
        return arith.extui(i64(), thread.n)
    return number(python_number(attribute), type)


def fill(thread: Thread, op: step.Fill) -> None:
    thread.write(op.into, number(python_number(op.value), thread.held(op.into).element))


def copy(thread: Thread, op: step.Copy) -> None:
    """A thread for each element of the target; those beyond the stretch read a pad, or the stretch's first element."""
    if op.low == op.to and thread.held(op.from_).blocks >= thread.held(op.into).blocks:
        value = thread.read(op.from_, op.delay)
    else:
        source = arith.select(thread.within(op.to, op.size), add(thread.n, op.low - op.to), constant(op.low))
        value = thread.read_at(op.from_, source, op.delay)
    thread.write(op.into, value, op.to, op.size)


def clock(thread: Thread, op: step.Clock) -> None:
    thread.write(op.into, arith.extui(i64(), thread.t))


def draw(thread: Thread, op: step.Draw) -> None:
    """Philox 4x32-10 of (element, step, sample)."""
    held, wide = thread.held(op.into), i64()
    first = thread.layout.key_word(op.key)
    counter = [arith.extui(wide, thread.n), arith.extui(wide, thread.t), thread.sample_number(), number(0, wide)]
    word = arith.trunci(i32(), philox(counter, [thread.head(first), thread.head(first + 1)]))
    bits = arith.shrui(word, constant(8))
    if held.element == integer(32):
        thread.write(op.into, bits)
    else:
        thread.write(op.into, arith.mulf(arith.uitofp(held.element, bits), number(2.0**-24, held.element)))


def tally(thread: Thread, op: step.Tally) -> None:
    active = both(nonzero(thread.read(op.of)), thread.inside(thread.held(op.of).size))
    thread.count(op.into, arith.extui(i32(), active))


def record(thread: Thread, op: step.Record) -> None:
    """A row of the probe, in the steps that `every` divides; events have a row of their values in every step."""
    probe = thread.held(op.into)
    low, every = probe.op.low or 0, probe.op.every or 1
    value = thread.read(str(probe.op.of))
    wanted = thread.within(low, probe.size)
    if every > 1:
        wanted = both(wanted, equal(rest(thread.t, every), 0))
    when(wanted, lambda: thread.values(probe.name).store(value, minus(thread.n, low)))
