"""Cuts a step into cores: what is done for each element of a population, in the order of the step.

Ops that touch the elements of one buffer one by one belong together: filling a port, what arrives there, the update
that takes it, updates of what that one made.  What goes through synapses crosses from core to core, as events of one
buffer in a fixed number of words a step; a core waits for the words of all that arrives and then updates its elements.
A delay of d steps is a channel whose consumer takes d steps of silence first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from spikec.analysis.dependence import entry_ops
from spikec.dialects import step
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.program import Program
from spikec.dialects.propagations import Propagation, propagations
from spikec.dialects.refusal import Refusal
from spikec.lower.step_to_rtl.elements.rewriting import made

CODE = "E1312"


@dataclass(frozen=True)
class Arrival:
    """What arrives in buffer `into` through a table: the events that `source` had `delay` steps ago, from `low` on.

    `part` is that of a table in parts.  Counter `tally` counts the weight additions, when the events are `told` steps
    old.
    """

    op: Any
    source: str
    delay: int
    low: int
    table: step.Table
    into: str
    tally: str
    told: int
    part: int | None = None


@dataclass
class Core:
    """`size` elements; `ops` are all in order, `arrivals` what comes to them; `sends` are buffers that leave.

    `clocks` are buffers that hold the number of the step.
    """

    name: str
    size: int
    ops: list[Any]
    clocks: frozenset[str]
    arrivals: list[Arrival] = field(default_factory=list)
    sends: list[str] = field(default_factory=list)

    @property
    def location(self) -> Any:
        return self.ops[-1].operation


@dataclass(frozen=True)
class Output:
    """The host's output `into` has the events of buffer `source`."""

    op: Any
    source: str
    into: str


@dataclass(frozen=True)
class Cut:
    """`cores` stand in an order in which what they send without delay goes on."""

    cores: tuple[Core, ...]
    outputs: tuple[Output, ...]
    inputs: tuple[str, ...]
    buffers: dict[str, step.Buffer]


def cut(program: Program, late: Collection[str]) -> Cut:
    """The cores of a program that is linked; what goes to the buffers `late` is counted a step before it is taken."""
    return _Cutting(program, late).cut()


