"""`step.map`: a structured loop nest, as `linalg.generic` over buffers."""

from __future__ import annotations

from typing import Any

from spikec.dialects import step
from spikec.lower import affine_maps, scalars
from spikec.lower.code import Value, index, loop
from spikec.lower.step_to_cpu import events
from spikec.lower.step_to_cpu.places import Frame


def lower(frame: Frame, op: step.Map, symbols: dict[str, Any]) -> None:
    program = symbols[op.program]
    names = [*op.args, *op.results_]
    delays = [*op.delays, *([0] * len(op.results_))]
    places = [frame.place(name, delay) for name, delay in zip(names, delays, strict=False)]
    maps = [(map, frame.held(name).shape) for map, name in zip([*op.maps, *op.result_maps], names, strict=True)]
    results = len(op.results_)

    def point(at: list[Value]) -> None:
        positions = [affine_maps.place(map, shape, at, index) for map, shape in maps]
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
