"""Numbers drawn from distributions: `uniform`, `normal`, `lognormal`, `exponential` and `choice`.

Each is made of uniform draws in [0, 1); what those are, one for each neuron or one for each synapse, is for the
expression to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from spikec.dialects.diagnostics import Span
from spikec.frontend import syntax
from spikec.frontend.emitter import Emitter
from spikec.frontend.expressions import Expressions
from spikec.frontend.values import Value, number

Uniform = Callable[[Span], Value]

NAMES = ("uniform", "normal", "lognormal", "exponential", "choice")


def draw(expressions: Expressions, node: syntax.Call, name: str, uniform: Uniform) -> Value:
    """The value of a call of one of NAMES."""
    emitter, span = expressions.emitter, node.span
    match name:
        case "uniform":
            low, high = expressions.arguments(node, name, 2, 2)
            return between(emitter, low, high, uniform, span)
        case "normal":
            mean, deviation = expressions.arguments(node, name, 2, 2)
            return _along(emitter, mean, deviation, _standard_normal(emitter, uniform, span), span)
        case "lognormal":
            mean, deviation = expressions.arguments(node, name, 2, 2)
            logarithm = _along(emitter, mean, deviation, _standard_normal(emitter, uniform, span), span)
            return emitter.function("exp", logarithm, span)
        case "exponential":
            (mean,) = expressions.arguments(node, name, 1, 1)
            log = emitter.function("log", emitter.binary("-", number(1), uniform(span), span), span)
            return emitter.binary("*", mean, emitter.negate(log, span), span)
        case _:
            return _choice(emitter, expressions.arguments(node, name, 1, 1 << 10), uniform, span)


def between(emitter: Emitter, low: Value, high: Value, uniform: Uniform, span: Span) -> Value:
    """low + (high - low) * u."""
    return _along(emitter, low, emitter.binary("-", high, low, span), uniform(span), span)


def _along(emitter: Emitter, start: Value, length: Value, drawn: Value, span: Span) -> Value:
    return emitter.binary("+", start, emitter.binary("*", length, drawn, span), span)


def _standard_normal(emitter: Emitter, uniform: Uniform, span: Span) -> Value:
    """Box and Muller 1958: sqrt(-2 log(1 - u)) cos(2 pi v)."""
    u, v = uniform(span), uniform(span)
    log = emitter.function("log", emitter.binary("-", number(1), u, span), span)
    radius = emitter.function("sqrt", emitter.binary("*", number(-2), log, span), span)
    angle = emitter.binary("*", number(2 * np.pi), v, span)
    return emitter.binary("*", radius, emitter.function("cos", angle, span), span)


def _choice(emitter: Emitter, values: Sequence[Value], uniform: Uniform, span: Span) -> Value:
    """Value k of n where k / n <= u < (k + 1) / n."""
    drawn = uniform(span)
    result = values[-1]
    for k in range(len(values) - 2, -1, -1):
        below = emitter.binary("<", drawn, number(Fraction(k + 1, len(values))), span)
        result = emitter.select(below, values[k], result, span)
    return result
