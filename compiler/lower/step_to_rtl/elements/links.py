"""Turns a step into elements that synapses connect: what a circuit of cores can do.

A core computes element by element; all that goes from one element to another, from one core to another or from one
step to the next one must be events on their way through synapses.  So here loop nests become updates and tables
(`loops`), copies of parts of buffers, old values, and one value for all elements become events through tables of ones,
and the updates that stand between two passes through synapses are told apart: ops that share elements are put into one
group as long as no group has to wait for another one that waits for it, and what crosses between groups is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.analysis.intervals import width
from spikec.dialects import step
from spikec.dialects.constants import Array
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.propagations import propagations
from spikec.dialects.refusal import Refusal
from spikec.lower.step_to_rtl.elements.groups import Groups
from spikec.lower.step_to_rtl.elements.loops import unrolled
from spikec.lower.step_to_rtl.elements.retiming import delay_states, read, tell_earlier
from spikec.lower.step_to_rtl.elements.rewriting import Rewriting, made, reference

CODE = "E1312"


@dataclass(frozen=True)
class Linked:
    """A program; to the buffers `late` goes what the program that it was made from sent in the step before."""

    program: Program
    late: frozenset[str]


def linked(program: Program, starts: Mapping[str, Array]) -> Linked:
    """The same step, whose ops connect only elements of one place, but for what goes through tables.

    `starts` are what states hold at first where `@init` computes that.  Raises `Refusal` where it has no such form.
    """
    rewriting = Rewriting(program, starts)
    with rewriting.program.module.context, ir.Location.unknown():
        _refuse_reals(rewriting)
        plain = _plain(rewriting)
        unrolled(rewriting, plain)
        _Copies(rewriting).replace()
        _number_arguments(rewriting, plain)
        late = delay_states(rewriting)
        _Links(rewriting).make()
        tell_earlier(rewriting)
    return Linked(rewriting.program, late)


def _refuse_reals(rewriting: Rewriting) -> None:
    for buffer in rewriting.buffers.values():
        if buffer.kind in ("state", "stream", "temp") and not isinstance(buffer.type.element_type, ir.IntegerType):
            raise Refusal("E1311", "reals have no circuit", buffer.operation, "the pass 'quantize' makes integers")


def is_whole(op: step.Copy, sizes: tuple[int, int]) -> bool:
    """Whether a copy takes each element to the same place in this step; `sizes` are those of the two buffers."""
    return op.low == op.to == op.delay == 0 and sizes == (op.size, op.size)


def _plain(rewriting: Rewriting) -> dict[str, Any]:
    """The buffers that are filled with a number and never changed, with that."""
    writers: dict[str, list[Any]] = {}
    for op in rewriting.ops:
        for name in made(op):
            writers.setdefault(name, []).append(op)
    alone = {name: ops[0] for name, ops in writers.items() if len(ops) == 1 and isinstance(ops[0], step.Fill)}
    return {name: op.value for name, op in alone.items() if rewriting.buffers[name].kind == "temp"}


def _number_arguments(rewriting: Rewriting, plain: dict[str, Any]) -> None:
    """Numbers in place of the buffers that hold one."""
    for op in rewriting.ops:
        if isinstance(op, step.Update):
            args = [plain.get(symbol_of(arg) or "", arg) for arg in op.args]
            op.operation.attributes["args"] = ir.ArrayAttr.get(args)
    seen = {name for op in rewriting.ops for name in read(op)}
    for op in rewriting.ops:
        if isinstance(op, step.Fill) and op.into in plain and op.into not in seen:
            op.operation.erase()


class _Copies:
    """Copies of parts of buffers, and to the host's outputs, as what is added to zeros or goes element by element."""

    def __init__(self, rewriting: Rewriting) -> None:
        self._rewriting = rewriting

    def replace(self) -> None:
        rewriting = self._rewriting
        parts: dict[str, list[step.Copy]] = {}
        for op in rewriting.ops:
            if isinstance(op, step.Copy) and not self._is_whole(op):
                parts.setdefault(op.into, []).append(op)
        for into, copies in parts.items():
            self._join(into, copies)
        for op in rewriting.ops:
            if isinstance(op, step.Copy) and rewriting.buffers[op.into].kind == "output":
                self._send(op)

    def _is_whole(self, op: step.Copy) -> bool:
        return is_whole(op, (self._rewriting.count(op.from_), self._rewriting.count(op.into)))

    def _join(self, into: str, copies: list[step.Copy]) -> None:
        """Parts that are put side by side."""
        rewriting = self._rewriting
        count, element = rewriting.count(into), rewriting.element(into)
        writers = [op for op in rewriting.ops if into in made(op)]
        places = np.concatenate([np.arange(op.to, op.to + op.size) for op in copies])
        if len(writers) != len(copies) or len(np.unique(places)) != len(places):
            raise Refusal(CODE, "a buffer that is overwritten in parts", copies[-1].operation)
        if rewriting.buffers[into].kind == "state" and len(places) != count:
            raise Refusal(CODE, "a state of which a part is kept", copies[-1].operation)
        narrow = width(element) < 8
        sums = rewriting.buffer(
            f"{into}.parts", ir.IntegerType.get_signless(8) if narrow else element, rewriting.shape(into)
        )
        rewriting.fill(copies[0], sums)
        for op in copies:
            own = np.arange(op.size)
            table = rewriting.table(rewriting.count(op.from_), count, op.low + own, op.to + own)
            rewriting.propagate(op, op.from_, op.delay, table, sums)
        if narrow:
            rewriting.convert(copies[-1], sums, into, "sum")
        else:
            rewriting.copy(copies[-1], sums, into)
        for op in copies:
            op.operation.erase()

    def _send(self, op: step.Copy) -> None:
        """An output is the events of what is computed, never what a state was before."""
        rewriting, source = self._rewriting, op.from_
        kind = rewriting.buffers[source].kind
        later = rewriting.ops[_place(rewriting.ops, op) + 1 :]
        if kind == "state" and any(source in made(other) for other in later):
            before = rewriting.buffer(f"{source}.before", rewriting.element(source), rewriting.shape(source))
            rewriting.copy(op, source, before)
            op.operation.attributes["from"] = reference(before)


