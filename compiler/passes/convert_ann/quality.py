"""The spiking network beside the one that it was made of, on calibration data, as a table of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.notes import Cell, Table
from spikec.dialects.program import Program
from spikec.passes.calibration import Calibration
from spikec.passes.convert_ann.activations import Activation
from spikec.passes.convert_ann.observed import values_of
from spikec.passes.convert_ann.spiking import Layer

COMPARED = 16
"""How many samples are compared where there are more; fewer of long ones."""

STEPS = 1600
"""How many steps the comparison may take, but for the first sample."""


def compare(
    ann: Program,
    activations: Sequence[Activation],
    spiking: Program,
    layers: Sequence[Layer],
    steps: int,
    data: Calibration,
) -> Table:
    """How far the counts of spikes (their rates, for layers without levels) are from the activations.

    "settled after" is the step of an inference in which the last count changed.
    """
    count = max(1, min(COMPARED, STEPS // (steps * data.steps)))
    arrays = {name: array[:count] for name, array in data.arrays.items()}
    few = replace(data, arrays=arrays, chosen=data.chosen[:count])
    wanted = values_of(ann, [activation.value for activation in activations], few)
    emitted = values_of(spiking, _events(spiking, layers), slowed(few, steps))
    rows: list[tuple[Cell, ...]] = []
    for layer, activation, events in zip(layers, wanted, emitted, strict=True):
        counts = np.cumsum(events.reshape(-1, steps, *events.shape[1:]), axis=1, dtype=np.int64)
        reached: Array = counts[:, -1].astype(np.float64)
        if layer.activation.levels is None:
            reached /= steps
        error = np.abs(reached - activation)
        moving = np.flatnonzero(np.any((counts != counts[:, -1:]).reshape(len(counts), steps, -1), axis=(0, 2)))
        settled = int(moving[-1]) + 2 if moving.size else 1
        rows.append(
            (layer.population, float(error.max()), float(error.mean()), _correlation(reached, activation), settled)
        )
    columns = ("population", "greatest error", "mean error", "correlation", "settled after")
    return Table("convert-ann: spikes", columns, tuple(rows))


def slowed(data: Calibration, steps: int) -> Calibration:
    """The same samples with `steps` steps for each of theirs."""
    arrays = {
        name: np.repeat(array, steps, axis=1) if name in data.streamed else array for name, array in data.arrays.items()
    }
    return replace(data, steps=data.steps * steps, arrays=arrays)


def _correlation(one: Array, other: Array) -> float:
    a, b = one.reshape(-1).astype(np.float64), other.reshape(-1).astype(np.float64)
    if np.array_equal(a, b):
        return 1.0
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b)) / size if size else 0.0


def _events(program: Program, layers: Sequence[Layer]) -> list[Any]:
    """What each population emits in `@step`."""
    block = program.symbols()["step"].regions[0].blocks[0]
    emitted = {
        snn.Update(operation.operation).population: operation.operation.results[0]
        for operation in block.operations
        if operation.operation.name == snn.Update.name()
    }
    return [emitted[layer.population] for layer in layers]
