"""Tables of the format `procedural`: which recipes they can hold, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spikec.dialects import connectors, snn, step
from spikec.dialects.functions import signature, symbol_of
from spikec.dialects.mlir import ir


def obstacle(view: snn.Synapses) -> str | None:
    """Why the synapses of a recipe must be stored; None where they can be drawn again at each event."""
    if connectors.kind_of(view) != "prob":
        return "only the synapses of 'prob' can be drawn again at each event"
    if not isinstance(view.connect["p"], ir.FloatAttr):
        return "each pair has a probability of its own"
    if not _is_probability(view.connect["p"].value):
        return f"the probability {view.connect['p'].value} leaves nothing to draw"
    if symbol_of(view.weight) is not None:
        return "the synapses have weights of their own"
    return None if view.delay is None else "the synapses have delays of their own"


def expected(view: step.Table | snn.Synapses) -> float:
    """How many synapses chance makes on average, those included that a filter drops."""
    return float(view.pre * view.post * ir.FloatAttr(view.connect["p"]).value)


def problems(view: step.Table, symbols: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a table of this format, whose references resolve."""
    connect = view.connect or {}
    if connect.get("kind") != ir.StringAttr.get("prob") or set(connect) - {"kind", "p", "filter"}:
        yield f"a procedural table with the connector {view.connect}"
    if view.weight is None:
        yield "a procedural table has one weight for all synapses"
    p = connect.get("p")
    if not isinstance(p, ir.FloatAttr) or not isinstance(p.type, ir.F64Type) or not _is_probability(p.value):
        yield f"the probability {p} is no f64 between 0 and 1"
    if view.key is None or len(view.key) != 2 or not all(0 <= word < 1 << 32 for word in view.key):
        yield f"the key {view.key} is not two words of 32 bits"
    if "filter" in connect:
        function = signature(symbols[str(symbol_of(connect["filter"]))])
        if [str(type) for type in (*function.inputs, *function.results)] != ["i64", "i64", "i1"]:
            yield f"the filter is a function {function}, not one of two i64 that gives an i1"


def _is_probability(p: float) -> bool:
    """Whether chance decides: 1 - p is neither 0 nor rounded to 1."""
    return 0.0 < 1.0 - p < 1.0
