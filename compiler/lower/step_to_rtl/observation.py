"""What a run of a circuit counts and records, for its host."""

from __future__ import annotations

from typing import Any

import numpy as np
from spikec.analysis.dependence import entry_ops
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.lower.convolution import convolved
from spikec.lower.step_to_rtl.cores import CODE, Cut
from spikec.lower.synapses import rows
from spikec.runtime.rtl.circuit import Wiring
from spikec.runtime.rtl.observation import Additions, Observation, Recorded


def observe(program: Program, cut: Cut, wiring: Wiring) -> None:
    """Fills in what is observed of a program.  Raises `Refusal` for a probe of what the circuit does not hold."""
    found: Observation = wiring.observation
    found.counters.extend(buffer.sym_name for buffer in program.ops(step.Buffer) if buffer.kind == "counter")
    for _, op in entry_ops(program):
        match op:
            case step.Tally():
                found.tallies[op.into] = op.of
            case step.Record():
                found.probes[op.into.removeprefix("probe.")] = _recorded(op, cut, wiring)
    counts: dict[tuple[str, int | None], Array] = {}
    arrivals = [arrival for core in cut.cores for arrival in core.arrivals]
    for arrival in (arrival for arrival in arrivals if arrival.tally in found.counters):
        key = arrival.table.sym_name, arrival.part
        if key not in counts:
            counts[key] = additions(program, arrival.table, arrival.part)
        found.additions.append(Additions(arrival.tally, arrival.source, arrival.told, arrival.low, counts[key]))


def _recorded(op: Any, cut: Cut, wiring: Wiring) -> Recorded:
    probe = cut.buffers[op.into]
    if probe.of not in wiring.watched and probe.of not in wiring.states:
        raise Refusal(CODE, f"a probe of '{probe.of}', which no core holds after a step", op.operation)
    return Recorded(probe.of, probe.low, probe.high)


def additions(program: Program, table: step.Table, part: int | None) -> Array:
    """How many weights an event of each source of a table adds (i64 [pre]), of one part of a table in parts."""
    match table.format:
        case "dense":
            return np.full(table.pre, table.post, np.int64)
        case "one_to_one":
            return np.ones(table.pre, np.int64)
        case "conv":
            return np.diff(convolved(Convolution.of(table.connect), None)[0].row.astype(np.int64))
        case _:
            return rows(program, table).lengths().reshape(table.pre, -1)[:, part or 0]
