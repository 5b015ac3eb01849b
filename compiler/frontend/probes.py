"""`probe a.V, a.spike every 1 ms`: which state each target stands for, and the stretch of it that is recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from spikec.dialects import snn
from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import file_location
from spikec.frontend import instances, memory, names, syntax
from spikec.frontend.entities import Connection, Population, Stream
from spikec.frontend.network import Network
from spikec.frontend.values import Mistake, not_supported


@dataclass(frozen=True)
class _Probed:
    """A state with the key that it is recorded under; `kind` is "value" or "event"."""

    state: str
    key: str
    kind: str
    shape: tuple[int, ...]


def declare(network: Network, statements: list[Any]) -> None:
    """Declares all probes of a model; a mistake in one leaves the others."""
    seen: set[str] = set()
    for node in statements:
        if isinstance(node, syntax.Probe):
            for target in node.targets:
                network.attempt(_probe, network, node, target, seen)


def _probe(network: Network, node: syntax.Probe, target: syntax.Expr, seen: set[str]) -> None:
    every = 1 if node.every is None else _period(network, node.every)
    target = names.outward(target)
    index = target if isinstance(target, syntax.Index) else None
    probed = _probed(network, index.base if index is not None else target)
    low, high, recorded = _stretch(network, index, probed.shape)
    probed = replace(probed, key=_key(probed.key, index))
    if probed.key in seen:
        help = "a slice is not part of the key"
        raise Mistake("E0205", target.span, f"'{probed.key}' is probed twice", help)
    seen.add(probed.key)
    location = file_location(target.span)

    def build() -> None:
        with location:
            snn.Probe.build(
                sym_name=f"probe.{probed.key}",
                of=probed.state,
                kind=probed.kind,
                every=every if probed.kind == "value" else 1,
                low=low,
                high=high,
                shape=list(recorded),
            )

    network.module.declare(f"probe {probed.key}", build)


def _key(key: str, index: syntax.Index | None) -> str:
    """`n.V`, or `n.AVAL.V` where a neuron is chosen by its name."""
    if index is None or len(index.items) != 1 or not isinstance(index.items[0], syntax.String):
        return key
    population, state = key.rsplit(".", 1)
    return f"{population}.{index.items[0].value}.{state}"


def _period(network: Network, node: syntax.Expr) -> int:
    """`every d` in steps."""
    exact = network.clock.steps(network.expressions.eval(node), node.span, "the period of a probe")
    every = round(exact)
    if every < 1:
        raise Mistake("E0604", node.span, "a probe's period is at least one step")
    if every >= 2**31:
        raise Mistake("E0604", node.span, f"a period of {float(exact):g} steps: at most 2^31 - 1 are possible")
    if every != exact:
        network.diagnostics.warning("W0602", node.span, f"a period of {float(exact):g} steps is rounded to {every}")
    return every


def _probed(network: Network, base: syntax.Expr) -> _Probed:
    """The state behind `a.V`, `a.spike`, `a.out`, `p.g` of a projection, or a stream's name."""
    name = base.base if isinstance(base, syntax.Attribute) else base
    if not isinstance(name, syntax.Name):
        raise Mistake("E0604", base.span, "a probe names a state or a stream, as in 'probe h.V, h.spike'")
    entity = network.lookup(name.id, name.span)
    attribute = base.name if isinstance(base, syntax.Attribute) else None
    if isinstance(entity, Population):
        return _of_population(network, entity, attribute, base.span)
    if isinstance(entity, Connection):
        if entity.holder is None or attribute is None:
            help = "the states of its synapse program can be, as in 'probe p.g'"
            raise not_supported(base.span, "probe of a projection", help)
        population = entity.holder(attribute, base.span)
        return _Probed(f"{population.name}.{attribute}", f"{entity.name}.{attribute}", "value", population.shape)
    if not isinstance(entity, Stream):
        raise Mistake("E0604", base.span, f"'{name.id}' does not change from step to step: there is nothing to record")
    if attribute not in (None, "spike"):
        raise Mistake("E0203", base.span, f"'{name.id}' has no '{attribute}'")
    return _of_stream(network, entity, name, attribute == "spike")


def _of_population(network: Network, population: Population, attribute: str | None, span: Span) -> _Probed:
    instances.prepare(network, population)
    program = population.program
    assert program is not None
    attribute = attribute or ("spike" if program.event is not None else "out")
    if attribute == "spike" and program.event is None:
        raise Mistake("E0203", span, f"'{population.name}' never spikes: it has no 'spike when'")
    if attribute != "spike":
        with network.dry_run():
            memory.start_of_step(network, population, attribute, span)
    symbol = f"{population.name}.{attribute}"
    return _Probed(symbol, symbol, "event" if attribute == "spike" else "value", population.shape)


def _of_stream(network: Network, entity: Stream, name: syntax.Name, spikes: bool) -> _Probed:
    value = network.value(entity.name, name.span)
    if spikes and not value.event:
        raise Mistake("E0203", name.span, f"'{name.id}' is no stream of spikes")
    memory.history(network, entity, 1, name.span)
    key, kind = (f"{name.id}.spike", "event") if spikes else (name.id, "value")
    return _Probed(f"{entity.name}.past", key, kind, value.shape)


def _stretch(network: Network, index: syntax.Index | None, shape: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
    """The flat range of a probe and its shape; only the first axis can be sliced."""
    size = math.prod(shape)
    if index is None:
        return 0, size, shape
    bounds = network.expressions.bounds(index, shape)
    if len(bounds) != 1:
        raise not_supported(index.span, "probe of a slice of several axes")
    low, high, _ = bounds[0]
    inner = size // shape[0]
    return low * inner, high * inner, (high - low, *shape[1:])
