"""Dense layers tile by tile: which stages run a block of steps for some of their targets before the next ones.

A table that is larger than the second cache comes from further away in each step.  Where a stage runs many steps before
the next one does (`passes.schedule.blocks`), it does so for one tile of targets after the other, whose weights lie
together and stay near for all steps of the block.  The next tile's are fetched meanwhile.

    for each step of the block: the lists of inputs
    for each tile: for each step of the block: sums and neurons of the tile, whose events follow those of earlier tiles
    for each step of the block: what is left of the stage, such as counters and probes
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spikec.analysis.cost_model import SECOND_CACHE
from spikec.dialects import step
from spikec.dialects.accesses import Use, uses
from spikec.dialects.arena import width
from spikec.dialects.functions import size, symbol_of, walk
from spikec.dialects.program import Program

HOST = ("input", "output")


@dataclass(frozen=True)
class Tiled:
    """A stage whose first `count` ops run tile by tile, in blocks of `block` steps.

    `tables` are those that it reads, `inputs` those of whose events it uses lists, `lists` the buffers whose events
    it makes.  `rows` are those of all tables: with fewer events in a block hardly one comes twice, and no tile pays.
    """

    count: int
    targets: int
    block: int
    rows: int
    tables: tuple[str, ...]
    inputs: tuple[str, ...]
    lists: tuple[str, ...]


def tiled(program: Program, lanes: int, shared: Collection[str] = ()) -> dict[str, Tiled]:
    """The stages that run in tiles of `lanes` targets; `shared` are the constants that cannot be brought into tiles."""
    symbols = program.symbols()
    buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
    result = {}
    for name, block in _alone(symbols["run"]) if lanes > 1 else ():
        views = [step.DIALECT.view(one.operation) for one in symbols[name].regions[0].blocks[0].operations]
        made = _Stage([view for view in views if view is not None], buffers, symbols, shared, block, lanes).tiled()
        if made is not None:
            result[name] = made
    return result


def called(loop: Any) -> str | None:
    """The stage whose steps are all that a loop runs."""
    *ops, _ = loop.regions[0].blocks[0].operations
    names = [symbol_of(op.operation.attributes["callee"]) for op in ops if op.operation.name == "func.call"]
    return names[0] if len(names) == len(ops) == 1 else None


def _alone(run: Any) -> Iterator[tuple[str, int]]:
    """The stages that run many steps before another one does, and how many at most."""
    for loop in walk(run):
        if loop.name == "scf.for" and loop.parent.name == "scf.for":
            stage = called(loop)
            if stage is not None:
                yield stage, int(loop.parent.operands[2].owner.attributes["value"].value)


@dataclass(frozen=True)
class _Stage:
    ops: Sequence[Any]
    buffers: Mapping[str, step.Buffer]
    symbols: Mapping[str, Any]
    shared: Collection[str]
    block: int
    lanes: int

    def tiled(self) -> Tiled | None:
        """None where the stage cannot run in tiles, or need not."""
        targets = [self._targets(op) for op in self.ops]
        if not targets or not targets[0] or targets[0] % self.lanes:
            return None
        count = next((k for k, number in enumerate(targets) if number != targets[0]), len(targets))
        first, others = self.ops[:count], self.ops[count:]
        tables = tuple(dict.fromkeys(op.table for op in first if isinstance(op, step.Propagate)))
        if sum(map(self._bytes, tables)) <= SECOND_CACHE or not self._apart(first) or not self._after(first, others):
            return None
        inputs = [use.buffer for use in self._listed(self.ops) if self.buffers[use.buffer].kind == "input"]
        lists = [use.buffer for use in self._listed(first) if use.writes]
        rows = sum(int(step.Table(self.symbols[table]).pre) for table in tables)
        return Tiled(count, targets[0], self.block, rows, tables, tuple(inputs), tuple(lists))

    def _listed(self, ops: Sequence[Any]) -> list[Use]:
        """The uses of buffers whose events are listed."""
        found = (use for op in ops for use in uses(op, self.buffers))
        return [use for use in found if "list" in (self.buffers[use.buffer].forms or [])]

    def _targets(self, op: Any) -> int | None:
        """How many elements an op sets one by one, of which each is sought for itself; None for any other op."""
        match op:
            case step.Fill():
                into = self.buffers[op.into]
                return size(into.type) if into.kind not in HOST and not into.forms else None
            case step.Propagate():
                table = step.Table(self.symbols[op.table])
                listed = "list" in (self.buffers[op.from_].forms or [])
                fits = table.format == "dense" and symbol_of(table.arrays["w"]) not in self.shared
                return table.post if fits and listed and self.buffers[op.into].kind not in HOST else None
            case step.Update():
                return int(op.size)
        return None

    def _bytes(self, table: str) -> int:
        weights = self.buffers[str(symbol_of(step.Table(self.symbols[table]).arrays["w"]))]
        return size(weights.type) * width(weights.type.element_type)

    def _apart(self, ops: Sequence[Any]) -> bool:
        """Whether an element needs no others of the same stage, and all lists of a block are there at once."""
        written = {use.buffer for op in self.ops for use in uses(op, self.buffers) if use.writes}
        for op in ops:
            for use in uses(op, self.buffers):
                buffer = self.buffers[use.buffer]
                whole = isinstance(op, step.Propagate) and use.buffer == op.from_
                if use.buffer in written and (whole or size(buffer.type) == 1):
                    return False
                if use.writes and "list" in (buffer.forms or []) and buffer.slots < self.block:
                    return False
        return True

    def _after(self, first: Sequence[Any], others: Sequence[Any]) -> bool:
        """Whether others can follow after all steps of a block."""
        sooner = [use for op in first for use in uses(op, self.buffers)]
        written, used = {use.buffer for use in sooner if use.writes}, {use.buffer for use in sooner}
        for use in (use for op in others for use in uses(op, self.buffers)):
            buffer = self.buffers[use.buffer]
            if use.writes and use.buffer in used:
                return False
            if use.buffer in written and buffer.kind not in HOST and buffer.slots < self.block + use.delay:
                return False
        return True
