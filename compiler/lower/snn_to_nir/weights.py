"""The weights of a projection as NIR stores them: a matrix [out, in], or a kernel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from spikec.dialects import connectors, snn
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.diagnostics import CompileError, Diagnostic
from spikec.dialects.functions import symbol_of
from spikec.dialects.program import Program
from spikec.lower.convolution import convolved
from spikec.lower.recipes import Recipes
from spikec.lower.snn_to_nir.refusal import OPERATION, SHAPE, Refusal

LARGEST = 1 << 27  # elements of a matrix that is written out; NIR has no sparse ones


def values(program: Program, attribute: Any) -> Array:
    """A number or a constant as f64.  Raises CompileError where the array is not at hand."""
    name = symbol_of(attribute)
    if name is None:
        return np.asarray(attribute.value, dtype=np.float64)
    if name not in program.constants:
        message = f"the array '{name}' is not at hand"
        raise CompileError([Diagnostic("E0802", "error", message, help="give the constants with --constants FILE")])
    return program.constants[name].astype(np.float64)


def are_computed(symbols: dict[str, Any], view: snn.Synapses) -> bool:
    """Whether a function gives each synapse its weight."""
    return connectors.weight_function(view, symbols) is not None


def matrix(program: Program, view: snn.Synapses, seed: int) -> Array:
    """The weights [post, pre] of a connector that is no convolution; connections are drawn with the run seed."""
    if view.pre * view.post > LARGEST:
        message = f"projection '{view.sym_name}' would be a matrix of {view.pre} x {view.post}"
        raise Refusal(OPERATION, message, view.operation, "NIR has no sparse weights")
    if connectors.kind_of(view) == "all" and "filter" not in view.connect:
        if connectors.weight_function(view, program.symbols()) is None:
            weight = values(program, view.weight)
            weight = weight.reshape(view.pre, view.post) if weight.ndim else weight
            return np.ascontiguousarray(np.broadcast_to(weight, (view.pre, view.post)).T)
    recipes = Recipes(program, seed)
    rows = recipes.rows(view)
    found = recipes.weights(view, rows)
    result = np.zeros((view.post, view.pre))
    # Several synapses of one pair act as one with their sum.
    each = values(program, view.weight) if found is None else found
    np.add.at(result, (rows.col.astype(np.int64), rows.sources()), each)
    return result


def padding(shape: Convolution, op: Any) -> Array | str:
    """What NIR calls the padding.  Raises Refusal where the output has another extent than NIR computes."""
    axes = range(len(shape.kernel))
    span = [shape.dilation[n] * (shape.kernel[n] - 1) for n in axes]
    outputs = [
        (shape.input[n + 1] + 2 * shape.padding[n] - span[n] - 1) // shape.stride[n] + 1 if shape.stride[n] else 0
        for n in axes
    ]
    if tuple(outputs) == tuple(shape.output[1:]):
        return np.array(shape.padding)
    centred = all(shape.padding[n] == span[n] // 2 for n in axes) and all(s == 1 for s in shape.stride)
    if centred and shape.output[1:] == shape.input[1:]:
        return "same"
    raise Refusal(SHAPE, f"a convolution from {list(shape.input)} to {list(shape.output)} has uneven padding", op)


def applied(shape: Convolution, kernel: Array, x: Array) -> Array:
    """The convolution of an array, flat."""
    rows, gathered = convolved(shape, kernel)
    assert gathered is not None
    result = np.zeros(math.prod(shape.output))
    np.add.at(result, rows.col.astype(np.int64), gathered * x.reshape(-1)[rows.sources()])
    return result
