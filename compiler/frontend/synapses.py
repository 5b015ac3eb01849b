"""`synapse NAME(...)` of a projection: its program runs in hidden populations, between ordinary projections.

With a state for each synapse the population has a neuron for each; `pre` and `post` reach it, and its `out` the
target, through recipes that are derived from the projection's own (`dialects/connectors.py`).  Where `frontend/
collapse.py` finds that states for each source and target do, there is a population for each of these ends that has
something to do, and the projection lies between them.  All of it is ordinary dataflow of the target's step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from spikec.dialects import connectors, snn
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.dialects.mlir import arith, file_location, ir, tensor
from spikec.frontend import collapse, connections, delays, instances, memory, pairs, synapse_program, syntax
from spikec.frontend.collapse import ARRIVED, EVENT, WEIGHT, Plan
from spikec.frontend.connections import Connected, Options
from spikec.frontend.delays import Spread
from spikec.frontend.ends import Part, part_of
from spikec.frontend.entities import Arrival, Population
from spikec.frontend.network import Network
from spikec.frontend.neuron import bind_parameters
from spikec.frontend.pairs import Pairs
from spikec.frontend.shapes import reshaped
from spikec.frontend.units import Dimension, describe
from spikec.frontend.values import Mistake, Poisoned, Value, fits, not_supported, number
from spikec.runtime.reference.blocks import program as function_of

STRETCH = 1 << 18  # pairs that a filter sees at once


@dataclass
class _Each:
    """A parameter with a value of its own for each synapse: the function that gives it."""

    value: Value
    function: str


@dataclass
class Program:
    """The synapse program of one projection from one source to one target.

    `events(steps)` is what the source emitted so many steps ago.
    """

    network: Network
    options: Options
    path: str
    source: syntax.Expr
    target: Part
    span: Span
    events: Callable[[int], Value]
    populations: dict[str, Population] = field(default_factory=dict)
    _state: str = "new"

    # ------------------------------------------------------------ from outside

    def arrived(self, init: Any, port: str) -> Any:
        """What is at the port, and what arrives through the synapses added to it."""
        self._prepare()
        if "synapse" in self.populations:
            value = self._out(self.populations["synapse"])
            self._check_out(value.dim, port)
            return self._through(value, init, f"{self.path}.to_target")
        if self.plan is None:  # no synapses at all
            return init
        sent = self._sent()
        population = self.populations.get("target")
        if population is None:
            self._check_out(self.weight_dim * sent.dim, port)
            return self._through(sent, init, self.path)
        value = self._out(population)
        self._check_out(value.dim, port)
        return arith.addf(init, reshaped(value.ssa, tuple(init.type.shape)))

    def holder(self, name: str, span: Span) -> Population:
        """The population that has the state of this name."""
        self._prepare()
        known = []
        for population in self.populations.values():
            assert population.program is not None
            known += [state.name for state in population.program.states]
            if population.program.state(name) is not None:
                return population
        raise Mistake("E0203", span, f"synapse program '{self.name}' has no state '{name}'", did_you_mean(name, known))

    @property
    def name(self) -> str:
        head, _ = self._written()
        return head.id

    def _written(self) -> tuple[syntax.Name, syntax.Call | None]:
        """`synapse NAME` or `synapse NAME(...)` taken apart."""
        option = self.options.synapse
        assert option is not None
        call = option.value if isinstance(option.value, syntax.Call) else None
        head = call.function if call is not None else option.value
        if not isinstance(head, syntax.Name):
            raise Mistake("E0501", option.value.span, "a synapse program is named, as in 'synapse psc(tau = 2 ms)'")
        if option.modifiers:
            raise Mistake("E0501", option.modifiers[0].span, f"'{option.modifiers[0].kind}' has no meaning here")
        return head, call

    # ------------------------------------------------------------ preparation

    def _prepare(self) -> None:
        """Understands the program and makes its populations, once."""
        if self._state == "wrong":
            raise Poisoned
        if self._state == "done":
            return
        self._state = "wrong"
        with self.network.in_earnest(), self.network.statement(self.path):
            self._understand()
        self._state = "done"

    def _understand(self) -> None:
        network, (head, call) = self.network, self._written()
        declaration = network.synapses.get(head.id)
        if declaration is None:
            if head.id in network.refused:
                raise Poisoned
            declared = f"'synapse {head.id} {{ ...; out w * ... }}' declares it"
            help = did_you_mean(head.id, network.synapses) or declared
            raise Mistake("E0201", head.span, f"unknown synapse program '{head.id}'", help)
        self.declaration = declaration
        body = synapse_program.statements(declaration)
        self.names = synapse_program.names(body)
        self.emitted = self._emitted()
        if WEIGHT not in self.names and self.options.weight is not None:
            message = f"the synapse program '{head.id}' does not use its weight 'w'"
            raise Mistake("E0507", self.options.weight.span, message, "drop 'weight', or write 'out w * ...'")
        part = part_of(network, self.source)
        ends = Pairs(self.path, self.emitted.shape, self.target.shape, part, self.target)
        connected = None
        if connections.is_convolution(self.options):
            self.ends = replace(ends, by="kernel")
        else:
            connected = connections.connect(network, self.options, ends)
            self.ends = connected.ends
        self.steps = self._delay()
        self.each: dict[str, _Each] = {}
        self.bound = self._bind(declaration, call)
        self.plan: Plan | None = self._planned(body, frozenset({*self.each, WEIGHT}))
        if self.plan is None:
            self._weigh()
            self.plan = None if WEIGHT in self.each else self._planned(body, frozenset(self.each))
        shared = frozenset(self.bound)
        synapse_program.check_owners(body, frozenset({*self.each, WEIGHT}) - shared)
        if self.plan is None:
            self._spread(body, connected)
        else:
            self._collapse(self.plan, connected)
        self._note(body)

    def _emitted(self) -> Value:
        """The kind and shape of what the source emits; a source of which only states are read need not emit."""
        part = part_of(self.network, self.source)
        if EVENT not in self.names and part is not None:
            return Value("real", shape=part.shape)
        with self.network.dry_run():
            return self.events(0)

    def _delay(self) -> int:
        option = self.options.delay
        if option is None:
            return 0
        seed = self.network.seed_of(option.modifiers) if option.modifiers else None
        steps = delays.of_projection(self.network, option, self.ends, seed)
        if isinstance(steps, Spread):
            raise not_supported(option.span, "delay per synapse with a synapse program")
        return steps

    def _bind(self, declaration: syntax.Synapse, call: syntax.Call | None) -> dict[str, Value]:
        """The parameters that all synapses share; the others go to `each`."""
        formals = {formal.name: formal for formal in declaration.params}
        given = dict(zip(formals, call.args if call is not None else (), strict=False))
        if call is not None and len(call.args) > len(formals):
            several = "s" * (len(formals) != 1)
            message = f"synapse '{declaration.name}' has {len(formals)} parameter{several}, not {len(call.args)}"
            raise Mistake("E0306", call.args[len(formals)].span, message)
        for keyword in call.keywords if call is not None else ():
            if keyword.name not in formals:
                message = f"synapse '{declaration.name}' has no parameter '{keyword.name}'"
                raise Mistake("E0306", keyword.span, message, did_you_mean(keyword.name, list(formals)))
            if keyword.name in given:
                raise Mistake("E0306", keyword.span, f"parameter '{keyword.name}' is given twice")
            given[keyword.name] = keyword.value
        values = {name: (self._argument(name, node), node.span) for name, node in given.items()}
        bound = bind_parameters(
            declaration.params,
            values,
            lambda scope: instances.DefaultExpressions(self.network, scope),
            self.network.clock,
            declaration.name,
            self.span,
        )
        for name, found in self.each.items():
            found.value = bound[name]
        return {name: value for name, value in bound.items() if name not in self.each}

    def _argument(self, name: str, node: syntax.Expr, seed: int | None = None) -> Value:
        """A number, or a value of its own for each synapse."""
        symbol = f"{self.path}.{name}"
        # Weights are drawn alike wherever the states live.
        ends = self.ends if name == WEIGHT else replace(self.ends, path=symbol)
        what = "a weight" if name == WEIGHT else f"parameter '{name}' of a synapse"
        value, function = pairs.build(self.network, ends, node, symbol, "weight", what, seed, spread=True)
        if function is not None:
            value = Value("real", dim=value.dim, file=value.file)
            self.each[name] = _Each(value, function)
        return value

    def _weigh(self) -> None:
        """Binds `w`, which is a number or has its own value for each synapse."""
        option = self.options.weight
        node = option.value if option is not None else None
        if node is None and self.ends.table is not None and "weight" in self.ends.table.columns:
            assert self.options.connect is not None
            node = self.options.connect.value  # as a weight, `from(table)` is the table's column of weights
        seed = self.network.seed_of(option.modifiers) if option is not None and option.modifiers else None
        self.bound[WEIGHT] = self._argument(WEIGHT, node, seed) if node is not None else _ONE
        if WEIGHT in self.each:
            del self.bound[WEIGHT]

    def _planned(self, body: tuple[syntax.Statement, ...], each: frozenset[str]) -> Plan | None:
        return collapse.plan(body, each, spikes=self.emitted.kind == "bool")

    def _note(self, body: tuple[syntax.Statement, ...]) -> None:
        if any(isinstance(s, syntax.Variable) for s in body):
            places = [
                place
                for place, population in self.populations.items()
                if population.program is not None and population.program.states
            ]
            states = "one state per " + " and ".join(places)
        else:
            states = "no state"
        self.network.synapse_programs.append((self.path, self.declaration.name, states))

    # ------------------------------------------------------------ one state for each synapse

    def _spread(self, body: tuple[syntax.Statement, ...], connected: Connected | None) -> None:
        if connected is None:
            raise not_supported(self.span, "conv with a synapse program of one state per synapse")
        count = _number(self.network, connected, self.options, self.declaration.name)
        if count == 0:
            return
        self._declare(self.path, self.ends.pre, self.ends.post, connected.recipe)
        self._derive("to_target", count, self.ends.post)
        for name, found in self.each.items():
            self._keep(name, found, count)
        self._populate("synapse", body, (count,), self._at_synapse)

    def _derive(self, kind: str, pre: int, post: int, name: str = "", weight: Any = None) -> None:
        recipe = {"kind": ir.StringAttr.get(kind), "of": ir.FlatSymbolRefAttr.get(self.path)}
        self._declare(f"{self.path}.{name or kind}", pre, post, recipe, weight)

    def _keep(self, name: str, found: _Each, count: int) -> None:
        """A state that `@init` writes, with a parameter's value for each synapse."""
        network, symbol = self.network, f"{self.path}.{name}"
        function = ir.FlatSymbolRefAttr.get(found.function)
        self._derive("from_source", self.ends.pre, count, f"{name}.each", function)
        real = network.emitter.element("real")
        type = ir.RankedTensorType.get([count], real)
        network.module.state(f"{symbol}.value", type, None, self.span, network.unit(found.value.dim))
        with network.at("init"), file_location(self.span):
            ones = network.emitter.constant(1, real, (self.ends.pre,))
            zeros = network.emitter.constant(0, real, (count,))
            values = snn.Propagate.build(ones, zeros, results=[type], synapses=f"{symbol}.each").result
            snn.Write.build(values, to=f"{symbol}.value")

    def _at_synapse(self, name: str, shape: tuple[int, ...]) -> Any:
        """A value of the source, of the target or of the synapse itself, for each synapse."""
        real = self.network.emitter.element("real")
        if name in self.each:
            type = ir.RankedTensorType.get(list(shape), real)
            return snn.Read.build(results=[type], of=f"{self.path}.{name}.value", delay=1).result
        post = name.startswith("post.")
        kind, size = ("from_target", self.ends.post) if post else ("from_source", self.ends.pre)
        self._derive(kind, size, shape[0])
        zeros = self.network.emitter.constant(0, real, shape)
        return self._through(self._at_end(name), zeros, f"{self.path}.{kind}")

    # ------------------------------------------------------------ states of sources and targets

    def _collapse(self, plan: Plan, connected: Connected | None) -> None:
        """The projection lies between what the sources send and what the targets make of it."""
        network = self.network
        options = self.options
        if not plan.weighted:
            one = syntax.Number(self.span, Fraction(1), is_int=True)
            options = replace(options, weight=syntax.ProjectionOption(self.span, "weight", one, ()))
        if connected is None:
            recipe, weight, dim = connections.convolved(network, options, self.ends, None)
        else:
            recipe = connected.recipe
            weight, dim = connections.weigh(network, options, self.ends, None, self.span)
        self.weight_dim = dim
        self._declare(self.path, self.ends.pre, self.ends.post, recipe, weight)
        dim = dim * self.emitted.dim
        if plan.source:
            population = self._populate("source", plan.source, self.emitted.shape, self._at_neuron)
            assert population.program is not None
            dim = self.weight_dim * population.program.out_dim
        if plan.target:
            self._arrived_dim = dim
            self._populate("target", plan.target, self.target.shape, self._at_neuron)

    def _sent(self) -> Value:
        population = self.populations.get("source")
        return self._out(population) if population is not None else self.events(self.steps)

    def _at_neuron(self, name: str, shape: tuple[int, ...]) -> Any:
        """A value of the source or of the target, or what came to a target, for each of these neurons."""
        emitter = self.network.emitter
        if name == ARRIVED:
            zeros = emitter.constant(0, emitter.element("real"), shape)
            return self._through(self._sent(), zeros, self.path)
        value = self._at_end(name)
        return reshaped(emitter.ssa(value, value.shape, "real", self.span), shape)

    # ------------------------------------------------------------ what reaches a program

    def _at_end(self, name: str) -> Value:
        """`pre`: what the source emitted; `pre.V`, `post.V`: states of the two ends at the start of the step."""
        if name == EVENT:
            return self.events(self.steps)
        end, attribute = name.split(".", 1)
        span = self.names[name]
        part = part_of(self.network, self.source) if end == "pre" else self.target
        if part is None:
            raise Mistake("E0602", span, f"the source of this projection is no population, so there is no '{name}'")
        if part.first is None:
            raise not_supported(span, "synapse program at such a slice")
        population = part.population
        value = memory.start_of_step(self.network, population, attribute, span)
        steps = self.steps if end == "pre" else 0
        if steps:
            read = syntax.Attribute(span, syntax.Name(span, population.name), attribute)
            symbol = f"{population.name}.{attribute}.past"
            value = memory.past(self.network, read, value, symbol, steps, span)
        return value if part.is_whole else _stretch(value, part)

    def _dim(self, name: str) -> Dimension:
        if name in self.each:
            return self.each[name].value.dim
        if name == ARRIVED:
            return self._arrived_dim
        with self.network.dry_run():
            return self._at_end(name).dim

    # ------------------------------------------------------------ populations and projections

    def _populate(
        self,
        place: str,
        body: tuple[syntax.Statement, ...],
        shape: tuple[int, ...],
        value: Callable[[str, tuple[int, ...]], Any],
    ) -> Population:
        """The population that runs statements at each synapse, source or target; `value` is what a name is worth."""
        network, path = self.network, f"{self.path}.{place}"
        population = Population(path, self.declaration.span, shape=shape, hidden=True)
        bound = dict(self.bound)
        for name in synapse_program.names(body):
            if name in self.each or name in (EVENT, ARRIVED) or name.startswith(("pre.", "post.")):
                bound[name] = Value("real", dim=self._dim(name))
                population.arrivals[name] = [Arrival(self.span, partial(_ignoring, partial(value, name, shape)))]
        neuron = syntax.Neuron(self.declaration.span, self.declaration.name, (), synapse_program.without_owners(body))
        builder = synapse_program.SynapseBuilder(
            neuron, bound, shape, network.clock, network.arrays, network.module.real, network.diagnostics, self.span
        )
        with ir.InsertionPoint(network.module.init.operation):
            program = builder.build(f"{path}/{self.declaration.name}")
        if program is None:
            raise Poisoned
        instances.share_program(network, program)
        population.program = program
        network.entities[path] = self.populations[place] = population
        return population

    def _out(self, population: Population) -> Value:
        self.network.resolve(population, self.span)
        assert population.value is not None
        return population.value

    def _check_out(self, dim: Dimension, port: str) -> None:
        population = self.target.population
        assert population.program is not None
        wanted = population.program.port_dims[port]
        if not fits(Value("real", dim=dim), wanted):
            (out,) = (s for s in self.declaration.body if isinstance(s, syntax.Out))
            message = f"port '{port}' of '{population.name}' has dimension {describe(wanted)}"
            raise Mistake("E0401", out.span, f"{message}, 'out' of synapse '{self.name}' {describe(dim)}")

    def _through(self, value: Value, init: Any, synapses: str) -> Any:
        return snn.Propagate.build(value.ssa, init, results=[init.type], synapses=synapses).result

    def _declare(self, symbol: str, pre: int, post: int, recipe: Any, weight: Any = None) -> None:
        """Declares synapses, whose weight is 1 unless it is given."""
        location = file_location(self.span)
        if weight is None:
            weight = ir.FloatAttr.get(self.network.emitter.element("real"), 1.0)

        def build() -> None:
            with location:
                snn.Synapses.build(sym_name=symbol, pre=pre, post=post, connect=recipe, weight=weight)

        self.network.module.declare(f"synapses {symbol}", build)


