"""The storage formats of projections by hand.

    "snn.synapses"() {sym_name = "y.conv", connect = {kind = "conv", ...}, ...} : () -> ()

becomes, with csr=y.conv,

    "snn.synapses"() {sym_name = "y.conv", connect = {kind = "conv", ...}, format = "csr", ...} : () -> ()

The lowering reads it; what a format cannot hold is refused there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import ClassVar

from spikec.dialects import snn
from spikec.dialects.diagnostics import CompileError, did_you_mean
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal


def _names(format: str) -> str | None:
    made: str | None = field(default=None, metadata={"help": f"the projections to store as {format}"})
    return made


@dataclass(frozen=True)
class Formats:
    """Chooses how synapses are stored, by projection, in place of the cost model."""

    name: ClassVar[str] = "formats"
    level: ClassVar[str] = "snn"

    csr: str | None = _names("compressed rows")
    dense: str | None = _names("all pairs")
    bitmap: str | None = _names("bits and weights")
    block: str | None = _names("blocks of targets")
    conv: str | None = _names("kernels of a convolution")
    procedural: str | None = _names("a seed to draw them from at each event")

    def run(self, program: Program) -> Program:
        """The program with formats.  Raises CompileError for a projection that there is not, or that is named twice."""
        result = program.clone()
        known = {view.sym_name: view for view in result.ops(snn.Synapses)}
        given = [(name, one.name) for one in fields(self) for name in (getattr(self, one.name) or "").split(",")]
        chosen: dict[str, str] = {}
        wrong = []
        for name, format in ((name.strip(), format) for name, format in given if name.strip()):
            if name not in known:
                near = did_you_mean(name, known) or f"there is {', '.join(known) or 'none'}"
                wrong.append(Refusal("E1242", f"there is no projection '{name}'", help=near))
            elif chosen.setdefault(name, format) != format:
                text = f"'{name}' is to be stored as {chosen[name]} and as {format}"
                wrong.append(Refusal("E1242", text, known[name].operation))
        if wrong:
            raise CompileError([refusal.diagnostic(self.name) for refusal in wrong])
        with result.module.context:
            for name, format in chosen.items():
                known[name].operation.attributes["format"] = snn.Synapses.fields["format"].encode(format)
        return result
