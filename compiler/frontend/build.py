"""From the syntax tree of a file to a program at level `snn`: parameters, declarations, network, outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.diagnostics import Diagnostics, Span, did_you_mean
from spikec.dialects.mlir import context, file_location, func, ir
from spikec.dialects.notes import Note, Table
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.frontend import (
    blocks,
    drawn,
    imports,
    instances,
    populations,
    probes,
    projections,
    synapse_program,
    syntax,
)
from spikec.frontend.arrays import Arrays
from spikec.frontend.collective import fewest_axes
from spikec.frontend.emitter import show_shape
from spikec.frontend.entities import Connection, Constant, Population, Stream
from spikec.frontend.expressions import TYPES, Clock
from spikec.frontend.module import Module
from spikec.frontend.network import Network
from spikec.frontend.neuron import Resolved, check_type
from spikec.frontend.parse import parse_expression
from spikec.frontend.units import NUMBER
from spikec.frontend.values import Mistake, Poisoned, Value, a_kind, as_array, not_supported, number

INPUT_KINDS = ("spikes", "events", "real", "int")


@dataclass(frozen=True)
class Built:
    """A program and the files that it was made of, beside the model's own text."""

    program: Program
    files: tuple[Path, ...]


def build(
    file: syntax.File,
    params: Mapping[str, str],
    diagnostics: Diagnostics,
    folder: Path,
    real: int = 32,
) -> Built | None:
    """Builds the one model of a file; None (and errors in `diagnostics`) when there are mistakes.

    `params` are the texts of `-P name=value`, `folder` is what paths in the file are relative to, `real` is
    32 or 64.
    """
    with context(), ir.Location.unknown():
        builder = _Builder(file, params, diagnostics, folder, real)
        module = None
        try:
            if not diagnostics.has_errors:  # an import that fails leaves nothing to build on
                module = builder.run()
        except Mistake as mistake:
            diagnostics.error(mistake.code, mistake.span, mistake.message, mistake.help)
        diagnostics.sort()
        if module is None or diagnostics.has_errors:
            return None
        program = Program(module.module, module.constants, builder.notes())
        verify(program, "building the network")
        return Built(program, (*builder.imported.files, *builder.arrays.files))


