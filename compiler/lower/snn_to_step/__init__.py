"""From what a network is (level `snn`) to what one timestep does (level `step`).

    dataflow   which ops are live, which elementwise ones become one program
    storage    which buffers keep the states
    tables     which format a projection gets, and its arrays
    body       the ops of an entry as nodes over buffers
    hazards    old values of states outlive their last use
    order      what must come before what; stages
    emit       nodes as ops

The order of a step is not the order of the text: a state is updated in place, so everything that needs
its value of the start of the step stands before the update.  `order` and `hazards` have the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spikec.dialects import snn
from spikec.dialects.functions import argument_marks, result_marks, signature
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.lower import drawn
from spikec.lower.snn_to_step import hazards
from spikec.lower.snn_to_step.body import Body
from spikec.lower.snn_to_step.buffers import Buffers
from spikec.lower.snn_to_step.dataflow import Dataflow
from spikec.lower.snn_to_step.emit import Emitter, mark_events
from spikec.lower.snn_to_step.order import FLOW, Order
from spikec.lower.snn_to_step.programs import Programs
from spikec.lower.snn_to_step.storage import Storage
from spikec.lower.snn_to_step.tables import Tables, storage
from spikec.lower.snn_to_step.types import memref
from spikec.runtime.interface import ADDED, EMITTED

ENTRIES = ("init", "step", "finish")


def lower(program: Program, seed: int = 0) -> Program:
    """A program at level `snn` as one at level `step`, in the same context; what is drawn follows the run seed.

    Raises CompileError where an array that is needed here is not in the store, or a projection is too large.
    """
    program = drawn.realised(program, seed)
    with program.module.context, ir.Location.unknown():
        lowering = _Lowering(program, seed)
        module = lowering.run()
        lowered = Program(module, lowering.buffers.stored(), program.notes)
        return lowered.noted(storage(lowered))


@dataclass
class _Lowering:
    """What the entries of one program share, and the module that is being made."""

    program: Program
    seed: int
    symbols: dict[str, Any] = field(init=False)
    flows: dict[str, Dataflow] = field(init=False)
    keys: dict[Any, int] = field(init=False)
    buffers: Buffers = field(init=False)
    storage: Storage = field(init=False)
    tables: Tables = field(init=False)
    programs: Programs = field(init=False)
    module: Any = field(init=False)

    def __post_init__(self) -> None:
        self.symbols = self.program.symbols()
        self.flows = {name: Dataflow(self.symbols[name]) for name in ENTRIES if name in self.symbols}
        draws = [op.results[0] for flow in self.flows.values() for op in flow.ops if op.name == snn.Draw.name()]
        self.keys = {value: number for number, value in enumerate(draws)}
        self.buffers = Buffers(self.program, self._reserved())
        self._declare_interface()
        self.storage = Storage(self.program, self.flows, self.buffers)
        self.tables = Tables(self.program, self.buffers, self.seed)
        self.module = ir.Module.create(self.program.module.operation.location)
        self.programs = Programs(self.module, self.buffers.fresh)

    def run(self) -> Any:
        self._keep_programs()
        emitter = Emitter(self.module, self.buffers, self.programs)
        # The step goes first: it decides which states are streams, and the other entries follow.
        segments = {entry: self._ordered(entry) for entry in ("step", "finish", "init") if entry in self.flows}
        probes = self._probes()
        for entry in ("init", "finish"):
            nodes = [node for _, part in segments.get(entry, []) for node in part]
            emitter.stage(entry, nodes, self._location(entry), private=False)
        stages = [self._stage(emitter, group, nodes) for group, nodes in segments["step"]]
        if probes:
            stages.append(self.buffers.fresh("stage.record"))
            emitter.records(stages[-1], probes, self._location("step"))
        emitter.step(stages, self._location("step"))
        emitter.run(stages, self._location("step"))
        self._declarations()
        mark_events(self.module, self.buffers)
        self._attributes()
        return self.module

    # ------------------------------------------------------------ the interface

    def _reserved(self) -> list[str]:
        """The names that hosts know buffers and entries by."""
        names = ["init", "step", "run", "finish"]
        names += [f"input.{name}" for name, _ in self._named("step", "inputs")]
        for entry in ("step", "finish"):
            names += [f"output.{name}" for name, _ in self._named(entry, "results")]
        names += [probe.sym_name for probe in self.program.ops(snn.Probe)]
        return [*names, *self._counters()]

    def _counters(self) -> dict[str, Any]:
        """The counters by name, with their places: events of populations, weight additions of projections."""
        populations, projections = self.program.ops(snn.Population), self.program.ops(snn.Synapses)
        counted = [(op.sym_name + EMITTED, op) for op in populations] + [
            (op.sym_name + ADDED, op) for op in projections
        ]
        return {name: op.operation.location for name, op in counted}

    def _named(self, entry: str, which: str) -> list[tuple[str, Any]]:
        if entry not in self.symbols:
            return []
        function = self.symbols[entry]
        type = signature(function)
        inputs = which == "inputs"
        types, entries = (type.inputs, argument_marks(function)) if inputs else (type.results, result_marks(function))
        return [(ir.StringAttr(e[snn.NAME]).value, t) for e, t in zip(entries, types, strict=True)]

    def _declare_interface(self) -> None:
        buffers, location = self.buffers, self._location("step")
        for name, type in self._named("step", "inputs"):
            buffers.declare(f"input.{name}", "input", type, location, listable=True)
        for name, type in self._named("step", "results"):
            buffers.declare(f"output.{name}", "output", type, location)
        for name, type in self._named("finish", "results"):
            buffers.declare(f"output.{name}", "result", type, self._location("finish"))
        counter = memref((), ir.IntegerType.get_signless(64))
        for name, place in self._counters().items():
            buffers.declare(name, "counter", counter, place)

    def _probes(self) -> list[str]:
        """The buffers of the probes, which record the states' newest values."""
        names = []
        for probe in self.program.ops(snn.Probe):
            of = self.storage.plans[probe.of].buffer
            state = snn.State(self.symbols[probe.of])
            extra = {
                "of": of,
                "record": probe.kind,
                "every": probe.every,
                "low": probe.low,
                "high": probe.high,
            }
            type = memref(tuple(probe.shape), state.type.element_type)
            if probe.kind == "value":
                self.buffers[of].needs.add("mask")
            names.append(self.buffers.declare(probe.sym_name, "probe", type, probe.operation.location, extra=extra))
        return names

    # ------------------------------------------------------------ the parts of the module

    def _ordered(self, entry: str) -> list[tuple[str, list[Any]]]:
        """The nodes of an entry in order, by stage."""
        body = Body(entry, self.flows[entry], self)
        groups = _groups(body) if entry == "step" else [entry] * len(body.nodes)
        order = Order()
        for number, node in enumerate(body.nodes):
            order.add(number, groups[number], node.after)
        order.close()
        hazards.resolve(body, order, self.storage, self.buffers)
        return [(group, [body.nodes[number] for number in numbers]) for group, numbers in order.stages()]

    def _stage(self, emitter: Emitter, group: str, nodes: list[Any]) -> str:
        name = self.buffers.fresh(f"stage.{group}" if group != FLOW else "stage.flow")
        location = self.symbols[group].location if group in self.symbols else self._location("step")
        emitter.stage(name, nodes, location)
        return name

    def _location(self, entry: str) -> Any:
        return self.symbols[entry].location if entry in self.symbols else ir.Location.unknown()

    def _keep_programs(self) -> None:
        for name in dict.fromkeys(population.neuron for population in self.program.ops(snn.Population)):
            self.programs.keep(self.symbols[name])

    def _declarations(self) -> None:
        first = next(iter(self.module.body.operations))
        with ir.InsertionPoint(first):
            self.buffers.build()
            self.tables.build()
        for name in sorted(self.tables.filters()):
            self.programs.keep(self.symbols[name])

    def _attributes(self) -> None:
        attributes = self.module.operation.attributes
        for name in ("model", "dt", "dt_unit"):
            attributes[f"step.{name}"] = self.program.module.operation.attributes[f"snn.{name}"]


def _groups(body: Body) -> list[str | None]:
    """The population whose update a node feeds, and nothing else; None for all other nodes."""
    users: dict[int, list[int]] = {}
    for number, node in enumerate(body.nodes):
        for earlier in node.after:
            users.setdefault(earlier, []).append(number)
    groups: list[str | None] = [node.group for node in body.nodes]
    for number in reversed(range(len(groups))):
        following = {groups[user] for user in users.get(number, [])}
        if groups[number] is None and len(following) == 1:
            groups[number] = following.pop()
    return groups


__all__ = ["lower"]
