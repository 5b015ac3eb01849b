"""From a real-valued network to integers with scales.

    classes      which values share a scale
    budget       the bits of each layer's weights, where bytes are limited
    weights      the integers of weights, and their scales
    scales       the scale of each class
    affine       sums with coefficients, the reals between two integers
    arithmetic   such a sum as integer code
    translate    an op at a time
    network      states, synapses, programs and entry points
    quality      what was lost

`docs/quantize.md` has the arithmetic for readers of the generated code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from spikec.dialects import connectors, snn
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.functions import signature, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal, span_of
from spikec.passes.calibration import Calibration, Seen, place, read_labels
from spikec.passes.canonicalize import Canonicalize
from spikec.passes.narrow import Narrow
from spikec.passes.quantize import ranges, report
from spikec.passes.quantize.arithmetic import Arithmetic
from spikec.passes.quantize.budget import Layer, Shares, shared_out
from spikec.passes.quantize.classes import Classes, is_real
from spikec.passes.quantize.network import Network
from spikec.passes.quantize.quality import compare
from spikec.passes.quantize.ranges import Reaches
from spikec.passes.quantize.scales import Scales, Weights, greatest_sum
from spikec.passes.quantize.weights import Unquantizable, quantized
from spikec.runtime.interface import Input, Interface
from spikec.runtime.memory import bytes_of

ACC = 32  # bits of sums over a run, which no population owns


@dataclass(frozen=True)
class Quantize:
    """Replaces real numbers by integers with scales: weights, states, sums, thresholds and decays."""

    name: ClassVar[str] = "quantize"
    level: ClassVar[str] = "snn"

    weights: int = field(default=8, metadata={"help": "bits of a weight, 1 to 16"})
    state: int = field(default=16, metadata={"help": "bits of a neuron's state, 2 to 32"})
    acc: int | None = field(
        default=None, metadata={"help": "bits that sums of arrivals must fit in; 32 or more as needed"}
    )
    scale: Literal["mse", "symmetric", "minmax", "percentile", "pow2"] = field(
        default="mse", metadata={"help": "how the scale of weights is found; pow2: weights are 0 or +-2^k"}
    )
    per: Literal["tensor", "channel"] = field(
        default="tensor", metadata={"help": "one scale per tensor or per channel"}
    )
    decay: Literal["multiply", "shift"] = field(
        default="multiply", metadata={"help": "factors as products or as shifts"}
    )
    round: Literal["nearest", "floor", "zero", "even"] = field(
        default="nearest", metadata={"help": "rounding of run-time shifts"}
    )
    calibrate: str | None = field(default=None, metadata={"help": "FILE[:KEY] with inputs that bring about the ranges"})
    labels: str | None = field(default=None, metadata={"help": "FILE[:KEY] with the right answer for each sample"})
    steps: int | None = field(default=None, metadata={"help": "steps of a calibration run, for which a sample is held"})
    seed: int = field(default=0, metadata={"help": "seed of the calibration runs"})
    budget: str | None = field(
        default=None,
        metadata={"help": "bytes for all weights, as 24KB: each layer gets its own bits, at most `weights`"},
    )

    def __post_init__(self) -> None:
        if self.budget is not None:
            bytes_of(self.budget)
            if self.calibrate is None and self.steps is None:
                raise ValueError("'budget' needs 'calibrate': what a layer loses is measured on data")
        for name, low, high in (("weights", 1, 16), ("state", 2, 32), ("acc", 4, 64), ("steps", 1, 1 << 31)):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"'{name}' is {value}; it must be {low} to {high}")
        if self.labels is not None and self.calibrate is None:
            raise ValueError("'labels' needs 'calibrate'")

    def files(self) -> Sequence[Path]:
        """The files that decide the result."""
        return [place(text)[0] for text in (self.calibrate, self.labels) if text is not None]

    def run(self, program: Program) -> Program:
        """The integer program.  Raises CompileError for what has no integer form."""
        with program.module.context, ir.Location.unknown():
            try:
                return self._run(program)
            except Refusal as refusal:
                raise CompileError([refusal.diagnostic("quantize")]) from None

    def _run(self, program: Program) -> Program:
        classes = Classes(program)
        data = Calibration.given(program, self.calibrate, self.steps)
        shares = self._shares(program, data)
        weights = self._weights(program, shares.bits)
        if data is None:
            reaches = ranges.proven(program, classes.ranges)
        else:
            reaches = ranges.observed(program, data, self.seed)
        inputs = self._inputs(program, reaches)
        scales = Scales(classes, weights, inputs, reaches.state, reaches.values, self.state, ACC)
        arithmetic = Arithmetic(self.round, self.decay)
        powers = self.scale == "pow2"
        made = Network(program, classes, scales, weights, arithmetic, self.acc, powers).run()
        made = Narrow().run(Canonicalize().run(made))
        made = made.noted(*shares.tables, *report.notes(shares.bits, made, weights, arithmetic.shifts))
        if data is None:
            return made
        labels = read_labels(self.labels, data) if self.labels is not None else None
        return made.noted(*compare(program, made, data, labels, self.seed))

    # ------------------------------------------------------------ weights

    def _shares(self, program: Program, data: Calibration | None) -> Shares:
        """The bits of each projection's weights: the same for all, or what a budget allows."""
        if self.budget is None or data is None:
            return Shares({view.sym_name: self.weights for view in program.ops(snn.Synapses)})
        layers: dict[str, Layer] = {}
        for view in program.ops(snn.Synapses):
            values = real_weights(view, program)
            if values is None:
                continue
            name = symbol_of(view.weight) or view.sym_name
            if name in layers:
                layers[name] = layers[name].shared_by(view.sym_name)
            else:
                layers[name] = Layer(name, (view.sym_name,), values.size, partial(self._rounded, view, values))
        return shared_out(program, list(layers.values()), bytes_of(self.budget), self.weights, data, self.seed)

    def _rounded(self, view: snn.Synapses, values: Array, bits: int) -> Array:
        return quantized(values, bits, self.scale, self._axis(view, values)).real

    def _weights(self, program: Program, bits: Mapping[str, int]) -> dict[str, Weights]:
        """The integer weights of each projection with real ones; all mistakes at once."""
        found: dict[str, Weights] = {}
        mistakes: list[Diagnostic] = []
        for view in program.ops(snn.Synapses):
            values = real_weights(view, program)
            if values is None:
                continue
            try:
                made = quantized(values, bits[view.sym_name], self.scale, self._axis(view, values))
            except Unquantizable as error:
                text = f"quantize: the weights of '{view.sym_name}': {error}"
                mistakes.append(Diagnostic(error.code, "error", text, span_of(view.operation), help=error.help))
                continue
            found[view.sym_name] = Weights(made, greatest_sum(view, made.values, program.symbols()))
        if mistakes:
            raise CompileError(mistakes)
        return found

    def _axis(self, view: snn.Synapses, values: Array) -> int | None:
        kind = ir.StringAttr(view.connect["kind"]).value
        if self.per == "tensor" or values.ndim < 2:
            return None
        return 0 if kind == "conv" else 1

    # ------------------------------------------------------------ inputs

    def _inputs(self, program: Program, reaches: Reaches) -> dict[str, float]:
        """The scale of each real input, which has the bits of a state."""
        types = signature(program.symbols()["step"]).inputs
        return {
            given.name: self._input(given, reaches.input(given.name))
            for given, type in zip(Interface.of(program).inputs, types, strict=True)
            if is_real(type)
        }

    def _input(self, given: Input, seen: Seen | None) -> float:
        limits = [abs(v) for v in (given.low, given.high) if v is not None]
        if seen is not None and seen.whole and seen.magnitude < 1 << (self.state - 1):
            return 1.0
        if not limits and seen is None:
            raise Refusal(
                "E1214",
                f"the range of the input '{given.name}' is not known",
                help=f"declare it (`input {given.name} : real[...] in [lo, hi]`), or give calibrate=FILE",
            )
        reach = max(limits, default=seen.magnitude if seen is not None else 0.0)
        least = reach / ((1 << (self.state - 1)) - 1)
        return 2.0 ** float(np.ceil(np.log2(least))) if least > 0 else 1.0


def real_weights(view: snn.Synapses, program: Program) -> Array | None:
    """The weights of a projection as reals, [pre, post] flattened per side (convolutions in their own shape);
    None for integer weights."""
    name = symbol_of(view.weight)
    if name is None:
        return np.asarray([view.weight.value], np.float32) if is_real(view.weight.type) else None
    if connectors.weight_function(view, program.symbols()) is not None:
        text = f"the weights of '{view.sym_name}' are computed for each synapse"
        raise Refusal("E0901", text, view.operation, help="quantize needs weights that are numbers or arrays")
    if name not in program.constants:
        raise Refusal("E0802", f"the constants have no array '{name}'", view.operation)
    array = program.constants[name]
    if array.dtype.kind != "f":
        return None
    return array.reshape(view.pre, view.post) if connectors.weight_layout(view) == "pair" else array


__all__ = ["Quantize"]