class _Builder:
    """One build.  The steps of `run` are the order in which a model is understood."""

    def __init__(
        self, file: syntax.File, params: Mapping[str, str], diagnostics: Diagnostics, folder: Path, real: int
    ) -> None:
        self.imported = imports.resolve(file, folder, diagnostics)
        self.file = self.imported.file
        self.params = dict(params)
        self.diagnostics = diagnostics
        self.arrays = Arrays(folder, self.imported.folders)
        self.real = real
        self.used_params: set[str] = set()
        self.inputs: list[dict[str, Any]] = []  # the attributes of the arguments of @step

    def run(self) -> Module | None:
        model = self._model()
        clock = self._clock(model)
        module = Module(self.real, model.span.file)
        self.network = Network(module, clock, self.arrays, self.diagnostics)
        # Where a constant is asked for and something else stands, its ops go to the scratch block.
        with ir.InsertionPoint(module.scratch.entry_block):
            statements = blocks.expand([*self.file.declarations, *model.body], self.network)
            self._bind_model(model)
            self._declare_neurons(statements)
            self._declare_inputs(statements)
            self._declare_names(statements)
            self._declare_arrivals(statements)
            self._resolve(statements)
            outputs = self._outputs(statements)
            probes.declare(self.network, statements)
            self._settle()
            self._check_params()
            self._check_unused_neurons()
        if self.diagnostics.has_errors:
            return None
        self._close(module, model, clock, outputs)
        return module

    def notes(self) -> tuple[Note, ...]:
        """What is worth telling about a network that is right."""
        rows = tuple(self.network.synapse_programs)
        return (Table("Synapse programs", ("projection", "program", "states"), rows),) if rows else ()

    # ------------------------------------------------------------ the frame

    def _model(self) -> syntax.Model:
        if len(self.file.models) != 1:
            span = self.file.models[1].span if self.file.models else self.file.span
            count = "no model" if not self.file.models else f"{len(self.file.models)} models"
            raise Mistake("E0206", span, f"the file has {count}, and one is needed", "write 'model Name { ... }'")
        return self.file.models[0]

    def _clock(self, model: syntax.Model) -> Clock:
        steps = [s for s in model.body if isinstance(s, syntax.Step)]
        if not steps:
            raise Mistake(
                "E0207",
                model.span,
                f"model '{model.name}' has no step",
                "write 'step 1 ms' or 'step 1 steps' as its first line",
            )
        for extra in steps[1:]:
            self.diagnostics.error("E0205", extra.span, "a model has one step")
        value = steps[0].value
        if isinstance(value, syntax.Call):
            raise not_supported(value.span, "event clock")
        if isinstance(value, syntax.Quantity) and value.unit == "steps":
            if value.value != 1:
                raise Mistake("E0403", value.span, "a clock that counts is written 'step 1 steps'")
            return Clock(Fraction(1), in_steps=True)
        if not isinstance(value, syntax.Quantity):
            raise Mistake("E0403", value.span, "a step is a time, as in 'step 0.1 ms', or '1 steps'")
        seconds = Clock(Fraction(1), in_steps=False).quantity(value)
        if seconds.dim != Clock(Fraction(1), in_steps=False).time or not seconds.const > 0:  # type: ignore[operator]
            raise Mistake("E0403", value.span, "a step is a positive time, as in 'step 0.1 ms'")
        return Clock(Fraction(seconds.scalar), in_steps=False)

    # ------------------------------------------------------------ parameters

    def _bind_model(self, model: syntax.Model) -> None:
        for formal in model.params:
            self.network.attempt(self._bind_formal, formal, poisons=formal.name)

    def _bind_formal(self, formal: syntax.Formal) -> None:
        given = self._given(formal.name, formal.type)
        value, span = given or self._written(formal.name, formal.default, formal.span)
        if formal.type is not None and formal.type.shape is not None:
            value = self._shaped(value, formal.type, span)
        value = check_type(value, formal, self.network.clock, span)
        self.network.add(Constant(formal.name, formal.span, "done", _named(value, formal.name)))

    def _written(self, name: str, node: syntax.Expr | None, span: Span) -> tuple[Value, Span]:
        """The value that the file gives a parameter."""
        if node is None:
            raise Mistake("E0204", span, f"parameter '{name}' has no value", f"give one with -P {name}=...")
        return self.network.expressions.eval(node), node.span

    def _given(self, name: str, type: syntax.Type | None) -> tuple[Value, Span] | None:
        """The value of `-P name=...`: an expression of the language, or a bare path where a path is declared."""
        if name not in self.params:
            return None
        self.used_params.add(name)
        text = self.params[name]
        label = f"-P {name}"
        span = Span(label, 1, 1, 1, len(text) + 1)
        if type is not None and type.name == "path":
            path = text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text
            return Value("text", text=str(Path(path).absolute())), span
        node = parse_expression(text, label, self.diagnostics)
        if node is None:
            raise Poisoned
        value = self.network.expressions.eval(node)
        if value.kind == "text":
            value = Value("text", text=str(Path(value.text).absolute()))
        return value, node.span

    def _declare_param(self, param: syntax.Param) -> None:
        define = partial(self._define_param, param)
        self.network.add(Constant(param.name, param.span, define=define))

    def _define_param(self, param: syntax.Param) -> Value:
        given = self._given(param.name, param.type)
        for modifier in param.modifiers:
            if modifier.kind == "learn":
                self._ignored(modifier.span, "learn")
            elif modifier.kind not in ("in", "seed"):
                raise Mistake("E0501", modifier.span, f"'{modifier.kind}' has no meaning here")
        if given is None and drawn.is_over_shape(self.network, param):
            value, span = drawn.parameter(self.network, param)
            if not value.is_const:
                return value
        else:
            value, span = given or self._written(param.name, param.value, param.span)
        if value.drawn is not None:
            return drawn.renamed(self.network, param, value, span)
        if value.is_number and not value.is_const:
            raise Mistake(
                "E0301",
                span,
                f"'{param.name}' is a parameter and its value a stream",
                f"write '{param.name} = ...' without 'param'",
            )
        if param.type is not None:
            value = self._shaped(value, param.type, span)
            formal = syntax.Formal(param.span, param.name, param.type, param.value)
            value = check_type(value, formal, self.network.clock, span)
        self._check_bounds(param, value)
        return _named(value, param.name)

    def _shaped(self, value: Value, type: syntax.Type, span: Span) -> Value:
        """The value in the declared shape; a scalar fills it.  Arrays from files are in SI units of the type."""
        if type.shape is None:
            return value
        shape = self.network.expressions.shape(type.shape, "the shape of a parameter")
        if not value.is_number:
            raise Mistake("E0302", span, f"an array of numbers is needed, not {a_kind(value.kind)}")
        if value.shape == ():
            kind = value.kind if type.name in ("int", "bool") else "real"
            return number(np.full(shape, as_array(value)), value.dim, kind)
        if value.shape != shape:
            raise Mistake(
                "E0303", span, f"an array of shape {show_shape(value.shape)}, declared as {show_shape(shape)}"
            )
        dim = self.network.clock.dimension(type.name)
        kind = {"int": "int", "bool": "bool"}.get(type.name, "real")
        if kind == "int" and value.kind == "real":
            raise Mistake("E0302", span, "an array of reals, declared as int")
        return number(as_array(value), dim if value.dim == NUMBER else value.dim, kind, value.name)

    def _check_bounds(self, param: syntax.Param, value: Value) -> None:
        for modifier in param.modifiers:
            if modifier.kind != "in" or not value.is_number:
                continue
            low, high = (as_array(self.network.expressions.constant(a, "a bound")) for a in modifier.args)
            array = as_array(value)
            if np.any(array < low) or np.any(array > high):
                raise Mistake("E0307", param.span, f"'{param.name}' is outside of [{low:g}, {high:g}]")

    def _check_unused_neurons(self) -> None:
        """The file's own neurons that no population uses are checked with their defaults, where they have them all."""
        network = self.network
        for name, node in network.neurons.items():
            if name in network.used_neurons or name in self.imported.names or not isinstance(node, syntax.Neuron):
                continue
            if any(formal.default is None for formal in node.params):
                continue
            population = Population(name, node.span, resolved=Resolved(node, ()), shape=(1,) * fewest_axes(node))
            network.attempt(instances.prepare, network, population)
            if population.program is not None:
                instances.forget(network, population.program)

    def _check_params(self) -> None:
        known = set(self.used_params)
        names = [n for n, e in self.network.entities.items() if isinstance(e, Constant)]
        for name in self.params:
            if name not in known:
                span = Span(f"-P {name}", 1, 1, 1, 2)
                self.diagnostics.error("E0208", span, f"the model has no parameter '{name}'", did_you_mean(name, names))

    def _ignored(self, span: Span, what: str) -> None:
        self.diagnostics.note("N0001", span, f"'{what}' is ignored: gradients are not supported yet")

    # ------------------------------------------------------------ declarations

    def _declare_neurons(self, statements: list[Any]) -> None:
        for node in statements:
            match node:
                case syntax.Neuron() | syntax.NeuronAlias():
                    self.network.attempt(self._declare_neuron, node, poisons=node.name)
                case syntax.Synapse():
                    self.network.attempt(self._declare_synapse, node, poisons=node.name)
                case syntax.Rule():
                    self._refuse(node, "rule", node.name)
                case syntax.Phase():
                    self._refuse(node, "phase", node.name)

    def _refuse(self, node: Any, what: str, name: str | None = None) -> None:
        self.diagnostics.error("E0901", node.span, f"'{what}' is not supported yet")
        if name is not None:
            self.network.refused.add(name)

    def _declare_neuron(self, node: syntax.Neuron | syntax.NeuronAlias) -> None:
        if node.name in self.network.neurons or node.name in self.network.entities or node.name in populations.SOURCES:
            raise Mistake("E0205", node.span, f"'{node.name}' is declared twice")
        self.network.neurons[node.name] = node
        if isinstance(node, syntax.Neuron):
            for statement in node.body:
                if isinstance(statement, syntax.SpikeWhen) and statement.grad is not None:
                    self._ignored(statement.grad.span, "grad")

    def _declare_synapse(self, node: syntax.Synapse) -> None:
        network = self.network
        if node.name in network.synapses or node.name in network.neurons or node.name in populations.SOURCES:
            raise Mistake("E0205", node.span, f"'{node.name}' is declared twice")
        synapse_program.statements(node)
        network.synapses[node.name] = node

    def _declare_inputs(self, statements: list[Any]) -> None:
        for node in statements:
            if isinstance(node, syntax.Param):
                self.network.attempt(self._declare_param, node, poisons=node.name)
            elif isinstance(node, syntax.Input):
                self.network.attempt(self._declare_input, node, poisons=node.name)

    def _declare_input(self, node: syntax.Input) -> None:
        network = self.network
        if node.type.name not in (*INPUT_KINDS, *TYPES) or node.type.name in ("path", "bool"):
            raise Mistake(
                "E0202",
                node.type.span,
                f"unknown kind of input '{node.type.name}'",
                did_you_mean(node.type.name, [*INPUT_KINDS, *TYPES])
                or "an input is of 'real', 'int', 'spikes' or a unit",
            )
        shape = network.expressions.shape(node.type.shape or (), "the shape of an input")
        kind = node.type.name if node.type.name in INPUT_KINDS else "real"
        dim = network.clock.dimension(node.type.name)
        value_kind = {"spikes": "bool", "events": "int", "int": "int"}.get(kind, "real")
        element = network.emitter.element(value_kind) if kind != "events" else ir.IntegerType.get_signless(32)
        block = network.module.blocks["step"]
        ssa = block.add_argument(ir.RankedTensorType.get(list(shape), element), file_location(node.span))
        is_event = kind in ("spikes", "events")
        value = Value(value_kind, ssa=ssa, shape=shape, dim=dim, event=is_event, name=node.name)
        attributes = {snn.NAME: ir.StringAttr.get(node.name), snn.KIND: ir.StringAttr.get(kind)}
        if kind == "events":  # they are counted
            attributes[snn.RANGE] = _range(0.0, float(2**31 - 1))
        if network.unit(dim):
            attributes[snn.UNIT] = ir.StringAttr.get(network.unit(dim))
        for modifier in node.modifiers:
            if modifier.kind != "in":
                raise Mistake("E0501", modifier.span, f"'{modifier.kind}' has no meaning here")
            bounds = [network.expressions.constant(a, "a bound") for a in modifier.args]
            for bound, written in zip(bounds, modifier.args, strict=True):
                network.emitter.same_dim(value, bound, written.span, "a bound has the input's dimension")
            attributes[snn.RANGE] = _range(*(float(as_array(b)) for b in bounds))
        self.inputs.append(attributes)
        network.add(Stream(node.name, node.span, "done", value=value))

    def _declare_names(self, statements: list[Any]) -> None:
        """Populations and streams by name, before anything is resolved: textual order does not matter for use."""
        waiting: list[tuple[Population, Any]] = []
        for node in statements:
            match node:
                case syntax.Population():
                    self.network.attempt(self._name_population, node, waiting, poisons=node.name)
                case syntax.Assign(target=syntax.Name() as target, op="="):
                    self.network.attempt(self._name_stream, node, target, waiting, poisons=target.id)
                case blocks.Let():
                    argument = Stream(node.name, node.span, expression=node.value, formal=node.formal)
                    self.network.attempt(self.network.add, argument, poisons=node.name)
                case syntax.Assign(target=syntax.Index(base=syntax.Name() as target), op="="):
                    self.network.attempt(self._name_indexed, node, target, poisons=target.id)
                case syntax.Assign(target=syntax.Attribute()):
                    pass
                case syntax.Assign():
                    self._refuse(node, f"{node.op} in the network")
                case syntax.Train():
                    self._ignored(node.span, "train")
                case (
                    syntax.Derivative()
                    | syntax.SpikeWhen()
                    | syntax.Variable()
                    | syntax.Ports()
                    | syntax.Out()
                    | syntax.Hold()
                ):
                    name = {"SpikeWhen": "spike", "Variable": "var", "Ports": "in"}.get(
                        type(node).__name__, type(node).__name__.lower()
                    )
                    self.diagnostics.error("E0501", node.span, f"'{name}' stands inside a neuron")
                case syntax.Solver() | syntax.On() | syntax.Every() | syntax.Clip() | syntax.Return():
                    self.diagnostics.error(
                        "E0501", node.span, f"'{type(node).__name__.lower()}' has no place in a model"
                    )
        for population, declared in waiting:
            self.network.attempt(self._fill, population, *declared, poisons=population.name)

    def _name_population(self, node: syntax.Population, waiting: list[Any]) -> None:
        population = Population(node.name, node.span, init=node.init)
        self.network.add(population)
        waiting.append((population, (node.value, node.place)))

    def _name_stream(self, node: syntax.Assign, target: syntax.Name, waiting: list[Any]) -> None:
        if populations.is_population_call(self.network, node.value):
            if node.modifiers:
                raise Mistake("E0501", node.modifiers[0].span, f"'{node.modifiers[0].kind}' has no meaning here")
            population = Population(target.id, node.span)
            self.network.add(population)
            waiting.append((population, (node.value, None)))
            return
        stream = Stream(target.id, node.span, expression=node.value)
        stream.seed = self.network.seed_of(node.modifiers)
        self.network.add(stream)

    def _name_indexed(self, node: syntax.Assign, target: syntax.Name) -> None:
        """`y[i, j] = e` names the stream y."""
        assert isinstance(node.target, syntax.Index)
        items = node.target.items
        if not all(isinstance(item, syntax.Name) for item in items):
            raise Mistake("E0301", node.target.span, "index notation names its indices, as in 'y[i, j] = ...'")
        indices = tuple(item for item in items if isinstance(item, syntax.Name))
        stream = Stream(target.id, node.span, expression=node.value, indices=indices)
        stream.seed = self.network.seed_of(node.modifiers)
        self.network.add(stream)

    def _fill(self, population: Population, value: syntax.Expr, place: syntax.Expr | None) -> None:
        with self.network.statement(population.name):
            populations.fill(self.network, population, value, place)

    def _declare_arrivals(self, statements: list[Any]) -> None:
        ordinal = 0
        for node in statements:
            if isinstance(node, syntax.Projection):
                number_, ordinal = ordinal, ordinal + 1
                self.network.attempt(self._declare_projection, node, number_)
            elif isinstance(node, syntax.Assign) and isinstance(node.target, syntax.Attribute):
                self.network.attempt(self._declare_port_value, node)

    def _declare_projection(self, node: syntax.Projection, ordinal: int) -> None:
        if node.name is not None:
            self.network.add(Connection(node.name, node.span, "done"))
        projections.declare(self.network, node, ordinal)

    def _declare_port_value(self, node: syntax.Assign) -> None:
        """`h.I = e` and `h.I += e` are arrivals in textual order."""
        target = node.target
        assert isinstance(target, syntax.Attribute)
        entity = self.network.lookup(target.base.id, target.base.span) if isinstance(target.base, syntax.Name) else None
        if not isinstance(entity, Population) or node.op not in ("=", "+="):
            part = "what reaches some cells is a projection, as in 'proj x -> h[0:5].I { connect all }'"
            help = part if isinstance(target.base, syntax.Index) else None
            message = "only a port of a population is given a value here, as in 'h.I = W @ x'"
            raise Mistake("E0501", node.span, message, help)
        ports = populations.port_names(entity)
        if target.name not in ports:
            start = f"a state starts as 'pop {entity.name} : ... {{ {target.name} = ... }}' says"
            help = start if target.name in populations.state_names(entity) else did_you_mean(target.name, ports)
            raise Mistake("E0203", target.span, f"'{entity.name}' has no port '{target.name}'", help)
        if node.op == "=" and entity.arrivals.get(target.name):
            raise Mistake(
                "E0205", node.span, f"something else reaches port '{target.name}' already", "write '+=' to add to it"
            )
        populations.arrive(self.network, entity, target.name, node.value, node.span)

    # ------------------------------------------------------------ emission

    def _resolve(self, statements: list[Any]) -> None:
        for entity in list(self.network.entities.values()):
            if isinstance(entity, Constant):
                self.network.attempt(self.network.lookup, entity.name, entity.span)
            if isinstance(entity, Population | Stream):
                self.network.attempt(self.network.resolve, entity, entity.span, poisons=entity.name)

    def _outputs(self, statements: list[Any]) -> dict[str, list[tuple[str, Any, str]]]:
        outputs: dict[str, list[tuple[str, Any, str]]] = {"step": [], "finish": []}
        seen: set[str] = set()
        for node in statements:
            if isinstance(node, syntax.Output):
                self.network.attempt(self._output, node, outputs, seen)
        return outputs

    def _output(self, node: syntax.Output, outputs: dict[str, list[tuple[str, Any, str]]], seen: set[str]) -> None:
        network = self.network
        if node.name in seen:
            raise Mistake("E0205", node.span, f"output '{node.name}' is declared twice")
        seen.add(node.name)
        entry = "finish" if network.of_run(node.value) else "step"
        with network.at(entry), network.statement(f"output.{node.name}"), file_location(node.span):
            value = network.expressions.eval(node.value)
            if not value.is_number:
                raise Mistake("E0302", node.span, f"an output is a number, not {a_kind(value.kind)}")
            ssa = value.ssa if not value.is_const else network.emitter.ssa(value, value.shape, value.kind, node.span)
        outputs[entry].append((node.name, ssa, network.unit(value.dim)))

    def _settle(self) -> None:
        """The writes of what `prev`, `delay` and probes keep: they come after all that a step computes."""
        while self.network.pending:
            self.network.attempt(self.network.pending.pop(0))

    # ------------------------------------------------------------ the module

    def _close(
        self, module: Module, model: syntax.Model, clock: Clock, outputs: dict[str, list[tuple[str, Any, str]]]
    ) -> None:
        f64 = ir.F64Type.get()
        for entry in ("init", "step", "finish"):
            results = outputs.get(entry, [])
            block = module.blocks[entry]
            with ir.InsertionPoint(block):
                func.ReturnOp([ssa for _, ssa, _ in results])
            function = getattr(module, entry)
            type = ir.FunctionType.get([a.type for a in block.arguments], [ssa.type for _, ssa, _ in results])
            function.operation.attributes["function_type"] = ir.TypeAttr.get(type)
            if results:
                marks = [
                    {snn.NAME: ir.StringAttr.get(n)} | ({snn.UNIT: ir.StringAttr.get(u)} if u else {})
                    for n, _, u in results
                ]
                function.operation.attributes["res_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(m) for m in marks])
        if self.inputs:
            module.step.operation.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(i) for i in self.inputs])
        module.close(
            {
                snn.MODEL: ir.StringAttr.get(model.name),
                snn.DT: ir.FloatAttr.get(f64, float(clock.dt)),
                snn.DT_UNIT: ir.StringAttr.get("steps" if clock.in_steps else "s"),
            }
        )


def _range(low: float, high: float) -> Any:
    return ir.ArrayAttr.get([ir.FloatAttr.get(ir.F64Type.get(), end) for end in (low, high)])


def _named(value: Value, name: str) -> Value:
    return replace(value, name=name) if value.is_array or value.kind == "table" else value
