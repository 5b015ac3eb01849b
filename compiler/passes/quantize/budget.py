"""Widths of weights under a budget of bytes: each array of weights gets the bits that it needs most.

How much an array needs is measured: the real network runs on calibration data with the weights of this array alone
rounded to each width in turn, and the damage is how far events and outputs then are from those of the network as it is.
The widths with the least sum of damages that fit are found exactly, but for the size of a bucket of bytes; the
uniform width that fits is tried beside them, both rounded everywhere at once, and the better one is taken.

After Y. Zhao et al., "LPGNAS" (2020), which searches the same space by gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Cell, Table
from spikec.dialects.program import Program
from spikec.passes.calibration import Calibration, stepped
from spikec.passes.canonicalize.states import Store
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import SnnEngine

LEAST = 2
"""Bits of the narrowest weights: one bit has no zero."""

SAMPLES = 16
"""How many samples of the calibration data the damage of a width is measured on."""

TRACE = float(np.exp(-1 / 10))
"""What is left, a step later, of the trace that events leave: its time constant is 10 steps."""

_BUCKETS = 20_000


@dataclass(frozen=True)
class Layer:
    """Projections that share their weights; `rounded(bits)` gives these in reals, as they are with so many bits."""

    name: str
    projections: tuple[str, ...]
    count: int
    rounded: Callable[[int], Array]

    def bytes(self, bits: int) -> float:
        """What the weights take, packed."""
        return self.count * bits / 8

    def shared_by(self, projection: str) -> Layer:
        """The same weights with one more projection."""
        return replace(self, projections=(*self.projections, projection))


@dataclass(frozen=True)
class Shares:
    """The bits of each projection's weights, and the table that says why."""

    bits: Mapping[str, int]
    tables: tuple[Table, ...] = ()


def shared_out(
    program: Program, layers: Sequence[Layer], budget: int, most: int, calibration: Calibration, seed: int
) -> Shares:
    """Widths of LEAST to `most` bits for `layers` that together take at most `budget` bytes.

    Raises CompileError where even LEAST bits do not fit.
    """
    least = sum(layer.bytes(LEAST) for layer in layers)
    if least > budget:
        least = math.ceil(least)
        text = f"quantize: the weights take {least} bytes with {LEAST} bits each, more than the budget of {budget}"
        raise CompileError([Diagnostic("E1215", "error", text, help="prune them first (sparsify), or allow more")])
    trial = _Trial.of(program, calibration, seed)
    widths = range(LEAST, max(most, LEAST) + 1)
    damage = {(layer.name, bits): trial.damage([(layer, bits)]) for layer in layers for bits in widths}
    uniform = max(bits for bits in widths if sum(layer.bytes(bits) for layer in layers) <= budget)
    choices = {"measured": _cheapest(layers, widths, damage, budget), "uniform": dict.fromkeys(_names(layers), uniform)}
    together = {how: trial.damage([(layer, bits[layer.name]) for layer in layers]) for how, bits in choices.items()}
    best = min(together, key=lambda how: (together[how], how))
    chosen = choices[best]
    return Shares(
        {name: chosen[layer.name] for layer in layers for name in layer.projections},
        (_layers_table(layers, widths, damage, chosen), _choices_table(layers, budget, choices, together, best)),
    )


def _names(layers: Iterable[Layer]) -> list[str]:
    return [layer.name for layer in layers]


def _cheapest(
    layers: Sequence[Layer], widths: range, damage: Mapping[tuple[str, int], float], budget: int
) -> dict[str, int]:
    """The widths with the least sum of damages; of equal ones those that take fewer bytes.

    A choice of one width for each layer under one limit: the best sum for each number of bytes, layer after layer.
    Bytes are counted in buckets, rounded up, so that the result fits.
    """
    bucket = max(budget / _BUCKETS, 1.0)
    room = int(budget / bucket)
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for layer in layers:
        found: dict[int, tuple[float, tuple[int, ...]]] = {}
        for used, (sum_, bits) in best.items():
            for width in widths:
                total = used + math.ceil(layer.bytes(width) / bucket)
                entry = (sum_ + damage[layer.name, width], (*bits, width))
                if total <= room and (total not in found or entry < found[total]):
                    found[total] = entry
        best = _pareto(found)
    if not best:  # fits, but not with every layer rounded up to a bucket
        return dict.fromkeys(_names(layers), LEAST)
    _, chosen = min(best.values())
    return dict(zip(_names(layers), chosen, strict=True))


def _pareto(found: Mapping[int, tuple[float, tuple[int, ...]]]) -> dict[int, tuple[float, tuple[int, ...]]]:
    """Those that are better than all that take fewer bytes."""
    kept: dict[int, tuple[float, tuple[int, ...]]] = {}
    least = math.inf
    for used in sorted(found):
        if found[used][0] < least:
            kept[used], least = found[used], found[used][0]
    return kept


# ---------------------------------------------------------------- damage


