"""Builds a model's network: entities by name, the populations' inputs, and the order in which a step runs.

Every named object is an entity that is resolved on demand: resolving a population first resolves
what reaches it without delay, so that ops come out in dependency order, ties in textual order, and a
cycle without delay is met as an entity that is still being resolved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.constants import Array, Constants
from spikec.dialects.diagnostics import Diagnostics, Span, did_you_mean
from spikec.dialects.mlir import arith, file_location, func, ir
from spikec.frontend import syntax
from spikec.frontend.arrays import Arrays
from spikec.frontend.emitter import INT64, Emitter, show_shape
from spikec.frontend.expressions import Clock, Expressions
from spikec.frontend.neuron import NeuronProgram, ProgramBuilder, Resolved, StateVariable, bind_parameters, ports_of
from spikec.frontend.units import NUMBER, Dimension, describe, si_unit
from spikec.frontend.values import Mistake, Poisoned, Value, a_kind, as_array, fits, to_float
from spikec.runtime.interface import flush_subnormals

DECLARED_TWICE = "E0205"


@dataclass
class Arrival:
    """Something that reaches a port: an expression, or a projection's events."""

    span: Span
    emit: Callable[[Any], Any]


@dataclass
class Entity:
    """A named object of the model.  `state` is "new", "busy", "done" or "wrong"."""

    name: str
    span: Span
    state: str = "new"


@dataclass
class Constant(Entity):
    value: Value | None = None


@dataclass
class Stream(Entity):
    """`name = expression`, or an input; `value` is its SSA value in this step (or of the run)."""

    expression: syntax.Expr | None = None
    value: Value | None = None
    seed: int = 0
    of_run: bool = False


@dataclass
class Population(Entity):
    """A population before and after its program was built."""

    resolved: Resolved | None = None
    shape: tuple[int, ...] = ()
    init: tuple[syntax.Statement, ...] = ()
    program: NeuronProgram | None = None
    bound: dict[str, tuple[Value, Span]] = field(default_factory=dict)
    arrivals: dict[str, list[Arrival]] = field(default_factory=dict)
    value: Value | None = None


class Module:
    """The MLIR module under construction: functions grow in place, declarations are added at the end."""

    def __init__(self, real: int, file: str) -> None:
        self.real = real
        self.constants = Constants()
        self.module = ir.Module.create(ir.Location.file(file, 1, 1))
        with ir.InsertionPoint(self.module.body):
            self.init = func.FuncOp("init", ([], []))
            self.step = func.FuncOp("step", ([], []))
            self.finish = func.FuncOp("finish", ([], []))
            # A function of the same module: its ops use values of the others, so they must die together.
            self.scratch = func.FuncOp("scratch", ([], []), visibility="private")
        self.scratch.add_entry_block()
        self.blocks = {name: getattr(self, name).add_entry_block() for name in ("init", "step", "finish")}
        self.declarations: dict[str, Callable[[], Any]] = {}
        self.depths: dict[str, int] = {}

    def declare(self, name: str, build: Callable[[], Any]) -> None:
        """Registers a module-level op; they are built last, in the order of registration."""
        self.declarations.setdefault(name, build)

    def real_array(self, values: Array) -> Array:
        """An array as the program holds it: reals rounded to the program's type, subnormals flushed."""
        if values.dtype.kind != "f":
            return values
        with np.errstate(over="ignore"):
            return flush_subnormals(values.astype(np.float32 if self.real == 32 else np.float64))

    def constant(self, name: str, values: Array, span: Span) -> str:
        """Stores an array and declares it; returns its symbol, which differs from `name` only when that is taken."""
        stored = self.real_array(values)
        symbol, count = name, 0
        while True:
            try:
                digest = self.constants.add(symbol, stored)
                break
            except ValueError:
                count += 1
                symbol = f"{name}#{count}"
        element = _element(stored)
        type = ir.RankedTensorType.get(list(stored.shape), element)
        location = file_location(span)

        def build() -> None:
            with location:
                snn.Constant.build(sym_name=symbol, type=type, digest=digest)

        self.declare(f"constant {symbol}", build)
        return symbol

    def state(self, name: str, type: Any, init: Any, span: Span, unit: str = "", depth: int = 1) -> None:
        """Declares a state, or deepens one: the history that is kept is the largest that is asked for."""
        self.depths[name] = max(depth, self.depths.get(name, 1))
        location = file_location(span)

        def build() -> None:
            with location:
                snn.State.build(sym_name=name, type=type, init=init, depth=self.depths[name], unit=unit or None)

        self.declare(f"state {name}", build)

    def close(self, attributes: Mapping[str, Any]) -> None:
        """Builds the declarations before the entry points."""
        self.scratch.operation.erase()
        with ir.InsertionPoint(self.init.operation):
            for build in self.declarations.values():
                build()
        for key, value in attributes.items():
            self.module.operation.attributes[key] = value


