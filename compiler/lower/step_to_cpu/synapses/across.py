"""Which convolutions can have their output channels in the lanes of vectors, and when that pays; see `channels`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from spikec.analysis.cost_model import REORDERED, VECTOR, across_cycles, kernel_cycles
from spikec.dialects import step
from spikec.dialects.arena import stage_ops
from spikec.dialects.convolution import Convolution
from spikec.dialects.program import Program
from spikec.dialects.propagations import propagations


@dataclass(frozen=True)
class Across:
    """A convolution whose channels can be in the `lanes` lanes of vectors; `weights` is the offset of their copy."""

    shape: Convolution
    weights: int
    lanes: int

    @property
    def channels(self) -> int:
        """Of a position, with those that fill its last vector."""
        return -(-self.shape.output[0] // self.lanes) * self.lanes

    @property
    def positions(self) -> int:
        return math.prod(self.shape.output[1:])

    @property
    def sums(self) -> int:
        return self.channels * self.positions

    @property
    def weight_count(self) -> int:
        """Of the copy."""
        return math.prod(self.shape.weights[1:]) * self.channels

    @property
    def worth(self) -> int:
        """How many events pay for the other order."""
        width = VECTOR // self.lanes
        saved = kernel_cycles(self.shape, width) - across_cycles(self.shape, width)
        return math.ceil(2 * REORDERED * self.sums / self.lanes / saved) if saved > 0 else -1


def candidates(program: Program, lanes: int) -> Iterator[tuple[step.Table, Across, int]]:
    """Tables of a program whose channels may be in lanes, and the bytes of their sums."""
    buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
    tables = {table.sym_name: table for table in program.ops(step.Table) if table.format == "conv"}
    widths: dict[str, set[int]] = {}
    for op in stage_ops(program):
        for one in propagations(op):
            widths.setdefault(one.table, set()).add(int(buffers[one.into].type.element_type.width))
    for name, table in tables.items():
        made = Across(Convolution.of(table.connect), -1, lanes)
        if lanes > 1 and widths.get(name) in ({32}, {64}) and _fits(table, made):
            yield table, made, made.sums * max(widths[name]) // 8


def _fits(table: step.Table, made: Across) -> bool:
    return "w" in table.arrays and made.shape.groups == 1 and made.positions >= made.lanes and made.worth > 0
