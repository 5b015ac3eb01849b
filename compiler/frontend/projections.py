"""Projections: `proj a -> b.port { connect ...; weight ...; delay ... }`, groups expanded, sources sliced."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from spikec.dialects import snn
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.dialects.mlir import file_location, ir, tensor
from spikec.frontend import memory, syntax
from spikec.frontend.connections import Options, Port, recipe_and_weight
from spikec.frontend.ends import Part, part_of
from spikec.frontend.entities import Arrival, Constant
from spikec.frontend.network import Network
from spikec.frontend.pairs import Pairs
from spikec.frontend.populations import port_names
from spikec.frontend.shapes import reshaped
from spikec.frontend.values import Mistake, Value, not_supported


def declare(network: Network, projection: syntax.Projection, ordinal: int) -> None:
    """Registers the arrivals of a projection at its targets' ports, one for each source and target."""
    options = _options(projection)
    name = projection.name or f"proj#{ordinal}"
    sources = _ends(projection.source)
    targets = _ends(projection.target)
    several = len(sources) * len(targets) > 1
    paths: set[str] = set()
    for source in sources:
        for target in targets:
            part, port = _target(network, target)
            path = fresh(f"{name}/{_label(source)}->{_label(target)}", paths) if several else name
            _arrive(network, projection, options, path, source, part, port)


def _options(projection: syntax.Projection) -> Options:
    options = Options()
    for option in projection.options:
        if option.kind in ("synapse", "rule", "kernel", "share"):
            raise not_supported(option.span, option.kind)
        if getattr(options, option.kind) is not None:
            raise Mistake("E0205", option.span, f"'{option.kind}' is given twice")
        setattr(options, option.kind, option)
    return options


def _ends(node: syntax.Expr) -> list[syntax.Expr]:
    """The single ends of a group: `{a, b}.port` is `a.port` and `b.port`."""
    match node:
        case syntax.Group():
            return list(node.items)
        case syntax.Attribute(base=syntax.Group() as group):
            return [syntax.Attribute(node.span, item, node.name) for item in group.items]
        case syntax.Index(base=syntax.Group() as group):
            return [syntax.Index(node.span, item, node.items) for item in group.items]
        case _:
            return [node]


def _label(node: syntax.Expr) -> str:
    while isinstance(node, syntax.Index | syntax.Attribute):
        node = node.base
    return node.id if isinstance(node, syntax.Name) else "source"


def fresh(wished: str, taken: set[str]) -> str:
    """A path like the one that is wished for, which is taken from then on."""
    path, count = wished, 0
    while path in taken:
        count += 1
        path = f"{wished}#{count}"
    taken.add(path)
    return path


def _target(network: Network, node: syntax.Expr) -> tuple[Part, str | None]:
    base, port = (node.base, node.name) if isinstance(node, syntax.Attribute) else (node, None)
    name: syntax.Expr = base
    while isinstance(name, syntax.Index):
        name = name.base
    if not isinstance(name, syntax.Name):
        raise Mistake("E0602", node.span, "a projection ends at the port of a population, as in 'b.I'")
    network.lookup(name.id, name.span)
    part = part_of(network, base)
    if part is None:
        raise Mistake("E0602", base.span, f"'{name.id}' is no population: a projection ends at a population's port")
    if part.first is None:
        raise not_supported(base.span, "projection to a slice of several axes")
    return part, port


def _arrive(
    network: Network,
    projection: syntax.Projection,
    options: Options,
    path: str,
    source: syntax.Expr,
    part: Part,
    port: str | None,
) -> None:
    """Adds the arrival; all that needs the program of the target waits until it is built."""
    span, population = projection.span, part.population

    def emit(current: Any) -> Any:
        with network.statement(path):
            return _emit(network, options, path, source, part, chosen, span, current)

    ports = port_names(population)
    if port is None and len(ports) != 1:
        raise Mistake(
            "E0602",
            projection.target.span,
            f"'{population.name}' has {len(ports)} ports: name one of {', '.join(ports)}",
        )
    chosen = port if port is not None else ports[0]
    if chosen not in ports:
        message = f"'{population.name}' has no port '{chosen}'"
        raise Mistake(
            "E0203", projection.target.span, message, did_you_mean(chosen, ports) or f"it has {', '.join(ports)}"
        )
    population.arrivals.setdefault(chosen, []).append(Arrival(span, emit))


