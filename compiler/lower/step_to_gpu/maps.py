"""`step.map`: a structured loop nest; each thread has a point of the parallel loops and runs the reductions itself.

Where the results are not such that thread n writes element n of each, one thread does the whole nest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spikec.dialects import step
from spikec.dialects.functions import size
from spikec.dialects.mlir import arith, ir
from spikec.lower import scalars
from spikec.lower.code import Value, when
from spikec.lower.step_to_gpu.code import (
    WORD,
    add,
    constant,
    equal,
    least,
    loop,
    over,
    rest,
    times,
)
from spikec.lower.step_to_gpu.thread import Thread


def threads(op: step.Map, buffers: Mapping[str, step.Buffer]) -> int:
    """How many threads have an element of the results."""
    return size(buffers[op.results_[0]].type) if _axes(op) is not None else 1


def owns(op: step.Map, name: str) -> bool:
    """Whether each thread touches its own element of a buffer alone."""
    if _axes(op) is None:
        return False
    result = _map(op.result_maps[0])
    return all(_map(m) == result for arg, m in zip(op.args, op.maps, strict=True) if arg == name)


def lower(thread: Thread, op: step.Map, symbols: dict[str, Any]) -> None:
    program, axes = symbols[op.program], _axes(op)
    if axes is None:
        _alone(thread, op, program)
        return
    own = _map(op.result_maps[0])
    at: list[Value] = [constant(0)] * len(op.extents)
    left = thread.n
    for axis in reversed(axes):
        at[axis] = rest(left, op.extents[axis]) if axis != axes[0] else left
        left = over(left, op.extents[axis])
    inner = [axis for axis in range(len(op.extents)) if axis not in axes]

    def read(name: str, delay: int, map: Any) -> Value:
        if _map(map) == own and thread.held(name).shape == thread.held(op.results_[0]).shape:
            return thread.read(name, delay)
        return thread.read_at(name, _flat(thread, name, map, at), delay)

    def point(sums: list[Value]) -> list[Value]:
        values = [read(*one) for one in zip(op.args, op.delays, op.maps, strict=True)]
        return scalars.run(program, [*values, *sums], 1)

    sums = [thread.read(name) for name in op.results_]
    if axes:  # threads beyond the last element stay where memory is
        at[axes[0]] = least(at[axes[0]], op.extents[axes[0]] - 1)
    for name, value in zip(op.results_, _nest(op, inner, at, point, sums), strict=True):
        thread.write(name, value)


def _nest(
    op: step.Map, axes: list[int], at: list[Value], point: Callable[[list[Value]], list[Value]], sums: list[Value]
) -> list[Value]:
    """The reductions in ascending order, the last index fastest."""
    if not axes:
        return point(sums)

    def body(i: Value, *carried: Value) -> list[Value]:
        at[axes[0]] = i
        return _nest(op, axes[1:], at, point, list(carried))

    return loop(0, op.extents[axes[0]], 1, body, sums)


def _alone(thread: Thread, op: step.Map, program: Any) -> None:
    """The whole nest in one thread."""
    names = [*op.args, *op.results_]
    delays = [*op.delays, *([0] * len(op.results_))]
    all_maps = [*op.maps, *op.result_maps]
    at: list[Value] = [constant(0)] * len(op.extents)

    def point(sums: list[Value]) -> list[Value]:
        places = [_flat(thread, name, map, at) for name, map in zip(names, all_maps, strict=True)]
        read = [thread.read_at(n, p, d) for n, p, d in zip(names, places, delays, strict=True)]
        values = scalars.run(program, read, 1)
        for name, place, value in zip(op.results_, places[len(op.args) :], values, strict=True):
            _store(thread, name, place, value)
        return []

    when(equal(thread.n, 0), lambda: _none(_nest(op, list(range(len(op.extents))), at, point, [])))


def _none(values: list[Value]) -> None:
    assert not values


def _store(thread: Thread, name: str, place: Value, value: Value) -> None:
    """Sets an element that no other thread is at."""
    held, values = thread.held(name), thread.values(name)
    if not held.bits:
        values.store(value, place)
        return
    word, mask = over(place, WORD), arith.shli(constant(1), rest(place, WORD))
    others = arith.andi(values.load(word), arith.xori(mask, constant(-1)))
    own = arith.select(value, mask, constant(0))
    values.store(arith.ori(others, own), word)


def _axes(op: step.Map) -> list[int] | None:
    """The loops whose indices are those of a result, in their order, where all results are alike; None for no such."""
    first = _map(op.result_maps[0])
    if any(_map(m) != first for m in op.result_maps):
        return None
    axes = []
    for expression in first.results:
        if isinstance(expression, ir.AffineDimExpr):
            axes.append(expression.position)
        elif not (isinstance(expression, ir.AffineConstantExpr) and expression.value == 0):
            return None
    outer = [axis for axis in range(len(op.extents)) if axis in axes]
    if len(set(axes)) != len(axes) or axes != sorted(axes) or not _plain(op, outer):
        return None
    return axes


def _plain(op: step.Map, axes: list[int]) -> bool:
    """Whether the loops of a result are parallel, and all others not: then no point is done twice."""
    parallel = [axis for axis, kind in enumerate(op.iterators) if str(kind).strip('"') == "parallel"]
    return all(axis in axes or op.extents[axis] == 1 for axis in parallel) and all(axis in parallel for axis in axes)


def _map(attribute: Any) -> Any:
    made = ir.AffineMapAttr(attribute)
    return made.value if hasattr(made, "value") else attribute


def _flat(thread: Thread, name: str, map: Any, at: list[Value]) -> Value:
    """The flat place of a point in a buffer."""
    place, stride = constant(0), 1
    for expression, extent in zip(reversed(list(_map(map).results)), reversed(thread.held(name).shape), strict=True):
        place = add(place, times(_affine(expression, at), stride))
        stride *= extent
    return place


def _affine(expression: Any, at: list[Value]) -> Value:
    """An affine expression of the loop indices; all of them are zero or more."""
    if isinstance(expression, ir.AffineDimExpr):
        return at[expression.position]
    if isinstance(expression, ir.AffineConstantExpr):
        return constant(expression.value)
    left, right = _affine(expression.lhs, at), _affine(expression.rhs, at)
    match expression:
        case ir.AffineAddExpr():
            return arith.addi(left, right)
        case ir.AffineMulExpr():
            return arith.muli(left, right)
        case ir.AffineModExpr():
            return arith.remui(left, right)
        case ir.AffineFloorDivExpr():
            return arith.divui(left, right)
    return arith.ceildivui(left, right)
