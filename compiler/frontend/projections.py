"""Projections: `proj a -> b.port { connect ...; weight ...; delay ... }`, groups expanded, sources sliced."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.dialects.mlir import file_location, func, ir
from spikec.frontend import memory, syntax
from spikec.frontend.arrays import Arrays
from spikec.frontend.emitter import Emitter, show_shape
from spikec.frontend.entities import Arrival, Constant, Population
from spikec.frontend.expressions import Clock, Expressions
from spikec.frontend.network import Network
from spikec.frontend.ode import names_in
from spikec.frontend.populations import port_names
from spikec.frontend.units import NUMBER, describe
from spikec.frontend.values import Mistake, Value, a_kind, as_array, fits, not_supported, number, to_float

CONNECTORS_LATER = ("fixed_in", "fixed_out", "fixed_total", "from", "conv")


@dataclass
class Options:
    """What a projection's braces say; `connect` None is `all`."""

    connect: syntax.ProjectionOption | None = None
    weight: syntax.ProjectionOption | None = None
    delay: syntax.ProjectionOption | None = None


def declare(network: Network, projection: syntax.Projection, ordinal: int) -> None:
    """Registers the arrivals of a projection at its targets' ports, one for each source and target."""
    options = _options(projection)
    name = projection.name or f"proj#{ordinal}"
    sources = _ends(projection.source)
    targets = _ends(projection.target)
    several = len(sources) * len(targets) > 1
    for source in sources:
        for target in targets:
            population, port = _target(network, target)
            path = f"{name}/{_label(source)}->{population.name}" if several else name
            _arrive(network, projection, options, path, source, population, port)


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


def _target(network: Network, node: syntax.Expr) -> tuple[Population, str | None]:
    base, port = (node.base, node.name) if isinstance(node, syntax.Attribute) else (node, None)
    if isinstance(base, syntax.Index):
        raise not_supported(base.span, "projection to a slice")
    if not isinstance(base, syntax.Name):
        raise Mistake("E0602", node.span, "a projection ends at the port of a population, as in 'b.I'")
    entity = network.lookup(base.id, base.span)
    if not isinstance(entity, Population):
        raise Mistake("E0602", base.span, f"'{base.id}' is no population: a projection ends at a population's port")
    return entity, port


def _arrive(
    network: Network,
    projection: syntax.Projection,
    options: Options,
    path: str,
    source: syntax.Expr,
    population: Population,
    port: str | None,
) -> None:
    """Adds the arrival; all that needs the program of the target waits until it is built."""
    span = projection.span

    def emit(current: Any) -> Any:
        with network.statement(path):
            return _emit(network, options, path, source, population, chosen, span, current)

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
    population: Population,
    port: str,
    span: Span,
    current: Any,
) -> Any:
    steps = 0
    if options.delay is not None:
        steps = _delay(network, options.delay)
    events = _events(network, source, steps)
    pre = int(np.prod(events.shape)) if events.shape else 1
    post = int(np.prod(population.shape)) if population.shape else 1
    assert population.program is not None
    weight = _weight(network, options, population, port, events, span)
    recipe = _recipe(network, options, path, events, population, weight, span)
    init = current
    if init is None:
        init = network.emitter.constant(0, network.emitter.element("real"), population.shape)
    location = file_location(span)

    def build() -> None:
        with location:
            snn.Synapses.build(sym_name=path, pre=pre, post=post, connect=recipe, weight=weight)

    network.module.declare(f"synapses {path}", build)
    return snn.Propagate.build(events.ssa, init, results=[init.type], synapses=path).result


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


def _weight(network: Network, options: Options, population: Population, port: str, events: Value, span: Span) -> Any:
    """The weight attribute: a number, or the symbol of an array [pre, post]."""
    assert population.program is not None
    value = number(Fraction(1))
    if options.weight is not None:
        span = options.weight.value.span
        if names_in(options.weight.value) & {"pre", "post"}:
            raise not_supported(span, "weight that depends on pre and post")
        if names_in(options.weight.value) & {"uniform", "normal"}:
            raise not_supported(span, "weight drawn from a distribution")
        if options.weight.modifiers:
            raise not_supported(options.weight.modifiers[0].span, options.weight.modifiers[0].kind)
        value = network.expressions.constant(options.weight.value, "a weight")
    wanted = population.program.port_dims[port]
    if not fits(value, wanted / events.dim):
        message = f"port '{port}' of '{population.name}' has dimension {describe(wanted)}"
        message += f", weight times event {describe(value.dim * events.dim)}"
        raise Mistake("E0401", span, message)
    if not value.is_array:
        return ir.FloatAttr.get(network.emitter.element("real"), network.emitter.real_constant(to_float(value.scalar)))
    one_to_one = options.connect is not None and _connector(options.connect)[0] == "one_to_one"
    expected = population.shape if one_to_one else (*events.shape, *population.shape)
    if value.shape != expected:
        sides = "(one weight for each pair)" if one_to_one else "([pre, post])"
        raise Mistake(
            "E0303", span, f"weights of shape {show_shape(value.shape)}, where {show_shape(expected)} is needed {sides}"
        )
    pre = int(np.prod(events.shape)) if events.shape else 1
    array = as_array(value).astype(np.float64)
    stored = array.reshape(-1) if one_to_one else array.reshape(pre, -1)
    return ir.FlatSymbolRefAttr.get(network.module.constant(value.name or f"{network.owner}.weight", stored, span))


