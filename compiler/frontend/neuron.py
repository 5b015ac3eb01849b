"""Compiles a `neuron` declaration, with its parameters bound, into a program over scalars.

The statements of the body become straight-line code in their textual order.  Constant parameters are
folded; arrays become parameters of the program; parameters that are bound to a stream become ports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Any

from spikec.dialects import snn
from spikec.dialects.diagnostics import Diagnostics, Span, did_you_mean
from spikec.dialects.mlir import arith, file_location, func, ir
from spikec.frontend import encoders, ode, syntax
from spikec.frontend.arrays import Arrays
from spikec.frontend.emitter import Emitter, show_shape
from spikec.frontend.expressions import TYPES, Clock, Expressions
from spikec.frontend.units import NUMBER, TIME, Dimension, describe
from spikec.frontend.values import Mistake, Poisoned, Value, a_kind, fits, not_supported, number, placed

RANDOM = ("uniform", "normal")


@dataclass
class StateVariable:
    """A state of the program: its kind and width, and how it starts (an expression, or a number for hold counters)."""

    name: str
    element: Any
    kind: str
    dim: Dimension
    init: syntax.Variable | None
    port: bool = False


@dataclass
class NeuronProgram:
    """A program function and what a population needs to use it.

    `ports` are the declared ones and then the streams that parameters are bound to; `arrays` the (name, value) of
    its array parameters; `event` the element type of what it emits, `out` that of `out` (None where absent).
    """

    symbol: str
    ports: list[str]
    port_dims: dict[str, Dimension]
    states: list[StateVariable]
    arrays: list[tuple[str, Value]]
    event: Any = None
    event_dim: Dimension = NUMBER
    event_kind: str = "bool"
    out: Any = None
    out_dim: Dimension = NUMBER
    scope: dict[str, Value] = field(default_factory=dict)
    function: Any = None  # the op that was built for it, until it turns out to be another population's too
    stages: list[Any] = field(default_factory=list)  # what is computed before it, over the whole population

    def state(self, name: str) -> StateVariable | None:
        return next((s for s in self.states if s.name == name), None)


@dataclass(frozen=True)
class Resolved:
    """A neuron declaration with the arguments of its variants (`neuron Fast = LIF(tau = 0.5 ms)`) applied."""

    declaration: syntax.Neuron
    keywords: tuple[syntax.Keyword, ...]


def ports_of(declaration: syntax.Neuron) -> list[syntax.Formal]:
    return [port for s in declaration.body if isinstance(s, syntax.Ports) for port in s.ports]


def declared_dim(type: syntax.Type | None, clock: Clock, default: Value | None) -> Dimension:
    """The dimension of a declaration: its type's, or that of its default value without one."""
    if type is None:
        return default.dim if default is not None else NUMBER
    if type.name not in TYPES:
        if type.name in ("complex", "signal"):
            raise not_supported(type.span, type.name)
        raise Mistake("E0202", type.span, f"unknown type '{type.name}'", did_you_mean(type.name, TYPES))
    return clock.dimension(type.name)


def bind_parameters(
    formals: Sequence[syntax.Formal],
    given: Mapping[str, tuple[Value, Span]],
    evaluator: Callable[[Mapping[str, Value]], Expressions],
    clock: Clock,
    owner: str,
    span: Span,
) -> dict[str, Value]:
    """The values of declared parameters: those given, or their defaults, with types and dimensions checked."""
    scope: dict[str, Value] = {}
    for formal in formals:
        if formal.name in given:
            value, place = given[formal.name]
        elif formal.default is not None:
            value, place = evaluator(scope).eval(formal.default), formal.default.span
            if place.file != span.file:  # an imported neuron: what is wrong is its use
                place = span
        else:
            raise Mistake("E0204", span, f"'{owner}' needs a value for its parameter '{formal.name}'")
        scope[formal.name] = check_type(value, formal, clock, place)
    return scope


