"""What a run costs, layer by layer: counts of work, bytes, and bits times operations.

A layer is a projection or a population under its name in the network; all else (streams, encoders, records of probes)
is one more.  Additions and multiplications follow from what a run does: the weight additions of each projection, and
the programs of neurons in every step.  Bytes moved, energy and cycles are those of `analysis.estimate` at the rates of
the run.

S-ACE and the bit budget weigh operations with their bits (G. Shen et al., "Are Conventional SNNs Really Efficient? A
Perspective from Network Quantization", CVPR 2024; ACE itself is from Y. Zhang et al., "PokeBNN", CVPR 2022).  With
b_w bits of a weight, b_s bits of what a source sends, T steps and M synapses:

    S-ACE      = T * M * b_w * b_s           as if every synapse had an event in every step
    NS-ACE     = additions * b_w * b_s       of the additions that were done
    bit budget = T * b_w * b_s               of a network: S-ACE / M, the mean over its synapses
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from spikec.analysis import ranges
from spikec.analysis.cost_model import ASSUMED
from spikec.analysis.costs import Cost, Network
from spikec.analysis.estimate import blocks, energy_of, estimate
from spikec.dialects import snn, step
from spikec.dialects.functions import result_roles, symbol_of, walk
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.propagations import Propagation
from spikec.runtime.interface import ADDED, EMITTED

REST = "streams and records"


@dataclass(frozen=True)
class Activity:
    """What `samples` runs of `steps` steps did: events by population, weight additions by projection."""

    steps: int
    samples: int
    spikes: Mapping[str, float]
    projections: Mapping[str, float]

    @property
    def slices(self) -> int:
        """Steps of all samples."""
        return self.steps * self.samples


@dataclass
class Counts:
    """Work of a run.  `bits_moved` are bits of weights, states and lists of events; `energy_nj` is in nJ."""

    synaptic_events: float = 0
    additions: float = 0
    multiplications: float = 0
    bits_moved: float = 0
    s_ace: float = 0
    ns_ace: float = 0
    energy_nj: float = 0


@dataclass
class Layer(Counts):
    """One layer.

    `size` are synapses, or neurons.  `weight_bits` and `spike_bits` are b_w and b_s; `weight_bytes` are weights with
    their indices, or arrays of parameters, and `state_bytes` states with their histories.
    """

    name: str = ""
    kind: str = "other"
    size: int = 0
    storage: str = ""
    weight_bits: int | None = None
    spike_bits: int | None = None
    weight_bytes: int = 0
    state_bytes: int = 0


COUNTED = tuple(entry.name for entry in fields(Counts))


@dataclass(frozen=True)
class Account:
    """The layers of a run on a target, and their sum; `cycles` are those of one step, None without a target."""

    layers: tuple[Layer, ...]
    total: Layer
    cycles: float | None


def assumed(network: Program, program: Program, steps: int) -> Activity:
    """What a run does at the assumed rate of events; `network` and `program` are the two levels."""
    with program.module.context:
        additions = _additions(Network(program, {"*": ASSUMED}))
    symbols = network.symbols()
    spiking = {view.sym_name for view in network.ops(snn.Population) if _spikes(symbols[view.neuron])}
    spikes = {name: steps * ASSUMED * count if name in spiking else 0 for name, count in neurons(network).items()}
    return Activity(
        steps, 1, spikes, {view.sym_name: steps * additions[view.sym_name] for view in network.ops(snn.Synapses)}
    )


def _spikes(neuron: Any) -> bool:
    return any(role == "event" for role, _ in result_roles(neuron))


def neurons(network: Program) -> dict[str, int]:
    """The number of neurons of each population that a run reports."""
    return {view.sym_name: math.prod(view.shape) for view in network.ops(snn.Population) if not view.hidden}


def synapses(network: Program, program: Program) -> dict[str, int]:
    """The additions of each projection in a step in which all of its sources are active."""
    with program.module.context:
        found = _additions(Network(program, 1.0))
    return {view.sym_name: round(found[view.sym_name]) for view in network.ops(snn.Synapses)}


def _additions(network: Network) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for stage in network.order():
        for op in network.ops(stage):
            if isinstance(op, Propagation):
                found[_projection(op)] += network.cost(op).synaptic
    return found


def account(network: Program, program: Program, activity: Activity, target: str | None) -> Account:
    """The account of a run of a network, `network` at level `snn` and `program` at level `step`.

    Without a `target` there is neither energy nor cycles.  Raises ValueError for a target that has no model.
    """
    sizes, bits = synapses(network, program), _spike_bits(network)
    rates = _rates(network, activity, sizes)
    cycles = estimate(program, target, rates).total.cycles if target is not None else None
    with program.module.context, ir.Location.unknown():
        sheet = _Sheet(network, program, activity, sizes, rates)
        sheet.fill(target)
        for name, table in sheet.tables.items():
            _weigh(sheet.layers[name], activity, _weight_bits(program, table), bits[name])
        layers = sorted(sheet.layers.values(), key=lambda layer: layer.kind == "other")
        return Account(tuple(layers), sheet.total(), cycles)


def _rates(network: Program, activity: Activity, sizes: Mapping[str, int]) -> dict[str, float]:
    """Events per element and step: of populations, and of the sources of each projection."""
    found = {"*": ASSUMED}
    for name, count in neurons(network).items():
        found[name] = activity.spikes[name] / (count * activity.slices)
    for name, size in sizes.items():
        found[name + ADDED] = activity.projections[name] / (size * activity.slices) if size else 0.0
    return found


def _weigh(layer: Layer, activity: Activity, weight_bits: int, spike_bits: int) -> None:
    layer.weight_bits, layer.spike_bits = weight_bits, spike_bits
    layer.s_ace = activity.slices * layer.size * weight_bits * spike_bits
    layer.ns_ace = layer.synaptic_events * weight_bits * spike_bits


class _Sheet:
    """The layers, while the ops of a step are put to their account."""

    def __init__(
        self,
        network: Program,
        program: Program,
        activity: Activity,
        sizes: Mapping[str, int],
        rates: Mapping[str, float],
    ) -> None:
        self.layers: dict[str, Layer] = {}
        self.tables: dict[str, step.Table] = {}
        self._costs = Network(program, rates)
        self._activity, self._sizes = activity, sizes
        self._populations = {view.sym_name: view for view in network.ops(snn.Population)}
        self._stages = {stage: self._costs.ops(stage) for stage in self._costs.order()}
        self._owners = dict(self._owned())
        self._constants: dict[str, set[str]] = defaultdict(set)

    def _owned(self) -> Iterator[tuple[str, str]]:
        """Which layer a buffer belongs to: states and events to a population, a sum to what adds to it first."""
        ops = [op for stage in self._stages.values() for op in stage]
        sums = [(op.into, _projection(op)) for op in ops if isinstance(op, Propagation)]
        yield from ((into, name) for into, name in reversed(sums) if self._costs.buffers[into].kind == "temp")
        for name, view in self._populations.items():
            yield from ((state, name) for state in [*view.states, view.event, view.out] if state is not None)
        tallies = [op for op in ops if isinstance(op, step.Tally)]
        yield from ((op.of, op.into.removesuffix(EMITTED)) for op in tallies)

    def fill(self, target: str | None) -> None:
        """Puts every op of a step to the account of its layer, and every buffer that is kept."""
        lengths = blocks(self._costs.symbols.get("run"))
        for stage, ops in self._stages.items():
            parts: dict[str, list[Cost]] = defaultdict(list)
            for op in ops:
                cost = self._costs.cost(op)
                parts[self._count(op, cost).name].append(cost)
            for name, costs in parts.items():
                if target is not None:
                    energy = energy_of(self._costs, target, costs, lengths.get(stage, 1))
                    self.layers[name].energy_nj += energy * self._activity.slices
        self._keep()

    def _count(self, op: Any, cost: Cost) -> Layer:
        """Adds the operations of one op to its layer."""
        layer, slices = self._layer(op), self._activity.slices
        layer.bits_moved += 8 * (cost.weights + cost.state + cost.lists) * slices
        if not isinstance(op, Propagation):
            layer.additions += cost.additions * slices
            layer.multiplications += cost.multiplications * slices
        elif layer.name not in self.tables:  # what a projection adds in several ops is counted together
            table = self.tables[layer.name] = step.Table(self._costs.symbols[op.table])
            layer.size, layer.storage = self._sizes[layer.name], _storage(table)
            layer.synaptic_events = self._activity.projections[layer.name]
            layer.additions += layer.synaptic_events
            layer.multiplications += layer.synaptic_events if self._costs.multiplies(op) else 0
            self._constants[layer.name] |= {str(symbol_of(array)) for array in table.arrays.values()}
        if isinstance(op, step.Update):
            self._constants[layer.name] |= {name for arg in op.args if (name := symbol_of(arg)) is not None}
        return layer

    def _layer(self, op: Any) -> Layer:
        """The layer that an op works for."""
        match op:
            case Propagation():
                return self._named(_projection(op))
            case step.Update():
                buffers = [symbol_of(result) for result in op.results_]
            case step.Tally():
                buffers = [op.of]
            case step.Fill() | step.Copy():
                buffers = [op.into]
            case _:
                buffers = []
        return self._named(next((self._owners[name] for name in buffers if name in self._owners), REST))

    def _named(self, name: str) -> Layer:
        if name not in self.layers:
            kind = "projection" if name in self._sizes else "population" if name in self._populations else "other"
            size = math.prod(self._populations[name].shape) if kind == "population" else 0
            self.layers[name] = Layer(name=name, kind=kind, size=size)
        return self.layers[name]

    def _keep(self) -> None:
        """The bytes of what stays from step to step; what several layers use stands with each of them."""
        for name, buffer in self._costs.buffers.items():
            if buffer.kind in ("state", "stream"):
                self._named(self._owners.get(name, REST)).state_bytes += self._costs.bytes_of(buffer)
            elif buffer.kind == "constant":
                users = [layer for layer, used in self._constants.items() if name in used] or [REST]
                for layer in users:
                    self._named(layer).weight_bytes += self._costs.bytes_of(buffer)

    def total(self) -> Layer:
        """All layers together; an array that several of them use counts once."""
        layers = self.layers.values()
        total = Layer(
            **{name: sum(getattr(layer, name) for layer in layers) for name in COUNTED}, name="all", kind="all"
        )
        total.size = sum(layer.size for layer in layers if layer.kind == "projection")
        total.state_bytes = sum(layer.state_bytes for layer in layers)
        total.weight_bytes = int(self._costs.constants)
        return total


def _projection(op: Propagation) -> str:
    return str(op.tally).removesuffix(ADDED)


def _storage(table: step.Table) -> str:
    """The format of a table with what it keeps for each synapse."""
    index = f", {table.index}-bit columns" if table.index else ""
    return f"{table.format}{index}"


def _weight_bits(program: Program, table: step.Table) -> int:
    """b_w: those of a real; of integers (or codes of powers of two) as many as hold all, 1 for +-w."""
    if not isinstance(table.element, ir.IntegerType):
        return int(table.element.width)
    array = table.arrays.get("w")
    values = np.asarray(table.weight.value) if array is None else program.constants[str(symbol_of(array))]
    if np.unique(np.abs(values)).size <= 1:
        return 1
    return _signed_bits(int(values.min()), int(values.max()))


def _spike_bits(network: Program) -> dict[str, int]:
    """b_s of each projection: the bits of what its sources send, for integers as many as their range needs."""
    found: dict[str, int] = {}
    known: ranges.Ranges | None = None
    for op in walk(network.symbols()["step"]):
        if op.name != snn.Propagate.name():
            continue
        events, bits = op.operands[0], int(op.operands[0].type.element_type.width)
        if isinstance(events.type.element_type, ir.IntegerType) and bits > 2:
            known = known or ranges.analyse(network)
            interval = known.of(events)
            low, high = int(interval.low), int(interval.high)
            bits = max(1, high.bit_length()) if low >= 0 else _signed_bits(low, high)
        name = snn.Propagate(op).synapses
        found[name] = max(bits, found.get(name, 0))
    return found


def _signed_bits(low: int, high: int) -> int:
    return 1 + max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length())