@dataclass(frozen=True)
class _Use:
    """An op uses a buffer as it was `delay` steps ago, by its argument `number`, or as the source of a copy."""

    op: Any
    number: int | None
    buffer: str
    delay: int
    size: int


class _Links:
    """Sends what crosses between groups of ops."""

    def __init__(self, rewriting: Rewriting) -> None:
        self._rewriting = rewriting
        self._clocks = {op.into for op in rewriting.ops if isinstance(op, step.Clock)}
        self._ops = [op for op in rewriting.ops if not isinstance(op, step.Clock) and not self._is_output(op)]
        self._writers: dict[str, list[int]] = {}
        for number, op in enumerate(self._ops):
            for name in made(op):
                self._writers.setdefault(name, []).append(number)
        self._uses = [list(self._used(op)) for op in self._ops]

    def make(self) -> None:
        groups = self._groups()
        sent: dict[tuple[str, int, int, int], str] = {}
        for number, uses in enumerate(self._uses):
            for use in uses:
                group = groups.of(number)
                if not self._crosses(use, group, groups):
                    continue
                key = (use.buffer, use.delay, group, use.size)
                if key not in sent:
                    sent[key] = self._gathered(use)
                self._replace(use, sent[key])

    def _groups(self) -> Groups:
        """Ops that share elements, with the states first: they are kept in one place."""
        groups = Groups(len(self._ops))
        for numbers in self._writers.values():
            for number in numbers:
                groups.join(numbers[0], number)
        states: list[tuple[int, int]] = []
        shared: list[tuple[int, int]] = []
        for number, (op, uses) in enumerate(zip(self._ops, self._uses, strict=True)):
            for one in propagations(op):
                if one.delay - one.rounds < 0:
                    self._wait(groups, one.from_, number, apart=True)
            for use in uses:
                here = use.delay == 0 and self._rewriting.count(use.buffer) == use.size
                if use.delay == 0:
                    self._wait(groups, use.buffer, number, apart=not here)
                if here:
                    pairs = states if self._rewriting.buffers[use.buffer].kind == "state" else shared
                    pairs += [(writer, number) for writer in self._writers.get(use.buffer, [])[:1]]
        for writer, reader in [*states, *shared]:
            groups.try_to_join(writer, reader)
        return groups

    def _wait(self, groups: Groups, buffer: str, reader: int, apart: bool) -> None:
        """Op `reader` waits for what fills a buffer in this step; not for a state as it was."""
        for writer in self._writers.get(buffer, []):
            if writer < reader:
                groups.wait(writer, reader, apart)

    def _used(self, op: Any) -> Iterator[_Use]:
        """What an op uses element by element: no constants, clocks, nor inputs of the same elements."""
        if isinstance(op, step.Update):
            for number, (arg, delay) in enumerate(zip(op.args, op.delays, strict=True)):
                name = symbol_of(arg)
                if name is not None and self._is_sent(name, delay, op.size):
                    yield _Use(op, number, name, delay, op.size)
        elif isinstance(op, step.Copy) and self._is_sent(op.from_, op.delay, op.size):
            yield _Use(op, None, op.from_, op.delay, op.size)

    def _is_sent(self, name: str, delay: int, size: int) -> bool:
        kind = self._rewriting.buffers[name].kind
        if kind == "constant" or name in self._clocks:
            return False
        return bool(kind != "input" or delay or self._rewriting.count(name) != size)

    def _crosses(self, use: _Use, group: int, groups: Groups) -> bool:
        if use.delay or self._rewriting.count(use.buffer) != use.size:
            return True
        return all(groups.of(writer) != group for writer in self._writers.get(use.buffer, []))

    def _gathered(self, use: _Use) -> str:
        count = self._rewriting.count(use.buffer)
        places = np.arange(use.size) if count == use.size else np.zeros(use.size, np.int64)
        return self._rewriting.gathered(use.op, use.buffer, use.delay, places)

    def _replace(self, use: _Use, name: str) -> None:
        attributes = use.op.operation.attributes
        if use.number is None:
            attributes["from"] = reference(name)
            attributes["delay"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 0)
            return
        args, delays = list(use.op.args), list(use.op.delays)
        args[use.number], delays[use.number] = reference(name), 0
        attributes["args"] = ir.ArrayAttr.get(args)
        attributes["delays"] = ir.ArrayAttr.get(
            [ir.IntegerAttr.get(ir.IntegerType.get_signless(64), delay) for delay in delays]
        )

    def _is_output(self, op: Any) -> bool:
        return isinstance(op, step.Copy) and self._rewriting.buffers[op.into].kind == "output"


def _place(ops: list[Any], op: Any) -> int:
    return next(k for k, other in enumerate(ops) if other.operation == op.operation)