def _emit(
    network: Network,
    options: Options,
    path: str,
    source: syntax.Expr,
    target: Part,
    port: str,
    span: Span,
    current: Any,
) -> Any:
    steps = 0
    if options.delay is not None:
        steps = _delay(network, options.delay)
    events = _events(network, source, steps)
    population = target.population
    assert population.program is not None
    ends = Pairs(path, events.shape, target.shape, part_of(network, source), target)
    place = Port(port, population.name, population.program.port_dims[port], events.dim)
    recipe, weight = recipe_and_weight(network, options, ends, place, span)
    init = current
    if init is None:
        init = network.emitter.constant(0, network.emitter.element("real"), population.shape)
    location = file_location(span)

    def build() -> None:
        with location:
            snn.Synapses.build(sym_name=path, pre=ends.pre, post=ends.post, connect=recipe, weight=weight)

    network.module.declare(f"synapses {path}", build)
    if target.is_whole:
        return snn.Propagate.build(events.ssa, init, results=[init.type], synapses=path).result
    return _into_stretch(init, target, lambda stretch: _propagated(events, stretch, path))


def _propagated(events: Value, init: Any, synapses: str) -> Any:
    return snn.Propagate.build(events.ssa, init, results=[init.type], synapses=synapses).result


def _into_stretch(whole: Any, part: Part, change: Callable[[Any], Any]) -> Any:
    """A tensor of which one stretch of neurons is changed."""
    shape = tuple(whole.type.shape)
    flat = reshaped(whole, (math.prod(shape),))
    element, size, first = flat.type.element_type, flat.type.shape[0], part.first
    assert first is not None

    def stretch(low: int, high: int) -> Any:
        type = ir.RankedTensorType.get([high - low], element)
        return tensor.extract_slice(type, flat, [], [], [], [low], [high - low], [1])

    last = first + part.size
    parts = [stretch(0, first)] if first else []
    parts.append(change(stretch(first, last)))
    parts += [stretch(last, size)] if last < size else []
    return reshaped(tensor.concat(flat.type, 0, parts), shape)


def _delay(network: Network, option: syntax.ProjectionOption) -> int:
    if isinstance(option.value, syntax.Call) and isinstance(option.value.function, syntax.Name):
        raise not_supported(option.value.span, option.value.function.id)
    value = network.expressions.eval(option.value)
    if value.is_array:
        raise not_supported(option.value.span, "delay per synapse")
    return network.expressions.delay_steps(value, option.value.span)


def _events(network: Network, source: syntax.Expr, steps: int) -> Value:
    """What the source emits now, or emitted `steps` steps ago."""
    if steps == 0:
        value = network.expressions.eval(source)
    else:
        base, slices = (source.base, source) if isinstance(source, syntax.Index) else (source, None)
        if not isinstance(base, syntax.Name):
            raise Mistake("E0602", source.span, "a projection starts at a population, a stream or a slice of one")
        entity = network.lookup(base.id, base.span)
        if isinstance(entity, Constant):
            raise Mistake(
                "E0602", source.span, f"'{base.id}' is a constant: a projection starts at a population or stream"
            )
        value = memory.history(network, entity, steps, source.span)
        if slices is not None:
            value = network.expressions.sliced(value, slices)
    if not value.is_number or value.is_const:
        raise Mistake("E0602", source.span, "a projection starts at a population or stream")
    if not value.event and value.kind != "real":
        value = Value(
            "real", ssa=network.emitter.ssa(value, value.shape, "real", source.span), shape=value.shape, dim=value.dim
        )
    return value
