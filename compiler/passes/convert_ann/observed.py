"""How far activations reach on calibration data, and the scales that follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.program import Program
from spikec.passes.calibration import Calibration, Place, instrumented, stepped
from spikec.passes.convert_ann.activations import Activation
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import SnnEngine

_TRIED = 80
_VALUES = 200_000


def values_of(program: Program, watched: Sequence[Any], data: Calibration) -> list[Array]:
    """The values of `@step` that are asked for, each of shape (slices, *shape), over all steps of all samples."""
    places = [_place(program, value) for value in watched]

    def watchable(copy: Program) -> Iterator[tuple[Place, Any]]:
        block = copy.symbols()["step"].regions[0].blocks[0]
        for position, number in dict.fromkeys(places):
            yield (position, number), block.operations[position].operation.results[number]

    copy, states = instrumented(program, watchable)
    engine = SnnEngine(copy, Interface.of(copy))
    found: list[list[Array]] = [[] for _ in watched]
    for index, given in data.samples(engine.interface):
        engine.reset(0, index)
        for _ in stepped(engine, given):
            for values, place in zip(found, places, strict=True):
                values.append(engine.state(states[place]))
    return [np.stack(values) for values in found]


def _place(program: Program, value: Any) -> Place:
    block = program.symbols()["step"].regions[0].blocks[0]
    for position, operation in enumerate(block.operations):
        for number, result in enumerate(operation.operation.results):
            if result == value:
                return position, number
    raise ValueError("a value of another program")


def activated(values: Array, activation: Activation) -> Array:
    """What an activation makes of the values of its base, as one row of f64."""
    return np.clip(values.astype(np.float64).reshape(-1), 0.0, activation.high)


def scale(values: Array, levels: int, percentile: float | None) -> float:
    """The size of one of `levels` steps for these values: the largest one but for a share of 1 - percentile, or the
    size with the least squared error; 1 where nothing is above zero."""
    positive = values[values > 0]
    if not positive.size:
        return 1.0
    if percentile is not None:
        return float(np.percentile(positive, percentile)) / levels
    some = positive[:: -(-positive.size // _VALUES)]
    largest = float(positive.max())
    tried = largest / levels * np.linspace(1.0, 0.2, _TRIED)
    errors = [np.mean(np.square(some - size * np.minimum(np.floor(some / size + 0.5), levels))) for size in tried]
    return float(tried[int(np.argmin(errors))])
