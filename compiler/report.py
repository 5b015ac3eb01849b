"""`compile --report`: how large a network is, and how long each stage took."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spikec.analysis.costs import Network, synapses_of
from spikec.compilation import table_data
from spikec.dialects import snn, step
from spikec.runtime.memory import shown

if TYPE_CHECKING:
    from spikec.compilation import Made
    from spikec.dialects.notes import Table
    from spikec.dialects.program import Program


def text(made: Made, seconds: Mapping[str, float]) -> str:
    """Neurons, synapses, bytes of state, of weights and of files, seconds: a line each, as far as they are known."""
    rows = [(name, shown(value) if name.startswith("bytes") else str(value)) for name, value in _sizes(made)]
    rows += [(f"seconds to {stage}", f"{value:.3f}") for stage, value in seconds.items()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value:>12}" for name, value in rows)


def data(made: Made, seconds: Mapping[str, float], tables: Sequence[Table]) -> dict[str, Any]:
    """The same as data, with the tables of the passes."""
    return {"sizes": dict(_sizes(made)), "seconds": dict(seconds), "tables": [table_data(table) for table in tables]}


def _sizes(made: Made) -> Iterator[tuple[str, int]]:
    yield from _of_network(made.programs["snn"])
    if "step" in made.programs:
        yield from _of_step(made.programs["step"])
    if made.module is not None:
        yield "bytes of state, compiled", int(made.module.state_bytes)
    for name, data in made.files.items():
        yield f"bytes of {name}", len(data)


def _of_network(program: Program) -> Iterator[tuple[str, int]]:
    populations = [math.prod(op.shape) for op in program.ops(snn.Population)]
    yield "populations", len(populations)
    yield "neurons", sum(populations)


def _of_step(program: Program) -> Iterator[tuple[str, int]]:
    yield "synapses", sum(round(synapses_of(table, program.constants)) for table in program.ops(step.Table))
    kept = [buffer for buffer in program.ops(step.Buffer) if buffer.kind in ("state", "stream")]
    yield "bytes of state", sum(Network.bytes_of(buffer) for buffer in kept)
    yield "bytes of weights and tables", sum(program.constants[name].nbytes for name in program.constants)
