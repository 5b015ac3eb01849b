"""Chains of propagates through synapses whose delays differ: which of them may reach a target for the first time.

Each synapse has one delay, so that all the propagates of a chain through one projection, each with another delay, add
no more to a target than one through all its synapses would.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spikec.dialects import snn


def repeated(symbols: Mapping[str, Any]) -> set[Any]:
    """The propagates of a program before which their chain has gone through other synapses of their projection."""
    entries = [symbols[name] for name in ("init", "step", "finish") if name in symbols]
    return {op for entry in entries for op in _repeated(entry.regions[0].blocks[0])}


def _repeated(block: Any) -> set[Any]:
    chains: dict[Any, dict[str, set[int]]] = {}  # by the last value: the delays that each projection has had
    found: set[Any] = set()
    for wrapped in block.operations:
        op = wrapped.operation
        if op.name != snn.Propagate.name():
            continue
        view = snn.Propagate(op)
        # What another chain goes on from as well is its own alone.
        before = chains.pop(op.operands[1], {})
        if view.delay is not None:
            delays = before.get(view.synapses, set())
            if delays and view.delay not in delays:
                found.add(op)
                delays.add(view.delay)
            else:
                before = {**before, view.synapses: {view.delay}}
        chains[op.results[0]] = before
    return found
