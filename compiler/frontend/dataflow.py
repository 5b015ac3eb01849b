"""Expressions of the network: same-step dataflow over tensors."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from spikec.dialects import snn, structured
from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import file_location, ir, tensor
from spikec.frontend import (
    convolution,
    delays,
    encoders,
    indexing,
    instances,
    memory,
    names,
    normalization,
    pooling,
    products,
    syntax,
)
from spikec.frontend.arrays import Arrays
from spikec.frontend.emitter import Emitter, show_shape
from spikec.frontend.entities import Connection, Constant, Population
from spikec.frontend.expressions import Clock, Expressions
from spikec.frontend.initial import NAMES
from spikec.frontend.populations import population_of_call
from spikec.frontend.reductions import REDUCTIONS, Reduction
from spikec.frontend.shapes import reshaped
from spikec.frontend.units import NUMBER
from spikec.frontend.values import Mistake, Value, as_array, not_supported, number

if TYPE_CHECKING:
    from spikec.frontend.network import Network

OVER_TIME = ("sum", "mean", "count", "max", "any")
_CALLS = ("prev", "delay", "over_time", "leak", "once", "concat", "reshape", "flatten", "shape")


class DataflowExpressions(Expressions):
    """Expressions over streams, populations and constants of a model."""

    def __init__(self, emitter: Emitter, clock: Clock, arrays: Arrays, network: Network) -> None:
        super().__init__(emitter, clock, arrays)
        self.network = network

    def name(self, node: syntax.Name) -> Value:
        return self.network.value(node.id, node.span)

    def bounds(self, node: syntax.Index, shape: tuple[int, ...]) -> list[tuple[int, int, bool]]:
        return super().bounds(names.numbered(self.network, node), shape)

    def attribute(self, node: syntax.Attribute) -> Value:
        if isinstance(node.base, syntax.Index):
            return self.eval(names.outward(node))
        if isinstance(node.base, syntax.Name):
            entity = self.network.entities.get(node.base.id)
            if isinstance(entity, Population):
                if node.name == "spike":
                    return self.network.value(node.base.id, node.span)
                return memory.start_of_step(self.network, entity, node.name, node.span)
            if isinstance(entity, Connection) and entity.holder is not None:
                population = entity.holder(node.name, node.span)
                return memory.start_of_step(self.network, population, node.name, node.span)
        return super().attribute(node)

    def call(self, node: syntax.Call, name: str) -> Value:
        if name in REDUCTIONS:
            return self._reduce(node, name)
        if name in _CALLS:
            return getattr(self, f"_{name}")(node)  # type: ignore[no-any-return]
        if name in encoders.PARAMETERS:
            return encoders.encode(self, node, name)
        if name in convolution.FUNCTIONS:
            return convolution.sum_over_windows(self, node, name)
        if name in pooling.FUNCTIONS:
            return pooling.largest_of_windows(self, node)
        if name in normalization.FUNCTIONS:
            return normalization.normalize(self, node, name)
        if indexing.is_reduction(node):
            return indexing.scalar(self, node)
        if name in self.network.neurons or isinstance(node.function, syntax.Index):
            return self._population(node)
        if name in NAMES:
            raise not_supported(
                node.function.span,
                name,
                "draw it in a 'param' that has a shape, in an argument of a population, or as an initial state",
            )
        known = [*self.network.neurons, *REDUCTIONS, *_CALLS, *encoders.PARAMETERS, *convolution.FUNCTIONS]
        known += [*self.network.blocks, *pooling.FUNCTIONS, *normalization.FUNCTIONS]
        return self.unknown(name or "this", node.function.span, known)

    # ------------------------------------------------------------ matrices

    def matmul(self, a: Value, b: Value, node: syntax.Binary) -> Value:
        if a.is_const and b.is_const:
            return super().matmul(a, b, node)
        return products.product(self, a, b, node)

    # ------------------------------------------------------------ populations in expressions

    def _population(self, node: syntax.Call) -> Value:
        network = self.network
        label = node.function.base if isinstance(node.function, syntax.Index) else node.function
        kind = label.id if isinstance(label, syntax.Name) else "population"
        population = population_of_call(network, network.unnamed(kind), node)
        if network.dry:
            emitted = network.type_of(population)
            if population.program is not None:
                instances.forget(network, population.program)
            return emitted
        network.entities[population.name] = population
        return network.value(population.name, node.span)

    # ------------------------------------------------------------ time

    def _prev(self, node: syntax.Call) -> Value:
        self.count_arguments(node, "prev", 1, 1)
        return self._past(node, node.args[0], 1)

    def _delay(self, node: syntax.Call) -> Value:
        self.count_arguments(node, "delay", 2, 2)
        duration = self.eval(node.args[1])

        def past(steps: int) -> Value:
            return self.eval(node.args[0]) if steps == 0 else self._past(node, node.args[0], steps)

        if duration.is_const and duration.is_array:
            return delays.past(self.network, past, duration, node.args[1].span)
        return past(self.delay_steps(duration, node.args[1].span))

    def delay_steps(self, duration: Value, span: Span) -> int:
        """A delay as whole steps, ties to even; a rounded one is warned of, one that vanishes is a mistake."""
        if duration.is_const and not duration.is_array and duration.dim == NUMBER and duration.const == 0:
            return 0
        exact = self.clock.steps(duration, span, "a delay")
        steps = round(exact)
        if exact < 0:
            raise Mistake("E0602", span, "a delay is not negative")
        if steps == 0 and exact > 0:
            help = "a shorter step makes room for it"
            raise Mistake("E0602", span, f"a delay of {float(exact):g} steps rounds to 0", help)
        if steps >= 2**24:
            raise Mistake("E0602", span, f"a delay of {steps} steps")
        if steps != exact and not self.network.dry:
            self.network.diagnostics.warning("W0601", span, f"a delay of {float(exact):g} steps is rounded to {steps}")
        return steps

    def _past(self, call: syntax.Call, node: syntax.Expr, steps: int) -> Value:
        network = self.network
        if network.entry == "finish":
            raise Mistake("E0603", call.span, "this is computed once after the run: a step before has no meaning here")
        if isinstance(node, syntax.Name) and node.id in network.entities:
            entity = network.lookup(node.id, node.span)
            if isinstance(entity, Constant):
                raise Mistake("E0302", node.span, f"'{node.id}' is a constant and has no past")
            network.need_stream(entity, node.span)
            return memory.history(network, entity, steps, call.span)
        symbol = network.unnamed("prev")
        with network.dry_run():
            kind = self.eval(node)
        return memory.past(network, node, kind, symbol, steps, call.span)

    def _over_time(self, node: syntax.Call) -> Value:
        self.count_arguments(node, "over_time", 2, 2)
        op = node.args[0]
        if not isinstance(op, syntax.Name) or op.id not in OVER_TIME:
            raise Mistake("E0306", op.span, f"over_time reduces with one of {', '.join(OVER_TIME)}")
        return memory.over_time(self.network, op.id, node.args[1], node.span)

    def _leak(self, node: syntax.Call) -> Value:
        """b := exp(-dt/tau) b + x."""
        given = {k.name: k.value for k in node.keywords}
        if len(node.args) != 1 or set(given) != {"tau"}:
            raise Mistake("E0306", node.span, "'leak' is written leak(x, tau = 5 ms)")
        network = self.network
        x, tau = self.eval(node.args[0]), self.eval(given["tau"])
        ratio = self.emitter.binary("/", number(self.clock.dt, self.clock.time), tau, node.span)
        decay = self.emitter.function("exp", self.emitter.negate(ratio, node.span), node.span)
        element = self.emitter.element("real")
        type = ir.RankedTensorType.get(list(x.shape), element)
        symbol = network.unnamed("leak")
        if not network.dry:
            network.module.state(symbol, type, ir.FloatAttr.get(element, 0.0), node.span, network.unit(x.dim))
        with file_location(node.span):
            last = Value(
                "real", ssa=snn.Read.build(results=[type], of=symbol, delay=1).result, shape=x.shape, dim=x.dim
            )
            new = self.emitter.binary("+", self.emitter.binary("*", decay, last, node.span), x, node.span)
            if not network.dry:
                snn.Write.build(new.ssa, to=symbol)
        return new

    def _once(self, node: syntax.Call) -> Value:
        """The value in the first step, zero after it."""
        (x,) = self.arguments(node, "once", 1, 1)
        with file_location(node.span):
            steps = snn.Clock.build(results=[ir.RankedTensorType.get([], self.emitter.element("int"))]).result
        first = self.emitter.binary("==", Value("int", ssa=steps), number(0), node.span)
        return self.emitter.select(first, x, number(Fraction(0), x.dim), node.span)

    # ------------------------------------------------------------ shapes

    def index(self, node: syntax.Index) -> Value:
        """`x[a:b]` and `x[i]` of a stream, `W[i]` with a stream i."""
        base = self.eval(node.base)
        row = products.row(self, base, node)
        if row is not None:
            return row
        return super().index(node) if base.is_const or not base.is_number else self.sliced(base, node)

    def sliced(self, base: Value, node: syntax.Index) -> Value:
        """The part of a stream that an index chooses."""
        if base.shape == () and not self.emitter.checked:
            return base
        bounds = self.bounds(node, base.shape)
        offsets = [low for low, _, _ in bounds] + [0] * (len(base.shape) - len(bounds))
        sizes = [high - low for low, high, _ in bounds] + list(base.shape[len(bounds) :])
        kept = [n for n, size in enumerate(sizes) if n >= len(bounds) or not bounds[n][2]]
        element = self.emitter.element_of(base.ssa)
        with file_location(node.span):
            type = ir.RankedTensorType.get(sizes, element)
            ssa = tensor.extract_slice(type, base.ssa, [], [], [], offsets, sizes, [1] * len(sizes))
            shape = tuple(sizes[n] for n in kept)
            ssa = reshaped(ssa, shape)
        index = tuple(low if single else slice(low, high) for low, high, single in bounds)
        drawn = base.drawn and replace(base.drawn, elements=np.asarray(base.drawn.elements[index]))
        return Value(base.kind, ssa=ssa, shape=shape, dim=base.dim, event=base.event, drawn=drawn)

    def _reshape(self, node: syntax.Call) -> Value:
        self.count_arguments(node, "reshape", 2, 9)
        return self._with_shape(node, self.shape(node.args[1:], "a shape"))

    def _flatten(self, node: syntax.Call) -> Value:
        self.count_arguments(node, "flatten", 1, 1)
        return self._with_shape(node, None)

    def _with_shape(self, node: syntax.Call, shape: tuple[int, ...] | None) -> Value:
        x = self.eval(node.args[0])
        self.emitter.need_number(x, node.span, "this")
        size = int(np.prod(x.shape)) if x.shape else 1
        shape = (size,) if shape is None else shape
        if int(np.prod(shape)) != size and self.emitter.checked:
            raise Mistake(
                "E0303", node.span, f"shape {show_shape(x.shape)} has not as many elements as {show_shape(shape)}"
            )
        if x.is_const:
            return number(as_array(x).reshape(shape), x.dim, x.kind)
        with file_location(node.span):
            if not self.emitter.checked and int(np.prod(shape)) != size:
                ssa = self.emitter.constant(0, self.emitter.element_of(x.ssa), shape)
            else:
                ssa = reshaped(x.ssa, shape)
        drawn = x.drawn and replace(x.drawn, elements=x.drawn.elements.reshape(shape))
        return Value(x.kind, ssa=ssa, shape=shape, dim=x.dim, event=x.event, drawn=drawn)

    def _concat(self, node: syntax.Call) -> Value:
        """Vectors one after the other."""
        if node.keywords or not node.args:
            raise Mistake("E0306", node.span, "'concat' takes the vectors to join")
        parts = [self.eval(argument) for argument in node.args]
        for part, written in zip(parts, node.args, strict=True):
            self.emitter.need_number(part, written.span, "'concat'")
            self.emitter.same_dim(parts[0], part, written.span, "'concat' needs one dimension")
            if len(part.shape) != 1 and self.emitter.checked:
                raise Mistake(
                    "E0303", written.span, f"'concat' joins vectors, not a value of shape {show_shape(part.shape)}"
                )
        kinds = {part.kind for part in parts}
        kind = "real" if "real" in kinds else "int" if "int" in kinds else "bool"
        if all(part.is_const for part in parts):
            return number(np.concatenate([as_array(p) for p in parts]), parts[0].dim, kind)
        with file_location(node.span):
            shapes = [part.shape if part.shape else (1,) for part in parts]
            widths = {str(self.emitter.element_of(p.ssa)) for p in parts if not p.is_const}
            if len(kinds) == 1 and len(widths) == 1 and not any(p.is_const for p in parts):
                ssas = [p.ssa for p in parts]
            else:
                ssas = [self.emitter.ssa(p, s, kind, node.span) for p, s in zip(parts, shapes, strict=True)]
            size = sum(s[0] for s in shapes)
            type = ir.RankedTensorType.get([size], ssas[0].type.element_type)
            if not self.emitter.checked:
                return Value(
                    kind, ssa=self.emitter.constant(0, type.element_type, (size,)), shape=(size,), dim=parts[0].dim
                )
            ssa = ssas[0] if len(ssas) == 1 else tensor.concat(type, 0, ssas)
        event = all(part.event for part in parts)
        return Value(kind, ssa=ssa, shape=(size,), dim=parts[0].dim, event=event)

    def _shape(self, node: syntax.Call) -> Value:
        return number(np.asarray(self.extents_of(node, "shape"), dtype=np.int64))

    def extents_of(self, node: syntax.Call, name: str) -> tuple[int, ...]:
        """The shape alone is of interest: nothing is computed."""
        with self.network.dry_run():
            return super().extents_of(node, name)

    # ------------------------------------------------------------ reductions

    def _reduce(self, node: syntax.Call, name: str) -> Value:
        """sum, mean, max, min, any, all, argmax over all elements, from the first on in ascending index."""
        (x,) = self.arguments(node, name, 1, 1)
        self.emitter.need_number(x, node.span, f"'{name}'")
        if x.is_const:
            return self._fold_reduction(name, x, node.span)
        with file_location(node.span):
            return self._emit_reduction(name, x, node.span)

    def _fold_reduction(self, name: str, x: Value, span: Span) -> Value:
        array = as_array(x)
        functions = {
            "sum": np.sum,
            "mean": np.mean,
            "max": np.max,
            "min": np.min,
            "any": np.any,
            "all": np.all,
            "argmax": np.argmax,
        }
        result = functions[name](array)  # type: ignore[operator]
        dim = NUMBER if name in ("any", "all", "argmax") else x.dim
        return number(result.item() if result.dtype.kind != "f" else float(result), dim)

    def _emit_reduction(self, name: str, x: Value, span: Span) -> Value:
        plan = Reduction.of(name, x, self.emitter, span)
        source = self.emitter.ssa(x, x.shape, plan.kind, span)
        starts = [structured.splat(value, ir.RankedTensorType.get([], element)) for value, element in plan.starts]
        results = structured.reduce([source], starts, plan.step)
        reduced = Value(plan.result_kind, ssa=results[plan.result], dim=plan.dim)
        if name == "mean":
            count = int(np.prod(x.shape)) if x.shape else 1
            return self.emitter.binary("/", reduced, number(count), span)
        return reduced
