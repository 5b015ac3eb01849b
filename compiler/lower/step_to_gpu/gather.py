"""Tables of rows, gathered: each thread has a target, and walks the list of its synapses in the order of the CPU.

An entry of a list is one number: the source below, then the round of a sweep that the synapse acts in, which says how
old its events are, then its table where the sums are real and several tables take turns.  Sums of integers are the same
in any order, so that each table has lists of its own.

The lists of the 32 targets of a warp stand side by side, so that a warp reads numbers that follow each other: number k
of lane l is at `begin + 32 k + l`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.mlir import arith, ir
from spikec.dialects.propagations import Propagation
from spikec.lower.code import Value, number, summed
from spikec.lower.step_to_gpu.code import WORD, add, constant, either, equal, i32, loop, times
from spikec.lower.step_to_gpu.layout import BLOCK, DTYPES
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.sources import Source, narrowed, weights
from spikec.lower.step_to_gpu.thread import Thread


def lower(thread: Thread, network: Network, ops: Sequence[Propagation], total: Value) -> Value:
    """What arrives in all rounds of a sweep, or by one propagation."""
    if isinstance(total.type, ir.IntegerType):
        for op in ops:
            total = _walk(thread, network, [op], total)
        return total
    return _walk(thread, network, ops, total)


def _walk(thread: Thread, network: Network, ops: Sequence[Propagation], total: Value) -> Value:
    """What arrives through lists of all these propagations."""
    name = "+".join(op.table if op.part is None else f"{op.table}[{op.part}:{op.rounds}]" for op in ops)
    if f"{name}:lists" not in network.decoded:
        network.decoded[f"{name}:lists"] = _arranged(network, ops)
    lists: _Lists = network.decoded[f"{name}:lists"]
    entries = thread.constant(f"{name}:entries", lambda: lists.entries)
    arriving = weights(thread, f"{name}:weights", lists.weights)

    def one(at: Value, *carried: Value) -> list[Value]:
        entry = entries.load(at)
        source, round, table = (_field(entry, first, end) for first, end in lists.fields())

        def arrive(p: int) -> list[Value]:
            op, (total, *counts) = ops[p], carried
            events = Source(thread, op, network.tables[op.table].pre, round)
            active, value = events.active(add(constant(0) if source is None else source, op.low))

            def added() -> list[Value]:
                own = [*counts[:p], add(counts[p], 1), *counts[p + 1 :]]
                return [summed(total, arriving.arriving(at, value, total.type)), *own]

            return either(active, added, lambda: carried, carried)

        def among(p: int) -> list[Value]:
            if table is None or p == len(ops) - 1:
                return arrive(p)
            return either(equal(table, p), lambda: arrive(p), lambda: among(p + 1), carried)

        return among(0)

    begin = add(thread.constant(f"{name}:begins", lambda: lists.begins).load(thread.warp), thread.lane)
    length = thread.constant(f"{name}:lengths", lambda: lists.lengths).load(thread.n)
    start = [total, *(constant(0) for _ in ops)]
    total, *counts = loop(begin, add(begin, times(length, WORD)), WORD, one, start)
    for op, count in zip(ops, counts, strict=True):
        thread.count(op.tally, count)
    return total


def _field(entry: Value, first: int, end: int) -> Value | None:
    """The bits of an entry from `first` to `end` as i32; None for no bits."""
    if first == end:
        return None
    width = entry.type.width
    moved = arith.shrui(entry, number(first, entry.type)) if first else entry
    kept = arith.andi(moved, number((1 << end - first) - 1, entry.type)) if end < width else moved
    if width == WORD:
        return kept
    return arith.extui(i32(), kept) if width < WORD else arith.trunci(i32(), kept)


@dataclass(frozen=True)
class _Lists:
    """`begins` of warps, `lengths` of threads, `entries` with so many `bits` for each field, `weights` or the one."""

    begins: Array
    lengths: Array
    entries: Array
    bits: tuple[int, ...]
    weights: Array | float

    def fields(self) -> list[tuple[int, int]]:
        ends = np.cumsum(self.bits).tolist()
        return list(zip([0, *ends], ends, strict=False))


def _arranged(network: Network, ops: Sequence[Propagation]) -> _Lists:
    found = [_synapses(network, op, table) for table, op in enumerate(ops)]
    target, round, table, source = np.concatenate([acting for acting, _ in found], axis=1)
    order = np.lexsort([_sortable(key) for key in (table, round, target) if key is target or key.any()])
    threads = -(-network.tables[ops[0].table].post // BLOCK) * BLOCK
    lengths = np.bincount(target, minlength=threads)
    target = target[order]
    k = np.arange(len(target)) - (np.cumsum(lengths) - lengths)[target]
    longest = lengths.reshape(-1, WORD).max(axis=1)
    begins = (np.cumsum(longest) - longest) * WORD
    place = begins[target // WORD] + WORD * k + target % WORD

    def side_by_side(values: Array) -> Array:
        made = np.zeros(int(longest.sum()) * WORD, values.dtype)
        made[place] = values[order]
        return made

    bits = tuple(int(values.max(initial=0)).bit_length() for values in (source, round, table))
    entries = source | round << bits[0] | table << bits[0] + bits[1]
    width = next(width for width in (16, 32, 64) if sum(bits) <= width)
    numbers = found[0][1]
    if len(found) > 1 or numbers.ndim:
        each = [np.broadcast_to(own, acting.shape[1:]) for acting, own in found]
        numbers = side_by_side(narrowed(np.concatenate(each)))
    return _Lists(
        begins.astype(np.int32),
        lengths.astype(np.int32),
        side_by_side(entries.astype(f"u{width // 8}")),
        bits,
        numbers if numbers.ndim else numbers.item(),
    )


def _sortable(key: Array) -> Array:
    """Numbers of 16 bits, where they fit: those are sorted in linear time."""
    return key.astype(np.uint16) if key.max(initial=0) < 1 << 16 else key


def _synapses(network: Network, op: Propagation, number: int) -> tuple[Array, Array]:
    """Target, round, `number` and source (a row each) of the synapses that act in an op; their weights or the one."""
    rows, table = network.rows(op.table), network.tables[op.table]
    source, part = np.divmod(rows.numbers(), table.parts or 1)
    round = part if op.part is None else op.part - part
    acting = (round >= 0) & (round < op.rounds)
    found = np.stack([rows.target, round, np.full(len(source), number), source])[:, acting]
    weight = rows.weight
    if not isinstance(weight, np.ndarray):
        return found, np.asarray(weight, DTYPES[str(table.element)])
    return found, weight[acting]
