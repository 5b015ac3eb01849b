"""The rules of integers that stand for reals, at both levels: widths, scales and codes of weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from spikec.dialects import powers, snn, step
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program


def state(view: snn.State, symbols: dict[str, Any], program: Program) -> Iterator[str]:
    """`scale` and `bits` of a state whose other attributes are right."""
    element = view.type.element_type
    if view.scale is not None:
        yield from _scale(view.scale, element, size(view.type), symbols)
    if view.bits is None:
        return
    if not _is_integer(element):
        yield f"'bits' is for integers, not for {element}"
    elif not 1 <= view.bits <= element.width:
        yield f"'bits' is {view.bits} for an {element}"
    elif view.init is not None:
        values = _values(view.init, program)
        limit = 1 << (view.bits - 1)
        if values is not None and not np.all((values >= -limit) & (values < limit)):
            yield f"init {view.init} does not fit in {view.bits} bits"


def synapses(view: snn.Synapses, element: Any, symbols: dict[str, Any], program: Program) -> Iterator[str]:
    """`scale` and `code` of synapses with weights of a type, whose other attributes are right."""
    if view.scale is not None:
        convolves = ir.StringAttr(view.connect["kind"]).value == "conv"
        channels = Convolution.of(view.connect).output[0] if convolves else view.post
        yield from _scale(view.scale, element, channels, symbols)
    yield from _code(view.code, element)
    if view.code == snn.POW2 and _is_integer(element):
        values = _values(view.weight, program)
        if values is not None and not powers.are_powers(values):
            yield "a weight is neither 0 nor plus or minus a power of two"


def scaled(scale: Any, element: Any) -> Iterator[str]:
    """What is wrong with one number as the scale of integers of a type."""
    if not isinstance(scale, ir.FloatAttr) or str(scale.type) != "f64":
        yield f"the scale {scale} is not an f64"
    elif not 0 < scale.value < math.inf:
        yield f"the scale {scale.value} is not a positive number"
    if not _is_integer(element) or element.width < 8:
        yield f"a scale belongs to integers of 8 bits or more, not to {element}"


def adds(event: Any, weight: Any, into: Any) -> Iterator[str]:
    """What is wrong with a propagate of events through weights into elements of a type."""
    narrower = _is_integer(weight) and _is_integer(into) and 1 < weight.width <= into.width
    if weight != into and not narrower:
        yield f"weights of type {weight} are added to elements of type {into}"
    elif _is_integer(into) and not _is_integer(event):
        yield f"events of type {event} are added to integers"


def table(view: step.Table, program: Program) -> Iterator[str]:
    """`code` of a table whose arrays exist."""
    if view.code is None:
        return
    yield from _code(view.code, view.element)
    if not _is_integer(view.element):
        return
    if view.weight is not None:
        if not powers.are_powers(np.asarray(view.weight.value)):
            yield f"weight {view.weight} is neither 0 nor plus or minus a power of two"
        return
    codes = program.constants.get(str(symbol_of(view.arrays["w"])))
    if codes is not None and not powers.fit(codes, view.element.width):
        yield f"a code of the weights does not fit in {view.element}"


def _code(code: str | None, element: Any) -> Iterator[str]:
    if code is None:
        return
    if code != snn.POW2:
        yield f"unknown code '{code}'"
    elif not _is_integer(element) or element.width < 2:
        yield f"the code '{code}' is for integers, not for {element}"


def _scale(scale: Any, element: Any, count: int, symbols: dict[str, Any]) -> Iterator[str]:
    """A number, or a constant of `count` f64."""
    name = symbol_of(scale)
    if name is None:
        yield from scaled(scale, element)
        return
    type = snn.Constant(symbols[name]).type
    if str(type.element_type) != "f64" or size(type) != count:
        yield f"the scale @{name} is {type}, where {count} elements of f64 are needed"
    if not _is_integer(element) or element.width < 8:
        yield f"a scale belongs to integers of 8 bits or more, not to {element}"


def _values(attribute: Any, program: Program) -> Array | None:
    """The integers of a number or constant; None where the array is not at hand."""
    name = symbol_of(attribute)
    if name is None:
        return np.asarray(attribute.value) if isinstance(attribute, ir.IntegerAttr) else None
    return program.constants.get(name)


def _is_integer(type: Any) -> bool:
    return isinstance(type, ir.IntegerType)
