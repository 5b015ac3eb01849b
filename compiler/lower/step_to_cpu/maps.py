"""`step.map`: a structured loop nest, as `linalg.generic` over buffers."""

from __future__ import annotations

from typing import Any

from spikec.dialects import step
from spikec.dialects.mlir import arith, ir
from spikec.lower import scalars
from spikec.lower.code import Value, index, loop, plus
from spikec.lower.step_to_cpu import events
from spikec.lower.step_to_cpu.places import Frame


def lower(frame: Frame, op: step.Map, symbols: dict[str, Any]) -> None:
    program = symbols[op.program]
    names = [*op.args, *op.results_]
    delays = [*op.delays, *([0] * len(op.results_))]
    places = [frame.place(name, delay) for name, delay in zip(names, delays, strict=False)]
    flat = [
        _flat(ir.AffineMapAttr(a).value if hasattr(ir.AffineMapAttr(a), "value") else a, frame.held(name).shape)
        for a, name in zip([*op.maps, *op.result_maps], names, strict=True)
    ]
    results = len(op.results_)

    def point(at: list[Value]) -> None:
        positions = [_position(terms, at) for terms in flat]
        values = scalars.run(program, [p.load(i) for p, i in zip(places, positions, strict=True)], 1)
        for place, position, value in zip(places[-results:], positions[-results:], values, strict=True):
            place.store(value, position)

    _nest(op.extents, [], point)
    for name in op.results_:
        events.relist(frame, name)


def _nest(extents: list[int], at: list[Value], point: Any) -> None:
    """Loops over all points in ascending order, the last index fastest."""
    if not extents:
        point(at)
        return
    loop(index(0), index(extents[0]), 1, lambda i: _nest(extents[1:], [*at, i], point))


def _flat(map: Any, shape: tuple[int, ...]) -> list[tuple[Any, int]]:
    """The flat position as (affine expression, stride) terms."""
    terms, stride = [], 1
    for expression, extent in zip(reversed(list(map.results)), reversed(shape), strict=True):
        terms.append((expression, stride))
        stride *= extent
    return terms[::-1]


def _position(terms: list[tuple[Any, int]], at: list[Value]) -> Value:
    position = index(0)
    for expression, stride in terms:
        position = plus(position, arith.muli(_affine(expression, at), index(stride)))
    return position


def _affine(expression: Any, at: list[Value]) -> Value:
    """An affine expression of the loop indices; all of them are zero or more."""
    if isinstance(expression, ir.AffineDimExpr):
        return at[expression.position]
    if isinstance(expression, ir.AffineConstantExpr):
        return index(expression.value)
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
