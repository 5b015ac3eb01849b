"""The arrays of weights of a network, and what each of their elements connects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from spikec.dialects import connectors, snn
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.functions import symbol_of
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.runtime.reference import blocks


@dataclass(frozen=True)
class Places:
    """For each weight of an array (flat) its source, its target, and the rest of its place.

    Sources and targets are neurons; for a convolution they are channels (a source's is counted within its group), and
    `rest` is the place in the window.
    """

    source: Array
    target: Array
    rest: Array


@dataclass(frozen=True)
class Layer:
    """One array of weights, and the projections that use it.

    `values` are as they are stored; `size` (flat, f64) is how large the real weights are; `exists` (flat) says which
    elements are weights of a synapse at all; `type` is the tensor's, and `ends` are the sources and targets of a table.
    """

    name: str
    projections: tuple[snn.Synapses, ...]
    values: Array
    size: Array
    exists: Array
    type: Any
    ends: tuple[Array, Array] | None = None

    @property
    def count(self) -> int:
        """The number of weights."""
        return int(np.count_nonzero(self.exists))

    @property
    def shown(self) -> str:
        """The projections, for a report."""
        return ", ".join(view.sym_name for view in self.projections)

    @cached_property
    def places(self) -> Places:
        """What the weights connect."""
        number = np.arange(self.values.size)
        rest = np.zeros_like(number)
        if self.ends is not None:
            return Places(*self.ends, rest)
        view = self.projections[0]
        match connectors.weight_layout(view):
            case "neuron":
                return Places(number, number, rest)
            case "kernel":
                outputs, inputs = Convolution.of(view.connect).weights[:2]
                channels, rest = np.divmod(number, self.values.size // (outputs * inputs))
                return Places(channels % inputs, channels // inputs, rest)
            case _:
                return Places(*np.divmod(number, view.post), rest)

    def used(self) -> Iterator[tuple[snn.Synapses, Convolution | None]]:
        """The projections, with the geometry of convolutions."""
        for view in self.projections:
            yield view, Convolution.of(view.connect) if connectors.kind_of(view) == "conv" else None


def found(program: Program) -> tuple[list[Layer], list[tuple[str, str]]]:
    """The arrays of weights in the order of the module; the projections that are left as they are, and why.

    Raises Refusal for an array that is not at hand.
    """
    symbols = program.symbols()
    layers: dict[str, Layer] = {}
    left: list[tuple[str, str]] = []
    for view in program.ops(snn.Synapses):
        name = symbol_of(view.weight)
        if name is None:
            continue
        if connectors.weight_function(view, symbols) is not None:
            left.append((view.sym_name, "weights are computed"))
        elif connectors.kind_of(view) in connectors.DRAWN:
            left.append((view.sym_name, "connections are drawn"))
        elif snn.Constant(symbols[name]).draw is not None:
            left.append((view.sym_name, "weights are drawn"))
        elif name in layers:
            one = layers[name]
            layers[name] = replace(one, projections=(*one.projections, view))
        else:
            layers[name] = _layer(program, symbols, view, name)
    return list(layers.values()), left


def _layer(program: Program, symbols: Mapping[str, Any], view: snn.Synapses, name: str) -> Layer:
    values = _stored(program, view, name)
    ends = None
    if connectors.kind_of(view) == "table":
        sources, targets = (_stored(program, view, str(symbol_of(view.connect[end]))) for end in ("sources", "targets"))
        ends = sources, targets
    type = snn.Constant(symbols[name]).type
    made = Layer(name, (view,), values, np.empty(0), np.ones(values.size, bool), type, ends)
    size = np.abs(values.reshape(-1).astype(np.float64))
    scale = symbol_of(view.scale) if view.scale is not None else None
    if scale is not None:
        size = size * _stored(program, view, scale)[made.places.target]
    elif view.scale is not None:
        size = size * view.scale.value
    exists = made.exists
    keep = symbol_of(view.connect.get("filter"))
    if keep is not None:
        kept = blocks.program(symbols[keep])(made.places.source, made.places.target)[0]
        exists = np.array(np.broadcast_to(kept, exists.shape))
    # What is no number is as large as can be, so that it is not hidden.
    return replace(made, size=np.nan_to_num(size, nan=np.inf, posinf=np.inf), exists=exists)


def _stored(program: Program, view: snn.Synapses, name: str) -> Array:
    if name not in program.constants:
        raise Refusal("E0802", f"the constants have no array '{name}'", view.operation)
    return program.constants[name]