_ONE = number(Fraction(1))


def _stretch(value: Value, part: Part) -> Value:
    """The neurons of a part of a population."""
    flat = reshaped(value.ssa, (int(np.prod(value.shape)),))
    type = ir.RankedTensorType.get([part.size], flat.type.element_type)
    ssa = tensor.extract_slice(type, flat, [], [], [], [part.first], [part.size], [1])
    return replace(value, ssa=reshaped(ssa, part.shape), shape=part.shape)


def _number(network: Network, connected: Connected, options: Options, name: str) -> int:
    """How many synapses a recipe makes.  Raises Mistake where the seed of the run decides."""
    recipe, ends = connected.recipe, connected.ends
    kind = str(ir.StringAttr(recipe["kind"]).value)
    if kind == "prob":
        assert options.connect is not None
        message = f"'prob' draws how many synapses there are, and '{name}' has a state for each"
        help = "connect them with fixed_total(n), fixed_in(k) or fixed_out(k)"
        raise Mistake("E0609", options.connect.value.span, message, help)
    if kind in connectors.FIXED:
        count = int(ir.IntegerAttr(recipe["count"]).value)
        return connectors.fixed_number(kind, count, ends.pre, ends.post)
    keep = _filter(network, recipe)
    if kind == "one_to_one":
        places = np.arange(ends.pre)
        return int(np.count_nonzero(keep(places, places)))
    if kind == "table":
        listed = [network.module.constants[recipe[which].value] for which in ("sources", "targets")]
        return int(np.count_nonzero(keep(*listed)))
    if "filter" not in recipe:
        return ends.pre * ends.post
    count, rows = 0, max(1, STRETCH // ends.post)
    for first in range(0, ends.pre, rows):
        sources = np.arange(first, min(first + rows, ends.pre))
        targets = np.tile(np.arange(ends.post), len(sources))
        count += int(np.count_nonzero(keep(np.repeat(sources, ends.post), targets)))
    return count


def _ignoring(value: Callable[[], Any], current: Any) -> Any:
    """An arrival at a port that nothing else reaches."""
    return value()


def _filter(network: Network, recipe: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """Which of the pairs (sources, targets) are kept."""
    if "filter" not in recipe:
        return lambda sources, targets: np.ones(len(sources), bool)
    function = function_of(network.module.function(recipe["filter"].value))
    return lambda sources, targets: np.broadcast_to(function(sources, targets)[0], np.shape(sources))
