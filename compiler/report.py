"""`compile --report`: how large a network is, and how long each stage took."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from spikec.dialects import snn, step
from spikec.runtime.memory import shown

if TYPE_CHECKING:
    from spikec.dialects.program import Program
    from spikec.driver import Made


def sizes(made: Made, seconds: Mapping[str, float]) -> str:
    """Neurons, synapses, bytes of state, of weights and of files, seconds: a line each, as far as they are known."""
    rows = [*_of_network(made.programs["snn"])]
    if "step" in made.programs:
        rows += _of_step(made.programs["step"])
    if made.module is not None:
        rows.append(("bytes of state, compiled", shown(made.module.layout.arena)))
    rows += [(f"bytes of {name}", shown(len(data))) for name, data in made.files.items()]
    rows += [(f"seconds to {stage}", f"{value:.3f}") for stage, value in seconds.items()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value:>12}" for name, value in rows)


def _of_network(program: Program) -> Iterator[tuple[str, str]]:
    populations = [math.prod(op.shape) for op in program.ops(snn.Population)]
    yield "populations", str(len(populations))
    yield "neurons", str(sum(populations))


def _of_step(program: Program) -> Iterator[tuple[str, str]]:
    yield "synapses", str(sum(_synapses(table, program) for table in program.ops(step.Table)))
    buffers = list(program.ops(step.Buffer))
    yield "bytes of state", shown(sum(_bytes(b) for b in buffers if b.kind in ("state", "stream")))
    yield "bytes of weights and tables", shown(sum(program.constants[name].nbytes for name in program.constants))


def _synapses(table: Any, program: Program) -> int:
    """How many pairs a table connects."""
    if table.format == "dense":
        return int(table.pre * table.post)
    if table.format == "one_to_one":
        return int(table.pre)
    rows = program.constants[table.arrays["row"].value]
    return int(rows[-1])


def _bytes(buffer: Any) -> int:
    bits = int(getattr(buffer.type.element_type, "width", 64))
    return int(math.prod(buffer.type.shape) * buffer.slots * max(1, bits // 8))
