"""Neurons that are never or too often active on calibration data, and the weights that go with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from spikec.analysis.moves import moved
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.functions import MOVES
from spikec.dialects.notes import Table
from spikec.dialects.program import Program
from spikec.passes import structure
from spikec.passes.calibration import Calibration, activity
from spikec.passes.sparsify.layers import Layer

SUMS = ("arith.addf", "arith.subf", "arith.addi", "arith.subi")


class Removal:
    """The neurons of a program that go; populations whose events lead to no projection keep all of theirs."""

    def __init__(self, program: Program, data: Calibration, seed: int, silent: bool, most: float) -> None:
        self._symbols = program.symbols()
        self._ops = [operation.operation for operation in self._symbols["step"].regions[0].blocks[0].operations]
        self._numbers: dict[str, Array] = {}
        self._count = 0
        self._events: dict[str, str] = {}
        rates = activity(program, data, seed)
        self._numbered(rates)
        self._sources = self._senders()
        self._targets = self._receivers()
        sending = np.concatenate([np.arange(0), *(own.reshape(-1) for ends in self._sources.values() for own in ends)])
        self._gone = np.zeros(self._count + 1, bool)  # the last one stands for all that is no neuron
        self._rows = []
        for name, rate in rates.items():
            own = self._numbers[name]
            sends = np.isin(own, sending)
            never, often = (rate == 0) & sends & silent, (rate > most) & sends
            self._gone[own[never | often]] = True
            self._rows.append((name, own.size, int(never.sum()), int(often.sum())))

    def table(self) -> Table:
        """How many neurons of each population go, and why."""
        return Table("sparsify: neurons", ("population", "neurons", "silent", "too active"), tuple(self._rows))

    def stays(self, layer: Layer) -> Array:
        """Which weights (flat) a projection of the layer has with two neurons that stay."""
        gone = np.ones(layer.size.size, bool)
        for view, geometry in layer.used():
            for source in self._sources.get(view.sym_name, []):
                for target in self._targets.get(view.sym_name, [np.full(view.post, -1)]):
                    lost = self._gone[source.reshape(-1)], self._gone[target.reshape(-1)]
                    gone &= _lost_of_channels(layer, *lost, geometry) if geometry else _lost(layer, *lost)
            if view.sym_name not in self._sources:
                gone[:] = False
        return ~gone

    # ------------------------------------------------------------ who sends and receives

    def _numbered(self, rates: dict[str, Array]) -> None:
        """Gives every neuron a number."""
        for name, rate in rates.items():
            self._numbers[name] = self._count + np.arange(rate.size).reshape(rate.shape)
            self._count += rate.size
            event = snn.Population(self._symbols[name]).event
            if event is not None:
                self._events[event] = name

    def _senders(self) -> dict[str, list[Array]]:
        """For each projection the neurons whose events it gets, -1 for what is none; one array for each propagate."""
        values: dict[Any, Array] = {}
        found: dict[str, list[Array]] = {}

        def of(value: Any) -> Array:
            return values.get(value, np.full(tuple(getattr(value.type, "shape", ())), -1))

        for op in self._ops:
            if op.name == snn.Update.name() and snn.Update(op).population in self._numbers:
                values[op.results[0]] = self._numbers[snn.Update(op).population]
            elif op.name == snn.Read.name() and snn.Read(op).of in self._events:
                values[op.results[0]] = self._numbers[self._events[snn.Read(op).of]]
            elif op.name in MOVES:
                values[op.results[0]] = moved(op, *map(of, op.operands))
            elif op.name == snn.Propagate.name():
                own = of(op.operands[0])
                found.setdefault(snn.Propagate(op).synapses, []).append(own)
        return found

    def _receivers(self) -> dict[str, list[Array]]:
        """For each projection the neurons that it alone leads to, one array for each propagate."""
        found: dict[str, list[Array]] = {}
        for op in self._ops:
            if op.name == snn.Update.name() and snn.Update(op).population in self._numbers:
                for operand in op.operands:
                    self._received(operand, self._numbers[snn.Update(op).population], found)
        return found

    def _received(self, value: Any, neurons: Array, found: dict[str, list[Array]]) -> None:
        op = structure.defining(value)
        if op is None or len(structure.users(value)) != 1:
            return
        if op.name in SUMS:
            for operand in op.operands:
                self._received(operand, neurons, found)
        elif op.name in structure.RESHAPES:
            self._received(op.operands[0], neurons.reshape(tuple(op.operands[0].type.shape)), found)
        elif op.name == snn.Propagate.name():
            found.setdefault(snn.Propagate(op).synapses, []).append(neurons)
            self._received(op.operands[1], neurons, found)


def _lost(layer: Layer, source: Array, target: Array) -> Array:
    lost: Array = source[layer.places.source] | target[layer.places.target]
    return lost


def _lost_of_channels(layer: Layer, source: Array, target: Array, shape: Convolution) -> Array:
    """A kernel serves all positions of two channels, so it goes when all neurons of one of them do."""
    inputs = np.asarray(source.reshape(shape.input[0], -1).all(axis=1))
    outputs = np.asarray(target.reshape(shape.output[0], -1).all(axis=1))
    lost: Array = inputs[_channels(layer, shape)] | outputs[layer.places.target]
    return lost


def _channels(layer: Layer, shape: Convolution) -> Array:
    """The input channel of each weight, counted over all groups."""
    members, channels = shape.input[0] // shape.groups, shape.output[0] // shape.groups
    found: Array = layer.places.target // channels * members + layer.places.source
    return found


def carried(layer: Layer, flow: Mapping[str, Array]) -> Array:
    """What each weight (flat) adds to its target in a step on average, in magnitude; `flow` is `calibration.flow`'s."""
    sent = np.zeros(layer.size.size)
    for view, shape in layer.used():
        mean = flow.get(view.sym_name)
        if mean is not None and shape is not None:
            sent += mean.reshape(shape.input[0], -1).mean(axis=1)[_channels(layer, shape)]
        elif mean is not None:
            sent += mean[layer.places.source]
    return np.where(sent == 0, 0.0, layer.size * sent)
