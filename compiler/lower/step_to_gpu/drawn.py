"""Rows that are not stored: the lanes of a warp draw the targets of a source anew, 32 of them at a time."""

from __future__ import annotations

from spikec.dialects import step
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import arith, math
from spikec.dialects.propagations import Propagation
from spikec.lower import scalars
from spikec.lower.code import Value, converted, intrinsic, number, product, python_number, repeat, when
from spikec.lower.jumps import jumps
from spikec.lower.step_to_gpu.code import WORD, add, ballot, both, constant, i32, i64, least, less
from spikec.lower.step_to_gpu.network import Network
from spikec.lower.step_to_gpu.thread import Thread


class Drawn:
    """A warp that goes through rows of a procedural table."""

    def __init__(self, thread: Thread, network: Network, one: Propagation, table: step.Table) -> None:
        filter = symbol_of(table.connect.get("filter"))
        self.keep = None if filter is None else network.symbols[filter]
        self.table, self.lane, self.into = table, thread.lane, thread.values(one.into)
        self.weight = number(python_number(table.weight), self.into.kept)

    def row(self, row: Value, value: Value | None, added: Value) -> Value:
        """Adds what an event of some value, or a plain spike, carries; `added` and the number of additions."""
        arriving = self.weight if value is None else product(self.weight, converted(value, self.into.kept))
        post = self.table.post

        def drawn(before: Value, draw: Value, added: Value) -> list[Value]:
            # Asked anew in each round, so that what is computed from it is not kept in registers between rounds.
            element = arith.extui(i64(), _shuffled("idx", row, 0, WORD - 1))
            jump = arith.trunci(i32(), jumps(self.table, element, arith.extui(i64(), add(draw, self.lane))))
            target = add(before, self._summed(jump))
            here = less(target, post)
            if self.keep is not None:
                here = both(here, scalars.run(self.keep, [element, arith.extui(i64(), target)], 1)[0])
            when(here, lambda: self.into.add(arriving, target))
            last = _shuffled("idx", target, WORD - 1, WORD - 1)
            return [last, add(draw, WORD), add(added, math.ctpop(ballot(here)))]

        return repeat(lambda before, *_: less(before, post - 1), drawn, [constant(-1), constant(0), added])[2]

    def _summed(self, jump: Value) -> Value:
        """The jumps of this lane and of those before it, or any number past the last target."""
        for distance in (1, 2, 4, 8, 16):
            other = _shuffled("up", jump, distance, 0)
            sum = arith.select(less(self.lane, distance), jump, add(jump, other))
            jump = least(sum, self.table.post + 1)
        return jump


def _shuffled(kind: str, value: Value, lane: int, bounds: int) -> Value:
    """The value of another lane of the warp, all of which must be here."""
    return intrinsic(f"llvm.nvvm.shfl.sync.{kind}.i32", [constant(-1), value, constant(lane), constant(bounds)], i32())
