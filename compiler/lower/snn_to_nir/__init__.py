"""From level `snn` to NIR: the network as a graph of primitives, in the file format of the package `nir`.

The program's own numbers are solved for NIR's parameters, so it does not matter where the program came from: what
can be said in NIR is written, and read under the profile nir-euler with the same dt it is the same network.
Everything else is refused by name.
"""

from __future__ import annotations

from spikec.dialects.diagnostics import Diagnostics
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower.snn_to_nir import dataflow, file, layout, timing
from spikec.lower.snn_to_nir.graph import Graph
from spikec.lower.snn_to_nir.refusal import Refusal, span_of
from spikec.lower.snn_to_nir.timing import Edge


def lower(program: Program, seed: int, diagnostics: Diagnostics) -> bytes:
    """The NIR file of a program; connections are drawn with the run seed `seed`.

    Reports how the file is to be read.  Raises CompileError with all that NIR cannot express.
    """
    dt = float(program.attribute("dt"))
    with program.module.context, ir.Location.unknown():
        graph, start = dataflow.graph_of(program, seed, diagnostics)
        diagnostics.raise_if_errors()
        try:
            edges, options = _edges(graph)
            written = layout.lay_out(graph, edges, dt)
        except Refusal as refusal:
            diagnostics.error(refusal.code, span_of(refusal.op), str(refusal), refusal.help)
        diagnostics.raise_if_errors()
    options = ([] if start == "zero" else [f"v0={start}"]) + options
    semantics = f"--semantics nir-euler,{','.join(options)} " if options else ""
    diagnostics.note("N1101", None, f"the file does not say it all: read it with {semantics}--dt {dt!r}")
    return file.encoded(written)


def _edges(graph: Graph) -> tuple[list[Edge], list[str]]:
    """The edges, and the options of nir-euler under which they start as the program's do."""
    try:
        return timing.edges(graph, zero_current=False), []
    except timing.WrongStart:
        return timing.edges(graph, zero_current=True), ["rec_init=zero-current"]
