"""From a trained network of activations to a network of spiking neurons.

    activations  what is an activation
    observed     how far it reaches, and its scale
    normalized   activations as whole numbers, or as parts of one; the factors go to the weights
    exact        weights on grids, so that sums have no rounding
    linearity    what ops do to streams
    neurons      the programs of the spiking neurons
    spiking      values as streams, activations as populations
    quality      what the spikes are beside the activations

`docs/convert.md` says what becomes of what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Cell, Table
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.passes import structure
from spikec.passes.calibration import Calibration, place
from spikec.passes.canonicalize import Canonicalize
from spikec.passes.canonicalize.states import written
from spikec.passes.convert_ann import activations, exact, observed, quality, spiking
from spikec.passes.convert_ann.activations import Activation
from spikec.passes.convert_ann.normalized import Normalizer
from spikec.passes.fuse import Fuse
from spikec.runtime.interface import Input, Interface

RATE_STEPS = 100
RATE_PERCENTILE = 99.9


@dataclass(frozen=True)
class ConvertAnn:
    """Replaces activations (ReLU, clip, quantised) by spiking neurons that reach the same values."""

    name: ClassVar[str] = "convert-ann"
    level: ClassVar[str] = "snn"

    neuron: Literal["bipolar", "rate", "none"] = field(
        default="bipolar",
        metadata={"help": "bipolar: spikes add up to the quantised activations exactly; none: these themselves"},
    )
    levels: int = field(default=15, metadata={"help": "steps above zero of an activation that is not quantised yet"})
    inputs: int = field(default=255, metadata={"help": "steps of an input to either side of zero"})
    steps: int | None = field(default=None, metadata={"help": "steps of an inference; none: as many as are needed"})
    calibrate: str | None = field(default=None, metadata={"help": "FILE[:KEY] with inputs that bring about the ranges"})
    percentile: float | None = field(
        default=None, metadata={"help": "scale of activations: this share lies below the top; none: least error"}
    )

    def __post_init__(self) -> None:
        for name, high in (("levels", 1 << 15), ("inputs", 1 << 20), ("steps", 1 << 24)):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= high:
                raise ValueError(f"'{name}' is {value}; it must be 1 to {high}")
        if self.percentile is not None and not 0 < self.percentile <= 100:
            raise ValueError(f"'percentile' is {self.percentile:g}; it must be above 0 and at most 100")

    def files(self) -> Sequence[Path]:
        """The files that decide the result."""
        return [place(self.calibrate)[0]] if self.calibrate is not None else []

    def run(self, program: Program) -> Program:
        """The spiking network.  Raises CompileError with all that has no form in spikes."""
        with program.module.context, ir.Location.unknown():
            try:
                return self._run(Fuse().run(program))
            except Refusal as refusal:
                raise CompileError([refusal.diagnostic(self.name)]) from None

    def _run(self, program: Program) -> Program:
        rate = self.neuron == "rate"
        if refused := spiking.refusals(program, rate):
            raise CompileError([refusal.diagnostic(self.name) for refusal in refused])
        found = activations.find(program)
        if not found:
            help = "an activation is relu(x), clamp(x, 0, high) or clamp(floor(x), 0, levels)"
            raise Refusal("E1283", "the network has no activation that could become neurons", help=help)
        data = self._data(program)
        scales = self._scales(program, found, data)
        ann = self._normalized(program, found, scales, data)
        whole = False
        if not rate:
            ann, whole = exact.exact(ann)
        if self.neuron == "none":
            return ann.noted(self._table(ann, scales, whole))
        made = ann.clone()
        kept = _kept(made)
        steps = self.steps or (RATE_STEPS if rate else max(spiking.settling(made, kept).values()))
        layers = spiking.Spiking(made, kept, rate, steps).run()
        made = Canonicalize().run(made).noted(self._table(ann, scales, whole, steps))
        return made if data is None else made.noted(quality.compare(ann, _kept(ann), made, layers, steps, data))

    # ------------------------------------------------------------ ranges

    def _data(self, program: Program) -> Calibration | None:
        """The calibration data: samples of one step each, or sequences where the network remembers."""
        if self.calibrate is None:
            return None
        return Calibration.read(self.calibrate, Interface.of(program), None if written(program) else 1)

    def _scales(self, program: Program, found: list[Activation], data: Calibration | None) -> list[_Scale]:
        """The scale of each activation; all that are not known at once."""
        if data is None:
            return [self._declared(activation) for activation in found]
        every = observed.values_of(program, [activation.base for activation in found], data)
        return [self._seen(activation, values) for activation, values in zip(found, every, strict=True)]

    def _declared(self, activation: Activation) -> _Scale:
        if activation.levels is not None and self.neuron != "rate":
            return _Scale(None, activation.levels)
        if np.isfinite(activation.high):
            steps = 1 if self.neuron == "rate" else self.levels
            return _Scale(activation.high / steps, steps)
        text = f"how far the activation '{activation.name}' reaches is not known"
        raise Refusal("E1284", text, structure.defining(activation.value), "give calibrate=FILE[:KEY]")

    def _seen(self, activation: Activation, values: Array) -> _Scale:
        if activation.levels is not None and self.neuron != "rate":
            return _Scale(None, activation.levels, float(np.mean(values > activation.levels)))
        reached = observed.activated(values, activation)
        rate = self.neuron == "rate"
        percentile = RATE_PERCENTILE if rate and self.percentile is None else self.percentile
        steps = 1 if rate else self.levels
        size = observed.scale(reached, steps, percentile)
        return _Scale(size, steps, float(np.mean(reached > size * steps)))

    # ------------------------------------------------------------ the network in whole numbers

    def _normalized(
        self, program: Program, found: list[Activation], scales: list[_Scale], data: Calibration | None
    ) -> Program:
        rewriting = Normalizer(program)
        for activation, scale in zip(found, scales, strict=True):
            rewriting.activation(activation, scale.size, None if self.neuron == "rate" else scale.levels)
        if self.neuron != "rate":
            for number, given in enumerate(Interface.of(program).inputs):
                if not given.dtype.startswith("float"):
                    continue
                low, high, whole = _reach(given, data)
                reach = max(abs(low), abs(high))
                size = 1.0 if (whole and reach <= self.inputs) or reach == 0 else reach / self.inputs
                rewriting.input(number, size, self.inputs, low < 0)
        return Fuse().run(program)

    def _table(self, ann: Program, scales: list[_Scale], whole: bool, steps: int | None = None) -> Table:
        """What each activation became; "rests after" is the step from which on its neurons keep silent."""
        columns = ("layer", "neurons", "levels", "scale", "clipped", "rests after")
        kept = _kept(ann)
        rests = spiking.settling(ann, kept)
        rows: list[tuple[Cell, ...]] = []
        for activation, scale in zip(kept, scales, strict=True):
            size = int(np.prod(activation.value.type.shape, dtype=int))
            exactly = rests[activation.value] if whole else None
            rows.append((activation.name, size, activation.levels, scale.size, scale.clipped, exactly))
        lasts = f": {steps} steps" if steps is not None else ""
        return Table(f"convert-ann{lasts}", columns, tuple(rows))


@dataclass(frozen=True)
class _Scale:
    """The size of a step of an activation (None: it has whole numbers already), and which share of its values is cut
    off, where that was seen."""

    size: float | None
    levels: int
    clipped: float | None = None


def _kept(program: Program) -> list[Activation]:
    """The activations of a normalised network; inputs are rounded to even."""
    return [activation for activation in activations.find(program) if activation.rounding != "math.roundeven"]


def _reach(given: Input, data: Calibration | None) -> tuple[float, float, bool]:
    """The least and the greatest value of an input, and whether all are whole numbers."""
    values = data.arrays[given.name] if data is not None else None
    whole = values is not None and bool(np.all(values == np.floor(values)))
    if given.low is not None and given.high is not None:
        return given.low, given.high, whole
    if values is not None:
        return float(values.min()), float(values.max()), whole
    help = f"declare it (`input {given.name} : real[...] in [lo, hi]`), or give calibrate=FILE"
    raise Refusal("E1214", f"the range of the input '{given.name}' is not known", help=help)


__all__ = ["ConvertAnn"]