def check_type(value: Value, formal: syntax.Formal, clock: Clock, span: Span) -> Value:
    """`value` as the declared type has it."""
    default = None
    if formal.type is None and isinstance(formal.default, syntax.Quantity):
        default = clock.quantity(formal.default) if not clock.in_steps else None
    if formal.type is None and default is None and value.is_number:
        if isinstance(formal.default, syntax.Number) and value.dim != NUMBER:
            raise Mistake("E0402", span, f"parameter '{formal.name}' is a plain number, not a {describe(value.dim)}")
        return value
    dim = declared_dim(formal.type, clock, default)
    name = formal.type.name if formal.type is not None else "real"
    if name == "path":
        if value.kind != "text":
            raise Mistake("E0302", span, f"parameter '{formal.name}' is a path: give it as a text in quotes")
        return value
    if not value.is_number:
        if formal.type is None:
            return value
        raise Mistake("E0302", span, f"parameter '{formal.name}' is a {name}, not {a_kind(value.kind)}")
    value = placed(value, dim)
    if fits(value, dim):
        value = value.with_dim(dim)
    else:
        message = f"parameter '{formal.name}' has dimension {describe(dim)}, its value {describe(value.dim)}"
        counted = clock.in_steps and value.dim == TIME
        help = f"this model counts time in steps: write '{formal.name} = 5 steps'" if counted else None
        raise Mistake("E0401", span, message, help)
    if name == "int" and value.is_const and not value.is_array and value.kind == "real":
        whole = Fraction(value.scalar)
        if whole.denominator != 1:
            raise Mistake("E0302", span, f"parameter '{formal.name}' is an int, and {float(whole):g} is not whole")
        return number(int(whole))
    if name == "real" and value.is_const and not value.is_array and value.kind == "int":
        return number(Fraction(value.scalar), value.dim)
    return value


class ProgramExpressions(Expressions):
    """Expressions inside a neuron: scalars; names are parameters, ports, states and locals of the neuron."""

    def __init__(self, emitter: Emitter, clock: Clock, arrays: Arrays, builder: ProgramBuilder) -> None:
        super().__init__(emitter, clock, arrays)
        self.builder = builder
        self.moved: Mapping[str, Value] = {}

    def name(self, node: syntax.Name) -> Value:
        builder = self.builder
        if node.id in self.moved:
            return self.moved[node.id]
        if node.id in builder.poisoned:
            raise Poisoned
        if node.id in builder.local_definitions and builder.system_mentions(node) and self.moved:
            return self.eval(builder.local_definitions[node.id])
        if node.id in builder.values:
            return builder.values[node.id]
        if node.id == "index":
            return builder.index()
        return self.unknown(node.id, node.span, builder.values)

    def index(self, node: syntax.Index) -> Value:
        if isinstance(node.base, syntax.Name) and node.base.id in self.builder.values:
            raise _in_a_line(node.span, "neighbours")
        return super().index(node)

    def call(self, node: syntax.Call, name: str) -> Value:
        if name in ("sum", "mean", "max", "min", "any", "all", "argmax"):
            raise _in_a_line(node.span, f"'{name}' over the population")
        if name in RANDOM or name in encoders.PARAMETERS:
            raise not_supported(node.span, f"{name}() inside a neuron", "write it outside, and give it to a port")
        if name in ("prev", "delay", "over_time"):
            raise Mistake(
                "E0301", node.span, f"'{name}' stands in the network, not inside a neuron", "keep a state instead"
            )
        return super().call(node, name)