def _element(array: Array) -> Any:
    if array.dtype.kind == "f":
        return ir.F32Type.get() if array.dtype == np.float32 else ir.F64Type.get()
    return ir.IntegerType.get_signless(1 if array.dtype.kind == "b" else 64)


class Network:
    """The state of one build.  `declare_*` methods take statements; `resolve` and `finish` emit."""

    def __init__(self, module: Module, clock: Clock, arrays: Arrays, diagnostics: Diagnostics) -> None:
        from spikec.frontend.dataflow import DataflowExpressions, InitExpressions

        self.module = module
        self.clock = clock
        self.arrays = arrays
        self.diagnostics = diagnostics
        self.entities: dict[str, Entity] = {}
        self.neurons: dict[str, syntax.Neuron | syntax.NeuronAlias] = {}
        self.refused: set[str] = set()
        self.entry = "step"
        self.dry = 0
        self.owner = ""
        self.seed = 0
        self.ordinals: dict[str, int] = {}
        self.busy: list[str] = []
        self._guessing: list[str] = []
        self.pending: list[Callable[[], None]] = []
        self.emitter = Emitter(module.real, self._array_tensor, scalar=False)
        self.expressions = DataflowExpressions(self.emitter, clock, arrays, self)
        self.init_expressions = InitExpressions(self.emitter, clock, arrays, self)
        self.used_neurons: set[str] = set()
        self._program_texts: dict[str, str] = {}

    # ------------------------------------------------------------ names

    def add(self, entity: Entity) -> None:
        """Declares a name; a second declaration is a mistake at its place."""
        known = self.entities.get(entity.name)
        if known is not None or entity.name in self.neurons:
            where = f" (first in line {known.span.line})" if known is not None else ""
            raise Mistake(DECLARED_TWICE, entity.span, f"'{entity.name}' is declared twice{where}")
        self.entities[entity.name] = entity

    def lookup(self, name: str, span: Span) -> Entity:
        if name in self.refused:
            raise Poisoned
        if name not in self.entities:
            self.expressions.unknown(name, span, [*self.entities, *self.neurons])
        return self.entities[name]

    @contextmanager
    def statement(self, owner: str, seed: int = 0) -> Iterator[None]:
        """The statement that unnamed sources are called after: `owner/kind#ordinal`."""
        before = self.owner, self.seed
        self.owner, self.seed = owner, seed
        try:
            yield
        finally:
            self.owner, self.seed = before

    def unnamed(self, kind: str) -> str:
        """The path of the next unnamed source of this kind in the current statement."""
        if self.dry:
            return f"{self.owner}/{kind}#dry"
        key = f"{self.owner}/{kind}"
        self.ordinals[key] = self.ordinals.get(key, -1) + 1
        return f"{key}#{self.ordinals[key]}"

    def attempt(self, action: Callable[..., object], *arguments: Any, poisons: str | None = None) -> bool:
        """Runs one statement, and says whether it was right.

        A mistake is reported, and the name that the statement declares is not complained about again.
        """
        try:
            action(*arguments)
            return True
        except Mistake as mistake:
            self.diagnostics.error(mistake.code, mistake.span, mistake.message, mistake.help)
            if mistake.code == DECLARED_TWICE:  # the first declaration stands
                return False
        except Poisoned:
            pass
        self._poison(poisons)
        return False

    def _poison(self, name: str | None) -> None:
        if name is not None:
            self.refused.add(name)
            if name in self.entities:
                self.entities[name].state = "wrong"

    # ------------------------------------------------------------ resolution

    def value(self, name: str, span: Span) -> Value:
        """What a bare name stands for in this step: a constant, a stream's value, or what a population emits."""
        entity = self.lookup(name, span)
        if isinstance(entity, Constant):
            assert entity.value is not None
            return entity.value
        if self.dry:
            return self.type_of(entity)
        self.resolve(entity, span)
        assert isinstance(entity, Stream | Population)
        if isinstance(entity, Stream) and entity.of_run and self.entry != "finish":
            raise Mistake("E0603", span, f"'{name}' is a value of the whole run, and this is computed in every step")
        if self.entry == "finish" and not (isinstance(entity, Stream) and entity.of_run):
            raise Mistake(
                "E0603",
                span,
                f"'{name}' changes from step to step, and this is computed once after the run",
                f"reduce it first, as in 'over_time(mean, {name})'",
            )
        if entity.value is None:
            raise Mistake("E0302", span, f"'{name}' emits nothing: it has neither 'spike when' nor 'out'")
        return entity.value

    def resolve(self, entity: Entity, span: Span) -> None:
        """Emits an entity once."""
        if entity.state == "done":
            return
        if entity.state == "wrong":
            raise Poisoned
        if entity.state == "busy":
            loop = [*self.busy[self.busy.index(entity.name) :], entity.name]
            raise Mistake(
                "E0601",
                span,
                f"a cycle within one step: {' <- '.join(loop)}",
                "read the value one step ago with prev(...) or delay(..., d), or give a projection a delay",
            )
        entity.state = "busy"
        self.busy.append(entity.name)
        try:
            if isinstance(entity, Population):
                with self.at("step"):
                    self._emit_population(entity)
            elif isinstance(entity, Stream):
                self._emit_stream(entity)
            entity.state = "done"
        except Mistake as mistake:
            entity.state = "wrong"
            self.diagnostics.error(mistake.code, mistake.span, mistake.message, mistake.help)
            raise Poisoned from None
        except Poisoned:
            entity.state = "wrong"
            raise
        finally:
            self.busy.pop()

    @contextmanager
    def at(self, entry: str) -> Iterator[None]:
        """Emits into an entry point: "init", "step" or "finish"."""
        before = self.entry
        self.entry = entry
        try:
            with ir.InsertionPoint(self.module.blocks[entry]):
                yield
        finally:
            self.entry = before

    def _emit_stream(self, stream: Stream) -> None:
        assert stream.expression is not None
        stream.of_run = self.of_run(stream.expression)
        with self.at("finish" if stream.of_run else "step"), self.statement(stream.name, stream.seed):
            stream.value = self.expressions.eval(stream.expression)
        if not stream.value.is_number:
            raise Mistake("E0302", stream.span, f"'{stream.name}' is {a_kind(stream.value.kind)}, not a number")

    def of_run(self, node: syntax.Expr, seen: frozenset[str] = frozenset()) -> bool:
        """Is this a value of the whole run, made of over_time(...)?"""
        from spikec.frontend.ode import names_in

        names = names_in(node)
        if "over_time" in names and "over_time" not in self.entities:
            return True
        for name in names - seen:
            entity = self.entities.get(name)
            if isinstance(entity, Stream) and entity.expression is not None:
                if self.of_run(entity.expression, seen | {name}):
                    return True
        return False

    # ------------------------------------------------------------ types ahead of values

    def type_of(self, entity: Entity) -> Value:
        """Shape, kind and dimension of an entity that may not be resolved yet; its SSA value is of no use."""
        if isinstance(entity, Constant):
            assert entity.value is not None
            return entity.value
        if entity.state == "wrong":
            raise Poisoned
        if isinstance(entity, Population):
            self.prepare(entity)
            return self._emitted(entity, None)
        assert isinstance(entity, Stream)
        if entity.value is not None:
            return entity.value
        if entity.name in self._guessing:
            return Value("real", ssa=self.emitter.constant(0.0, self.emitter.element("real"), ()))
        assert entity.expression is not None
        self._guessing.append(entity.name)
        try:
            with self.dry_run(), self.statement(entity.name):
                return self.expressions.eval(entity.expression)
        finally:
            self._guessing.pop()

    @contextmanager
    def dry_run(self) -> Iterator[None]:
        """Evaluates for the type alone: ops go to a scratch block, nothing is declared."""
        checked = self.emitter.checked
        self.dry += 1
        self.emitter.checked = False
        try:
            with ir.InsertionPoint(self.module.scratch.entry_block):
                yield
        finally:
            self.dry -= 1
            self.emitter.checked = checked

    # ------------------------------------------------------------ constants as tensors

    def _array_tensor(self, value: Value, span: Span) -> Any:
        """A constant array as a tensor: a state that nobody writes."""
        array = self.module.real_array(as_array(value))
        type = ir.RankedTensorType.get(list(array.shape), _element(array))
        name = value.name or self.unnamed("array")
        symbol = name
        if not self.dry:
            symbol = self.module.constant(name, as_array(value), span)
            self.module.state(f"{symbol}.value", type, ir.FlatSymbolRefAttr.get(symbol), span)
        return snn.Read.build(results=[type], of=f"{symbol}.value", delay=1).result

    def unit(self, dim: Dimension) -> str:
        return "" if dim == NUMBER else si_unit(dim)

    # ------------------------------------------------------------ populations

    def resolve_neuron(self, name: str, span: Span) -> Resolved:
        """A neuron type by name, through its variants."""
        keywords: list[syntax.Keyword] = []
        seen = {name}
        self.used_neurons.add(name)
        while True:
            declaration = self.neurons.get(name)
            if declaration is None:
                if name in self.refused:
                    raise Poisoned
                self.expressions.unknown(name, span, [*self.neurons, "Poisson", "Bernoulli"])
            if isinstance(declaration, syntax.Neuron):
                return Resolved(declaration, tuple(keywords))
            call = declaration.value
            base = call.function if isinstance(call, syntax.Call) else call
            if not isinstance(base, syntax.Name):
                raise Mistake("E0501", declaration.span, "a variant is written 'neuron Fast = LIF(tau = 1 ms)'")
            if isinstance(call, syntax.Call):
                if call.args:
                    raise Mistake("E0306", call.args[0].span, "a variant names its parameters, as in 'tau = 1 ms'")
                # An outer variant's value goes before the inner one's.
                keywords += [k for k in call.keywords if k.name not in {known.name for known in keywords}]
            name, span = base.id, base.span
            if name in seen:
                raise Mistake("E0601", declaration.span, f"the variant '{declaration.name}' refers to itself")
            seen.add(name)
            self.used_neurons.add(name)

    def prepare(self, population: Population) -> None:
        """Binds the parameters of a population and builds its program."""
        if population.program is not None:
            return
        assert population.resolved is not None
        declaration = population.resolved.declaration
        given = dict(population.bound)
        for keyword in population.resolved.keywords:
            if keyword.name not in given:
                given[keyword.name] = (self.expressions.eval(keyword.value), keyword.value.span)
        declared = {formal.name for formal in declaration.params}
        for name, (_, span) in given.items():
            if name not in declared:
                message = f"neuron '{declaration.name}' has no parameter or port '{name}'"
                known = [*declared, *(p.name for p in ports_of(declaration))]
                raise Mistake("E0306", span, message, did_you_mean(name, known))
        bound = bind_parameters(
            declaration.params,
            given,
            lambda scope: _DefaultExpressions(self, scope),
            self.clock,
            declaration.name,
            population.span,
        )
        self._build_program(population, bound)

    def _build_program(self, population: Population, bound: dict[str, Value]) -> None:
        assert population.resolved is not None
        declaration = population.resolved.declaration
        diagnostics = self.diagnostics
        builder = ProgramBuilder(
            declaration,
            bound,
            population.shape,
            self.clock,
            self.arrays,
            self.module.real,
            diagnostics,
            population.span,
        )
        body = self.module.module.body
        with ir.InsertionPoint(self.module.init.operation):
            program = builder.build(f"{population.name}.{declaration.name}")
        if program is None:
            population.state = "wrong"
            raise Poisoned
        self._share_program(program, body)
        population.program = program

    def _share_program(self, program: NeuronProgram, body: Any) -> None:
        """Populations with one and the same program refer to one function."""
        op = next(o for o in body.operations if _symbol(o) == program.symbol)
        text = str(op.operation).replace(f'@"{program.symbol}"', "@_").replace(f"@{program.symbol}", "@_")
        known = self._program_texts.setdefault(text, program.symbol)
        if known != program.symbol:
            op.operation.erase()
            program.symbol = known

    def forget(self, program: NeuronProgram) -> None:
        """Drops a program that was built only to be checked, unless a population shares it."""
        used = {e.program.symbol for e in self.entities.values() if isinstance(e, Population) and e.program}
        for op in list(self.module.module.body.operations):
            if _symbol(op) == program.symbol and program.symbol not in used:
                op.operation.erase()

    def declare_source(self, symbol: str) -> None:
        """The program of Poisson and Bernoulli populations, once: a spike where the draw u is below p."""
        if any(_symbol(op) == symbol for op in self.module.module.body.operations):
            return
        real, flag = self.emitter.element("real"), self.emitter.element("bool")
        with ir.InsertionPoint(self.module.init.operation):
            function = func.FuncOp(symbol, ([real, real], [flag]), visibility="private")
        block = function.add_entry_block()
        with ir.InsertionPoint(block):
            below = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 4)
            func.ReturnOp([arith.cmpf(below, block.arguments[1], block.arguments[0])])
        ports = [{snn.PORT: ir.StringAttr.get(name)} for name in ("p", "u")]
        function.operation.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(p) for p in ports])
        function.operation.attributes["res_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get({snn.EVENT: ir.UnitAttr.get()})])

    def _emitted(self, population: Population, ssa: Any) -> Value:
        """The value that a population's bare name stands for; `ssa` None makes a type without a value."""
        program = population.program
        assert program is not None
        if program.event is not None:
            kind, dim, element = program.event_kind, program.event_dim, program.event
        elif program.out is not None:
            kind, dim, element = "real", program.out_dim, program.out
        else:
            raise Mistake(
                "E0302", population.span, f"'{population.name}' emits nothing: it has neither 'spike when' nor 'out'"
            )
        if ssa is None:
            ssa = self.emitter.constant(0, element, population.shape)
        return Value(
            kind, ssa=ssa, shape=population.shape, dim=dim, event=program.event is not None, name=population.name
        )

    def _emit_population(self, population: Population) -> None:
        self.prepare(population)
        program = population.program
        assert program is not None
        right = self.attempt(self.declare_population, population)
        ports = [self._emit_port(population, port) for port in program.ports]
        if not right or any(port is None for port in ports):
            raise Poisoned
        with file_location(population.span):
            results = []
            if program.event is not None or program.out is not None:
                results = [ir.RankedTensorType.get(list(population.shape), program.event or program.out)]
            op = snn.Update.build(*ports, results=results, population=population.name)
        if results:
            population.value = self._emitted(population, op.results[0])

    def _emit_port(self, population: Population, port: str) -> Any:
        """What reaches a port, summed in textual order; None where some of it is wrong."""
        program = population.program
        assert program is not None
        type = ir.RankedTensorType.get(list(population.shape), self.emitter.element("real"))
        current: Any = None
        right = True

        def add(arrival: Arrival) -> None:
            nonlocal current
            current = arrival.emit(current)

        state = program.state(port)
        with file_location(population.span):
            if state is not None and state.port:
                current = snn.Read.build(results=[type], of=f"{population.name}.{port}", delay=1).result
            for arrival in population.arrivals.get(port, []):
                with self.statement(population.name), file_location(arrival.span):
                    right &= self.attempt(add, arrival)
            if current is None:
                current = self.emitter.constant(0, self.emitter.element("real"), population.shape)
        return current if right else None

    def declare_population(self, population: Population) -> None:
        """States, parameters and the population op itself."""
        program = population.program
        assert program is not None
        name, span = population.name, population.span
        self._declare_states(population, program)
        params = []
        for param, value in program.arrays:
            symbol = self.module.constant(f"{name}.{param}", as_array(value), span)
            reference = ir.FlatSymbolRefAttr.get(symbol)
            params.append(f"{name}.{param}.param")
            self._declare_param(f"{name}.{param}.param", reference, span)
        event, out = None, None
        if program.event is not None:
            event = f"{name}.spike"
            type = ir.RankedTensorType.get(list(population.shape), program.event)
            self.module.state(event, type, _zero(program.event), span, self.unit(program.event_dim))
        if program.out is not None:
            out = f"{name}.out"
            type = ir.RankedTensorType.get(list(population.shape), program.out)
            self.module.state(out, type, _zero(program.out), span, self.unit(program.out_dim))
        location = file_location(span)

        def build() -> None:
            with location:
                snn.Population.build(
                    sym_name=name,
                    neuron=program.symbol,
                    shape=list(population.shape),
                    states=[f"{name}.{state.name}" for state in program.states],
                    params=params,
                    event=event,
                    out=out,
                )

        self.module.declare(f"population {name}", build)

    def _declare_param(self, symbol: str, value: Any, span: Span) -> None:
        location = file_location(span)

        def build() -> None:
            with location:
                snn.Param.build(sym_name=symbol, value=value)

        self.module.declare(f"param {symbol}", build)

    def _declare_states(self, population: Population, program: NeuronProgram) -> None:
        given: dict[str, syntax.Assign] = {}
        for statement in population.init:
            if not isinstance(statement, syntax.Assign) or not isinstance(statement.target, syntax.Name):
                raise Mistake("E0501", statement.span, "a population sets initial states, as in '{ V = -60 mV }'")
            target = statement.target.id
            state = program.state(target)
            if state is None or target.startswith("hold."):
                known = [s.name for s in program.states if not s.name.startswith("hold.")]
                raise Mistake(
                    "E0201",
                    statement.target.span,
                    f"'{target}' is no state of '{population.name}'",
                    did_you_mean(target, known),
                )
            given[target] = statement
        right = True
        for state in program.states:
            right &= self.attempt(self._declare_state, population, state, given.get(state.name))
        if not right:
            raise Poisoned

    def _declare_state(self, population: Population, state: StateVariable, given: syntax.Assign | None) -> None:
        type = ir.RankedTensorType.get(list(population.shape), state.element)
        init = self._initial(population, state, given)
        self.module.state(f"{population.name}.{state.name}", type, init, population.span, self.unit(state.dim))

    def _initial(self, population: Population, state: StateVariable, given: syntax.Assign | None) -> Any:
        """The `init` attribute of a state; None when `@init` writes it."""
        if given is not None:
            node, modifiers = given.value, given.modifiers
            scope: Mapping[str, Value] = {}
        elif state.init is not None and state.init.init is not None:
            node, modifiers = state.init.init, state.init.modifiers
            assert population.program is not None
            scope = population.program.scope
        else:
            return _zero(state.element)
        seed = self.seed_of(modifiers)
        expressions = self.init_expressions
        with self.at("init"), self.statement(f"{population.name}.{state.name}", seed):
            expressions.begin(population.shape, scope)
            value = expressions.eval(node)
            return self._initial_value(population, state, value, node.span)

    def _initial_value(self, population: Population, state: StateVariable, value: Value, span: Span) -> Any:
        if not value.is_number:
            raise Mistake("E0302", span, f"'{state.name}' starts as a number, not {a_kind(value.kind)}")
        if not fits(value, state.dim):
            raise Mistake(
                "E0401",
                span,
                f"'{state.name}' has dimension {describe(state.dim)}, its initial value {describe(value.dim)}",
            )
        if value.shape not in ((), population.shape):
            raise Mistake(
                "E0303",
                span,
                f"an initial value of shape {show_shape(value.shape)} "
                f"for a population of shape {show_shape(population.shape)}",
            )
        if value.kind == "real" and state.kind != "real":
            whole = value.is_const and not value.is_array and Fraction(value.scalar).denominator == 1
            if not whole:
                raise Mistake("E0302", span, f"'{state.name}' is {a_kind(state.kind)}, its initial value is real")
        if value.is_const and not value.is_array:
            if state.kind == "real":
                return ir.FloatAttr.get(state.element, self.emitter.real_constant(to_float(value.scalar)))
            if not INT64[0] <= int(value.scalar) <= INT64[1]:
                raise Mistake("E0305", span, f"'{state.name}' starts at a number that does not fit into 64 bits")
            return ir.IntegerAttr.get(state.element, int(value.scalar))
        if value.is_const:
            array = as_array(value)
            array = array.astype(np.float64) if state.kind == "real" else array
            return ir.FlatSymbolRefAttr.get(self.module.constant(f"{population.name}.{state.name}.init", array, span))
        with file_location(span):
            ssa = self.emitter.ssa(value, population.shape, state.kind, span)
            snn.Write.build(ssa, to=f"{population.name}.{state.name}")
        return None

    def seed_of(self, modifiers: tuple[syntax.Modifier, ...], allowed: tuple[str, ...] = ("seed",)) -> int:
        """The value of `seed n`, 0 without one; modifiers that mean nothing here are mistakes."""
        seed = 0
        for modifier in modifiers:
            if modifier.kind not in allowed:
                raise Mistake("E0501", modifier.span, f"'{modifier.kind}' has no meaning here")
            if modifier.kind == "seed":
                seed = self.expressions.whole(modifier.args[0], "a seed")
        return seed

    # ------------------------------------------------------------ states of the network

    def history(self, entity: Entity, steps: int, span: Span) -> Value:
        """What a named stream or population emitted `steps` >= 1 steps ago."""
        kind = self.type_of(entity)
        if self.dry and entity.name in self._guessing:
            return kind  # the type of `y = prev(y) + x` is being found out: its past tells nothing
        if isinstance(entity, Population):
            assert entity.program is not None
            symbol = f"{entity.name}.spike" if entity.program.event is not None else f"{entity.name}.out"
            type = ir.RankedTensorType.get(list(kind.shape), self.emitter.element_of(kind.ssa))
            return self._past(symbol, type, kind, steps, span)
        return self.past(syntax.Name(span, entity.name), kind, f"{entity.name}.past", steps, span)

    def past(self, node: syntax.Expr, kind: Value, symbol: str, steps: int, span: Span) -> Value:
        """The value of an expression `steps` steps ago, kept in a state that is written when all else is known."""
        if kind.is_const:
            raise Mistake("E0302", span, "a constant has no past")
        element = self.emitter.element_of(kind.ssa)
        type = ir.RankedTensorType.get(list(kind.shape), element)
        if not self.dry and f"state {symbol}" not in self.module.declarations:
            owner = self.owner
            self.pending.append(lambda: self._write_past(node, symbol, type, span, owner))
        return self._past(symbol, type, kind, steps, span)

    def _past(self, symbol: str, type: Any, kind: Value, steps: int, span: Span) -> Value:
        if not self.dry:
            self.module.state(symbol, type, _zero(type.element_type), span, self.unit(kind.dim), depth=steps)
        ssa = snn.Read.build(results=[type], of=symbol, delay=steps).result
        return Value(kind.kind, ssa=ssa, shape=kind.shape, dim=kind.dim, event=kind.event)

    def _write_past(self, node: syntax.Expr, symbol: str, type: Any, span: Span, owner: str) -> None:
        with self.at("step"), self.statement(owner), file_location(span):
            value = self.expressions.eval(node)
            ssa = self.emitter.ssa(value, tuple(type.shape), value.kind, span)
            if ssa.type != type:
                raise Mistake("E0302", span, f"the value is a {ssa.type} here and was taken for a {type}")
            snn.Write.build(ssa, to=symbol)

    def start_of_step(self, population: Population, name: str, span: Span) -> Value:
        """`a.V`, `a.out`: a state at the start of the step."""
        self.prepare(population)
        program = population.program
        assert program is not None
        if name == "out" and program.out is not None:
            element, dim, kind = program.out, program.out_dim, "real"
        else:
            state = program.state(name)
            if state is None or name.startswith("hold."):
                known = [s.name for s in program.states if not s.name.startswith("hold.")] + ["spike", "out"]
                raise Mistake("E0203", span, f"'{population.name}' has no state '{name}'", did_you_mean(name, known))
            element, dim, kind = state.element, state.dim, state.kind
        if self.entry == "finish":
            raise Mistake(
                "E0603",
                span,
                f"'{population.name}.{name}' changes from step to step",
                f"reduce it first, as in 'over_time(mean, {population.name}.{name})'",
            )
        type = ir.RankedTensorType.get(list(population.shape), element)
        ssa = snn.Read.build(results=[type], of=f"{population.name}.{name}", delay=1).result
        return Value(kind, ssa=ssa, shape=population.shape, dim=dim)

    # ------------------------------------------------------------ reductions over the run

    def over_time(self, op: str, node: syntax.Expr, span: Span) -> Value:
        """`over_time(op, x)`: an accumulator that each step updates and `@finish` reads."""
        if self.entry != "finish":
            raise Mistake(
                "E0603", span, "over_time(...) is a value of the whole run, and this is computed in every step"
            )
        symbol = self.unnamed("over_time")
        with self.at("step"):
            value = self.expressions.eval(node)
            if not value.is_number or value.is_const:
                raise Mistake("E0302", node.span, "over_time needs a stream")
            with file_location(span):
                type, kind, dim = self._accumulate(op, value, symbol, span)
        with file_location(span):
            ssa = snn.Read.build(results=[type], of=symbol, delay=1).result
            result = Value(kind, ssa=ssa, shape=value.shape, dim=dim)
            if op == "mean":
                steps = snn.Clock.build(results=[ir.RankedTensorType.get([], self.emitter.element("int"))]).result
                count = Value("int", ssa=steps)
                total = Value(
                    "real", ssa=self.emitter.ssa(result, value.shape, "real", span), shape=value.shape, dim=dim
                )
                return self.emitter.binary("/", total, count, span)
            return result

    def _accumulate(self, op: str, value: Value, symbol: str, span: Span) -> tuple[Any, str, Dimension]:
        narrow = value.kind != "real"
        if op == "count":
            return self._count(value, symbol, span)
        if op == "any":
            flag = self.emitter.ssa(value, value.shape, "bool", span)
            element = self.emitter.element("bool")
            type = self._accumulator(symbol, element, value.shape, 0, span, NUMBER)
            snn.Write.build(arith.ori(self._last(symbol, type), flag), to=symbol)
            return type, "bool", NUMBER
        if op == "max":
            element = self.emitter.element_of(value.ssa)
            least = -(2 ** (element.width - 1)) if narrow and element.width > 1 else 0 if narrow else float("-inf")
            type = self._accumulator(symbol, element, value.shape, least, span, value.dim)
            last = self._last(symbol, type)
            new = (
                arith.ori(last, value.ssa)
                if narrow and element.width == 1
                else arith.maxsi(last, value.ssa)
                if narrow
                else arith.maximumf(last, value.ssa)
            )
            snn.Write.build(new, to=symbol)
            return type, value.kind, value.dim
        element = (
            ir.IntegerType.get_signless(32)
            if narrow and self.emitter.element_of(value.ssa).width < 32
            else self.emitter.element("int" if narrow else "real")
        )
        type = self._accumulator(symbol, element, value.shape, 0, span, value.dim)
        last = self._last(symbol, type)
        added = _widen(value.ssa, type) if narrow else value.ssa
        snn.Write.build(arith.addi(last, added) if narrow else arith.addf(last, added), to=symbol)
        return type, "int" if narrow else "real", value.dim

    def _count(self, value: Value, symbol: str, span: Span) -> tuple[Any, str, Dimension]:
        element = ir.IntegerType.get_signless(32)
        type = self._accumulator(symbol, element, value.shape, 0, span, NUMBER)
        flag = self.emitter.ssa(value, value.shape, "bool", span)
        snn.Write.build(arith.addi(self._last(symbol, type), arith.extui(type, flag)), to=symbol)
        return type, "int", NUMBER

    def _accumulator(
        self, symbol: str, element: Any, shape: tuple[int, ...], init: float, span: Span, dim: Dimension
    ) -> Any:
        type = ir.RankedTensorType.get(list(shape), element)
        attribute = (
            ir.IntegerAttr.get(element, int(init))
            if isinstance(element, ir.IntegerType)
            else ir.FloatAttr.get(element, init)
        )
        self.module.state(symbol, type, attribute, span, self.unit(dim))
        return type

    @staticmethod
    def _last(symbol: str, type: Any) -> Any:
        return snn.Read.build(results=[type], of=symbol, delay=1).result


class _DefaultExpressions(Expressions):
    """Defaults of parameters: they see the parameters before them, and the model's constants."""

    def __init__(self, network: Network, scope: Mapping[str, Value]) -> None:
        super().__init__(network.emitter, network.clock, network.arrays)
        self.network = network
        self.scope = scope

    def name(self, node: syntax.Name) -> Value:
        if node.id in self.scope:
            return self.scope[node.id]
        entity = self.network.lookup(node.id, node.span)
        if not isinstance(entity, Constant) or entity.value is None:
            raise Mistake("E0301", node.span, f"a default value is constant, and '{node.id}' is not")
        return entity.value


def _widen(ssa: Any, type: Any) -> Any:
    width = ssa.type.element_type.width
    if width == type.element_type.width:
        return ssa
    return arith.extui(type, ssa) if width == 1 else arith.extsi(type, ssa)


def _zero(element: Any) -> Any:
    if isinstance(element, ir.IntegerType):
        return ir.IntegerAttr.get(element, 0)
    return ir.FloatAttr.get(element, 0.0)


def _symbol(operation: Any) -> str:
    attributes = operation.operation.attributes
    return str(ir.StringAttr(attributes["sym_name"]).value) if "sym_name" in attributes else ""
