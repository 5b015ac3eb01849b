"""Projections: `proj a -> b.port { connect ...; weight ...; delay ... }`, groups expanded, sources sliced."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from spikec.dialects import snn
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.dialects.mlir import file_location
from spikec.frontend import memory, synapses, syntax
from spikec.frontend.connections import Options, Port, Whole, whole
from spikec.frontend.delays import Delayed, Spread, into_stretch, propagated
from spikec.frontend.ends import Part, part_of
from spikec.frontend.entities import Arrival, Connection, Constant
from spikec.frontend.network import Network
from spikec.frontend.pairs import Pairs
from spikec.frontend.populations import port_names
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
        if option.kind in ("rule", "kernel", "share"):
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
    population = part.population
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
    if options.synapse is not None:
        arrival = _programmed(network, projection, options, path, source, part, chosen)
    else:
        reaching = _Reaching(network, options, path, source, part, chosen, projection.span)
        arrival = Arrival(projection.span, reaching.emit, reaching.delayed)
    population.arrivals.setdefault(chosen, []).append(arrival)


def _programmed(
    network: Network,
    projection: syntax.Projection,
    options: Options,
    path: str,
    source: syntax.Expr,
    part: Part,
    port: str,
) -> Arrival:
    """A projection with a synapse program; the projection's name, if it has one, stands for its states."""
    events = partial(_events, network, source)
    program = synapses.Program(network, options, path, source, part, projection.span, events)
    connection = network.entities.get(path)
    if isinstance(connection, Connection):
        connection.holder = program.holder

    def emit(current: Any) -> Any:
        init = _start(network, part, current)
        with network.statement(path):
            return into_stretch(init, part.first or 0, part.size, lambda stretch: program.arrived(stretch, port))

    return Arrival(projection.span, emit)


def _start(network: Network, part: Part, current: Any) -> Any:
    """What is at a port before a projection adds to it."""
    if current is not None:
        return current
    return network.emitter.constant(0, network.emitter.element("real"), part.population.shape)


@dataclass
class _Reaching:
    """A projection from one source to one target."""

    network: Network
    options: Options
    path: str
    source: syntax.Expr
    target: Part
    port: str
    span: Span

    def delayed(self) -> Delayed | None:
        """What the port's sum of delayed arrivals needs, where the synapses have delays of their own."""
        with self.network.statement(self.path):
            delay = self._declared.delay
        if not isinstance(delay, Spread):
            return None
        return Delayed(self.path, self.target, delay, partial(_events, self.network, self.source), self.span)

    def emit(self, current: Any) -> Any:
        """Adds to what has reached the port so far."""
        network, size = self.network, self.target.size
        with network.statement(self.path):
            delay = self._declared.delay
            if isinstance(delay, Spread):
                return current
            events = _events(network, self.source, delay)
        start = _start(network, self.target, current)
        return propagated(start, self.target.first or 0, size, events, self.path)

    @cached_property
    def _declared(self) -> Whole:
        """What the projection's braces say, with its synapses declared."""
        network, path, population = self.network, self.path, self.target.population
        with network.dry_run():
            events = network.expressions.eval(self.source)
        _check_source(events, self.source.span)
        assert population.program is not None
        ends = Pairs(path, events.shape, self.target.shape, part_of(network, self.source), self.target)
        place = Port(self.port, population.name, population.program.port_dims[self.port], events.dim)
        made = whole(network, self.options, ends, place, self.span)
        own: dict[str, Any] = {}
        if isinstance(made.delay, Spread):
            own = {"delay": made.delay.function, "delay_range": [made.delay.least, made.delay.most]}
        location = file_location(self.span)

        def build() -> None:
            with location:
                snn.Synapses.build(
                    sym_name=path, pre=ends.pre, post=ends.post, connect=made.recipe, weight=made.weight, **own
                )

        network.module.declare(f"synapses {path}", build)
        return made


def _check_source(value: Value, span: Span) -> None:
    if not value.is_number or value.is_const:
        raise Mistake("E0602", span, "a projection starts at a population or stream")


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
    _check_source(value, source.span)
    if not value.event and value.kind != "real":
        value = Value(
            "real", ssa=network.emitter.ssa(value, value.shape, "real", source.span), shape=value.shape, dim=value.dim
        )
    return value
