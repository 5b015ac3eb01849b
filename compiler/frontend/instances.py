"""What a population becomes: its program, its states and parameters, what reaches its ports, its update."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.dialects.mlir import arith, file_location, func, ir
from spikec.frontend import collective, delays, syntax
from spikec.frontend.delays import Delayed
from spikec.frontend.emitter import INT64, show_shape
from spikec.frontend.entities import Arrival, Constant, Population
from spikec.frontend.expressions import Expressions
from spikec.frontend.module import zero
from spikec.frontend.neuron import NeuronProgram, ProgramBuilder, StateVariable, bind_parameters, ports_of
from spikec.frontend.units import describe
from spikec.frontend.values import Mistake, Poisoned, Value, a_kind, as_array, fits, placed, to_float

if TYPE_CHECKING:
    from spikec.frontend.network import Network


def prepare(network: Network, population: Population) -> None:
    """Binds the parameters of a population and builds its program."""
    if population.program is not None:
        return
    if population.state == "wrong":
        raise Poisoned
    if population.resolved is None:
        message = f"what '{population.name}' is must be known before, and follows from this"
        raise Mistake("E0601", population.span, message, "give parts of a shape or an argument names of their own")
    declaration = population.resolved.declaration
    given = dict(population.bound)
    for keyword in population.resolved.keywords:
        if keyword.name not in given:
            given[keyword.name] = (network.expressions.eval(keyword.value), keyword.value.span)
    declared = {formal.name for formal in declaration.params}
    for name, (_, span) in given.items():
        if name not in declared:
            message = f"neuron '{declaration.name}' has no parameter or port '{name}'"
            known = [*declared, *(p.name for p in ports_of(declaration))]
            raise Mistake("E0306", span, message, did_you_mean(name, known))
    bound = bind_parameters(
        declaration.params,
        given,
        lambda scope: DefaultExpressions(network, scope),
        network.clock,
        declaration.name,
        population.span,
    )
    _build_program(network, population, bound)


def _build_program(network: Network, population: Population, bound: dict[str, Value]) -> None:
    assert population.resolved is not None
    declaration = population.resolved.declaration
    diagnostics = network.diagnostics
    given = (
        declaration,
        bound,
        population.shape,
        network.clock,
        network.arrays,
        network.module.real,
        diagnostics,
        population.span,
    )
    symbol = f"{population.name}.{declaration.name}"
    with ir.InsertionPoint(network.module.init.operation):
        if collective.has_lines(declaration):
            program = collective.build(network, given, symbol)
        else:
            program = ProgramBuilder(*given).build(symbol)
    if program is None:
        population.state = "wrong"
        raise Poisoned
    share_program(network, program)
    population.program = program


def share_program(network: Network, program: NeuronProgram) -> None:
    """Populations with one and the same program refer to one function."""
    # Printed alone: otherwise the printer numbers the values of the whole module each time.
    text = program.function.operation.get_asm(use_local_scope=True, assume_verified=True)
    text = text.replace(f'@"{program.symbol}"', "@_").replace(f"@{program.symbol}", "@_")
    known = network._program_texts.setdefault(text, program.symbol)
    if known != program.symbol:
        program.function.operation.erase()
        program.symbol, program.function = known, None


def forget(network: Network, program: NeuronProgram) -> None:
    """Drops a program that was built only to be checked or for its type, unless a population shares it."""
    used = {e.program.symbol for e in network.entities.values() if isinstance(e, Population) and e.program}
    if program.function is None or program.symbol in used:
        return
    program.function.operation.erase()
    texts = network._program_texts
    network._program_texts = {text: symbol for text, symbol in texts.items() if symbol != program.symbol}


def declare_source(network: Network, symbol: str) -> None:
    """The program of Poisson and Bernoulli populations, once: a spike where the draw u is below p."""
    if network.module.function(symbol) is not None:
        return
    real, flag = network.emitter.element("real"), network.emitter.element("bool")
    with ir.InsertionPoint(network.module.init.operation):
        function = func.FuncOp(symbol, ([real, real], [flag]), visibility="private")
    block = function.add_entry_block()
    with ir.InsertionPoint(block):
        below = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 4)
        func.ReturnOp([arith.cmpf(below, block.arguments[1], block.arguments[0])])
    ports = [{snn.PORT: ir.StringAttr.get(name)} for name in ("p", "u")]
    function.operation.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(p) for p in ports])
    function.operation.attributes["res_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get({snn.EVENT: ir.UnitAttr.get()})])


def emitted(network: Network, population: Population, ssa: Any) -> Value:
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
        ssa = network.emitter.constant(0, element, population.shape)
    return Value(kind, ssa=ssa, shape=population.shape, dim=dim, event=program.event is not None, name=population.name)


def emit(network: Network, population: Population) -> None:
    prepare(network, population)
    program = population.program
    assert program is not None
    right = network.attempt(declare_population, network, population)
    arriving = {port: _emit_port(network, population, port) for port in program.ports if not collective.is_inner(port)}
    if not right or any(port is None for port in arriving.values()):
        raise Poisoned
    with file_location(population.span):
        ports = list(arriving.values())
        if program.stages:
            ports = collective.emit(network, program, arriving, population.name, population.shape)
        results = []
        if program.event is not None or program.out is not None:
            results = [ir.RankedTensorType.get(list(population.shape), program.event or program.out)]
        op = snn.Update.build(*ports, results=results, population=population.name)
    if results:
        population.value = emitted(network, population, op.results[0])


def _emit_port(network: Network, population: Population, port: str) -> Any:
    """What reaches a port: the sum of what is delayed by its synapse, then the rest in textual order; None where some
    of it is wrong."""
    program = population.program
    assert program is not None
    type = ir.RankedTensorType.get(list(population.shape), network.emitter.element("real"))
    current: Any = None
    delayed: list[Delayed] = []

    def add(arrival: Arrival) -> None:
        nonlocal current
        current = arrival.emit(current)

    def gather(arrival: Arrival) -> None:
        found = arrival.delayed() if arrival.delayed is not None else None
        if found is not None:
            delayed.append(found)

    def add_delayed() -> None:
        nonlocal current
        total = delays.summed(network, delayed, population.shape)
        current = total if current is None else arith.addf(current, total)

    state = program.state(port)
    with file_location(population.span):
        if state is not None and state.port:
            current = snn.Read.build(results=[type], of=f"{population.name}.{port}", delay=1).result
        arrivals = population.arrivals.get(port, [])
        known = [arrival for arrival in arrivals if network.attempt(gather, arrival)]
        right = len(known) == len(arrivals) and (not delayed or network.attempt(add_delayed))
        for arrival in known:
            with network.statement(population.name), file_location(arrival.span):
                right &= network.attempt(add, arrival)
        if current is None:
            current = network.emitter.constant(0, network.emitter.element("real"), population.shape)
    return current if right else None


def declare_population(network: Network, population: Population) -> None:
    """States, parameters and the population op itself."""
    program = population.program
    assert program is not None
    name, span = population.name, population.span
    _declare_states(network, population, program)
    params = []
    for param, value in program.arrays:
        symbol = network.module.constant(f"{name}.{param}", as_array(value), span)
        reference = ir.FlatSymbolRefAttr.get(symbol)
        params.append(f"{name}.{param}.param")
        _declare_param(network, f"{name}.{param}.param", reference, span)
    event, out = None, None
    if program.event is not None:
        event = f"{name}.spike"
        type = ir.RankedTensorType.get(list(population.shape), program.event)
        network.module.state(event, type, zero(program.event), span, network.unit(program.event_dim))
    if program.out is not None:
        out = f"{name}.out"
        type = ir.RankedTensorType.get(list(population.shape), program.out)
        network.module.state(out, type, zero(program.out), span, network.unit(program.out_dim))
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
                hidden=population.hidden,
            )

    network.module.declare(f"population {name}", build)


def _declare_param(network: Network, symbol: str, value: Any, span: Span) -> None:
    location = file_location(span)

    def build() -> None:
        with location:
            snn.Param.build(sym_name=symbol, value=value)

    network.module.declare(f"param {symbol}", build)


def _declare_states(network: Network, population: Population, program: NeuronProgram) -> None:
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
        right &= network.attempt(_declare_state, network, population, state, given.get(state.name))
    if not right:
        raise Poisoned


def _declare_state(network: Network, population: Population, state: StateVariable, given: syntax.Assign | None) -> None:
    type = ir.RankedTensorType.get(list(population.shape), state.element)
    init = _initial(network, population, state, given)
    network.module.state(f"{population.name}.{state.name}", type, init, population.span, network.unit(state.dim))


def _initial(network: Network, population: Population, state: StateVariable, given: syntax.Assign | None) -> Any:
    """The `init` attribute of a state; None when `@init` writes it."""
    if given is not None:
        node, modifiers = given.value, given.modifiers
        scope: Mapping[str, Value] = {}
    elif state.init is not None and state.init.init is not None:
        node, modifiers = state.init.init, state.init.modifiers
        assert population.program is not None
        scope = population.program.scope
    else:
        return zero(state.element)
    seed = network.seed_of(modifiers)
    expressions = network.init_expressions
    with network.at("init"), network.statement(f"{population.name}.{state.name}", seed):
        expressions.begin(population.shape, scope, population.before if scope else None)
        value = expressions.eval(node)
        return _initial_value(network, population, state, value, node.span)


def _initial_value(network: Network, population: Population, state: StateVariable, value: Value, span: Span) -> Any:
    if not value.is_number:
        raise Mistake("E0302", span, f"'{state.name}' starts as a number, not {a_kind(value.kind)}")
    value = placed(value, state.dim)
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
            return ir.FloatAttr.get(state.element, network.emitter.real_constant(to_float(value.scalar)))
        if not INT64[0] <= int(value.scalar) <= INT64[1]:
            raise Mistake("E0305", span, f"'{state.name}' starts at a number that does not fit into 64 bits")
        return ir.IntegerAttr.get(state.element, int(value.scalar))
    if value.is_const:
        array = as_array(value)
        array = array.astype(np.float64) if state.kind == "real" else array
        return ir.FlatSymbolRefAttr.get(network.module.constant(f"{population.name}.{state.name}.init", array, span))
    with file_location(span):
        ssa = network.emitter.ssa(value, population.shape, state.kind, span)
        snn.Write.build(ssa, to=f"{population.name}.{state.name}")
    return None


class DefaultExpressions(Expressions):
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
