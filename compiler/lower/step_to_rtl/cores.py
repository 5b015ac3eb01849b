"""Cuts a step into cores: what is done for each element of a population, in the order of the step.

Ops that touch the elements of one buffer one by one belong together: filling a port, what arrives there, the update
that takes it, updates of what that one made.  What goes through synapses crosses from core to core, as events of one
buffer in a fixed number of words a step; a core waits for the words of all that arrives and then updates its elements.
A delay of d steps is a channel whose consumer takes d steps of silence first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from spikec.analysis.dependence import entry_ops
from spikec.dialects import step
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.propagations import Propagation, propagations
from spikec.dialects.refusal import Refusal
from spikec.lower.code import python_number

CODE = "E1312"


@dataclass(frozen=True)
class Arrival:
    """What arrives in buffer `into` through a table: the events that `source` had `delay` steps ago, from `low` on.

    `part` is that of a table in parts.
    """

    op: Any
    source: str
    delay: int
    low: int
    table: step.Table
    into: str
    part: int | None = None


@dataclass
class Core:
    """`size` elements; `ops` are all in order, `arrivals` what comes to them; `sends` are buffers that leave.

    `late` are states that hold what arrived in the step before, by the buffer where it arrives: the arrival is counted
    to the step that sees it.
    """

    name: str
    size: int
    ops: list[Any]
    late: dict[str, str]
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


def cut(program: Program) -> Cut:
    """The cores of a program at level `step`.  Raises `Refusal` where it has no such form."""
    return _Cutting(program).cut()


class _Cutting:
    def __init__(self, program: Program) -> None:
        self._buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
        self._tables = {table.sym_name: table for table in program.ops(step.Table)}
        self._ops = [op for _, op in entry_ops(program) if not isinstance(op, step.Tally | step.Record)]
        self._outputs = [op for op in self._ops if isinstance(op, step.Copy) and self._kind(op.into) == "output"]
        self._inner = [op for op in self._ops if op not in self._outputs]
        self._late = {op.from_: op.into for op in self._inner if self._is_late(op)}
        for buffer in self._buffers.values():
            if buffer.kind in ("state", "stream", "temp") and not isinstance(buffer.type.element_type, ir.IntegerType):
                raise Refusal("E1311", "reals have no circuit", buffer.operation, "the pass 'quantize' makes integers")

    def cut(self) -> Cut:
        cores = self._cores()
        home = {name: core for core in cores for op in core.ops for name in _made(op)}
        outputs = [self._output(op) for op in self._outputs]
        # A buffer of the host that an update fills is an output too.
        outputs += [Output(core.location, name, name) for name, core in home.items() if self._kind(name) == "output"]
        for name in [arrival.source for core in cores for arrival in core.arrivals] + [one.source for one in outputs]:
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
        sizes = {size(self._buffers[name].type) for op in ops for name in _made(op)}
        if len(sizes) != 1:
            raise Refusal(CODE, f"elements of {sorted(sizes)} are computed together", ops[-1].operation)
        states = [name for op in ops if isinstance(op, step.Update) for name in _made(op)]
        name = re.sub(r"\W", "_", (states or [f"core{number}"])[0].split(".")[0])
        late = {x: s for x, s in self._late.items() if any(s in _made(op) for op in ops)}
        core = Core(f"{name}_core", sizes.pop(), ops, late)
        for op in ops:
            core.arrivals += [arrival for one in propagations(op) for arrival in self._arrivals(op, one)]
        # What is of this step comes first: with it the step begins.
        core.arrivals.sort(key=lambda arrival: arrival.delay)
        return core

    def _arrivals(self, op: Any, one: Propagation) -> Iterator[Arrival]:
        """What a propagation brings; one through a table in parts brings those of each delay by themselves."""
        buffer = self._buffers[one.from_]
        table, late = self._tables[one.table], 0
        if buffer.kind == "state":  # as it was before the update
            writer = next(k for k, other in enumerate(self._inner) if one.from_ in _made(other))
            late = int(self._inner.index(op) < writer)
            if late and buffer.init is not None and python_number(buffer.init) != 0:
                raise Refusal(CODE, "events before the first step", op.operation)
        into = self._late.get(one.into, one.into)
        late += into != one.into
        for sooner in range(one.rounds):
            part = None if one.part is None else one.part - sooner
            if part is None or 0 <= part < (table.parts or 1):
                yield Arrival(op, one.from_, one.delay - sooner + late, one.low, table, into, part)

    def _output(self, op: Any) -> Output:
        if op.delay or not self._is_whole(op):
            raise Refusal(CODE, "an output that is not the events of one population", op.operation)
        return Output(op, op.from_, op.into)

    def _elements(self, op: Any) -> Iterator[str]:
        """The buffers whose elements an op touches one by one."""
        yield from _made(op)
        if isinstance(op, step.Update):
            for arg, delay in zip(op.args, op.delays, strict=True):
                name = symbol_of(arg)
                if name is None or self._kind(name) == "constant":
                    continue
                if delay or size(self._buffers[name].type) != op.size:
                    raise Refusal(CODE, "an update that looks at other elements or steps", op.operation)
                if self._kind(name) != "input":
                    yield name
        elif isinstance(op, step.Copy) and self._is_whole(op) and op.delay == 0:
            yield op.from_
        elif not isinstance(op, step.Fill | step.Draw) and not propagations(op):
            raise Refusal(CODE, f"'{op.mnemonic}'", op.operation)

    def _is_whole(self, op: step.Copy) -> bool:
        sizes = {size(self._buffers[name].type) for name in (op.from_, op.into)}
        return op.low == op.to == 0 and sizes == {op.size}

    def _is_late(self, op: Any) -> bool:
        """Whether a copy keeps what arrives in this step, starting from 0, for the next one, and nobody else looks."""
        if not isinstance(op, step.Copy) or self._kind(op.into) != "state" or not self._is_whole(op):
            return False
        init = self._buffers[op.into].init
        if op.delay or (init is not None and (symbol_of(init) is not None or python_number(init) != 0)):
            return False
        users = [other for other in self._inner if other is not op and op.from_ in self._elements(other)]
        keepers = [other for other in self._inner if other is not op and op.into in _made(other)]
        zero = [other for other in users if isinstance(other, step.Fill) and python_number(other.value) == 0]
        return not keepers and len(zero) == 1 and all(propagations(other) for other in users if other not in zero)

    def _kind(self, name: str) -> str:
        return str(self._buffers[name].kind)


def _made(op: Any) -> list[str]:
    """The buffers that an op fills or adds to."""
    if isinstance(op, step.Update):
        return [name for name in map(symbol_of, op.results_) if name is not None]
    if isinstance(op, step.Map | step.Sweep | step.Propagate | step.Fill | step.Copy | step.Draw | step.Clock):
        return list(op.results_) if isinstance(op, step.Map) else [op.into]
    return []


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
