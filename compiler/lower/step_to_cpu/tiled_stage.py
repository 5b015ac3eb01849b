"""The code of a stage that runs a block of steps for one tile of its targets after the other; see `tiles`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, Protocol

from spikec.dialects import step
from spikec.dialects.mlir import arith
from spikec.dialects.propagations import propagations
from spikec.lower.code import Value, either, index, less, loop, plus, when
from spikec.lower.step_to_cpu import events
from spikec.lower.step_to_cpu.places import Frame, Tile
from spikec.lower.step_to_cpu.synapses import abreast
from spikec.lower.step_to_cpu.synapses.arrivals import Source
from spikec.lower.step_to_cpu.tiles import Abreast, Tiled


class At(Protocol):
    def __call__(self, t: Value, tile: Tile | None = None) -> Frame: ...


@dataclass(frozen=True)
class TiledStage:
    """The ops of a stage: `at` gives the frame of a step, `listed` lists its inputs and `run` runs ops in one."""

    tiled: Tiled
    ops: list[Any]
    symbols: Mapping[str, Any]
    at: At
    listed: Callable[[Frame], None]
    run: Callable[[Frame, list[Any]], None]

    def lower(self, begin: Value, end: Value) -> None:
        """The steps from `begin` until before `end`, in the order that suits the number of events."""
        counts = loop(begin, end, 1, self._prepare, [index(0)] * len(self._propagates))
        total = reduce(arith.addi, counts)
        made, rare = self.tiled.abreast, None
        if made is not None:
            rare = less(total, arith.muli(arith.subi(end, begin), index(int(made.share * sum(made.sources)))))
            either(rare, [], lambda: None, lambda: self._mark(made, counts, begin, end))

        def by_events(tile: Tile | None = None) -> None:
            loop(begin, end, 1, lambda t: self.run(self.at(t, tile), self._first))

        def steps(tile: Tile | None = None) -> None:
            if made is not None:
                self._groups(made, rare, tile, begin, end)
            else:
                by_events(tile)

        def tiles() -> None:
            width = self.tiled.width
            loop(index(0), index(self.tiled.targets), width, lambda at: steps(Tile(at, width, begin, end)))

        if self.tiled.far:
            few = less(total, index(self.tiled.rows))
            either(few if rare is None else arith.andi(few, rare), [], by_events, tiles)
        else:
            steps()
        others = self.ops[self.tiled.count :]
        if others:
            loop(begin, end, 1, lambda t: self.run(self.at(t), others))

    @cached_property
    def _first(self) -> list[Any]:
        return self.ops[: self.tiled.count]

    @cached_property
    def _propagates(self) -> list[step.Propagate]:
        return [op for op in self._first if isinstance(op, step.Propagate)]

    def _table(self, op: step.Propagate) -> step.Table:
        return step.Table(self.symbols[op.table])

    def _prepare(self, t: Value, *counts: Value) -> list[Value]:
        """Lists of a step, and how many events each propagate has had so far."""
        frame = self.at(t)
        self.listed(frame)
        for name in self.tiled.lists if self.tiled.far else ():
            events.set_count(frame, frame.held(name), index(0))
        sources = [Source(frame, one, self._table(op)) for op in self._propagates for one in propagations(op)]
        arrived = [arith.subi(source.end, source.begin) for source in sources]
        return list(map(arith.addi, counts, arrived))

    def _mark(self, made: Abreast, counts: list[Value], begin: Value, end: Value) -> None:
        frame = self.at(begin)
        for op, offset, count in zip(self._propagates, made.marks, counts, strict=True):
            frame.add_to(op.tally, arith.muli(count, index(self.tiled.targets)))
            abreast.mark(frame, op, self._table(op), offset, arith.subi(end, begin))

    def _groups(self, made: Abreast, rare: Value, tile: Tile | None, begin: Value, end: Value) -> None:
        """As many steps together as a register has lanes; their sums are made at once unless events are `rare`."""
        sums = [op for op in self._first if not isinstance(op, step.Update)]
        updates = [op for op in self._first if isinstance(op, step.Update)]

        def group(first: Value) -> None:
            last = arith.minsi(plus(first, made.lanes), end)

            def together() -> None:
                number = arith.divui(arith.subi(first, begin), index(made.lanes))
                begins = {op.into: op.value for op in self._first if isinstance(op, step.Fill)}
                for op, marks in zip(self._propagates, made.marks, strict=True):
                    frame = self.at(first, tile)
                    abreast.add(frame, op, self._table(op), marks, number, begins.pop(op.into, None))

            def one(t: Value) -> None:
                frame = self.at(t, tile)
                when(rare, lambda: self.run(frame, sums))
                self.run(frame, updates)

            either(rare, [], lambda: None, together)
            loop(first, last, 1, one)

        loop(begin, end, made.lanes, group)