def _connector(option: syntax.ProjectionOption) -> tuple[str, syntax.Call | None]:
    node = option.value
    call = node if isinstance(node, syntax.Call) else None
    head = call.function if call is not None else node
    return (head.id if isinstance(head, syntax.Name) else "", call)


def _recipe(
    network: Network, options: Options, path: str, events: Value, population: Population, weight: Any, span: Span
) -> dict[str, Any]:
    """The `connect` dictionary."""
    if options.connect is None:
        return {"kind": ir.StringAttr.get("all")}
    option = options.connect
    kind, call = _connector(option)
    if kind in CONNECTORS_LATER:
        raise not_supported(option.value.span, kind)
    if kind not in ("all", "one_to_one", "prob"):
        known = ["all", "one_to_one", "prob", *CONNECTORS_LATER]
        raise Mistake(
            "E0201", option.value.span, "unknown connector" + (f" '{kind}'" if kind else ""), did_you_mean(kind, known)
        )
    if (call is not None) != (kind == "prob"):
        raise Mistake(
            "E0306",
            option.value.span,
            "'prob' is written prob(p)" if kind == "prob" else f"'{kind}' takes no arguments",
        )
    conditions = [m for m in option.modifiers if m.kind == "if"]
    if len(conditions) > 1:
        raise Mistake("E0205", conditions[1].span, "'if' is given twice; join the conditions with 'and'")
    for modifier in option.modifiers:
        if modifier.kind not in ("if", "seed"):
            raise not_supported(modifier.span, modifier.kind)
    recipe: dict[str, Any] = {"kind": ir.StringAttr.get(kind)}
    if kind == "one_to_one":
        pre, post = int(np.prod(events.shape)), int(np.prod(population.shape))
        if pre != post:
            raise Mistake("E0303", option.value.span, f"one_to_one joins equal sizes, not {pre} and {post}")
    if kind == "prob":
        assert call is not None
        recipe |= _probability(network, call, path, option.modifiers)
    elif any(m.kind == "seed" for m in option.modifiers):
        raise Mistake("E0501", option.span, f"'seed' has no meaning with '{kind}': nothing is drawn")
    if conditions:
        symbol = _filter(network, path, conditions[0].args[0], events, population)
        recipe["filter"] = ir.FlatSymbolRefAttr.get(symbol)
    return recipe


def _probability(
    network: Network, call: syntax.Call, path: str, modifiers: tuple[syntax.Modifier, ...]
) -> dict[str, Any]:
    Expressions.count_arguments(call, "prob", 1, 1)
    if names_in(call.args[0]) & {"pre", "post", "distance"}:
        raise not_supported(call.args[0].span, "probability that depends on pre and post")
    p = network.expressions.constant(call.args[0], "a probability")
    if p.is_array or p.dim != NUMBER or not 0 <= p.const <= 1:  # type: ignore[operator]
        raise Mistake("E0602", call.args[0].span, "a probability is a number from 0 to 1")
    i64 = ir.IntegerType.get_signless(64)
    return {
        "p": ir.FloatAttr.get(ir.F64Type.get(), to_float(p.scalar)),
        "seed": ir.IntegerAttr.get(i64, network.seed_of(modifiers, ("seed", "if"))),
        "path": ir.StringAttr.get(path),
    }


class _PairExpressions(Expressions):
    """The condition of a connector: `pre` and `post` are the indices of the two neurons."""

    def __init__(
        self, emitter: Emitter, clock: Clock, arrays: Arrays, network: Network, pair: dict[str, Value]
    ) -> None:
        super().__init__(emitter, clock, arrays)
        self.network = network
        self.pair = pair

    def name(self, node: syntax.Name) -> Value:
        if node.id in self.pair:
            return self.pair[node.id]
        entity = self.network.lookup(node.id, node.span)
        if not isinstance(entity, Constant) or entity.value is None:
            raise Mistake("E0301", node.span, f"a connector's condition is constant, and '{node.id}' is not")
        if entity.value.is_array:
            raise not_supported(node.span, "array in a connector's condition")
        return entity.value


def _filter(network: Network, path: str, node: syntax.Expr, events: Value, population: Population) -> str:
    """The private function (pre, post) -> keep."""
    symbol = f"{path}.if"
    int64, flag = ir.IntegerType.get_signless(64), ir.IntegerType.get_signless(1)
    with ir.InsertionPoint(network.module.init.operation):
        function = func.FuncOp(symbol, ([int64, int64], [flag]), visibility="private")
    block = function.add_entry_block()

    def no_array(value: Value, span: Span) -> Any:
        raise not_supported(span, "array in a connector's condition")

    emitter = Emitter(network.module.real, no_array, scalar=True)
    pair = {"pre": Value("int", ssa=block.arguments[0]), "post": Value("int", ssa=block.arguments[1])}
    try:
        with ir.InsertionPoint(block):
            keep = _PairExpressions(emitter, network.clock, network.arrays, network, pair).eval(node)
            if keep.kind != "bool":
                raise Mistake("E0302", node.span, f"'if' needs a condition, not {a_kind(keep.kind)}")
            func.ReturnOp([emitter.ssa(keep, (), "bool", node.span)])
    except Mistake:
        function.operation.erase()
        raise
    return symbol
