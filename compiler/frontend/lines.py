"""Lines of a neuron over its population (`collective.py`): its own names have a value for each cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from spikec.frontend import indexing, normalization, syntax
from spikec.frontend.dataflow import DataflowExpressions
from spikec.frontend.reductions import REDUCTIONS
from spikec.frontend.values import Mistake, Value, counted, not_supported, number

if TYPE_CHECKING:
    from spikec.frontend.network import Network


class LineExpressions(DataflowExpressions):
    """A collective line over the population: names are those of the neuron, with a value for each cell."""

    def __init__(self, network: Network, scope: Mapping[str, Value], shape: tuple[int, ...]) -> None:
        super().__init__(network.emitter, network.clock, network.arrays, network)
        self.scope = scope
        self.cells = shape

    def name(self, node: syntax.Name) -> Value:
        if node.id in self.scope:
            return self.scope[node.id]
        if node.id == "index":
            return number(counted(self.cells))
        return self.unknown(node.id, node.span, self.scope)

    def attribute(self, node: syntax.Attribute) -> Value:
        raise Mistake("E0301", node.span, "a neuron sees its own states, parameters and ports alone")

    def call(self, node: syntax.Call, name: str) -> Value:
        if name in REDUCTIONS or name in normalization.FUNCTIONS or indexing.is_reduction(node):
            return super().call(node, name)
        if name in self.network.entities or name in self.network.neurons or not name:
            raise Mistake("E0301", node.span, "a neuron sees its own states, parameters and ports alone")
        raise not_supported(node.function.span, f"{name} inside a neuron", "write it outside, and give it to a port")
