"""Populations as they are written: `pop a : LIF[8](...)`, `a = LIF[8](x)`, and the sources Poisson and Bernoulli."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spikec.dialects import snn
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.dialects.mlir import arith, ir
from spikec.frontend import drawn, encoders, ends, instances, syntax
from spikec.frontend.emitter import show_shape
from spikec.frontend.entities import Arrival, Population
from spikec.frontend.neuron import NeuronProgram, ports_of
from spikec.frontend.units import NUMBER, describe
from spikec.frontend.values import Mistake, Value, a_kind, fits

if TYPE_CHECKING:
    from spikec.frontend.network import Network

SOURCES = ("Poisson", "Bernoulli")


def type_and_shape(
    network: Network, node: syntax.Expr
) -> tuple[syntax.Name, tuple[int, ...] | None, syntax.Call | None]:
    """`LIF[8](args)` taken apart: the type's name, the shape where it is written, the call where there is one."""
    call = node if isinstance(node, syntax.Call) else None
    head = call.function if call is not None else node
    shape = None
    if isinstance(head, syntax.Index):
        shape = network.expressions.shape(head.items, "the shape of a population")
        head = head.base
    if not isinstance(head, syntax.Name):
        raise Mistake("E0501", node.span, "a population is written 'LIF[8]' or 'LIF[8](tau = 10 ms)'")
    return head, shape, call


def is_population_call(network: Network, node: syntax.Expr) -> bool:
    """Is this the call of a neuron type?"""
    if not isinstance(node, syntax.Call):
        return False
    head = node.function.base if isinstance(node.function, syntax.Index) else node.function
    return isinstance(head, syntax.Name) and (head.id in network.neurons or head.id in SOURCES)


def state_names(population: Population) -> set[str]:
    """The states that a population's neurons declare."""
    body = population.resolved.declaration.body if population.resolved is not None else ()
    return {part.name for part in body if isinstance(part, syntax.Variable)}


def port_names(population: Population) -> list[str]:
    """The ports that a population's neuron declares."""
    return [p.name for p in ports_of(population.resolved.declaration)] if population.resolved is not None else []


def fill(network: Network, population: Population, node: syntax.Expr, place: syntax.Expr | None) -> None:
    """Gives a named population its type, shape, parameters and arrivals, from `LIF[8](...)`."""
    _fill(network, population, node)
    if place is not None:
        ends.place(network, population, place)


def _fill(network: Network, population: Population, node: syntax.Expr) -> None:
    head, shape, call = type_and_shape(network, node)
    if head.id in SOURCES:
        population.shape = _needed(shape, node.span)
        _make_source(network, population, head.id, call, node.span)
        return
    population.resolved = network.resolve_neuron(head.id, head.span)
    if call is not None:
        _bind(network, population, call, shape)
    else:
        population.shape = _needed(shape, node.span)
    for keyword in population.resolved.keywords:
        if keyword.name not in population.bound:
            drawn.of_population(network, population, keyword)


def _make_source(network: Network, population: Population, kind: str, call: syntax.Call | None, span: Span) -> None:
    """`Poisson[n](rate = e)` and `Bernoulli[n](p = e)`: neurons that spike where a draw is below a probability."""
    wanted = "rate" if kind == "Poisson" else "p"
    given = [*(call.args if call else ()), *(k.value for k in (call.keywords if call else ()) if k.name == wanted)]
    if len(given) != 1 or (call is not None and len(call.args) + len(call.keywords) != 1):
        raise Mistake("E0306", span, f"'{kind}' takes one argument: {kind}[n]({wanted} = ...)")
    node = given[0]
    population.program = NeuronProgram(f"{kind}.source", ["p", "u"], {"p": NUMBER, "u": NUMBER}, [], [])
    population.program.event = network.emitter.element("bool")
    if not network.dry:
        instances.declare_source(network, population.program.symbol)

    def probability(current: Any) -> Any:
        value = network.expressions.eval(node)
        p = encoders.spike_probability(network.expressions, value, node.span) if kind == "Poisson" else value
        network.emitter.need_number(p, node.span, "a probability")
        network.emitter.need_dimensionless(p, node.span, "a probability")
        if p.shape not in ((), population.shape):
            message = f"a value of shape {show_shape(p.shape)} for a population of shape {show_shape(population.shape)}"
            raise Mistake("E0303", node.span, message)
        return network.emitter.ssa(p, population.shape, "real", node.span)

    def drawn(current: Any) -> Any:
        type = ir.RankedTensorType.get(list(population.shape), network.emitter.element("real"))
        return snn.Draw.build(results=[type], path=population.name, seed=network.seed).result

    population.arrivals = {"p": [Arrival(node.span, probability)], "u": [Arrival(span, drawn)]}