@dataclass
class _Trial:
    """Runs of a program with some weights rounded, against what it does without."""

    program: Program
    calibration: Calibration
    seed: int
    events: tuple[str, ...]
    wanted: list[dict[str, list[Array]]]

    @staticmethod
    def of(program: Program, calibration: Calibration, seed: int) -> _Trial:
        events = tuple(p.event for p in program.ops(snn.Population) if p.event is not None)
        trial = _Trial(program, _some(calibration), seed, events, [])
        trial.wanted = list(trial._runs(program))
        return trial

    def damage(self, rounded: Sequence[tuple[Layer, int]]) -> float:
        """0 where nothing changes: the mean, over populations and real outputs, of the share of what differs.

        Trains of events are compared after a decaying trace (M. van Rossum, "A Novel Spike Distance", 2001), so that
        a spike one step late costs less than one that is missing.
        """
        changed = _with_weights(self.program, rounded)
        sums: dict[str, Array] = {}
        for wanted, found in zip(self.wanted, self._runs(changed), strict=True):
            for name, values in wanted.items():
                keep = TRACE if name in self.events else 0.0
                sums[name] = sums.get(name, np.zeros(2)) + _difference(values, found[name], keep)
        shares = [min(1.0, float(off / whole)) if whole else float(off > 0) for off, whole in sums.values()]
        return float(np.mean(shares)) if shares else 0.0

    def _runs(self, program: Program) -> Iterable[dict[str, list[Array]]]:
        """Of each sample, by name: the events of each step, real outputs of each step and of the end."""
        engine = SnnEngine(program, Interface.of(program))
        for index, given in self.calibration.samples(engine.interface):
            engine.reset(self.seed, index)
            found: dict[str, list[Array]] = {name: [] for name in self.events}
            for trace in stepped(engine, given):
                for name in self.events:
                    found[name].append(np.array(engine.state(name)))
                for name, values in trace.outputs.items():
                    found.setdefault(f"output {name}", []).append(np.array(values))
            for name, values in engine.finish().items():
                found[f"output {name}"] = [np.array(values)]
            yield {name: values for name, values in found.items() if name in self.events or _is_real(values)}


def _is_real(values: Sequence[Array]) -> bool:
    return bool(values) and values[0].dtype.kind == "f"


def _difference(wanted: Sequence[Array], found: Sequence[Array], keep: float) -> Array:
    """The squared difference of two sequences, and the square of the first; `keep` of a value is left a step later."""
    sums, one, other = np.zeros(2), np.zeros(()), np.zeros(())
    for left, right in zip(wanted, found, strict=True):
        one, other = np.asarray(keep * one + left), np.asarray(keep * other + right)
        sums += np.square(one - other).sum(), np.square(one).sum()
    return sums


def _some(calibration: Calibration) -> Calibration:
    """At most SAMPLES of the samples, evenly spread."""
    count = len(calibration.chosen)
    if count <= SAMPLES:
        return calibration
    places = np.linspace(0, count - 1, SAMPLES).round().astype(np.int64)
    arrays = {name: array[places] for name, array in calibration.arrays.items()}
    return replace(calibration, arrays=arrays, chosen=calibration.chosen[places])


def _with_weights(program: Program, rounded: Sequence[tuple[Layer, int]]) -> Program:
    """The program with the weights of some layers rounded."""
    copy = program.clone()
    symbols, store = copy.symbols(), Store(copy)
    with copy.module.context, ir.Location.unknown():
        for layer, bits in rounded:
            views = [snn.Synapses(symbols[projection]) for projection in layer.projections]
            weight = _weight(copy, store, views[0], layer.rounded(bits))
            for view in views:
                view.operation.attributes["weight"] = weight
    return copy


def _weight(program: Program, store: Store, view: snn.Synapses, values: Array) -> Any:
    """The attribute for these weights: a number, or a constant of the shape that the projection's had."""
    symbol = symbol_of(view.weight)
    if symbol is None:
        return ir.FloatAttr.get(view.weight.type, float(values.reshape(-1)[0]))
    type = snn.Constant(program.symbols()[symbol]).type
    array = values.astype(program.constants[symbol].dtype)
    return ir.FlatSymbolRefAttr.get(
        store.array(f"{symbol}.rounded", array, type, view.operation.location, view.operation)
    )


# ---------------------------------------------------------------- tables


def _layers_table(
    layers: Sequence[Layer], widths: range, damage: Mapping[tuple[str, int], float], chosen: Mapping[str, int]
) -> Table:
    """What each layer got, and what it would have lost with each width, alone."""
    columns = ("weights", "count", "bits", "bytes", *(f"damage at {bits}" for bits in widths))
    rows: list[tuple[Cell, ...]] = [
        (
            layer.name,
            layer.count,
            chosen[layer.name],
            math.ceil(layer.bytes(chosen[layer.name])),
            *(damage[layer.name, bits] for bits in widths),
        )
        for layer in layers
    ]
    return Table("quantize: widths by layer", columns, tuple(rows))


def _choices_table(
    layers: Sequence[Layer],
    budget: int,
    choices: Mapping[str, Mapping[str, int]],
    together: Mapping[str, float],
    best: str,
) -> Table:
    """The two ways to share out the budget, and the damage that each does."""
    rows = [
        (
            how,
            _shown(bits),
            math.ceil(sum(layer.bytes(bits[layer.name]) for layer in layers)),
            budget,
            together[how],
            how == best,
        )
        for how, bits in choices.items()
    ]
    columns = ("widths", "bits", "bytes", "budget", "damage", "taken")
    return Table("quantize: budget", columns, tuple(rows))


def _shown(bits: Mapping[str, int]) -> str:
    low, high = min(bits.values()), max(bits.values())
    return str(low) if low == high else f"{low} to {high}"
