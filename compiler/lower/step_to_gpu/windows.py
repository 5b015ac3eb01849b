"""Convolutions: each thread has a target, and looks at the sources that its kernel lies on, in ascending order.

Of spikes, a row of the kernel is cut out of the words of the sources at once, and its active sources are walked.
"""

from __future__ import annotations

from collections.abc import Callable

from spikec.dialects.convolution import POINT, Axis, Convolution
from spikec.dialects.mlir import arith, ir, math
from spikec.dialects.propagations import Propagation
from spikec.lower import synapses
from spikec.lower.code import Value, converted, intrinsic, number, product, repeat, summed
from spikec.lower.step_to_gpu.code import (
    WORD,
    add,
    between,
    both,
    constant,
    different,
    i32,
    least,
    less,
    loop,
    lowest,
    minus,
    over,
    rest,
    times,
    without_lowest,
)
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.sources import Source, Weights, weights
from spikec.lower.step_to_gpu.thread import Thread

WIDEST = 4 * WORD
"""Sources under a row of the kernel, from the first to the last, that are looked at by words."""

Row = Callable[[Value, Value, Value, Value, Value], list[Value]]
"""From the first source of a row, whether the kernel's row lies on one, the place of its first weight, the sum and the
number of additions to the last two."""


def lower(thread: Thread, network: Network, op: Propagation, total: Value) -> Value:
    table = network.tables[op.table]
    shape = Convolution.of(table.connect)
    rows, columns = (POINT, *shape.axes)[-2:]
    source = Source(thread, op, table.pre)
    kernels = weights(thread, f"{op.table}:kernels", synapses.weights(network.program, table), shape.plain)
    outputs, members = shape.output[0] // shape.groups, shape.input[0] // shape.groups
    # Threads beyond the last target stay where memory is.
    line, x = _split(least(thread.n, table.post - 1), columns.output)
    channel, y = _split(line, rows.output)
    first = times(over(channel, outputs), members) if shape.groups > 1 else constant(0)
    top = minus(times(y, rows.stride), rows.padding)
    left = minus(times(x, columns.stride), columns.padding)
    way = _bits if source.held.bits and _span(columns) <= WIDEST else _values
    row = way(source, kernels, columns, left)

    def member(m: Value, *carried: Value) -> list[Value]:
        plane = times(add(first, m), rows.input)
        kernel = times(add(times(channel, members), m), rows.kernel)

        def line(k: Value, *carried: Value) -> list[Value]:
            at = add(top, times(k, rows.dilation))
            there = between(0, at, rows.input)
            begin = add(times(add(plane, at), columns.input), source.low)
            return row(begin, there, times(add(kernel, k), columns.kernel), *carried)

        return loop(0, _taps(rows), 1, line, carried)

    total, count = loop(0, members, 1, member, [total, constant(0)])
    thread.count(op.tally, arith.select(thread.inside(table.post), count, constant(0)))
    return total


def _taps(axis: Axis) -> int:
    """How many places of a kernel lie on sources at all."""
    return min(axis.kernel, (axis.input - 1 + axis.padding) // axis.dilation + 1)


def _span(axis: Axis) -> int:
    """Sources from the first of them to the last."""
    return (_taps(axis) - 1) * axis.dilation + 1


def _split(left: Value, extent: int) -> tuple[Value, Value]:
    return over(left, extent), rest(left, extent)


def _values(source: Source, kernels: Weights, axis: Axis, left: Value) -> Row:
    """One source after the other."""

    def row(begin: Value, there: Value, weight: Value, *carried: Value) -> list[Value]:
        def one(k: Value, total: Value, count: Value) -> list[Value]:
            x = add(left, times(k, axis.dilation))
            inside = both(there, between(0, x, axis.input))
            active, value = source.active(arith.select(inside, add(begin, x), constant(source.low)))
            active = both(active, inside)
            arriving = kernels.arriving(add(weight, k), value, total.type)
            total = arith.select(active, summed(total, arriving), total)
            return [total, add(count, arith.extui(i32(), active))]

        return loop(0, _taps(axis), 1, one, carried)

    return row


def _bits(source: Source, kernels: Weights, axis: Axis, left: Value) -> Row:
    """The active sources that a row of the kernel lies on, a word at a time."""
    span = _span(axis)
    # Of each word: where it begins, seen from the row's first source, and which bits of it are sources of the kernel.
    pieces = []
    for piece in range(0, span, WORD):
        at = add(left, piece)
        mask = constant(sum(1 << j for j in range(min(WORD, span - piece)) if (piece + j) % axis.dilation == 0))
        if (axis.output - 1) * axis.stride - axis.padding + min(span, piece + WORD) > axis.input:
            mask = arith.andi(mask, _lowest(minus(constant(axis.input), at)))
        if axis.padding > piece:
            mask = arith.andi(mask, arith.xori(_lowest(minus(constant(0), at)), constant(-1)))
        pieces.append((piece, at, mask))

    def row(begin: Value, there: Value, weight: Value, total: Value, count: Value) -> list[Value]:
        for piece, at, mask in pieces:
            found = arith.andi(_cut(source, add(begin, at)), arith.select(there, mask, constant(0)))
            total = _walk(kernels, axis, piece, weight, found, total)
            count = add(count, math.ctpop(found))
        return [total, count]

    return row


def _walk(kernels: Weights, axis: Axis, piece: int, weight: Value, found: Value, total: Value) -> Value:
    """Adds the weights of active sources; the same integer for all of them is added at once."""
    type = total.type
    if isinstance(kernels.numbers, int) and isinstance(type, ir.IntegerType):
        return summed(total, product(converted(math.ctpop(found), type), number(kernels.numbers, type)))

    def one(left: Value, total: Value) -> list[Value]:
        k = over(add(lowest(left), piece), axis.dilation)
        arriving = kernels.arriving(add(weight, k), None, type)
        return [without_lowest(left), summed(total, arriving)]

    return repeat(lambda left, total: different(left, 0), one, [found, total])[1]


def _cut(source: Source, begin: Value) -> Value:
    """The 32 bits of the sources from an element on; of words that there are none of, anything."""
    first, last = source.words.start, source.words.stop - 1

    def word(w: Value) -> Value:
        return source.values.load(least(arith.maxsi(w, constant(first)), last))

    w = arith.shrsi(begin, constant(5))
    return intrinsic("llvm.fshr", [word(add(w, 1)), word(w), begin], i32())


def _lowest(count: Value) -> Value:
    """A word with the lowest `count` bits set, of any number: none below 0, all from 32 on."""
    some = minus(arith.shli(constant(1), arith.andi(count, constant(WORD - 1))), 1)
    some = arith.select(less(count, 1), constant(0), some)
    return arith.select(less(count, WORD), some, constant(-1))
