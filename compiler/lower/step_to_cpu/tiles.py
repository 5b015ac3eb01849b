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
from typing import Any, Protocol

from spikec.analysis.cost_model import ABREAST, SECOND_CACHE, TILED, VECTOR
from spikec.dialects import step
from spikec.dialects.accesses import Use, uses
from spikec.dialects.arena import width
from spikec.dialects.functions import size, symbol_of, walk
from spikec.dialects.program import Program

HOST = ("input", "output")
MOST_STAGES = 32
"""With more of them in a step no sums are made for many steps at once: LLVM takes 0.05 s more for each stage."""


class Lanes(Protocol):
    """What tiles must know of a processor: `plan.Plan` has it.

    A block of vector code has `lanes` elements, a register of sums `native`; `compress` says that registers have masks.
    """

    @property
    def lanes(self) -> int: ...
    @property
    def native(self) -> int: ...
    @property
    def compress(self) -> bool: ...


@dataclass(frozen=True)
class Abreast:
    """How a stage makes the sums of as many steps at once as a register has `lanes`.

    `sums` are the buffers that hold those of each step.  From which `share` of active sources on that pays is known
    beforehand.  `sources` are the numbers of sources of each propagate, and `marks` the places in the arena for their
    marks.
    """

    lanes: int
    share: float
    sums: tuple[str, ...]
    sources: tuple[int, ...]
    marks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tiled:
    """A stage whose first `count` ops run tile by tile of `width` targets, in blocks of `block` steps.

    `far` says that its tables are larger than the second cache: then they are stored tile by tile, and tiles pay for
    events, too.  `tables` are those that it reads, `inputs` those of whose events it uses lists, `lists` the buffers
    whose events it makes.  `rows` are those of all tables: with fewer events in a block hardly one comes twice, and no
    tile pays.
    """

    count: int
    targets: int
    width: int
    block: int
    far: bool
    rows: int
    tables: tuple[str, ...]
    inputs: tuple[str, ...]
    lists: tuple[str, ...]
    abreast: Abreast | None


def tiled(program: Program, limits: Lanes, shared: Collection[str] = ()) -> dict[str, Tiled]:
    """The stages that run in tiles; `shared` are the constants that cannot be brought into them."""
    symbols = program.symbols()
    buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
    result = {}
    alone = dict(_alone(symbols["run"])) if limits.lanes > 1 else {}
    for name, block in alone.items():
        views = [step.DIALECT.view(one.operation) for one in symbols[name].regions[0].blocks[0].operations]
        made = _Stage(
            [view for view in views if view is not None], buffers, symbols, shared, block, len(alone), limits
        ).tiled()
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
    stages: int
    limits: Lanes

    def tiled(self) -> Tiled | None:
        """None where the stage cannot run in tiles, or need not."""
        targets = [self._targets(op) for op in self.ops]
        if not targets or not targets[0] or targets[0] < self.limits.lanes:
            return None
        count = next((k for k, number in enumerate(targets) if number != targets[0]), len(targets))
        first, others = self.ops[:count], self.ops[count:]
        tables = tuple(dict.fromkeys(op.table for op in first if isinstance(op, step.Propagate)))
        if not self._apart(first) or not self._after(first, others):
            return None
        far = sum(map(self._bytes, tables)) > SECOND_CACHE
        abreast = self._abreast(first)
        if not far and abreast is None:
            return None
        inputs = [use.buffer for use in self._listed(self.ops) if self.buffers[use.buffer].kind == "input"]
        lists = [use.buffer for use in self._listed(first) if use.writes]
        rows = sum(int(step.Table(self.symbols[table]).pre) for table in tables)
        return Tiled(
            count,
            targets[0],
            self.limits.lanes,
            self.block,
            far,
            rows,
            tables,
            tuple(inputs),
            tuple(lists),
            abreast,
        )

    def _abreast(self, ops: Sequence[Any]) -> Abreast | None:
        """None where the sums of many steps cannot be made at once, or that never pays."""
        share = ABREAST / TILED
        updates = [isinstance(op, step.Update) for op in ops]
        propagates = [op for op in ops if isinstance(op, step.Propagate)]
        sums = dict.fromkeys(op.into for op in ops if not isinstance(op, step.Update))
        if (
            self.stages > MOST_STAGES
            or not self.limits.compress
            or share >= 1
            or not propagates
            or updates != sorted(updates)
        ):
            return None
        if not all(map(self._plain, propagates)) or not all(map(self._may_have_slots, sums)):
            return None
        sources = tuple(int(step.Table(self.symbols[op.table]).pre) for op in propagates)
        return Abreast(self.limits.native, share, tuple(sums), sources)

    def _plain(self, op: step.Propagate) -> bool:
        """Whether a propagate adds weights as they are."""
        spikes = str(self.buffers[op.from_].type.element_type) == "i1"
        return spikes and step.Table(self.symbols[op.table]).code is None

    def _may_have_slots(self, name: str) -> bool:
        """Whether a buffer can hold the sums of many steps, with a lane for each."""
        buffer = self.buffers[name]
        width = int(buffer.type.element_type.width)
        return buffer.kind == "temp" and width >= 32 and width * self.limits.native <= VECTOR * 8

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
