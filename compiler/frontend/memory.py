"""What lives across steps: the past of streams, states at the start of a step, reductions over the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spikec.dialects import snn
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.dialects.mlir import arith, file_location, ir
from spikec.frontend import instances, syntax
from spikec.frontend.entities import Entity, Population
from spikec.frontend.module import zero
from spikec.frontend.units import NUMBER, Dimension
from spikec.frontend.values import Mistake, Value

if TYPE_CHECKING:
    from spikec.frontend.network import Network


def history(network: Network, entity: Entity, steps: int, span: Span) -> Value:
    """What a named stream or population emitted `steps` >= 1 steps ago."""
    kind = network.type_of(entity)
    if network.dry and entity.name in network._guessing:
        return kind  # the type of `y = prev(y) + x` is being found out: its past tells nothing
    if isinstance(entity, Population):
        assert entity.program is not None
        symbol = f"{entity.name}.spike" if entity.program.event is not None else f"{entity.name}.out"
        type = ir.RankedTensorType.get(list(kind.shape), network.emitter.element_of(kind.ssa))
        return _past(network, symbol, type, kind, steps, span)
    return past(network, syntax.Name(span, entity.name), kind, f"{entity.name}.past", steps, span)


def past(network: Network, node: syntax.Expr, kind: Value, symbol: str, steps: int, span: Span) -> Value:
    """The value of an expression `steps` steps ago, kept in a state that is written when all else is known."""
    if kind.ssa is None:
        raise Mistake("E0302", span, f"a {'constant' if kind.is_const else kind.kind} has no past")
    element = network.emitter.element_of(kind.ssa)
    type = ir.RankedTensorType.get(list(kind.shape), element)
    if not network.dry and f"state {symbol}" not in network.module.declarations:
        owner = network.owner
        network.pending.append(lambda: _write_past(network, node, symbol, type, span, owner))
    return _past(network, symbol, type, kind, steps, span)


def _past(network: Network, symbol: str, type: Any, kind: Value, steps: int, span: Span) -> Value:
    if not network.dry:
        network.module.state(symbol, type, zero(type.element_type), span, network.unit(kind.dim), depth=steps)
    ssa = snn.Read.build(results=[type], of=symbol, delay=steps).result
    return Value(kind.kind, ssa=ssa, shape=kind.shape, dim=kind.dim, event=kind.event)


def _write_past(network: Network, node: syntax.Expr, symbol: str, type: Any, span: Span, owner: str) -> None:
    with network.at("step"), network.statement(owner), file_location(span):
        value = network.expressions.eval(node)
        # Events stay as narrow as they are.
        kept = value.ssa is not None and value.ssa.type == type
        ssa = value.ssa if kept else network.emitter.ssa(value, tuple(type.shape), value.kind, span)
        if ssa.type != type:
            raise Mistake("E0302", span, f"the value is a {ssa.type} here and was taken for a {type}")
        snn.Write.build(ssa, to=symbol)


def start_of_step(network: Network, population: Population, name: str, span: Span) -> Value:
    """`a.V`, `a.out`: a state at the start of the step."""
    instances.prepare(network, population)
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
    if network.entry == "finish":
        raise Mistake(
            "E0603",
            span,
            f"'{population.name}.{name}' changes from step to step",
            f"reduce it first, as in 'over_time(mean, {population.name}.{name})'",
        )
    type = ir.RankedTensorType.get(list(population.shape), element)
    ssa = snn.Read.build(results=[type], of=f"{population.name}.{name}", delay=1).result
    return Value(kind, ssa=ssa, shape=population.shape, dim=dim)


def over_time(network: Network, op: str, node: syntax.Expr, span: Span) -> Value:
    """`over_time(op, x)`: an accumulator that each step updates and `@finish` reads."""
    if network.entry != "finish":
        raise Mistake("E0603", span, "over_time(...) is a value of the whole run, and this is computed in every step")
    symbol = network.unnamed("over_time")
    with network.at("step"):
        value = network.expressions.eval(node)
        if not value.is_number or value.is_const:
            raise Mistake("E0302", node.span, "over_time needs a stream")
        with file_location(span):
            type, kind, dim = _accumulate(network, op, value, symbol, span)
    with file_location(span):
        ssa = snn.Read.build(results=[type], of=symbol, delay=1).result
        result = Value(kind, ssa=ssa, shape=value.shape, dim=dim)
        if op == "mean":
            steps = snn.Clock.build(results=[ir.RankedTensorType.get([], network.emitter.element("int"))]).result
            count = Value("int", ssa=steps)
            total = Value(
                "real", ssa=network.emitter.ssa(result, value.shape, "real", span), shape=value.shape, dim=dim
            )
            return network.emitter.binary("/", total, count, span)
        return result


def _accumulate(network: Network, op: str, value: Value, symbol: str, span: Span) -> tuple[Any, str, Dimension]:
    narrow = value.kind != "real"
    if op == "count":
        return _count(network, value, symbol, span)
    if op == "any":
        flag = network.emitter.ssa(value, value.shape, "bool", span)
        element = network.emitter.element("bool")
        type = _accumulator(network, symbol, element, value.shape, 0, span, NUMBER)
        snn.Write.build(arith.ori(_last(symbol, type), flag), to=symbol)
        return type, "bool", NUMBER
    if op == "max":
        element = network.emitter.element_of(value.ssa)
        least = -(2 ** (element.width - 1)) if narrow and element.width > 1 else 0 if narrow else float("-inf")
        type = _accumulator(network, symbol, element, value.shape, least, span, value.dim)
        last = _last(symbol, type)
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
        if narrow and network.emitter.element_of(value.ssa).width < 32
        else network.emitter.element("int" if narrow else "real")
    )
    type = _accumulator(network, symbol, element, value.shape, 0, span, value.dim)
    last = _last(symbol, type)
    added = _widen(value.ssa, type) if narrow else value.ssa
    snn.Write.build(arith.addi(last, added) if narrow else arith.addf(last, added), to=symbol)
    return type, "int" if narrow else "real", value.dim


def _count(network: Network, value: Value, symbol: str, span: Span) -> tuple[Any, str, Dimension]:
    element = ir.IntegerType.get_signless(32)
    type = _accumulator(network, symbol, element, value.shape, 0, span, NUMBER)
    flag = network.emitter.ssa(value, value.shape, "bool", span)
    snn.Write.build(arith.addi(_last(symbol, type), arith.extui(type, flag)), to=symbol)
    return type, "int", NUMBER


def _accumulator(
    network: Network, symbol: str, element: Any, shape: tuple[int, ...], init: float, span: Span, dim: Dimension
) -> Any:
    type = ir.RankedTensorType.get(list(shape), element)
    attribute = (
        ir.IntegerAttr.get(element, int(init))
        if isinstance(element, ir.IntegerType)
        else ir.FloatAttr.get(element, init)
    )
    network.module.state(symbol, type, attribute, span, network.unit(dim))
    return type


def _last(symbol: str, type: Any) -> Any:
    return snn.Read.build(results=[type], of=symbol, delay=1).result


def _widen(ssa: Any, type: Any) -> Any:
    width = ssa.type.element_type.width
    if width == type.element_type.width:
        return ssa
    return arith.extui(type, ssa) if width == 1 else arith.extsi(type, ssa)
