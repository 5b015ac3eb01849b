"""Tables of rows, gathered: each thread has a target, and walks the list of its synapses in the order of the CPU.

The lists of the 32 targets of a warp stand side by side, so that a warp reads numbers that follow each other: number k
of lane l is at `begin + 32 k + l`, as long as the longest list.  A table in parts has such lists for each part, which
are walked round by round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.mlir import arith, ir, scf
from spikec.dialects.propagations import Propagation
from spikec.lower.code import Value, summed
from spikec.lower.step_to_gpu import synapses
from spikec.lower.step_to_gpu.code import WORD, Elements, add, constant, i32, loop, minus, times
from spikec.lower.step_to_gpu.layout import BLOCK
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.sources import Source, Weights, narrowed
from spikec.lower.step_to_gpu.synapses import Rows
from spikec.lower.step_to_gpu.thread import Thread


def lower(thread: Thread, network: Network, ops: Sequence[Propagation], total: Value) -> Value:
    """What arrives in all rounds of a sweep, or by one propagation."""
    lists = [_Lists(thread, network, network.tables[op.table]) for op in ops]

    def round(k: Value | None, *carried: Value) -> list[Value]:
        total, *counts = carried
        for number, (op, own) in enumerate(zip(ops, lists, strict=True)):
            source = Source(thread, op, network.tables[op.table].pre, k)
            part = None if op.part is None or k is None else minus(constant(op.part), k)
            total, counts[number] = own.walk(part, source, total, counts[number])
        return [total, *counts]

    start = [total, *(constant(0) for _ in ops)]
    total, *counts = round(None, *start) if ops[0].part is None else loop(0, ops[0].rounds, 1, round, start)
    for op, count in zip(ops, counts, strict=True):
        thread.count(op.tally, count)
    return total


class _Lists:
    """The lists of a table on the device, and those of this thread."""

    def __init__(self, thread: Thread, network: Network, table: step.Table) -> None:
        name, found = table.sym_name, _lists(network, table)
        self.blocks = found.lengths.shape[-1] // BLOCK
        self.n, self.warp, self.lane = thread.n, thread.warp, thread.lane
        self.begins = thread.constant(f"{name}:begins", lambda: found.begins)
        self.lengths = thread.constant(f"{name}:lengths", lambda: found.lengths)
        self.sources = thread.constant(f"{name}:sources", lambda: found.sources)
        weights = found.weights
        self.weights = Weights(
            thread.constant(f"{name}:arriving", lambda: weights) if isinstance(weights, np.ndarray) else weights
        )

    def walk(self, part: Value | None, source: Source, total: Value, count: Value) -> list[Value]:
        """Adds the active ones of a part's list."""
        warp, n = self.warp, self.n
        if part is not None:
            warp = add(times(part, self.blocks * BLOCK // WORD), warp)
            n = add(times(part, self.blocks * BLOCK), n)
        begin = add(self.begins.load(warp), self.lane)

        def one(at: Value, total: Value, count: Value) -> list[Value]:
            active, value = source.active(add(_unsigned(self.sources, at), source.low))
            here = scf.IfOp(active, [total.type, i32()], has_else=True)
            with ir.InsertionPoint(here.then_block):
                arriving = self.weights.arriving(at, value, total.type)
                scf.YieldOp([summed(total, arriving), add(count, 1)])
            with ir.InsertionPoint(here.else_block):
                scf.YieldOp([total, count])
            return list(here.results)

        length = _unsigned(self.lengths, n)
        return loop(begin, add(begin, times(length, WORD)), WORD, one, [total, count])


def _unsigned(numbers: Elements, i: Value) -> Value:
    """A number that is not negative, as i32."""
    value = numbers.load(i)
    return value if value.type == i32() else arith.extui(i32(), value)


@dataclass(frozen=True)
class _Arrays:
    """`begins` [parts, warps], `lengths` [parts, threads], `sources` and `weights` side by side."""

    begins: Array
    lengths: Array
    sources: Array
    weights: Array | float


def _lists(network: Network, table: step.Table) -> _Arrays:
    key = f"{table.sym_name}.lists"
    if key not in network.decoded:
        network.decoded[key] = _arranged(synapses.rows(network, table.sym_name), table.post, table.parts or 1)
    found: _Arrays = network.decoded[key]
    return found


def _arranged(rows: Rows, post: int, parts: int) -> _Arrays:
    threads = -(-post // BLOCK) * BLOCK
    source, part = np.divmod(rows.numbers(), parts)
    owner = part * threads + rows.target  # the list of each synapse
    order = np.argsort(owner, kind="stable")
    lengths = np.bincount(owner, minlength=parts * threads)
    owner = owner[order]
    number = np.arange(len(owner)) - (np.cumsum(lengths) - lengths)[owner]
    longest = lengths.reshape(-1, WORD).max(axis=1)
    begins = (np.cumsum(longest) - longest) * WORD
    place = begins[owner // WORD] + WORD * number + owner % WORD

    def side_by_side(values: Array) -> Array:
        found = np.zeros(int(longest.sum()) * WORD, values.dtype)
        found[place] = values[order]
        return found

    weights = rows.weight
    return _Arrays(
        begins.astype(np.int32),
        _unsigned_array(lengths).reshape(parts, threads),
        _unsigned_array(side_by_side(source)),
        side_by_side(narrowed(weights)) if isinstance(weights, np.ndarray) else weights,
    )


def _unsigned_array(numbers: Array) -> Array:
    """Numbers that are not negative, in 16 bits where they fit, else in 32."""
    return numbers.astype(np.uint16 if numbers.max(initial=0) < 1 << 16 else np.int32)
