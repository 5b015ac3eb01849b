"""Rows of csr tables on their way into the cache before they are added.

A row is fetched when the one `ROWS` before it is added.  The first rows come too late so: they are fetched as soon as
the list of their sources is known, which is a population's update before, where steps are made one after the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from spikec.dialects import step
from spikec.dialects.arena import stage_ops
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import arith
from spikec.dialects.program import Program
from spikec.dialects.propagations import Propagation, propagations
from spikec.lower.code import Value, loop, plus
from spikec.lower.step_to_cpu.places import Frame
from spikec.lower.step_to_cpu.synapses.arrivals import Rows, Source, Weights
from spikec.lower.step_to_cpu.synapses.rings import blocked

ROWS = 6
LINES = 4  # of a row


def fetcher(frame: Frame, table: step.Table, weights: Weights) -> Callable[[Value], None]:
    """What fetches a row of a table, by its number."""
    rows, column = Rows(frame, table), str(symbol_of(table.arrays["col"]))
    held = frame.held(column)
    length = held.size / max(table.pre * (table.parts or 1), 1)
    fetched = [(frame.place(column), held.width)]
    if weights.place is not None and weights.held is not None:
        fetched.append((weights.place, weights.held.width))

    def fetch(row: Value) -> None:
        start = rows.begin(row)
        for place, width in fetched:
            place.prefetch_row(start, width, length, LINES)

    return fetch


def first(source: Source, fetch: Callable[[Value], None]) -> None:
    """Fetches the first rows of the active sources, by `fetch` of a source."""
    end = arith.minsi(source.end, plus(source.begin, ROWS))
    loop(source.begin, end, 1, lambda k: fetch(source.at(k)[0]))


def readers(program: Program) -> dict[str, list[Propagation]]:
    """The propagations from each whole list through a csr table, where no stage runs several steps before another."""
    found: dict[str, list[Propagation]] = defaultdict(list)
    symbols = program.symbols()
    if "run" in symbols and not blocked(symbols["run"]):
        for op in stage_ops(program):
            if isinstance(op, step.Propagate) and step.Table(symbols[op.table]).format == "csr":
                found[op.from_] += propagations(op)
    return found


def fetch_next(frame: Frame, op: step.Update, readers: dict[str, list[Propagation]], symbols: dict[str, Any]) -> None:
    """Fetches the rows that the readers of an update's lists add first, in this step or the next one."""
    if frame.share is not None or frame.tile is not None:
        return  # a worker or a tile made a part of the list
    for one in (reader for result in op.results_ for reader in readers.get(str(symbol_of(result)), [])):
        held, table = frame.held(one.from_), step.Table(symbols[one.table])
        if held.listed and table.pre == held.size:
            source = Source(frame, replace(one, delay=max(0, one.delay - 1)), table)
            first(source, fetcher(frame, table, Weights(frame, table)))
