"""Which convolutions can have their output channels in the lanes of vectors, and when that pays; see `channels`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from spikec.analysis.cost_model import (
    REORDERED,
    SPREAD_OUT,
    UNMASKED,
    VECTOR,
    across_cycles,
    held_cycles,
    kernel_cycles,
)
from spikec.dialects import step
from spikec.dialects.arena import stage_ops
from spikec.dialects.convolution import Axis, Convolution
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.propagations import propagations

BORDER = 16
"""Times the inputs that an array of them may take with a border."""


@dataclass(frozen=True)
class Across:
    """A convolution whose channels can be in the `lanes` lanes of vectors; `weights` is the offset of their copy.

    `masks` says whether the machine has them for lanes.
    """

    shape: Convolution
    weights: int
    lanes: int
    masks: bool

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

    def breadth(self, axis: Axis) -> int:
        """Of an axis of the inputs with a border, for all that their targets look at."""
        seen = (axis.output - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1
        return max(seen, axis.padding + axis.input)

    @property
    def inputs(self) -> int:
        """With their border, up to whole vectors, of which the last one is of zeros."""
        count = self.shape.input[0] * math.prod(map(self.breadth, self.shape.axes))
        return (-(-count // self.lanes) + 1) * self.lanes

    @property
    def weight_count(self) -> int:
        """Of the copy."""
        return math.prod(self.shape.weights[1:]) * self.channels

    @property
    def order_cycles(self) -> float:
        """Of a step, for bringing the sums into another order and back."""
        return 2 * REORDERED * self.sums / self.lanes

    def worth(self, spikes: bool) -> int:
        """How many events, spikes or values, pay for the other order."""
        one = kernel_cycles(self.shape, VECTOR // self.lanes)
        whole = (self.order_cycles + self._all(spikes)) / (one - SPREAD_OUT)
        saved = one - self._event
        return math.ceil(min(whole, self.order_cycles / saved) if saved > 0 else whole)

    def many(self, spikes: bool) -> int:
        """From how many events on all inputs go by in that order."""
        return math.ceil(self._all(spikes) / (self._event - SPREAD_OUT))

    @property
    def _event(self) -> float:
        return across_cycles(self.shape, VECTOR // self.lanes)

    def _all(self, spikes: bool) -> float:
        return held_cycles(self.shape, VECTOR // self.lanes, spikes) * (1 if self.masks else UNMASKED)


def candidates(program: Program, lanes: int, masks: bool) -> Iterator[tuple[step.Table, Across, int]]:
    """Tables of a program whose channels may be in lanes, and the bytes of a sum."""
    buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
    tables = {table.sym_name: table for table in program.ops(step.Table) if table.format == "conv"}
    widths: dict[str, set[int]] = {}
    for op in stage_ops(program):
        for one in propagations(op):
            event, sum = (buffers[name].type.element_type for name in (one.from_, one.into))
            # Of an event that loses digits nobody could tell any more whether it is there.
            whole = not isinstance(event, ir.FloatType) or event.width <= sum.width
            widths.setdefault(one.table, set()).add(int(sum.width) if whole else 0)
    for name, table in tables.items():
        made = Across(Convolution.of(table.connect), -1, lanes, masks)
        if lanes > 1 and widths.get(name) in ({32}, {64}) and _fits(table, made):
            yield table, made, max(widths[name]) // 8


def _fits(table: step.Table, made: Across) -> bool:
    small = made.inputs <= BORDER * (made.shape.pre + made.lanes)
    vectors = made.shape.groups == 1 and made.positions >= made.lanes
    return "w" in table.arrays and small and vectors and made.worth(spikes=True) <= made.shape.pre