def population_of_call(network: Network, name: str, node: syntax.Call) -> Population:
    """The unnamed population of a call inside an expression."""
    population = Population(name, node.span)
    fill(network, population, node, None)
    return population


def _needed(shape: tuple[int, ...] | None, span: Span) -> tuple[int, ...]:
    if shape is None:
        raise Mistake("E0303", span, "a population needs a shape, as in 'LIF[8]'")
    return shape


def _bind(network: Network, population: Population, call: syntax.Call, shape: tuple[int, ...] | None) -> None:
    """Positional arguments are ports in order, keyword arguments ports or parameters."""
    assert population.resolved is not None
    declaration = population.resolved.declaration
    ports = [port.name for port in ports_of(declaration)]
    params = [formal.name for formal in declaration.params]
    if len(call.args) > len(ports):
        several = "s" * (len(ports) != 1)
        message = f"'{declaration.name}' has {len(ports)} port{several} ({', '.join(ports)}), not {len(call.args)}"
        raise Mistake("E0306", call.args[len(ports)].span, message)
    streams = dict(zip(ports, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.name in params:
            continue
        if keyword.name not in ports:
            message = f"neuron '{declaration.name}' has no parameter or port '{keyword.name}'"
            states = state_names(population)
            start = f"a state starts as '{{ {keyword.name} = ... }}' after the population says"
            help = start if keyword.name in states else did_you_mean(keyword.name, [*params, *ports])
            raise Mistake("E0306", keyword.span, message, help)
        if keyword.name in streams:
            raise Mistake("E0306", keyword.span, f"port '{keyword.name}' is given twice")
        streams[keyword.name] = keyword.value
    if shape is None:
        shape = _shape_of_arguments(network, streams, call)
    population.shape = shape
    for keyword in call.keywords:
        if keyword.name in params:
            _bind_parameter(network, population, keyword)
    for port, node in streams.items():
        arrive(network, population, port, node, node.span)


def _shape_of_arguments(network: Network, streams: dict[str, syntax.Expr], call: syntax.Call) -> tuple[int, ...]:
    if not streams:
        raise Mistake("E0303", call.span, "a population needs a shape, as in 'LIF[8]', or an argument that has one")
    with network.dry_run():
        return network.expressions.eval(next(iter(streams.values()))).shape


def _bind_parameter(network: Network, population: Population, keyword: syntax.Keyword) -> None:
    """A constant binds at once; a stream becomes a port of the program, as does what is drawn."""
    if drawn.of_population(network, population, keyword):
        return
    with network.dry_run():
        value = network.expressions.eval(keyword.value)
    if value.is_const or not value.is_number:
        with network.statement(population.name):
            population.bound[keyword.name] = (network.expressions.eval(keyword.value), keyword.value.span)
        return
    population.bound[keyword.name] = (Value("real", ssa=value.ssa, shape=(), dim=value.dim), keyword.value.span)
    if value.drawn is not None:
        population.before[keyword.name] = lambda: network.init_expressions.kept(value, keyword.value.span)
    arrive(network, population, keyword.name, keyword.value, keyword.value.span)


def arrive(network: Network, population: Population, port: str, node: syntax.Expr, span: Span) -> None:
    """An expression that reaches a port, in textual order with the projections."""

    def emit(current: Any) -> Any:
        value = network.expressions.eval(node)
        if not value.is_number:
            raise Mistake("E0302", span, f"port '{port}' takes numbers, not {a_kind(value.kind)}")
        check_dimension(population, port, value, span)
        if value.shape not in ((), population.shape):
            shapes = (
                f"{show_shape(value.shape)} for population '{population.name}' of shape {show_shape(population.shape)}"
            )
            message = f"a value of shape {shapes}"
            raise Mistake("E0303", span, message)
        ssa = network.emitter.ssa(value, population.shape, "real", span)
        return ssa if current is None else arith.addf(current, ssa)

    population.arrivals.setdefault(port, []).append(Arrival(span, emit))


def check_dimension(population: Population, port: str, value: Value, span: Span) -> None:
    """What arrives has the port's dimension."""
    assert population.program is not None
    wanted = population.program.port_dims[port]
    if not fits(value, wanted):
        message = (
            f"port '{port}' of '{population.name}' has dimension {describe(wanted)}, what arrives {describe(value.dim)}"
        )
        raise Mistake("E0401", span, message)
