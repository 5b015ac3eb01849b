"""`step.map`: a structured loop nest; each thread has a point of the parallel loops and runs the reductions itself.

Where the results are not such that thread n writes element n of each, one thread does the whole nest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spikec.dialects import step
from spikec.dialects.functions import size
from spikec.dialects.mlir import arith, ir
from spikec.lower import affine_maps, scalars
from spikec.lower.affine_maps import map_of
from spikec.lower.code import Value, when
from spikec.lower.step_to_gpu.code import (
    WORD,
    between,
    both,
    constant,
    equal,
    loop,
    minus,
    over,
    rest,
)
from spikec.lower.step_to_gpu.thread import Thread

Shapes = Callable[[str], Sequence[int]]


def threads(op: step.Map, buffers: Mapping[str, step.Buffer]) -> int:
    """How many threads have an element of the results."""
    return size(buffers[op.results_[0]].type) if _places(op, _shapes(buffers)) is not None else 1


def owns(op: step.Map, name: str, buffers: Mapping[str, step.Buffer]) -> bool:
    """Whether each thread touches its own element of a buffer alone."""
    shape = _shapes(buffers)
    return _places(op, shape) is not None and all(
        _own(op, arg, map, shape) for arg, map in zip(op.args, op.maps, strict=True) if arg == name
    )


def lower(thread: Thread, op: step.Map, symbols: dict[str, Any]) -> None:
    def shape(name: str) -> Sequence[int]:
        return thread.held(name).shape

    program, places = symbols[op.program], _places(op, shape)
    if places is None:
        _alone(thread, op, program)
        return
    at, inside = _point(thread, op, places, shape(op.results_[0]))
    axes = [place.axis for place in places]
    inner = [axis for axis in range(len(op.extents)) if axis not in axes]

    def read(name: str, delay: int, map: Any) -> Value:
        if _own(op, name, map, shape):
            return thread.read(name, delay)
        return thread.read_at(name, affine_maps.place(map, thread.held(name).shape, at, constant), delay)

    def point(sums: list[Value]) -> list[Value]:
        values = [read(*one) for one in zip(op.args, op.delays, op.maps, strict=True)]
        return scalars.run(program, [*values, *sums], 1)

    sums = [thread.read(name) for name in op.results_]
    for name, value, old in zip(op.results_, _nest(op, inner, at, point, sums), sums, strict=True):
        thread.write(name, value if inside is None else arith.select(inside, value, old))


def _point(
    thread: Thread, op: step.Map, places: list[_Place], shape: Sequence[int]
) -> tuple[list[Value], Value | None]:
    """The indices of this thread's point, and whether the loops come to it, where they do not come to all elements.

    Threads whose element they do not come to have the indices of a point that there is: they stay where memory is.
    """
    at: list[Value] = [constant(0)] * len(op.extents)
    inside = None
    left = thread.n
    for number, (place, extent) in reversed(list(enumerate(zip(places, shape, strict=True)))):
        index = left if number == 0 else rest(left, extent)
        left = over(left, extent)
        count = 1 if place.axis is None else int(op.extents[place.axis])
        if count != extent:
            there = between(place.offset, index, place.offset + count)
            inside = there if inside is None else both(inside, there)
        if place.axis is not None:
            whole = number > 0 and count == extent
            at[place.axis] = index if whole else arith.minui(minus(index, place.offset), constant(count - 1))
    return at, inside


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
        shapes = [thread.held(name).shape for name in names]
        places = [affine_maps.place(*one, at, constant) for one in zip(all_maps, shapes, strict=True)]
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


@dataclass(frozen=True)
class _Place:
    """An index of a result's element: that of a loop, if there is one, and a constant added."""

    axis: int | None
    offset: int


def _places(op: step.Map, shape: Shapes) -> list[_Place] | None:
    """The indices of the results' elements; None where results differ in them, or loops come to one more than once."""
    first, extents = map_of(op.result_maps[0]), shape(op.results_[0])
    if any(map_of(m) != first or shape(name) != extents for name, m in zip(op.results_, op.result_maps, strict=True)):
        return None
    places = []
    for expression in first.results:
        place = _place(expression)
        if place is None:
            return None
        places.append(place)
    axes = [place.axis for place in places if place.axis is not None]
    return places if len(set(axes)) == len(axes) and _plain(op, axes) else None


def _place(expression: Any) -> _Place | None:
    match expression:
        case ir.AffineDimExpr():
            return _Place(expression.position, 0)
        case ir.AffineConstantExpr():
            return _Place(None, expression.value)
        case ir.AffineAddExpr(lhs=ir.AffineDimExpr() as index, rhs=ir.AffineConstantExpr() as offset):
            return _Place(index.position, offset.value)
    return None


def _own(op: step.Map, name: str, map: Any, shape: Shapes) -> bool:
    """Whether an argument's element is, for each point, the one that the result has."""
    return bool(map_of(map) == map_of(op.result_maps[0])) and shape(name) == shape(op.results_[0])


def _shapes(buffers: Mapping[str, step.Buffer]) -> Shapes:
    return lambda name: tuple(buffers[name].type.shape)


def _plain(op: step.Map, axes: list[int]) -> bool:
    """Whether the loops of a result are parallel, and all others not: then no point is done twice."""
    parallel = [axis for axis, kind in enumerate(op.iterators) if str(kind).strip('"') == "parallel"]
    return all(axis in axes or op.extents[axis] == 1 for axis in parallel) and all(axis in parallel for axis in axes)
