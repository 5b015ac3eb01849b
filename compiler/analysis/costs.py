"""What each op of level `step` does: operations, bytes moved, and the cycles that they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spikec.analysis.cost_model import (
    ASSUMED,
    DRAWN,
    ENERGY,
    EVENT,
    FAR,
    HAZARD,
    LANES,
    LISTED,
    MOVED,
    OP,
    SECOND_CACHE,
    SIMPLE,
    SLOW,
    VECTOR,
    kernel_cycles,
    row_cycles,
)
from spikec.dialects import procedural, step
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.elementary import FUNCTIONS, TABLE
from spikec.dialects.functions import size, symbol_of, walk
from spikec.dialects.program import Program
from spikec.dialects.propagations import Propagation, propagations


@dataclass
class Counts:
    """What an op or a stage does in one step.  `events` are active sources walked, `synaptic` the weights they add.

    `additions` and `multiplications` are all of it, the synaptic ones too; `updates` are elements of programs.
    `weights` (with indices), `state` and `lists` are bytes moved.
    """

    events: float = 0.0
    synaptic: float = 0.0
    additions: float = 0.0
    multiplications: float = 0.0
    updates: float = 0.0
    weights: float = 0.0
    state: float = 0.0
    lists: float = 0.0


@dataclass
class Cost(Counts):
    """What one op costs; `cpu` and `lanes` are cycles by the models of the cpu and of the fpga."""

    table: float = 0.0  # bytes of the table that the weights come from
    picojoules: float = 0.0  # of arithmetic
    cpu: float = 0.0
    lanes: float = 0.0


@dataclass(frozen=True)
class Body:
    """The operations of a program, for one element."""

    simple: int = 0
    products: int = 0
    slow: int = 0
    picojoules: float = 0.0

    def __add__(self, other: Body) -> Body:
        return Body(
            self.simple + other.simple,
            self.products + other.products,
            self.slow + other.slow,
            self.picojoules + other.picojoules,
        )


FREE = frozenset({"constant", "return", "extui", "extsi", "trunci", "bits", "real"})
PRODUCTS = frozenset({"mulf", "muli"})
QUOTIENTS = frozenset({"divf", "floordivsi", "remsi", "sqrt"})
INTEGER = frozenset({"addi", "subi", "andi", "xori", "shli", "shrsi", "eq"})
QUOTIENT = 4  # multiplications that a division or root counts for


def _width(type: Any) -> int:
    """Bytes of an element in memory."""
    return max(8, int(type.width)) // 8


def _operation(name: str, element: str) -> Body:
    """One operation by its name without a dialect; elementary functions are what their lists hold."""
    if name in FREE:
        return Body()
    if name in FUNCTIONS:
        bits = element[1:]
        body = Body()
        for instruction in TABLE[name, int(bits)]:
            body += _operation(instruction.op, f"i{bits}" if instruction.op in INTEGER else element)
        return body
    addition, product = ENERGY.get(element, ENERGY["i8"])
    if name in PRODUCTS:
        return Body(products=1, picojoules=product)
    if name in QUOTIENTS:
        return Body(slow=1, picojoules=QUOTIENT * product)
    return Body(simple=1, picojoules=addition)


def rows_of(table: step.Table) -> int:
    """The rows of a table: one for each source, or for each part of one."""
    return int(table.pre * (table.parts or 1))


def synapses_of(table: step.Table, constants: Mapping[str, Array]) -> float:
    """The synapses of a table of a program; the mean where they are drawn again at each event."""
    if table.format == "conv":
        return Convolution.of(table.connect).synapses
    if table.format == "procedural":
        return procedural.expected(table)
    if table.format == "dense":
        return int(table.pre * table.post)
    row = None if "row" not in table.arrays else str(symbol_of(table.arrays["row"]))
    return int(table.pre) if row is None else int(constants[row][-1]) * (table.block or 1)


def _body(program: Any) -> Body:
    """A selection between reals costs what its condition does: it moves bits."""
    total = Body()
    for wrapped in program.regions[0].blocks[0].operations:
        op = wrapped.operation
        if len(op.operands):
            total += _operation(op.name.partition(".")[2], str(op.operands[0].type))
    return total


class Network:
    """A program with what its ops refer to."""

    def __init__(self, program: Program, rates: Mapping[str, float] | float) -> None:
        self.symbols = program.symbols()
        self.synapses = {table.sym_name: synapses_of(table, program.constants) for table in program.ops(step.Table)}
        self.rates = rates
        self.buffers = {b.sym_name: b for b in program.ops(step.Buffer)}
        kept = ("state", "stream", "temp")
        self.resident = float(sum(self.bytes_of(b) for b in self.buffers.values() if b.kind in kept))
        self.constants = float(sum(self.bytes_of(b) for b in self.buffers.values() if b.kind == "constant"))

    @staticmethod
    def bytes_of(buffer: step.Buffer) -> int:
        return int(buffer.slots) * size(buffer.type) * _width(buffer.type.element_type)

    def order(self) -> Iterator[str]:
        """The stages that `@step` calls."""
        for op in walk(self.symbols["step"]):
            if op.name == "func.call":
                yield str(symbol_of(op.attributes["callee"]))

    def ops(self, stage: str) -> list[Any]:
        """The ops of a stage, those that propagate as their propagations."""
        views = (step.DIALECT.view(op) for op in walk(self.symbols[stage]))
        return [one for view in views if view is not None for one in propagations(view) or (view,)]

    def stage(self, name: str) -> list[Cost]:
        """What each op of a stage costs."""
        return [self.cost(view) for view in self.ops(name)]

    def rate(self, buffer: step.Buffer, mode: str = "event", tally: str = "") -> float:
        """Events per element and step of a buffer, for the projection that counts additions in `tally`."""
        name = buffer.sym_name
        known = self.rates
        real = mode == "dense" and str(buffer.type.element_type) != "i1"
        if not isinstance(known, Mapping):
            return 1.0 if real else float(known)
        short = name.removeprefix("input.").removesuffix(".spike").removesuffix(".event")
        for key in (tally, name, short):
            if key in known:
                return float(known[key])
        return 1.0 if real else float(known.get("*", ASSUMED))

    def cost(self, op: Any) -> Cost:
        """What an op or a propagation costs in one step."""
        match op:
            case step.Fill() | step.Clock():
                return self._moved([op.into])
            case step.Copy():
                bytes = 2 * op.size * _width(self.buffers[op.into].type.element_type)
                return Cost(state=bytes, cpu=OP + MOVED * bytes / VECTOR, lanes=op.size / LANES)
            case Propagation():
                return self._propagate(op)
            case step.Update():
                return self._update(op)
            case step.Map():
                return self._map(op)
            case step.Draw():
                cost = self._moved([op.into])
                cost.cpu += DRAWN * -(-cost.state // VECTOR)
                return cost
            case step.Tally():
                return self._tally(op.of)
            case step.Record():
                return self._record(self.buffers[op.into])
        raise AssertionError(f"no cost of {op.name()}")

    def _moved(self, names: list[str]) -> Cost:
        """Buffers read or written from end to end."""
        bytes = float(sum(self.bytes_of(self.buffers[n]) / self.buffers[n].slots for n in names))
        count = max(size(self.buffers[n].type) for n in names) if names else 0
        return Cost(state=bytes, cpu=OP + MOVED * bytes / VECTOR, lanes=-(-count // LANES))

    def _tally(self, name: str | None) -> Cost:
        """A list is counted by its length, anything else element by element."""
        assert name is not None
        if "list" in (self.buffers[name].forms or []):
            return Cost(lists=8, cpu=OP)
        return self._moved([name])

    def _record(self, probe: step.Buffer) -> Cost:
        """Events are counted as a list of their buffer is; samples are copied."""
        if probe.record == "event":
            return self._tally(probe.of)
        cost = self._moved([probe.sym_name])
        return Cost(state=2 * cost.state / probe.every, cpu=OP + (cost.cpu - OP) * 2 / probe.every)

    def _update(self, op: step.Update) -> Cost:
        names = [n for n in map(symbol_of, [*op.args, *op.results_]) if n is not None]
        whole = [n for n in names if size(self.buffers[n].type) == op.size]
        cost = self._computed(_body(self.symbols[op.program]), op.size, whole)
        cost.updates = op.size
        results = {n for n in map(symbol_of, op.results_) if n is not None}
        for name in results:
            buffer = self.buffers[name]
            if "list" in (buffer.forms or []):
                events = self.rate(buffer) * op.size
                cost.lists += 4 * events
                cost.cpu += LISTED * -(-op.size // (2 * VECTOR // 4)) + EVENT * events
        return cost

    def _map(self, op: step.Map) -> Cost:
        points = 1
        for extent in op.extents:
            points *= extent
        cost = self._computed(_body(self.symbols[op.program]), points, [*op.args, *op.results_])
        if "reduction" in op.iterators:  # one element after the other
            cost.cpu *= VECTOR // 4
        cost.lanes = points
        return cost

    def _computed(self, body: Body, count: int, names: list[str]) -> Cost:
        cost = self._moved(names)
        cost.additions = body.simple * count
        cost.multiplications = (body.products + QUOTIENT * body.slow) * count
        cost.picojoules = body.picojoules * count
        widest = max([_width(self.buffers[n].type.element_type) for n in names], default=4)
        registers = -(-count * min(widest, 8) // VECTOR)
        cost.cpu += registers * (SIMPLE * (body.simple + body.products) + SLOW * body.slow)
        cost.lanes = 2 * max(-(-count // LANES), HAZARD)
        return cost

    def multiplies(self, op: Propagation) -> bool:
        """Whether weights are multiplied by events; spikes let them pass, and powers of two are shifted."""
        return str(self.buffers[op.from_].type.element_type) != "i1" and step.Table(self.symbols[op.table]).code is None

    @staticmethod
    def _event(table: step.Table, arrays: Mapping[str, step.Buffer], row: float, width: int) -> float:
        """Cycles of an event, for sums of `width` bytes."""
        if table.format == "conv":
            return kernel_cycles(Convolution.of(table.connect), width)
        post = table.post
        if table.format == "bitmap":
            words = size(arrays["bits"].type) // max(1, table.pre)
            post = min(post, words * step.BITMAP_WORD)
        return row_cycles(table.format, row, post, width, table.weight is not None)

    def _propagate(self, op: Propagation) -> Cost:
        table, source, into = step.Table(self.symbols[op.table]), self.buffers[op.from_], self.buffers[op.into]
        arrays = {key: self.buffers[str(symbol_of(array))] for key, array in table.arrays.items()}
        events = self.rate(source, op.mode, op.tally) * table.pre * op.rounds
        row = self.synapses[op.table] / max(1, rows_of(table))  # on average
        added = events * row
        element = into.type.element_type
        addition, product = ENERGY.get(str(element), ENERGY["i8"])
        plain = not self.multiplies(op)
        # What is read of a row: all of its arrays but `row`, of which it is two numbers.
        parts = [array for key, array in arrays.items() if key != "row"]
        read = sum(size(array.type) * _width(array.type.element_type) for array in parts) / max(1, rows_of(table))
        if table.format == "conv":
            read = row * sum(_width(array.type.element_type) for array in parts)
        rows = 8 * events if "row" in arrays else 0.0
        sums = float(size(into.type) * _width(element)) * 2
        scattered = table.format != "dense"
        walked = table.pre * _width(source.type.element_type) if "list" not in (source.forms or []) else 0
        walked *= op.rounds
        cost = Cost(
            events=events,
            synaptic=added,
            additions=added,
            multiplications=0.0 if plain else added,
            weights=events * read + rows,
            state=2 * added * _width(element) if scattered else (sums if events else 0.0),
            lists=4 * events + walked,
            table=float(sum(self.bytes_of(array) for array in arrays.values())),
            picojoules=added * (addition + (0.0 if plain else product)),
        )
        cost.cpu = op.rounds * OP + events * self._event(table, arrays, row, _width(element))
        if not scattered:
            cost.cpu += MOVED * sums / VECTOR
        cost.cpu += LISTED * walked / VECTOR
        if cost.table > SECOND_CACHE:
            cost.cpu += FAR * cost.weights
        cost.lanes = events * max(-(-row // LANES), HAZARD if not scattered else 1)
        return cost