class _Cutting:
    def __init__(self, program: Program, late: Collection[str]) -> None:
        self._late = late
        self._names: set[str] = set()
        self._buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
        self._tables = {table.sym_name: table for table in program.ops(step.Table)}
        ops = [op for _, op in entry_ops(program)]
        self._ops = [op for op in ops if not isinstance(op, step.Tally | step.Record)]
        self._told = list(dict.fromkeys(name for op in ops for name in self._looked_at(op)))
        self._outputs = [op for op in self._ops if isinstance(op, step.Copy) and self._kind(op.into) == "output"]
        self._clocks = frozenset(op.into for op in self._ops if isinstance(op, step.Clock))
        self._inner = [op for op in self._ops if op not in self._outputs and not isinstance(op, step.Clock)]

    def cut(self) -> Cut:
        cores = self._cores()
        home = {name: core for core in cores for op in core.ops for name in made(op)}
        outputs = [self._output(op) for op in self._outputs]
        # A buffer of the host that an update fills is an output too.
        outputs += [Output(core.location, name, name) for name, core in home.items() if self._kind(name) == "output"]
        sent = [arrival.source for core in cores for arrival in core.arrivals] + [one.source for one in outputs]
        for name in [*sent, *self._told]:
            if name in home and name not in home[name].sends:
                home[name].sends.append(name)
        used = dict.fromkeys(
            [arrival.source for core in cores for arrival in core.arrivals] + [o.source for o in outputs]
        )
        inputs = tuple(name for name in used if self._kind(name) == "input")
        return Cut(tuple(_ordered(cores, home)), tuple(outputs), inputs, self._buffers)

    def _cores(self) -> list[Core]:
        groups: dict[str, int] = {}  # the group that a buffer's elements belong to
        members: dict[int, list[Any]] = {}
        for number, op in enumerate(self._inner):
            members[number] = [op]
            for name in self._elements(op):
                other = groups.setdefault(name, number)
                if other != number:
                    # The later group is taken into the earlier one; ops stay in order.
                    keep, gone = min(other, number), max(other, number)
                    members[keep] = sorted({*members[keep], *members.pop(gone)}, key=self._inner.index)
                    groups = {key: keep if group == gone else group for key, group in groups.items()}
                    number = keep
        return [self._core(ops, k) for k, ops in enumerate(members.values())]

    def _core(self, ops: list[Any], number: int) -> Core:
        sizes = {size(self._buffers[name].type) for op in ops for name in made(op)}
        if len(sizes) != 1:
            raise Refusal(CODE, f"elements of {sorted(sizes)} are computed together", ops[-1].operation)
        states = [name for op in ops if isinstance(op, step.Update) for name in made(op)]
        name = self._named(re.sub(r"\W", "_", (states or [f"core{number}"])[0].split(".")[0]))
        core = Core(f"{name}_core", sizes.pop(), ops, self._clocks)
        for op in ops:
            core.arrivals += [arrival for one in propagations(op) for arrival in self._arrivals(op, one)]
        # What is of this step comes first: with it the step begins.
        core.arrivals.sort(key=lambda arrival: arrival.delay)
        return core

    def _arrivals(self, op: Any, one: Propagation) -> Iterator[Arrival]:
        """What a propagation brings; one through a table in parts brings those of each delay by themselves."""
        if one.from_ in self._clocks:
            raise Refusal(CODE, "the number of the step on its way through synapses", op.operation)
        table, late = self._tables[one.table], int(one.into in self._late)
        for sooner in range(one.rounds):
            part = None if one.part is None else one.part - sooner
            if part is None or 0 <= part < (table.parts or 1):
                delay = one.delay - sooner
                yield Arrival(op, one.from_, delay, one.low, table, one.into, one.tally, delay - late, part)

    def _looked_at(self, op: Any) -> Iterator[str]:
        """The buffers that leave a core since they are counted or recorded; the values of states can be read there."""
        if isinstance(op, step.Tally):
            yield op.of
        elif isinstance(op, step.Record):
            probe = self._buffers[op.into]
            if probe.record == "event" or self._kind(str(probe.of)) != "state":
                yield str(probe.of)

    def _output(self, op: Any) -> Output:
        if op.delay or not self._is_whole(op):
            raise Refusal(CODE, "an output that is not the events of one population", op.operation)
        return Output(op, op.from_, op.into)

    def _elements(self, op: Any) -> Iterator[str]:
        """The buffers whose elements an op touches one by one."""
        yield from made(op)
        if isinstance(op, step.Update):
            for arg, delay in zip(op.args, op.delays, strict=True):
                name = symbol_of(arg)
                if name is None or self._kind(name) == "constant" or name in self._clocks:
                    continue
                if delay or size(self._buffers[name].type) != op.size:
                    raise Refusal(CODE, "an update that looks at other elements or steps", op.operation)
                if self._kind(name) != "input":
                    yield name
        elif isinstance(op, step.Copy) and self._is_whole(op) and op.delay == 0:
            if self._kind(op.from_) != "input" and op.from_ not in self._clocks:
                yield op.from_
        elif not isinstance(op, step.Fill | step.Draw) and not propagations(op):
            raise Refusal(CODE, f"'{op.mnemonic}'", op.operation)

    def _is_whole(self, op: step.Copy) -> bool:
        sizes = {size(self._buffers[name].type) for name in (op.from_, op.into)}
        return op.low == op.to == 0 and sizes == {op.size}

    def _named(self, wanted: str) -> str:
        """A name that no other core has."""
        name, number = wanted, 1
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        return name

    def _kind(self, name: str) -> str:
        return str(self._buffers[name].kind)


def _ordered(cores: list[Core], home: dict[str, Core]) -> Iterator[Core]:
    """The cores, each after those whose events of this step it waits for."""
    waiting = list(cores)
    done: set[str] = set()
    while waiting:
        ready = [
            core
            for core in waiting
            if all(
                arrival.delay or arrival.source not in home or home[arrival.source].name in done
                for arrival in core.arrivals
            )
        ]
        if not ready:
            raise Refusal(CODE, "cores that wait for each other within one step", waiting[0].location)
        done |= {core.name for core in ready}
        yield from ready
        waiting = [core for core in waiting if core not in ready]
