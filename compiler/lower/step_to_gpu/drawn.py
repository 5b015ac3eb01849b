"""Propagates whose targets are drawn anew: the thread of an active source draws them one after the other."""

from __future__ import annotations

from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import arith
from spikec.dialects.propagations import Propagation
from spikec.lower import scalars
from spikec.lower.code import Value, choose, converted, number, product, python_number, repeat
from spikec.lower.jumps import jumps
from spikec.lower.step_to_gpu.code import add, both, constant, i32, i64, least
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.sources import Source
from spikec.lower.step_to_gpu.thread import Thread


def lower(thread: Thread, network: Network, one: Propagation) -> None:
    """One thread for each source."""
    table = network.tables[one.table]
    into = thread.values(one.into)
    weight = number(python_number(table.weight), into.kept)
    filter = symbol_of(table.connect.get("filter"))
    keep = None if filter is None else network.symbols[filter]
    element, last = arith.extui(i64(), thread.n), number(table.post - 1, i64())
    active, value = Source(thread, one, table.pre).active(add(least(thread.n, table.pre - 1), one.low))
    if value is not None:
        weight = product(weight, converted(value, into.kept))

    def inside(target: Value, draw: Value, total: Value) -> Value:
        return arith.cmpi(arith.CmpIPredicate.slt, target, last)

    def drawn(target: Value, draw: Value, total: Value) -> list[Value]:
        target = arith.addi(target, jumps(table, element, draw))
        there = arith.cmpi(arith.CmpIPredicate.sle, target, last)
        return [target, arith.addi(draw, number(1, i64())), choose(there, lambda: reached(target, total), total)]

    def reached(target: Value, total: Value) -> Value:
        if keep is None:
            return added(target, total)
        return choose(scalars.run(keep, [element, target], 1)[0], lambda: added(target, total), total)

    def added(target: Value, total: Value) -> Value:
        into.add(weight, arith.trunci(i32(), target))
        return add(total, 1)

    first = arith.select(both(active, thread.inside(table.pre)), number(-1, i64()), last)
    thread.count(one.tally, repeat(inside, drawn, [first, number(0, i64()), constant(0)])[2])