class ProgramBuilder:
    """Builds the program of one population.  `bound` are the values of the parameters."""

    what = "neuron"  # what the declaration is called in messages

    def __init__(
        self,
        declaration: syntax.Neuron,
        bound: Mapping[str, Value],
        shape: tuple[int, ...],
        clock: Clock,
        arrays: Arrays,
        real: int,
        diagnostics: Diagnostics,
        span: Span,
    ) -> None:
        self.declaration = declaration
        self.shape = shape
        self.clock = clock
        self.diagnostics = diagnostics
        self.span = span
        self.emitter = Emitter(real, self._array_argument, scalar=True)
        self.expressions = ProgramExpressions(self.emitter, clock, arrays, self)
        self.bound = dict(bound)
        self.values: dict[str, Value] = {}
        self.state_names: set[str] = set()
        self.local_definitions: dict[str, syntax.Expr] = {}
        self.poisoned: set[str] = set()
        self.arguments: list[tuple[str, str]] = []
        self.array_params: list[tuple[str, Value]] = []
        self._array_args: dict[int, Any] = {}
        self._index: Value | None = None
        self.events: list[tuple[Value, Value]] = []
        self.out: Value | None = None
        self.held: dict[str, Value] = {}
        self.blocked: set[str] = set()  # held states that the current handler's condition names
        self.system: ode.System | None = None
        self.failed = False

    # ------------------------------------------------------------ arguments

    def _add_argument(self, role: str, name: str, type: Any) -> Any:
        self.arguments.append((role, name))
        return self.block.add_argument(type, file_location(self.span))

    def _array_argument(self, value: Value, span: Span) -> Any:
        """A constant array inside a program is a parameter of the program, one element per neuron."""
        if value.shape != self.shape:
            message = f"an array of shape {show_shape(value.shape)} in a population of shape {show_shape(self.shape)}"
            raise Mistake("E0303", span, message, "a parameter's array has the shape of the population")
        if id(value.const) not in self._array_args:
            name = value.name or f"k{len(self.array_params)}"
            self._array_args[id(value.const)] = self._add_argument("param", name, self.emitter.element(value.kind))
            self.array_params.append((name, value))
        return self._array_args[id(value.const)]

    def index(self) -> Value:
        if self._index is None:
            self._index = Value("int", ssa=self._add_argument("index", "", self.emitter.element("int")))
        return self._index

    # ------------------------------------------------------------ the whole program

    def build(self, symbol: str) -> NeuronProgram | None:
        """Emits the function at the current insertion point; None where the body has mistakes."""
        with file_location(self.declaration.span):
            function = func.FuncOp(symbol, ([], []), visibility="private")
            self.block = function.add_entry_block()
        program = NeuronProgram(symbol, [], {}, [], [], scope=self.bound)
        with ir.InsertionPoint(self.block), file_location(self.declaration.span):
            self._attempt(self._declare, program)
            if not self.failed:
                self._body(program)
            if self.failed:
                function.operation.erase()
                return None
            results = self._results(program)
            func.ReturnOp([ssa for ssa, _ in results])
        program.arrays = self.array_params
        self._sign(function, results)
        program.function = function
        return program

    def _attempt(self, action: Callable[..., None], *arguments: Any, defines: str | None = None) -> None:
        """Runs one statement; its mistake is reported and what it defines is not looked at again."""
        try:
            action(*arguments)
            return
        except Mistake as mistake:
            self.diagnostics.error(mistake.code, mistake.span, mistake.message, mistake.help)
        except Poisoned:
            pass
        self.failed = True
        if defines is not None:
            self.poisoned.add(defines)

    def _sign(self, function: Any, results: list[tuple[Any, dict[str, Any]]]) -> None:
        inputs = [argument.type for argument in self.block.arguments]
        type = ir.FunctionType.get(inputs, [ssa.type for ssa, _ in results])
        function.operation.attributes["function_type"] = ir.TypeAttr.get(type)
        marks = []
        for role, name in self.arguments:
            text = ir.StringAttr.get(name)
            marks.append(
                {
                    "port": {snn.PORT: text},
                    "port state": {snn.PORT: text, snn.STATE: text},
                    "state": {snn.STATE: text},
                    "param": {snn.PARAM: text},
                    "index": {snn.INDEX: ir.UnitAttr.get()},
                }[role]
            )
        function.operation.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(m) for m in marks])
        function.operation.attributes["res_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(m) for _, m in results])

    # ------------------------------------------------------------ declarations

    def _declare(self, program: NeuronProgram) -> None:
        for name, value in self.bound.items():
            if value.is_const or not value.is_number:
                self.values[name] = value
        variables: dict[str, syntax.Variable] = {}
        for statement in self.declaration.body:
            if isinstance(statement, syntax.Variable):
                if statement.name in variables:
                    raise Mistake("E0205", statement.span, f"'{statement.name}' is declared twice in this {self.what}")
                variables[statement.name] = statement
        equations = {
            s.target.id: s
            for s in self.declaration.body
            if isinstance(s, syntax.Derivative) and isinstance(s.target, syntax.Name)
        }
        for port in ports_of(self.declaration):
            self._declare_port(program, port, port.name in equations and port.name not in variables)
        for name, value in self.bound.items():
            if not value.is_const and value.is_number:
                program.ports.append(name)
                program.port_dims[name] = value.dim
                ssa = self._add_argument("port", name, self.emitter.element("real"))
                self.values[name] = Value("real", ssa=ssa, dim=value.dim)
        for variable in variables.values():
            self._declare_state(program, variable)
        self._declare_holds(program)

    def _fresh(self, name: str, span: Span) -> None:
        if name in self.values or name in ("dt", "index", "true", "false"):
            raise Mistake("E0205", span, f"'{name}' is declared twice in this {self.what}")

    def _declare_port(self, program: NeuronProgram, port: syntax.Formal, has_equation: bool) -> None:
        self._fresh(port.name, port.span)
        if port.type is not None and (port.type.shape or port.type.name in ("int", "bool", "path")):
            raise not_supported(port.type.span, f"port of type {port.type.name}{'[...]' if port.type.shape else ''}")
        dim = declared_dim(port.type, self.clock, None)
        program.ports.append(port.name)
        program.port_dims[port.name] = dim
        role = "port state" if has_equation else "port"
        ssa = self._add_argument(role, port.name, self.emitter.element("real"))
        self.values[port.name] = Value("real", ssa=ssa, dim=dim)
        if has_equation:
            self.state_names.add(port.name)
            program.states.append(StateVariable(port.name, self.emitter.element("real"), "real", dim, None, port=True))

    def _declare_state(self, program: NeuronProgram, variable: syntax.Variable) -> None:
        self._fresh(variable.name, variable.span)
        if variable.per is not None or (variable.type is not None and variable.type.shape):
            raise not_supported(variable.span, f"state with a shape or 'per' in a {self.what}")
        kind = variable.type.name if variable.type is not None and variable.type.name in ("int", "bool") else "real"
        default = None
        if variable.type is None and variable.init is not None and not _is_random(variable.init):
            default = self.expressions.eval(variable.init)
        dim = declared_dim(variable.type, self.clock, default)
        element = self.emitter.element(kind)
        program.states.append(StateVariable(variable.name, element, kind, dim, variable))
        self.state_names.add(variable.name)
        ssa = self._add_argument("state", variable.name, element)
        self.values[variable.name] = Value(kind, ssa=ssa, dim=dim)

    def _declare_holds(self, program: NeuronProgram) -> None:
        """`hold V for t` counts down in a hidden state; a positive count freezes V in this step."""
        for statement in self.declaration.body:
            if not isinstance(statement, syntax.SpikeWhen):
                continue
            for inner in statement.body:
                if isinstance(inner, syntax.Hold):
                    for name in inner.names:
                        self._declare_hold(program, name, inner)

    def _declare_hold(self, program: NeuronProgram, name: syntax.Name, hold: syntax.Hold) -> None:
        if name.id not in self.state_names:
            raise Mistake(
                "E0201", name.span, f"'{name.id}' is no state of this neuron", did_you_mean(name.id, self.state_names)
            )
        counter = f"hold.{name.id}"
        width = 8 if self._hold_steps(hold) < 128 else 16 if self._hold_steps(hold) < 2**15 else 32
        known = program.state(counter)
        if known is not None:
            if known.element.width < width:
                raise not_supported(hold.span, "two holds of one state whose lengths differ this much")
            return
        element = ir.IntegerType.get_signless(width)
        program.states.append(StateVariable(counter, element, "int", NUMBER, None))
        count = self._add_argument("state", counter, element)
        zero = self.emitter.constant(0, element, ())
        sgt = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 4)
        held = arith.cmpi(sgt, count, zero)
        one = self.emitter.constant(1, element, ())
        self.values[counter] = Value("int", ssa=arith.select(held, arith.subi(count, one), zero))
        self.held[name.id] = Value("bool", ssa=held)

    def _hold_steps(self, hold: syntax.Hold) -> int:
        duration = self.expressions.eval(hold.duration)
        steps = ceil(self.clock.steps(duration, hold.duration.span, "the length of a hold"))
        if not 0 <= steps < 2**31:
            raise Mistake("E0505", hold.duration.span, f"a hold of {steps} steps")
        return steps

    # ------------------------------------------------------------ statements

    def _body(self, program: NeuronProgram) -> None:
        derivatives = [s for s in self.declaration.body if isinstance(s, syntax.Derivative)]
        self._attempt(self._make_system, derivatives)
        integrated = False
        for statement in self.declaration.body:
            match statement:
                case syntax.Ports() | syntax.Variable() | syntax.Solver():
                    pass
                case syntax.Derivative():
                    if not integrated:
                        self._attempt(self._integrate)
                    integrated = True
                case syntax.Assign():
                    defines = statement.target.id if isinstance(statement.target, syntax.Name) else None
                    self._attempt(self._assign, statement, None, defines=defines)
                case syntax.SpikeWhen():
                    self._attempt(self._spike, statement)
                case syntax.Out():
                    self._attempt(self._out, statement)
                case syntax.Hold():
                    self._attempt(_misplaced, statement, "hold", "inside 'spike when ... { ... }'")
                case _:
                    self._attempt(self._other, statement)

    def _other(self, statement: syntax.Statement) -> None:
        """A statement that a neuron does not have."""
        _foreign(statement)

    def _assign(self, statement: syntax.Assign, condition: Value | None) -> None:
        """`x = e` names a local; `V := e` and `V += e` update a state, under `condition` inside a handler."""
        target = statement.target
        if isinstance(target, syntax.Index):
            raise _in_a_line(target.span, "neighbours")
        if not isinstance(target, syntax.Name):
            raise Mistake("E0501", target.span, f"only a state or a local name can be assigned in a {self.what}")
        if statement.modifiers:
            raise Mistake("E0501", statement.modifiers[0].span, f"'{statement.modifiers[0].kind}' has no meaning here")
        if statement.op == "=":
            self._local(target, statement.value)
            return
        if target.id not in self.state_names:
            if target.id in self.values:
                kind = "parameter" if target.id in self.bound else "port or local"
                help = "declare it with 'var'" if target.id not in self.bound else None
                raise Mistake(
                    "E0501", target.span, f"'{target.id}' is a {kind}, not a state, and cannot be changed", help
                )
            help = did_you_mean(target.id, self.state_names) or f"declare it with 'var {target.id} = 0'"
            raise Mistake("E0201", target.span, f"unknown state '{target.id}'", help)
        value = self.expressions.eval(statement.value)
        if statement.op != ":=":
            value = self.emitter.binary(statement.op[0], self.values[target.id], value, statement.span)
        self._set(target.id, value, statement.span, condition)

    def _local(self, target: syntax.Name, expression: syntax.Expr) -> None:
        if target.id in self.state_names:
            raise Mistake(
                "E0501", target.span, f"'{target.id}' is a state: '=' names a new value", f"write '{target.id} := ...'"
            )
        self._fresh(target.id, target.span)
        self.values[target.id] = self.expressions.eval(expression)
        self.local_definitions[target.id] = expression

    def _set(self, name: str, value: Value, span: Span, condition: Value | None) -> None:
        """Updates a state, under the handler's condition and unless it is held."""
        old = self.values[name]
        value = self._as_state(name, old, value, span)
        if name in self.held and not (condition is not None and name in self.blocked):
            value = self.emitter.select(self.held[name], old, value, span)
        if condition is not None:
            value = self.emitter.select(condition, value, old, span)
        self.values[name] = value

    def _as_state(self, name: str, old: Value, value: Value, span: Span) -> Value:
        """A value as the state's kind holds it, its dimension checked."""
        if not value.is_number:
            raise Mistake("E0302", span, f"'{name}' takes a number, not {a_kind(value.kind)}")
        if not fits(value, old.dim):
            message = f"'{name}' has dimension {describe(old.dim)}, the new value {describe(value.dim)}"
            raise Mistake("E0401", span, message)
        if value.kind == "real" and old.kind != "real":
            help = "declare it as 'real', or round the value" if old.kind == "int" else None
            whole = value.is_const and not value.is_array and Fraction(value.scalar).denominator == 1
            if not whole or old.kind == "bool":
                raise Mistake("E0302", span, f"'{name}' is {a_kind(old.kind)}, the new value is real", help)
        if value.kind == "int" and old.kind == "bool":
            raise Mistake("E0302", span, f"'{name}' is a bool, the new value is an int")
        with file_location(span):
            return Value(old.kind, ssa=self.emitter.ssa(value, (), old.kind, span), dim=old.dim)

    # ------------------------------------------------------------ spikes

    def _spike(self, statement: syntax.SpikeWhen) -> None:
        condition = self.expressions.eval(statement.condition)
        if condition.kind != "bool":
            raise Mistake(
                "E0502",
                statement.condition.span,
                f"a spike needs a condition, not {a_kind(condition.kind)}",
                "compare it: 'spike when V >= theta'",
            )
        self.blocked = ode.names_in(statement.condition) & set(self.held)
        for name in sorted(self.blocked):
            free = self.emitter.logical_not(self.held[name], statement.span)
            condition = self.emitter.binary("and", condition, free, statement.span)
        emitted = number(1) if statement.emit is None else self.expressions.eval(statement.emit)
        if not emitted.is_number:
            raise Mistake("E0302", statement.span, f"'emit' takes a number, not {a_kind(emitted.kind)}")
        self.events.append((condition, emitted))
        for inner in statement.body:
            match inner:
                case syntax.Assign():
                    defines = inner.target.id if isinstance(inner.target, syntax.Name) else None
                    self._attempt(self._assign, inner, condition, defines=defines)
                case syntax.Hold():
                    self._attempt(self._start_hold, inner, condition)
                case _:
                    self._attempt(_foreign, inner)

    def _start_hold(self, hold: syntax.Hold, condition: Value) -> None:
        steps = self._hold_steps(hold)
        for name in hold.names:
            counter = f"hold.{name.id}"
            old = self.values[counter]
            with file_location(hold.span):
                element = self.emitter.element_of(old.ssa)
                count = self.emitter.constant(steps, element, ())
                flag = self.emitter.ssa(condition, (), "bool", hold.span)
                self.values[counter] = Value("int", ssa=arith.select(flag, count, old.ssa))

    def _out(self, statement: syntax.Out) -> None:
        if self.out is not None:
            raise Mistake("E0506", statement.span, f"a {self.what} has one 'out'")
        value = self.expressions.eval(statement.value)
        if not value.is_number:
            raise Mistake("E0302", statement.span, f"'out' takes a number, not {a_kind(value.kind)}")
        self.out = Value("real", ssa=self.emitter.ssa(value, (), "real", statement.span), dim=value.dim)

    # ------------------------------------------------------------ equations

    def _make_system(self, derivatives: list[syntax.Derivative]) -> None:
        if not derivatives:
            for statement in self.declaration.body:
                if isinstance(statement, syntax.Solver):
                    raise Mistake("E0504", statement.span, "'solver' without an equation: there is no V' = ... here")
            return
        equations: dict[str, syntax.Expr] = {}
        spans: dict[str, Span] = {}
        for derivative in derivatives:
            target = derivative.target
            if not isinstance(target, syntax.Name):
                raise not_supported(target.span, "equation of an indexed state")
            if target.id not in self.state_names:
                self.expressions.unknown(target.id, target.span, self.state_names)
            if target.id in equations:
                raise Mistake("E0205", target.span, f"'{target.id}' has two equations")
            if self.values[target.id].kind != "real":
                raise Mistake(
                    "E0302",
                    target.span,
                    f"'{target.id}' is {a_kind(self.values[target.id].kind)}: an equation needs a real state",
                )
            equations[target.id], spans[target.id] = derivative.value, derivative.span
        dt = number(self.clock.dt, self.clock.time)
        self.system = ode.System(
            list(equations), equations, spans, self._evaluate_with, self.local_definitions.get, self.emitter, dt
        )

    def system_mentions(self, node: syntax.Expr) -> bool:
        return self.system is not None and self.system.mentions(node)

    def _evaluate_with(self, node: syntax.Expr, states: Mapping[str, Value]) -> Value:
        before = self.expressions.moved
        self.expressions.moved = states
        try:
            return self.expressions.eval(node)
        finally:
            self.expressions.moved = before

    def _integrate(self) -> None:
        """All equations together; a held state stands still, for itself and in the others' equations."""
        if self.system is None:
            raise Poisoned
        system = self.system
        solvers = [s for s in self.declaration.body if isinstance(s, syntax.Solver)]
        if len(solvers) > 1:
            raise Mistake("E0504", solvers[1].span, f"a {self.what} has one solver")
        if solvers and solvers[0].name not in ode.SOLVERS:
            message = f"unknown solver '{solvers[0].name}'"
            raise Mistake("E0504", solvers[0].span, message, f"there are {', '.join(ode.SOLVERS)}")
        states = {name: self.values[name] for name in system.names}

        def advance(frozen: frozenset[str]) -> dict[str, Value]:
            if solvers:
                return ode.integrate_with(solvers[0].name, system, states, frozen)
            return ode.integrate_exactly(system, states, frozen)

        new = {**states, **advance(frozenset())}
        for name in [n for n in system.names if n in self.held]:
            others = [n for n in system.names if n != name and self._depends(n, name)]
            if len([n for n in system.names if n in self.held]) > 1 and others:
                raise not_supported(system.spans[name], "two held states in coupled equations")
            frozen = advance(frozenset([name])) if others else {}
            for other in others:
                new[other] = self.emitter.select(self.held[name], frozen[other], new[other], system.spans[other])
            new[name] = self.emitter.select(self.held[name], states[name], new[name], system.spans[name])
        for name in system.names:
            self.values[name] = self._as_state(name, states[name], new[name], system.spans[name])

    def _depends(self, name: str, on: str) -> bool:
        """Does the equation of `name` depend on the state `on`, directly or through other equations?"""
        assert self.system is not None
        seen, stack = set(), [name]
        while stack:
            current = stack.pop()
            if current in seen:
                continue
            seen.add(current)
            mentioned = self._inlined_names(self.system.equations[current])
            if on in mentioned:
                return True
            stack += [n for n in self.system.names if n in mentioned]
        return False

    def _inlined_names(self, node: syntax.Expr) -> set[str]:
        found = ode.names_in(node)
        for name in list(found):
            if name in self.local_definitions:
                found |= self._inlined_names(self.local_definitions[name])
        return found

    # ------------------------------------------------------------ results

    def _results(self, program: NeuronProgram) -> list[tuple[Any, dict[str, Any]]]:
        results = [
            (self.values[state.name].ssa, {snn.STATE: ir.StringAttr.get(state.name)}) for state in program.states
        ]
        if self.events:
            event = self._event(program)
            program.event = event.type
            results.append((event, {snn.EVENT: ir.UnitAttr.get()}))
        if self.out is not None:
            program.out, program.out_dim = self.out.ssa.type, self.out.dim
            results.append((self.out.ssa, {snn.OUT: ir.UnitAttr.get()}))
        return results

    def _event(self, program: NeuronProgram) -> Any:
        """The sum of what the handlers emit, in the narrowest type that holds it."""
        span = self.declaration.span
        whole = [emitted.is_const and not emitted.is_array for _, emitted in self.events]
        real = any(emitted.kind == "real" for _, emitted in self.events)
        dims = {emitted.dim for _, emitted in self.events}
        if len(dims) > 1:
            raise Mistake("E0401", span, "the handlers emit values of different dimensions")
        program.event_dim = dims.pop()
        if real or not all(whole):
            return self._computed_event(program, "real" if real else "int", span)
        weights = [int(emitted.scalar) for _, emitted in self.events]
        low, high = sum(w for w in weights if w < 0), sum(w for w in weights if w > 0)
        if weights == [1]:
            return self.emitter.ssa(self.events[0][0], (), "bool", span)
        program.event_kind = "int"
        width = next((w for w in (2, 8, 16, 32) if -(2 ** (w - 1)) <= low and high < 2 ** (w - 1)), None)
        if width is None:
            raise Mistake("E0305", span, f"the emitted values range from {low} to {high}: 32 bits are too few")
        element = ir.IntegerType.get_signless(width)
        total = None
        for (condition, _), weight in zip(self.events, weights, strict=True):
            flag = self.emitter.ssa(condition, (), "bool", span)
            zero = self.emitter.constant(0, element, ())
            term = arith.select(flag, self.emitter.constant(weight, element, ()), zero)
            total = term if total is None else arith.addi(total, term)
        return total

    def _computed_event(self, program: NeuronProgram, kind: str, span: Span) -> Any:
        """The sum of values that are known only in the step: reals, or ints of 64 bits."""
        program.event_kind = kind
        total = None
        for condition, emitted in self.events:
            zero = number(Fraction(0) if kind == "real" else 0, emitted.dim)
            scalar = emitted.is_const and not emitted.is_array and kind == "real"
            value = number(Fraction(emitted.scalar), emitted.dim) if scalar else emitted
            term = self.emitter.select(condition, value, zero, span)
            total = term if total is None else self.emitter.binary("+", total, term, span)
        assert total is not None
        return self.emitter.ssa(total, (), kind, span)


def _is_random(node: syntax.Expr) -> bool:
    return bool(ode.names_in(node) & set(RANDOM))


def _in_a_line(span: Span, what: str) -> Mistake:
    help = "give the value a name in a line of the neuron's body, as in 'm = mean(V)'"
    return Mistake("E0501", span, f"{what} cannot stand here", help)


def _misplaced(statement: syntax.Node, what: str, where: str) -> None:
    raise Mistake("E0501", statement.span, f"'{what}' stands {where}")


def _foreign(statement: syntax.Node) -> None:
    name = type(statement).__name__.lower()
    raise Mistake("E0501", statement.span, f"'{name}' has no place in a neuron")
