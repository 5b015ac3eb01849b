"""How each propagation is done.

By the threads of the targets, each of which adds up what arrives in the order of the CPU:

- dense: walks the set bits of the source's words, and adds the weight of each to its target's sum
- window: looks at the sources that the kernel of a convolution reaches
- one: looks at the one source
- gather: walks the list of its synapses, and looks at the source of each

Or scattered from the sources, in any order, with atomic additions:

- rows: a warp for each word of sources walks the rows of the active ones
- drawn: the targets of each active source are drawn anew
"""

from __future__ import annotations

from typing import Any, Literal

from spikec.dialects import step
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.propagations import Propagation, propagations
from spikec.lower.step_to_gpu.network import Network

Form = Literal["dense", "window", "one", "gather", "rows", "drawn"]
SCATTERED = ("rows", "drawn")
OWN: dict[str, Form] = {"dense": "dense", "conv": "window", "one_to_one": "one"}


def form(network: Network, op: Propagation) -> Form:
    """The form of a propagation."""
    table = network.tables[op.table]
    if table.format in OWN:
        return OWN[table.format]
    into = network.buffers[op.into]
    real = not isinstance(into.type.element_type, ir.IntegerType)
    if network.owned or (real and network.limits.sums == "ordered") or into.kind in ("output", "result"):
        return "gather"
    return "drawn" if table.format == "procedural" else "rows"


def synapses(network: Network) -> int:
    """How many synapses there are, about, in tables that would be scattered."""
    found = 0
    for table in network.tables.values():
        if table.format == "procedural":
            found += int(table.pre * table.post * ir.FloatAttr(table.connect["p"]).value)
        elif table.format not in OWN:
            arrays = {name: network.constants[str(symbol_of(array))] for name, array in table.arrays.items()}
            listed = arrays.get("w", arrays.get("col"))
            # A bitmap of one weight lists nothing but where its rows begin and end.
            found += int(arrays["row"][-1] if listed is None else listed.size)
    return found


def scatters(network: Network, op: Any) -> bool:
    """Whether an op adds with atomic additions."""
    return any(form(network, one) in SCATTERED for one in propagations(op))


def scattered(network: Network, ops: list[Any]) -> set[str]:
    """The buffers that ops scatter to."""
    return {op.into for op in ops if isinstance(op, step.Propagate | step.Sweep) and scatters(network, op)}
