"""Builds a model's network: entities by name, the populations' inputs, and the order in which a step runs.

Every named object is an entity that is resolved on demand: resolving a population first resolves
what reaches it without delay, so that ops come out in dependency order, ties in textual order, and a
cycle without delay is met as an entity that is still being resolved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from spikec.dialects import snn
from spikec.dialects.diagnostics import Diagnostics, Span
from spikec.dialects.mlir import ir
from spikec.frontend import arguments, indexing, instances, syntax
from spikec.frontend.arrays import Arrays
from spikec.frontend.dataflow import DataflowExpressions
from spikec.frontend.emitter import Emitter
from spikec.frontend.entities import DECLARED_TWICE, Connection, Constant, Entity, Population, Stream
from spikec.frontend.expressions import Clock
from spikec.frontend.initial import InitExpressions
from spikec.frontend.lines import LineExpressions
from spikec.frontend.module import Module, element_of
from spikec.frontend.neuron import Resolved
from spikec.frontend.ode import names_in
from spikec.frontend.units import NUMBER, Dimension, si_unit
from spikec.frontend.values import Mistake, Poisoned, Value, a_kind, as_array

MAX_CHAIN = 200
"""How many values may wait for each other, each of them written after the one that needs it."""


class Network:
    """The state of one build.  `declare_*` methods take statements; `resolve` and `finish` emit."""

    def __init__(self, module: Module, clock: Clock, arrays: Arrays, diagnostics: Diagnostics) -> None:
        self.module = module
        self.clock = clock
        self.arrays = arrays
        self.diagnostics = diagnostics
        self.entities: dict[str, Entity] = {}
        self.neurons: dict[str, syntax.Neuron | syntax.NeuronAlias] = {}
        self.synapses: dict[str, syntax.Synapse] = {}
        self.synapse_programs: list[tuple[str, str, str]] = []  # (projection, program, where its states are)
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
        self.blocks: list[str] = []  # the names of the model's blocks, for suggestions
        self._program_texts: dict[str, str] = {}

    # ------------------------------------------------------------ names

    def add(self, entity: Entity) -> None:
        """Declares a name; a second declaration is a mistake at its place."""
        known = self.entities.get(entity.name)
        if known is not None or entity.name in self.neurons or entity.name in self.synapses:
            where = f" (first in line {known.span.line})" if known is not None else ""
            raise Mistake(DECLARED_TWICE, entity.span, f"'{entity.name}' is declared twice{where}")
        self.entities[entity.name] = entity

    def lookup(self, name: str, span: Span) -> Entity:
        if name in self.refused:
            raise Poisoned
        if name not in self.entities:
            if name in self.neurons:
                help = f"a population of them is 'pop a : {name}[n]', or {name}[n](x) where x arrives at it"
                raise Mistake("E0201", span, f"'{name}' is a neuron, and no value", help)
            self.expressions.unknown(name, span, [*self.entities, *self.neurons])
        entity = self.entities[name]
        if isinstance(entity, Constant) and entity.state != "done":
            self._define(entity, span)
        if isinstance(entity, Stream) and entity.formal is not None:
            self._settle_argument(entity, entity.formal)
        return self.entities[name]

    def _define(self, constant: Constant, span: Span) -> None:
        """Finds the value of a parameter, which may depend on names that are declared after it."""
        if constant.state == "wrong":
            raise Poisoned
        if constant.state == "busy":
            raise Mistake("E0601", span, f"the value of '{constant.name}' depends on itself")
        assert constant.define is not None
        constant.state = "busy"
        with self.in_earnest(), self.statement(constant.name):
            if not self.attempt(self._set, constant, constant.define, poisons=constant.name):
                raise Poisoned
        constant.state = "done"

    def _settle_argument(self, argument: Stream, formal: syntax.Formal) -> None:
        """Makes an argument of a block a constant where its value is one."""
        argument.formal = None
        if not self.attempt(arguments.settle, self, argument, formal, poisons=argument.name):
            raise Poisoned

    @staticmethod
    def _set(constant: Constant, define: Callable[[], Value]) -> None:
        constant.value = define()

    @contextmanager
    def in_earnest(self) -> Iterator[None]:
        """What is evaluated here is declared and stays, even if somebody asked for a type alone."""
        before = self.dry, self.emitter.checked
        self.dry, self.emitter.checked = 0, True
        try:
            with self.at("step"):
                yield
        finally:
            self.dry, self.emitter.checked = before

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
        self.need_stream(entity, span)
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

    def need_stream(self, entity: Entity, span: Span) -> None:
        """A mistake where a projection stands for a value."""
        if isinstance(entity, Connection):
            help = f"the state of a synapse program is read as '{entity.name}.g', what a source sends by its own name"
            raise Mistake("E0302", span, f"'{entity.name}' is a projection and has no value", help)

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
        if len(self.busy) >= MAX_CHAIN:
            message = f"'{entity.name}' is at the end of a chain of {MAX_CHAIN} values that stand in reverse order"
            raise Mistake("E0110", span, message, "write each value before those that are made of it")
        entity.state = "busy"
        self.busy.append(entity.name)
        try:
            if isinstance(entity, Population):
                with self.at("step"):
                    instances.emit(self, entity)
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
            stream.value = self._evaluated(stream)
        if not stream.value.is_number:
            raise Mistake("E0302", stream.span, f"'{stream.name}' is {a_kind(stream.value.kind)}, not a number")

    def _evaluated(self, stream: Stream) -> Value:
        assert stream.expression is not None
        if stream.indices:
            return indexing.tensor(self.expressions, stream.indices, stream.expression)
        return self.expressions.eval(stream.expression)

    def of_run(self, node: syntax.Expr) -> bool:
        """Is this a value of the whole run, made of over_time(...)?"""
        waiting: list[syntax.Expr] = [node]
        seen: set[str] = set()
        while waiting:
            names = names_in(waiting.pop())
            if "over_time" in names and "over_time" not in self.entities:
                return True
            for name in names - seen:
                entity = self.entities.get(name)
                if isinstance(entity, Stream) and entity.state == "done":
                    if entity.of_run:
                        return True
                elif isinstance(entity, Stream) and entity.expression is not None:
                    waiting.append(entity.expression)
            seen |= names
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
            instances.prepare(self, entity)
            return instances.emitted(self, entity, None)
        assert isinstance(entity, Stream)
        if entity.value is not None:
            return entity.value
        if entity.name in self._guessing:
            return Value("real", ssa=self.emitter.constant(0.0, self.emitter.element("real"), ()))
        assert entity.expression is not None
        self._guessing.append(entity.name)
        try:
            with self.dry_run(), self.statement(entity.name):
                return self._evaluated(entity)
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

    def line_expressions(self, scope: Mapping[str, Value], shape: tuple[int, ...]) -> LineExpressions:
        """For a line of a neuron over its population; `scope` are the names of the neuron."""
        return LineExpressions(self, scope, shape)

    # ------------------------------------------------------------ constants as tensors

    def _array_tensor(self, value: Value, span: Span) -> Any:
        """A constant array as a tensor: a state that nobody writes."""
        array = self.module.real_array(as_array(value))
        type = ir.RankedTensorType.get(list(array.shape), element_of(array))
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
