"""One entry point of level `snn` as nodes over buffers.

Each live op becomes the nodes that compute it.  Where a value lives is a `Place`; a value gets the
buffer of the state or output that it is meant for where that needs no copy:

- an elementwise value that is written to a state is computed into the state's buffer, and one that
  is only returned into the output's;
- a chain of `propagate`s accumulates in one buffer: the one of its `init` where nothing else uses that,
  the state's own where the chain starts from a state and ends in the update of that state, and a
  temporary with a copy of `init` otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from spikec.dialects import snn
from spikec.dialects.functions import (
    argument_marks,
    argument_roles,
    result_marks,
    result_roles,
    signature,
    symbol_of,
)
from spikec.dialects.mlir import ir
from spikec.lower.snn_to_step import dataflow, sweeps
from spikec.lower.snn_to_step.buffers import Buffers
from spikec.lower.snn_to_step.dataflow import Dataflow, is_constant, number_of, operands, source
from spikec.lower.snn_to_step.nodes import (
    Access,
    Clock,
    Copy,
    Draw,
    Fill,
    Map,
    Node,
    Payload,
    Propagate,
    Sweep,
    Tally,
    Update,
)
from spikec.lower.snn_to_step.programs import Programs
from spikec.lower.snn_to_step.storage import Storage
from spikec.lower.snn_to_step.tables import Tables
from spikec.lower.snn_to_step.types import element_of, is_bool, row_major, shape_of, size_of
from spikec.runtime.interface import ADDED, EMITTED


@dataclass(frozen=True)
class Place:
    """Where a value is: an access to copy from, the node that makes it, whether it may be overwritten once used.

    `events` tells that silence is the common case: the source of an event-driven propagation.
    """

    access: Access
    node: int | None = None
    owned: bool = False
    events: bool = False


class Shared(Protocol):
    """What the entries of one program have in common."""

    symbols: dict[str, Any]
    buffers: Buffers
    storage: Storage
    tables: Tables
    programs: Programs
    keys: dict[Any, int]


class Body:
    """The nodes of one entry; `writers` are the first node that overwrites each state."""

    def __init__(self, entry: str, flow: Dataflow, shared: Shared) -> None:
        self.entry = entry
        self.flow = flow
        self.nodes: list[Node] = []
        self.writers: dict[str, int] = {}
        self._s = shared
        self._places: dict[Any, Place] = {}
        self._location: Any = None
        populations = [snn.Population(op) for op in shared.symbols.values() if op.name == snn.Population.name()]
        self._event_states = {population.event for population in populations}
        self._inputs()
        for op in flow.ops:
            self._location = op.location
            self._lower(op)
        self._untouched_histories()

    # ------------------------------------------------------------ dispatch

    def _inputs(self) -> None:
        attributes = argument_marks(self.flow.function)
        for argument, marked in zip(self.flow.arguments, attributes, strict=True):
            name = ir.StringAttr(marked[snn.NAME]).value
            kind = ir.StringAttr(marked[snn.KIND]).value if snn.KIND in marked else ""
            access = Access(f"input.{name}", shape_of(argument.type))
            self._places[argument] = Place(access, events=kind in ("spikes", "events") or is_bool(argument.type))

    def _lower(self, op: Any) -> None:
        match snn.DIALECT.view(op):
            case snn.Read() as read:
                self._read(read)
            case snn.Propagate() as propagate:
                self._propagate(propagate)
            case snn.Update() as update:
                self._update(update)
            case snn.Write() as write:
                self._write(write)
            case snn.Draw() as draw:
                into = self._target(op.results[0], f"draw.{draw.path}")
                key = self._s.keys[op.results[0]]
                self._made(op.results[0], into, self._add(Draw(into, draw.path, draw.seed, key)))
            case snn.Clock():
                into = self._temp("clock", op.results[0].type)
                self._made(op.results[0], into, self._add(Clock(into)))
            case _:
                self._upstream(op)

    def _upstream(self, op: Any) -> None:
        match op.name:
            case "func.return":
                self._return(op)
            case "linalg.generic":
                self._generic(op)
            case "tensor.extract_slice":
                self._slice(op)
            case "tensor.concat":
                self._concat(op)
            case name if name in dataflow.ELEMENTWISE and op.results[0] in self.flow.roots:
                self._cluster(op.results[0])
            case _:
                pass  # aliases, constants, and what a cluster computes

    # ------------------------------------------------------------ nodes and places

    def _add(self, payload: Payload, *after: int | None, group: str | None = None) -> int:
        node = Node(payload, self._location, {n for n in after if n is not None}, group)
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _made(self, value: Any, buffer: str, node: int, owned: bool = False, events: bool = False) -> Place:
        owned = owned and self._s.buffers[buffer].kind == "temp"
        place = Place(Access(buffer, shape_of(value.type)), node, owned, events)
        self._places[value] = place
        return place

    def _temp(self, wanted: str, type: Any, listable: bool = False) -> str:
        return self._s.buffers.temp(wanted, type, self._location, listable)

    def _place(self, value: Any) -> Place:
        """Where a value is; a constant is put into a buffer."""
        value = source(value)
        if value not in self._places:
            assert is_constant(value), f"{value} has no place"
            into = self._temp("constant", value.type)
            self._made(value, into, self._add(Fill(into, number_of(value))))
        return self._places[value]

    def _use(self, place: Place, reads_mask: bool = True) -> Access:
        """A fresh access, which can be redirected on its own."""
        if reads_mask:
            self._s.buffers[place.access.buffer].needs.add("mask")
        a = place.access
        return Access(a.buffer, a.shape, a.delay, a.low, a.old)

    def _whole(self, value: Any, shape: tuple[int, ...] | None = None) -> Place:
        """The place of a value as a whole buffer, of the given shape where that matters; copies when it must."""
        place = self._place(value)
        buffer = self._s.buffers[place.access.buffer]
        fits = shape is None or shape_of(buffer.type) == shape
        if place.access.low == 0 and buffer.size == math.prod(place.access.shape) and fits:
            return place
        type = ir.RankedTensorType.get(shape if shape is not None else place.access.shape, buffer.type.element_type)
        into = self._temp("part", type)
        return self._copied(place, into, type)

    def _copied(self, place: Place, into: str, type: Any) -> Place:
        copy = Copy(self._use(place), into, 0, size_of(type))
        return Place(Access(into, shape_of(type)), self._add(copy, place.node), owned=True, events=place.events)

    def _target(self, value: Any, wanted: str) -> str:
        """The buffer that a freshly computed value goes to: a state's, an output's, or a temporary."""
        uses = self.flow.uses[value]
        writes = [snn.Write(op) for op, _ in uses if op.name == snn.Write.name()]
        if writes:
            return self._s.storage.plans[writes[0].to].buffer
        if len(uses) == 1 and uses[0][0].name == "func.return":
            return self._output(uses[0][1])
        return self._temp(self._wanted(value, wanted), value.type, listable=True)

    def _wanted(self, value: Any, otherwise: str) -> str:
        """A telling name for a value's buffer: that of the port it ends in."""
        following: Any = value
        while following is not None:
            uses = self.flow.uses[following]
            following = None
            if len(uses) == 1:
                op, number = uses[0]
                if op.name == snn.Update.name():
                    population = snn.Population(self._s.symbols[snn.Update(op).population])
                    return f"{population.sym_name}.port.{_ports(self._s.symbols[population.neuron])[number][1]}"
                if op.name == snn.Propagate.name() and number == 1:
                    following = op.results[0]
        return otherwise

    # ------------------------------------------------------------ states

    def _read(self, read: snn.Read) -> None:
        access = self._s.storage.access(read.of, read.delay)
        events = is_bool(read.operation.results[0].type) or read.of in self._event_states
        self._places[read.operation.results[0]] = Place(access, events=events)

    def _write(self, write: snn.Write) -> None:
        value = source(write.operation.operands[0])
        plan = self._s.storage.plans[write.to]
        type = write.operation.operands[0].type
        if is_constant(value):
            node = self._add(Fill(plan.buffer, number_of(value)))
        elif self._place(value).access.old == write.to and self._place(value).access.low == 0:
            return  # the state keeps its value
        elif self._computed_in(value, plan.buffer):
            made = self._place(value).node
            assert made is not None
            node = made
        else:
            place = self._whole(value)
            node = self._add(Copy(self._use(place), plan.buffer, 0, size_of(type)), place.node)
        self._wrote(write.to, node)

    def _computed_in(self, value: Any, buffer: str) -> bool:
        place = self._place(value)
        return place.access.buffer == buffer and place.node is not None and not place.access.delay

    def _wrote(self, state: str, node: int) -> None:
        """Notes the writer of a state, and keeps the value for later where the state has a history."""
        self.writers.setdefault(state, node)
        self._keep_history(state, node)

    def _keep_history(self, state: str, node: int | None) -> None:
        plan = self._s.storage.plans[state]
        if plan.history is None or self.entry != "step":
            return
        buffer = self._s.buffers[plan.buffer]
        group = self.nodes[node].group if node is not None else None
        access = Access(plan.buffer, shape_of(buffer.type))
        self._add(Copy(access, plan.history, 0, buffer.size), node, group=group)

    def _untouched_histories(self) -> None:
        """States that no op writes keep a history of their one value."""
        for state, plan in self._s.storage.plans.items():
            if plan.history is not None and state not in self.writers:
                self._location = self._s.buffers[plan.buffer].location
                self._keep_history(state, None)

    # ------------------------------------------------------------ elementwise

    def _cluster(self, root: Any) -> None:
        ops, leaves = self.flow.cluster(root)
        places = [self._whole(leaf) for leaf in leaves]
        into = self._target(root, "value")
        name = self._s.programs.cluster(f"program.{into}", ops, leaves, root)
        update = Update(name, size_of(root.type), [self._use(place) for place in places], [into])
        node = self._add(update, *(place.node for place in places))
        self._made(root, into, node, owned=True, events=is_bool(root.type))

    # ------------------------------------------------------------ projections and populations

    def _propagate(self, op: snn.Propagate) -> None:
        if sweeps.goes_on(self.flow, op):
            return  # the last one of a row stands for all of them
        row = sweeps.row(self.flow, op)
        arriving = [self._place(source(one.operation.operands[0])) for one in row]
        init = source(row[0].operation.operands[1])
        into, node, owned = self._accumulator(row[0], init)
        first = len(self.nodes)
        for payload, nodes in self._propagations(row, arriving, into):
            node = self._add(payload, node, *nodes)
        state = self._chain_state(init)
        if state is not None and into == self._s.storage.plans[state].buffer:
            self.writers.setdefault(state, first)
        self._made(op.operation.results[0], into, len(self.nodes) - 1, owned=owned)

    def _propagations(
        self, row: list[snn.Propagate], arriving: list[Place], into: str
    ) -> Sequence[tuple[Payload, set[int | None]]]:
        """What a row of propagates does, with the nodes that make the events."""
        made = [
            (one.delay, self._propagation(one, place, into), place.node)
            for one, place in zip(row, arriving, strict=True)
        ]
        if row[0].delay is None:
            return [(made[0][1], {made[0][2]})]
        return sweeps.sweeps(made)

    def _propagation(self, op: snn.Propagate, arriving: Place, into: str) -> Propagate:
        mode = "event" if arriving.events and self._s.buffers[arriving.access.buffer].listable else "dense"
        access = self._use(arriving, reads_mask=mode == "dense")
        if mode == "event":
            self._s.buffers[access.buffer].needs.add("list")
        part = None if op.delay is None else op.delay - snn.Synapses(self._s.symbols[op.synapses]).delay_range[0]
        return Propagate(access, self._s.tables.of(op.synapses), into, mode, op.synapses + ADDED, part)

    def _accumulator(self, op: snn.Propagate, init: Any) -> tuple[str, int | None, bool]:
        """The buffer that a propagate adds into, the node that prepares it, and whether the next may take it over."""
        result = op.operation.results[0]
        if is_constant(init):
            into = self._temp(self._wanted(result, "sum"), init.type)
            return into, self._add(Fill(into, number_of(init))), True
        place = self._place(init)
        if len(self.flow.uses[init]) == 1 and (place.owned or self._in_chain_state(place)):
            return place.access.buffer, place.node, place.owned
        state = self._starts_chain(init, result)
        if state is not None:
            return place.access.buffer, None, False
        into = self._temp(self._wanted(result, "sum"), init.type)
        return into, self._copied(place, into, init.type).node, True

    def _starts_chain(self, init: Any, result: Any) -> str | None:
        """The state that `init` reads and that the chain of propagates from here updates."""
        read = dataflow.defining(init)
        if read is None or read.name != snn.Read.name() or self._place(init).access.old != snn.Read(read).of:
            return None
        state: str = snn.Read(read).of
        return state if self._chain_end(result) == state else None

    def _chain_end(self, value: Any) -> str | None:
        """The state behind the port that a chain of propagates ends in, each used by the next alone."""
        while len(self.flow.uses[value]) == 1:
            op, number = self.flow.uses[value][0]
            if op.name == snn.Update.name():
                population = snn.Population(self._s.symbols[snn.Update(op).population])
                return self._port_states(population)[number]
            if op.name != snn.Propagate.name() or number != 1:
                return None
            value = op.results[0]
        return None

    def _port_states(self, population: snn.Population) -> list[str | None]:
        """For each port of a population's program, the state that the port is, or None."""
        roles = argument_roles(self._s.symbols[population.neuron])
        states = iter(population.states)
        found: list[str | None] = []
        for role, _ in roles:
            state = next(states) if "state" in role else None
            if "port" in role:
                found.append(state)
        return found

    def _in_chain_state(self, place: Place) -> bool:
        """Whether a place is a state's buffer that a chain of propagates accumulates in."""
        if place.node is None or not isinstance(self.nodes[place.node].payload, Propagate | Sweep):
            return False
        return self._s.buffers[place.access.buffer].kind == "state"

    def _chain_state(self, init: Any) -> str | None:
        op = dataflow.defining(init)
        if op is None or op.name != snn.Read.name():
            return None
        state: str = snn.Read(op).of
        return state

    def _update(self, op: snn.Update) -> None:
        population = snn.Population(self._s.symbols[op.population])
        program = self._s.symbols[population.neuron]
        name = population.sym_name
        args, after = self._arguments(op, population, program)
        results, event = self._results(op, population, program)
        node = self._add(Update(population.neuron, math.prod(population.shape), args, results), *after, group=name)
        for state in [*population.states, population.event, population.out]:
            if state is not None and self._s.storage.plans[state].buffer in results:
                self._wrote(state, node)
        for value in op.operation.results:
            shown = event if event is not None else results[-1]
            assert shown is not None
            self._made(value, shown, node, events=event is not None)
        if event is not None:
            self._add(Tally(event, name + EMITTED), node, group=name)

    def _arguments(
        self, op: snn.Update, population: snn.Population, program: Any
    ) -> tuple[list[Any], list[int | None]]:
        """The arguments of a population's program, and the nodes that make them."""
        ports = iter(op.operation.operands)
        states, params = iter(population.states), iter(population.params)
        args: list[Any] = []
        after: list[int | None] = []
        for role, _ in argument_roles(program):
            state = next(states) if "state" in role else None
            if "port" in role:
                argument, node = self._port(source(next(ports)), state)
                args.append(argument)
                after.append(node)
            elif state is not None:
                buffer = self._s.storage.plans[state].buffer
                args.append(Access(buffer, tuple(population.shape)))
            elif role == "param":
                args.append(self._param(next(params)))
            else:
                args.append(None)
        return args, after

    def _port(self, value: Any, state: str | None) -> tuple[Any, int | None]:
        if is_constant(value):
            return number_of(value), None
        place = self._whole(value)
        access = self._use(place)
        if state is not None and access.old == state:
            access.old = None  # nothing arrived: the update itself is the first writer
        return access, place.node

    def _param(self, name: str) -> Any:
        value = snn.Param(self._s.symbols[name]).value
        constant = symbol_of(value)
        if constant is None:
            return value
        buffer = self._s.buffers.constant(constant)
        return Access(buffer, shape_of(self._s.buffers[buffer].type))

    def _results(self, op: snn.Update, population: snn.Population, program: Any) -> tuple[list[str | None], str | None]:
        """The buffers of a program's results, and the one of its events."""
        results: list[str | None] = [self._s.storage.plans[state].buffer for state in population.states]
        event = None
        kinds = [role for role, _ in result_roles(program)][len(results) :]
        types = list(signature(program).results)[len(results) :]
        for kind, type in zip(kinds, types, strict=True):
            tensor = ir.RankedTensorType.get(population.shape, type)
            if kind == "event":
                event = self._event_buffer(op, population, tensor)
                results.append(event)
            else:
                shown = bool(op.operation.results) and "event" not in kinds
                results.append(self._out_buffer(population, tensor, shown))
        return results, event

    def _event_buffer(self, op: snn.Update, population: snn.Population, type: Any) -> str:
        """Where a population's events go: straight to an output that is their one use, else to the event state."""
        plan = self._s.storage.plans[population.event] if population.event is not None else None
        used = [use for result in op.operation.results for use in self.flow.uses[result]]
        if (plan is None or not plan.used) and len(used) == 1 and used[0][0].name == "func.return":
            if plan is not None:
                self._s.buffers.drop(plan.buffer)
            return self._output(used[0][1])
        if plan is not None:
            return plan.buffer
        return self._temp(f"{population.sym_name}.spike", type, listable=True)

    def _out_buffer(self, population: snn.Population, type: Any, shown: bool) -> str | None:
        plan = self._s.storage.plans[population.out] if population.out is not None else None
        if plan is not None and (plan.used or shown):
            return plan.buffer
        if plan is not None:
            self._s.buffers.drop(plan.buffer)
        return self._temp(f"{population.sym_name}.out", type) if shown else None

    # ------------------------------------------------------------ structured ops and moves

    def _generic(self, op: Any) -> None:
        outputs = len(op.results)
        inputs = list(op.operands)[: len(op.operands) - outputs]
        inits = list(op.operands)[len(op.operands) - outputs :]
        captured = [v for v in operands(op)[len(op.operands) :] if not is_constant(source(v))]
        maps = [ir.AffineMapAttr(a).value for a in ir.ArrayAttr(op.attributes["indexing_maps"])]
        places = [self._whole(value, shape_of(value.type)) for value in [*inputs, *captured]]
        extents = _extents(maps, [shape_of(v.type) for v in [*inputs, *inits]])
        nowhere = ir.AffineMap.get(len(extents), 0, [])
        prepared = [self._prepared(source(init), init.type) for init in inits]
        into = [place.access.buffer for place in prepared]
        payload = Map(
            self._s.programs.region(f"program.{into[0]}", op, captured),
            extents,
            [_iterator(kind) for kind in ir.ArrayAttr(op.attributes["iterator_types"])],
            [self._use(place) for place in places],
            [*maps[: len(inputs)], *[nowhere] * len(captured)],
            into,
            maps[len(inputs) :],
        )
        node = self._add(payload, *(place.node for place in [*places, *prepared]))
        for result, buffer in zip(op.results, into, strict=True):
            self._made(result, buffer, node, owned=True)

    def _prepared(self, init: Any, type: Any) -> Place:
        """A temporary of its own with the initial value of a result."""
        if is_constant(init):
            into = self._temp("result", type)
            return Place(Access(into, shape_of(type)), self._add(Fill(into, number_of(init))))
        place = self._place(init)
        fits = shape_of(self._s.buffers[place.access.buffer].type) == shape_of(type)
        if place.owned and len(self.flow.uses[init]) == 1 and fits:
            return place
        return self._copied(place, self._temp("result", type), type)

    def _slice(self, op: Any) -> None:
        """A stretch of the flat array where the slice is one, else a copy of its rows."""
        place = self._place(op.operands[0])
        offsets, sizes = ([int(i) for i in op.attributes[f"static_{what}"]] for what in ("offsets", "sizes"))
        shape = shape_of(op.operands[0].type)
        result = op.results[0]
        whole = [axis for axis in range(len(shape)) if sizes[axis] == shape[axis]]
        split = max((axis for axis in range(len(shape)) if axis not in whole), default=0)
        if all(sizes[axis] == 1 for axis in range(split)):
            low = sum(o * s for o, s in zip(offsets, row_major(shape), strict=True))
            a = place.access
            access = Access(a.buffer, shape_of(result.type), a.delay, a.low + low, a.old)
            self._places[result] = Place(access, place.node, events=place.events)
            return
        from_rows = ir.AffineMap.get(len(sizes), 0, [_plus(axis, offset) for axis, offset in enumerate(offsets)])
        full = ir.RankedTensorType.get(sizes, result.type.element_type)
        into = self._temp("slice", full)
        moved = self._move(op.operands[0], into, sizes, from_rows, ir.AffineMap.get_identity(len(sizes)))
        self._places[result] = Place(Access(into, shape_of(result.type)), moved, owned=True, events=place.events)

    def _concat(self, op: Any) -> None:
        result = op.results[0]
        axis = ir.IntegerAttr(op.attributes["dim"]).value
        shape = shape_of(result.type)
        inner = math.prod(shape[axis + 1 :])
        into = self._temp("joined", result.type)
        last: int | None = None
        offset = 0
        for operand in op.operands:
            sizes = shape_of(operand.type)
            if all(extent == 1 for extent in shape[:axis]):
                place = self._place(operand)
                last = self._add(Copy(self._use(place), into, offset * inner, math.prod(sizes)), place.node, last)
            else:
                to = [_plus(d, offset if d == axis else 0) for d in range(len(sizes))]
                rows = ir.AffineMap.get(len(sizes), 0, to)
                identity = ir.AffineMap.get_identity(len(sizes))
                last = self._move(operand, into, list(sizes), identity, rows, last)
            offset += sizes[axis]
        assert last is not None
        self._made(result, into, last, owned=True, events=is_bool(result.type))

    def _move(self, value: Any, into: str, extents: list[int], of: Any, to: Any, after: int | None = None) -> int:
        """Copies a box of elements between places that affine maps give."""
        place = self._whole(value, shape_of(value.type))
        program = self._s.programs.move(element_of(value.type))
        parallel = ["parallel"] * len(extents)
        return self._add(Map(program, extents, parallel, [self._use(place)], [of], [into], [to]), place.node, after)

    # ------------------------------------------------------------ outputs

    def _output(self, number: int) -> str:
        attributes = result_marks(self.flow.function)[number]
        return f"output.{ir.StringAttr(attributes[snn.NAME]).value}"

    def _return(self, op: Any) -> None:
        for number, operand in enumerate(op.operands):
            into, value = self._output(number), source(operand)
            if is_constant(value):
                self._add(Fill(into, number_of(value)))
                continue
            place = self._place(value)
            if place.access.buffer != into:
                self._add(Copy(self._use(place), into, 0, size_of(operand.type)), place.node)


def _ports(program: Any) -> list[tuple[str, str]]:
    """The (role, name) of the ports of a program, by the name of the port."""
    found = []
    for attributes in argument_marks(program):
        if snn.PORT in attributes:
            found.append(("port", ir.StringAttr(attributes[snn.PORT]).value))
    return found


def _iterator(attribute: Any) -> str:
    return str(attribute).split("<")[1].rstrip(">")


def _plus(axis: int, offset: int) -> Any:
    dimension = ir.AffineExpr.get_dim(axis)
    return dimension + offset if offset else dimension


def _extents(maps: list[Any], shapes: list[tuple[int, ...]]) -> list[int]:
    """The extent of each loop, from an operand that the loop's index alone addresses along one axis."""
    extents = [0] * maps[0].n_dims
    for affine, shape in zip(maps, shapes, strict=True):
        for expression, extent in zip(affine.results, shape, strict=True):
            if isinstance(expression, ir.AffineDimExpr):
                extents[expression.position] = extent
    return extents
