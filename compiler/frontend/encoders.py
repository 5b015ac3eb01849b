"""Encoders: what makes events of numbers, in each step and for each element.

poisson(rate)          a spike with probability 1 - exp(-rate dt)
bernoulli(p)           a spike with probability p
lfsr(rate)             a spike with this probability, or a rate times dt, from a shift register
poisson_count(rate)    a count with mean rate dt
latency(x, window)     one spike, the sooner the larger x is
delta(x, threshold)    +1 or -1 where x has left its reference by the threshold, which then moves by it
s_analog(x, levels)    x as a whole number of at most `levels`, once, in the first step
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.dialects import snn, structured
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.dialects.mlir import arith, file_location, ir
from spikec.frontend import syntax
from spikec.frontend.emitter import CMPF, show_shape
from spikec.frontend.shift_registers import shift_register_spikes
from spikec.frontend.units import NUMBER, Dimension, describe
from spikec.frontend.values import Mistake, Value, as_array, fits, number

if TYPE_CHECKING:
    from spikec.frontend.dataflow import DataflowExpressions

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "poisson": ("rate",),
    "bernoulli": ("p",),
    "lfsr": ("rate",),
    "poisson_count": ("rate",),
    "latency": ("x", "window"),
    "delta": ("x", "threshold"),
    "s_analog": ("x", "levels"),
}
# exp(-mean) is a normal number of 32 bits up to 87; a larger mean than this is a mistake.
LARGEST_MEAN = 64
# Numbers that a draw is compared with one by one; where they are more, or differ between elements, they are added up.
MOST_LEVELS = 48


def encode(expressions: DataflowExpressions, node: syntax.Call, name: str) -> Value:
    """The value of a call of one of PARAMETERS."""
    given = _given(node, name)
    if expressions.network.entry == "finish":
        raise Mistake("E0603", node.span, f"'{name}' makes events in every step, and this is computed after the run")
    with file_location(node.span):
        return _ENCODERS[name](expressions, given, node.span)


def _given(node: syntax.Call, name: str) -> list[syntax.Expr]:
    """The arguments in the order of PARAMETERS; they may be named."""
    names = PARAMETERS[name]
    form = f"{name}({', '.join(names)})"
    given = dict(zip(names, node.args, strict=False))
    for keyword in node.keywords:
        if keyword.name not in names:
            help = did_you_mean(keyword.name, names)
            raise Mistake("E0306", keyword.span, f"'{name}' has no argument '{keyword.name}': it is {form}", help)
        if keyword.name in given:
            raise Mistake("E0306", keyword.span, f"'{keyword.name}' is given twice")
        given[keyword.name] = keyword.value
    if len(node.args) > len(names) or len(given) != len(names):
        wanted = "one argument" if len(names) == 1 else f"{len(names)} arguments"
        raise Mistake("E0306", node.span, f"'{name}' takes {wanted}: {form}")
    return [given[key] for key in names]


# ------------------------------------------------------------ chance


def _poisson(expressions: DataflowExpressions, given: list[syntax.Expr], span: Span) -> Value:
    p = spike_probability(expressions, expressions.eval(given[0]), span)
    return _draw_spikes(expressions, "poisson", p, span)


def _bernoulli(expressions: DataflowExpressions, given: list[syntax.Expr], span: Span) -> Value:
    return _draw_spikes(expressions, "bernoulli", expressions.eval(given[0]), span)


def _lfsr(expressions: DataflowExpressions, given: list[syntax.Expr], span: Span) -> Value:
    return shift_register_spikes(expressions, expressions.eval(given[0]), span)


def spike_probability(expressions: DataflowExpressions, rate: Value, span: Span) -> Value:
    """1 - exp(-rate dt)."""
    emitter = expressions.emitter
    mean = _mean(expressions, rate, "poisson", span)
    return emitter.negate(emitter.function("expm1", emitter.negate(mean, span), span), span)


def _mean(expressions: DataflowExpressions, rate: Value, name: str, span: Span) -> Value:
    """The number of events that a rate makes in a step."""
    emitter, clock = expressions.emitter, expressions.clock
    emitter.need_number(rate, span, f"'{name}'")
    if emitter.checked and rate.dim != NUMBER / clock.time:
        message = f"{name} needs a rate, not a {describe(rate.dim)}"
        raise Mistake("E0401", span, message, "multiply it, as in 'x * 100 Hz'")
    mean = emitter.binary("*", rate, number(clock.dt, clock.time), span)
    return mean.with_dim(NUMBER)  # a type that is still being found out may have another one


def _uniform(expressions: DataflowExpressions, name: str, shape: tuple[int, ...]) -> Value:
    """A draw in [0, 1) for each element."""
    network = expressions.network
    type = ir.RankedTensorType.get(list(shape), expressions.emitter.element("real"))
    ssa = snn.Draw.build(results=[type], path=network.unnamed(name), seed=network.seed).result
    return Value("real", ssa=ssa, shape=shape)


def _draw_spikes(expressions: DataflowExpressions, name: str, p: Value, span: Span) -> Value:
    """Spikes with probability `p`, one draw per element and step."""
    emitter = expressions.emitter
    emitter.need_number(p, span, "a probability")
    emitter.need_dimensionless(p, span, "a probability")
    spikes = emitter.binary("<", _uniform(expressions, name, p.shape), p, span)
    return Value("bool", ssa=spikes.ssa, shape=p.shape, event=True)


def _poisson_count(expressions: DataflowExpressions, given: list[syntax.Expr], span: Span) -> Value:
    """The count n of the draw u: F(n - 1) <= u < F(n), with the cumulative distribution F added up term by term."""
    emitter = expressions.emitter
    mean = _mean(expressions, expressions.eval(given[0]), "poisson_count", span)
    if mean.is_const and np.any(as_array(mean) > LARGEST_MEAN):
        message = f"'poisson_count' makes {np.max(as_array(mean)):g} events a step: at most {LARGEST_MEAN} are possible"
        raise Mistake("E0307", span, message, "a shorter step makes them fewer")
    mean = emitter.extreme("min", emitter.extreme("max", mean, _real(0), span), _real(LARGEST_MEAN), span)
    largest = float(np.max(as_array(mean))) if mean.is_const else float(LARGEST_MEAN)
    first = emitter.function("exp", emitter.negate(mean, span), span)
    uniform = _uniform(expressions, "poisson_count", mean.shape)
    if mean.is_const and first.is_const and np.ptp(as_array(mean)) == 0:
        real = np.dtype(f"f{emitter.real // 8}").type
        levels = _levels(real(as_array(mean).flat[0]), real(as_array(first).flat[0]), _terms(largest))
        if len(levels) <= MOST_LEVELS:
            return Value("int", ssa=_reached(uniform.ssa, levels), shape=mean.shape, event=True)
    p = emitter.ssa(first, mean.shape, "real", span)
    counts = _invert(uniform.ssa, emitter.ssa(mean, mean.shape, "real", span), p, _terms(largest))
    return Value("int", ssa=counts, shape=mean.shape, event=True)


def _invert(uniform: Any, mean: Any, first: Any, terms: int) -> Any:
    """Counts the k for which u >= F(k), as long as F still grows; `first` is P(0) = F(0).

    The loop is a reduction over so many flags: the k-th adds P(k) = P(k - 1) mean / k to F.
    """
    rank = ir.RankedTensorType(uniform.type).rank
    i1, i32 = ir.IntegerType.get_signless(1), ir.IntegerType.get_signless(32)
    cell = ir.AffineMap.get(rank + 1, 0, [ir.AffineExpr.get_dim(axis) for axis in range(rank)])
    last = ir.AffineMap.get(rank + 1, 0, [ir.AffineExpr.get_dim(rank)])

    def term(u: Any, m: Any, _: Any, p: Any, below: Any, k: Any, count: Any) -> list[Any]:
        following = arith.divf(arith.mulf(p, m), k)
        total = arith.addf(below, following)
        more = arith.andi(_compare("oge", u, below), _compare("ogt", total, below))
        one = arith.constant(k.type, ir.FloatAttr.get(k.type, 1.0))
        return [following, total, arith.addf(k, one), arith.addi(count, arith.extui(i32, more))]

    counts = ir.RankedTensorType.get(list(uniform.type.shape), i32)
    inits = [first, first, structured.splat(1, uniform.type), structured.splat(0, counts)]
    flags = structured.splat(0, ir.RankedTensorType.get([terms], i1))
    kinds = ["parallel"] * rank + ["reduction"]
    return structured.generic([uniform, mean, flags], [cell, cell, last], kinds, inits, [cell] * 4, term)[3]


def _levels(mean: Any, first: Any, terms: int) -> list[float]:
    """The F(k) that draws can reach, of one mean: what `_invert` compares with, computed as it does."""
    levels, p, below = [], first, first
    for k in range(1, terms + 1):
        p = p * mean / type(mean)(k)
        total = below + p
        if total > below and below <= 1 - 2.0**-24:
            levels.append(float(below))
        below = total
    return levels


def _reached(uniform: Any, levels: list[float]) -> Any:
    """How many of some numbers each draw reaches, as i32."""
    type = ir.RankedTensorType(uniform.type)
    counts = ir.RankedTensorType.get(list(type.shape), ir.IntegerType.get_signless(32))
    total = structured.splat(0, counts)
    for level in levels:
        reached = _compare("oge", uniform, structured.splat(level, type))
        total = arith.addi(total, arith.extui(counts, reached))
    return total


def _terms(mean: float) -> int:
    """So many terms that the rest of the distribution is less than half a step of the draws."""
    p = below = math.exp(-mean)
    k = 0
    while k <= mean or 1 - below > 2.0**-26 or p > 2.0**-27:
        k += 1
        p *= mean / k
        below += p
    return k + 1


# ------------------------------------------------------------ time and level


def _latency(expressions: DataflowExpressions, given: list[syntax.Expr], span: Span) -> Value:
    """A spike in the first step t >= round((1 - x) n) for x > 0, n being the steps of the window."""
    emitter = expressions.emitter
    x = _number(expressions, given[0], "latency")
    window = expressions.clock.steps(expressions.eval(given[1]), given[1].span, "the window of 'latency'")
    if not 1 <= window < 2**24:
        message = f"a window of {float(window):g} steps: 1 to {2**24 - 1} are possible"
        raise Mistake("E0403", given[1].span, message)
    late = emitter.binary("*", emitter.binary("-", _real(1), x, span), number(window), span)
    due = emitter.binary(">=", _elapsed(expressions), emitter.function("round", late, span), span)
    due = emitter.binary("and", due, emitter.binary(">", x, _real(0), span), span)

    def step(fired: Value) -> tuple[Value, Value]:
        spike = emitter.binary("and", due, emitter.logical_not(fired, span), span)
        return emitter.binary("or", fired, due, span), spike

    spikes = _remembering(expressions, "latency", "bool", due.shape, NUMBER, span, step)
    return Value("bool", ssa=spikes.ssa, shape=due.shape, event=True)


def _delta(expressions: DataflowExpressions, given: list[syntax.Expr], span: Span) -> Value:
    """+1 where x >= reference + threshold, -1 where x <= reference - threshold; the reference starts at zero."""
    emitter = expressions.emitter
    x = expressions.eval(given[0])
    emitter.need_number(x, given[0].span, "'delta'")
    threshold = _threshold(expressions, x, given[1])

    def step(reference: Value) -> tuple[Value, Value]:
        above = emitter.binary("+", reference, threshold, span)
        below = emitter.binary("-", reference, threshold, span)
        up, down = emitter.binary(">=", x, above, span), emitter.binary("<=", x, below, span)
        moved = emitter.select(up, above, emitter.select(down, below, reference, span), span)
        return moved, _signed(up, down)

    events = _remembering(expressions, "delta", "real", x.shape, x.dim, span, step)
    return Value("int", ssa=events.ssa, shape=events.shape, event=True)


def _threshold(expressions: DataflowExpressions, x: Value, node: syntax.Expr) -> Value:
    """A positive constant of the dimension of x."""
    value = expressions.constant(node, "the threshold of 'delta'")
    if not expressions.emitter.checked:
        return value.with_dim(x.dim)
    if not fits(value, x.dim):
        message = f"'delta' compares a {describe(x.dim)} with a threshold that is a {describe(value.dim)}"
        raise Mistake("E0401", node.span, message)
    if not np.all(as_array(value) > 0):
        raise Mistake("E0301", node.span, "the threshold of 'delta' must be positive")
    if value.shape != x.shape[len(x.shape) - len(value.shape) :]:
        message = f"a threshold of shape {show_shape(value.shape)} for a value of shape {show_shape(x.shape)}"
        raise Mistake("E0303", node.span, message)
    return value


def _signed(up: Value, down: Value) -> Value:
    element = ir.IntegerType.get_signless(2)
    type = ir.RankedTensorType.get(list(up.shape), element)
    one, zero, minus = (structured.splat(n, type) for n in (1, 0, -1))
    return Value("int", ssa=arith.select(up.ssa, one, arith.select(down.ssa, minus, zero)), shape=up.shape)


def _s_analog(expressions: DataflowExpressions, given: list[syntax.Expr], span: Span) -> Value:
    """round(clamp(x, 0, levels)) in the first step, silence after it."""
    emitter = expressions.emitter
    x = _number(expressions, given[0], "s_analog")
    levels = expressions.whole(given[1], "the number of levels", 1)
    if levels >= 2**24:
        raise Mistake("E0301", given[1].span, f"{levels} levels: at most {2**24 - 1} are possible")
    level = emitter.extreme("min", emitter.extreme("max", x, _real(0), span), _real(levels), span)
    ssa = emitter.ssa(emitter.function("round", level, span), x.shape, "real", span)
    width = next(w for w in (2, 8, 16, 32) if levels < 2 ** (w - 1))
    type = ir.RankedTensorType.get(list(x.shape), ir.IntegerType.get_signless(width))
    first = emitter.binary("==", _elapsed(expressions), _real(0), span)
    flag = emitter.ssa(first, x.shape, "bool", span)
    chosen = arith.select(flag, arith.fptosi(type, ssa), structured.splat(0, type))
    return Value("int", ssa=chosen, shape=x.shape, event=True)


# ------------------------------------------------------------ parts


def _number(expressions: DataflowExpressions, node: syntax.Expr, name: str) -> Value:
    """The value of an argument that is a plain number."""
    x = expressions.eval(node)
    expressions.emitter.need_number(x, node.span, f"'{name}'")
    expressions.emitter.need_dimensionless(x, node.span, f"'{name}'")
    return x.with_dim(NUMBER)


def _real(value: int) -> Value:
    return number(Fraction(value))


def _elapsed(expressions: DataflowExpressions) -> Value:
    """The number of this step, from 0."""
    return Value(
        "int", ssa=snn.Clock.build(results=[ir.RankedTensorType.get([], expressions.emitter.element("int"))]).result
    )


def _compare(predicate: str, a: Any, b: Any) -> Any:
    return arith.cmpf(ir.IntegerAttr.get(ir.IntegerType.get_signless(64), CMPF[predicate]), a, b)


def _remembering(
    expressions: DataflowExpressions,
    name: str,
    kind: str,
    shape: tuple[int, ...],
    dim: Dimension,
    span: Span,
    step: Callable[[Value], tuple[Value, Value]],
) -> Value:
    """The second result of `step`, a function of a memory of this kind, shape and dimension; the first is kept.

    The memory starts at zero or false.
    """
    network, emitter = expressions.network, expressions.emitter
    element = emitter.element(kind)
    type = ir.RankedTensorType.get(list(shape), element)
    symbol = network.unnamed(name)
    if not network.dry:
        zero = ir.IntegerAttr.get(element, 0) if kind == "bool" else ir.FloatAttr.get(element, 0.0)
        network.module.state(symbol, type, zero, span, network.unit(dim))
    before = Value(kind, ssa=snn.Read.build(results=[type], of=symbol, delay=1).result, shape=shape, dim=dim)
    after, result = step(before)
    if not network.dry:
        snn.Write.build(emitter.ssa(after, shape, kind, span), to=symbol)
    return result


_ENCODERS: Mapping[str, Callable[[DataflowExpressions, list[syntax.Expr], Span], Value]] = {
    "poisson": _poisson,
    "bernoulli": _bernoulli,
    "lfsr": _lfsr,
    "poisson_count": _poisson_count,
    "latency": _latency,
    "delta": _delta,
    "s_analog": _s_analog,
}
