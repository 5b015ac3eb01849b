"""The program that is being lowered, as the code of its ops needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.program import Program
from spikec.lower import synapses
from spikec.lower.synapses import Rows


class Limits(Protocol):
    """What the lowering reads of a target: `backends.ptx.target.PtxTarget` has it.

    `sums`: whether reals add up in any order ("atomic") or in that of the CPU ("ordered"); "auto" is the one that takes
    fewer kernels, for a small network, and else the first.
    """

    @property
    def chip(self) -> str: ...
    @property
    def sums(self) -> Literal["auto", "atomic", "ordered"]: ...
    @property
    def launch(self) -> Literal["auto", "graph", "persistent"]: ...


@dataclass(frozen=True)
class Network:
    """`owned` says that targets gather all that arrives, so that a round needs fewer kernels.

    `decoded` keeps what was made of tables.
    """

    program: Program
    symbols: dict[str, Any]
    buffers: dict[str, step.Buffer]
    tables: dict[str, step.Table]
    limits: Limits
    owned: bool = False
    decoded: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(program: Program, limits: Limits, owned: bool = False) -> Network:
        return Network(
            program,
            program.symbols(),
            {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)},
            {table.sym_name: table for table in program.ops(step.Table)},
            limits,
            owned,
        )

    def rows(self, name: str) -> Rows:
        """The synapses of a table, decoded once."""
        if name not in self.decoded:
            self.decoded[name] = synapses.rows(self.program, self.tables[name])
        found: Rows = self.decoded[name]
        return found

    @property
    def constants(self) -> Mapping[str, Array]:
        return self.program.constants
