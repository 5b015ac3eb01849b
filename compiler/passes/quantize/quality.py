"""What quantisation cost: the integer network beside the real one, as tables of a report.

Both run on the reference interpreter with the same inputs and random numbers.  Of two trains of spikes the
agreement is 2 c / (a + b): a and b count the events of each, c those at the same step and neuron with the same
value.  The error of a state is its signal to noise ratio over all steps, real against integer * scale; after the
first spike that differs it says how far the two have drifted apart, not how well a value is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError, Diagnostic, did_you_mean
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.passes.calibration import Calibration, stepped
from spikec.passes.quantize.weights import Quantized
from spikec.runtime.interface import Interface, Output
from spikec.runtime.reference.engine import SnnEngine


def weights_table(rows: Iterable[tuple[str, int, Quantized]]) -> Table:
    """(projection, bits, its weights) as a table; of several scales the range, of no noise an infinite ratio."""
    columns = ("projection", "weights", "bits", "scale", "clipped", "SQNR dB", "exact")
    return Table(
        "quantize: weights",
        columns,
        tuple(
            (name, made.values.size, bits, _range(made.scale), made.clipped, made.sqnr, made.exact)
            for name, bits, made in rows
        ),
    )


def _range(scale: Array) -> float | str:
    low, high = float(scale.min()), float(scale.max())
    return low if low == high else f"{low:.4g} .. {high:.4g}"


@dataclass
class _Population:
    """Events of a population in both runs."""

    event: str
    real: int = 0
    integer: int = 0
    common: int = 0

    def add(self, real: Array, integer: Array) -> None:
        self.real += int(np.count_nonzero(real))
        self.integer += int(np.count_nonzero(integer))
        self.common += int(np.count_nonzero((real != 0) & (real == integer)))

    @property
    def agreement(self) -> float:
        return 2 * self.common / (self.real + self.integer) if self.real + self.integer else 1.0


@dataclass
class _State:
    """A state in both runs; `scale` makes reals of the integers."""

    scale: Array
    signal: float = 0.0
    noise: float = 0.0

    def add(self, real: Array, integer: Array) -> None:
        wanted = real.astype(np.float64)
        self.signal += float(np.square(wanted).sum())
        self.noise += float(np.square(wanted - integer * self.scale).sum())

    @property
    def sqnr(self) -> float | None:
        if self.noise == 0:
            return math.inf
        return 10 * math.log10(self.signal / self.noise) if self.signal and math.isfinite(self.signal) else None


@dataclass
class _Task:
    """How many samples the two networks label rightly."""

    output: str
    labels: Array
    real: int = 0
    integer: int = 0

    def add(self, number: int, real: dict[str, Array], integer: dict[str, Array]) -> None:
        self.real += int(real[self.output].item() == self.labels[number])
        self.integer += int(integer[self.output].item() == self.labels[number])


@dataclass
class _Comparison:
    populations: dict[str, _Population]
    states: dict[str, _State]
    task: _Task | None = None

    def tables(self) -> tuple[Table, ...]:
        found = [
            Table(
                "quantize: spikes",
                ("population", "real", "integer", "agreement"),
                tuple((name, p.real, p.integer, p.agreement) for name, p in self.populations.items()),
            ),
            Table("quantize: states", ("state", "SQNR dB"), tuple((n, s.sqnr) for n, s in self.states.items())),
        ]
        if self.task is not None:
            task, count = self.task, len(self.task.labels)
            row = (task.output, count, task.real / count, task.integer / count)
            found.append(Table("quantize: accuracy", ("output", "samples", "real", "integer"), (row,)))
        return tuple(table for table in found if table.rows)


def compare(
    real: Program,
    integer: Program,
    calibration: Calibration | None,
    labels: Array | None = None,
    seed: int = 0,
    output: str | None = None,
) -> tuple[Table, ...]:
    """Runs both programs (level `snn`) on the calibration data and tables what differs.

    `labels` has one integer per sample that is used (`calibration.read_labels`); `output` names what they label
    where `@finish` has several outputs of one integer.  Without calibration data there is nothing to tell.
    Raises CompileError where labels are given and there is no such output.
    """
    if calibration is None:
        return ()
    comparison = _comparison(real, integer)
    interface = Interface.of(real)
    if labels is not None:
        comparison.task = _Task(_labelled(interface, output), labels)
    one, other = SnnEngine(real, interface), SnnEngine(integer, Interface.of(integer))
    pairs = zip(calibration.samples(one.interface), calibration.samples(other.interface), strict=True)
    for number, ((index, given), (_, converted)) in enumerate(pairs):
        one.reset(seed, index)
        other.reset(seed, index)
        for _ in zip(stepped(one, given), stepped(other, converted), strict=True):
            for population in comparison.populations.values():
                population.add(one.state(population.event), other.state(population.event))
            for name, state in comparison.states.items():
                state.add(one.state(name), other.state(name))
        if comparison.task is not None:
            comparison.task.add(number, one.finish(), other.finish())
    return comparison.tables()


def _comparison(real: Program, integer: Program) -> _Comparison:
    """What both programs have."""
    kept = {p.sym_name: p for p in integer.ops(snn.Population)}
    scales = {s.sym_name: _scale(integer, s) for s in integer.ops(snn.State)}
    populations, states = {}, {}
    for population in real.ops(snn.Population):
        if population.sym_name not in kept:
            continue
        if population.event is not None and kept[population.sym_name].event == population.event:
            populations[population.sym_name] = _Population(population.event)
        for name in population.states:
            scale = scales.get(name)
            if scale is not None:
                states[name] = _State(scale)
    return _Comparison(populations, states)


def _scale(program: Program, state: Any) -> Array | None:
    """The scale of a state of an integer program: rank 0, or of the state's shape; None where it has none."""
    if state.scale is None:
        return None
    name = symbol_of(state.scale)
    if name is not None:
        return np.asarray(program.constants[name], np.float64).reshape(state.type.shape)
    return np.asarray(ir.FloatAttr(state.scale).value)


def _labelled(interface: Interface, asked: str | None) -> str:
    """The name of the output that labels are compared with."""
    names = [o.name for o in interface.outputs if _is_label(o)]
    if asked is None and len(names) == 1:
        return names[0]
    if asked in names:
        return str(asked)
    listed = f"those of {interface.model} are {', '.join(names)}" if names else f"{interface.model} has none"
    message = "labels are compared with an output of one integer at the end of the run"
    help = "name it" if asked is None and names else did_you_mean(asked or "", names)
    wrong = "" if asked is None else f"'{asked}' is none; "
    raise CompileError([Diagnostic("E1208", "error", f"{message}; {wrong}{listed}", help=help)])


def _is_label(output: Output) -> bool:
    return not output.stream and math.prod(output.shape) == 1 and np.dtype(output.dtype).kind == "i"
