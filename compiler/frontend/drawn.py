"""Arrays over a population or a shape that are no plain constants: numbers drawn at the start of a run, cell by cell.

    param tau : time[8] = normal(10 ms, 1 ms) seed 1      a parameter of the model
    pop a : LIF[8](tau = uniform(5 ms, 20 ms))            a parameter of a population

What is drawn depends on the seed of the run, so it is no constant of the program: `@init` writes it into a state
that nothing else writes, and a step reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import file_location, ir
from spikec.frontend import distributions, syntax
from spikec.frontend.emitter import show_shape
from spikec.frontend.entities import Arrival, Population, Stream
from spikec.frontend.neuron import check_type
from spikec.frontend.ode import names_in
from spikec.frontend.values import Mistake, Value, number, to_float

if TYPE_CHECKING:
    from spikec.frontend.network import Network

# Numbers from `low` to `high`, one for each element of the shape.
SPACED: dict[str, Callable[[float, float, int], Any]] = {"linspace": np.linspace, "logspace": np.geomspace}


def _depends_on_cell(network: Network, node: syntax.Expr) -> bool:
    """Is there a value of its own for each cell: drawn, spaced, or computed from its `index`?"""
    return bool((names_in(node) - set(network.entities)) & {"index", *SPACED, *distributions.NAMES})


def is_over_shape(network: Network, param: syntax.Param) -> bool:
    """Is the value of a parameter of the model one for each element of its declared shape?"""
    declared = param.type is not None and param.type.shape is not None
    return declared and param.value is not None and _depends_on_cell(network, param.value)


def parameter(network: Network, param: syntax.Param) -> tuple[Value, Span]:
    """The value of `param name : type[shape] = ...` of `is_over_shape`: a constant, or a stream that stands still.

    The name of such a stream no longer is that of a constant.
    """
    assert param.value is not None and param.type is not None and param.type.shape is not None
    name, span = network.owner, param.value.span
    shape = network.expressions.shape(param.type.shape, "the shape of a parameter")
    seed = network.seed_of(param.modifiers, ("seed", "learn", "in"))
    value = _evaluated(network, param.value, shape, name, seed)
    if value.is_const or not value.is_number:
        return value, span
    if param.type.name in ("int", "bool"):
        raise Mistake("E0302", span, f"what is drawn is real, and '{param.name}' is declared as {param.type.name}")
    formal = syntax.Formal(param.span, param.name, param.type, param.value)
    read = _kept(network, check_type(value, formal, network.clock, span), shape, f"{name}.drawn", span)
    with network.at("step"), file_location(span):
        value = read()
    network.entities[name] = Stream(name, param.span, "done", value=value)
    return value, span


def of_population(network: Network, population: Population, keyword: syntax.Keyword) -> bool:
    """Binds a parameter of a population that is drawn or computed from `index`; False where it is neither."""
    node = keyword.value
    if not _depends_on_cell(network, node):
        return False
    path = f"{population.name}.{keyword.name}"
    value = _evaluated(network, node, population.shape, path, 0)
    if value.is_const or not value.is_number:
        population.bound[keyword.name] = (value, node.span)
        return True
    _check_shape(value, population.shape, node.span)
    population.bound[keyword.name] = (Value("real", ssa=value.ssa, dim=value.dim), node.span)
    read = _kept(network, value, population.shape, f"{path}.drawn", node.span)
    population.arrivals.setdefault(keyword.name, []).append(Arrival(node.span, lambda _: read().ssa))
    return True


def _evaluated(network: Network, node: syntax.Expr, shape: tuple[int, ...], path: str, seed: int) -> Value:
    """The value in `@init`, over `shape`."""
    expressions = network.init_expressions
    with network.at("init"), network.statement(path, seed):
        expressions.begin(shape, {})
        return expressions.eval(node)


def _kept(network: Network, value: Value, shape: tuple[int, ...], symbol: str, span: Span) -> Callable[[], Value]:
    """Writes a value of `@init` into a state; the result reads it where it is called."""
    _check_shape(value, shape, span)
    type = ir.RankedTensorType.get(list(shape), network.emitter.element("real"))
    if not network.dry:
        network.module.state(symbol, type, None, span, network.unit(value.dim))
        with network.at("init"), file_location(span):
            snn.Write.build(network.emitter.ssa(value, shape, "real", span), to=symbol)

    def read() -> Value:
        ssa = snn.Read.build(results=[type], of=symbol, delay=1).result
        return Value("real", ssa=ssa, shape=shape, dim=value.dim)

    return read


def _check_shape(value: Value, shape: tuple[int, ...], span: Span) -> None:
    if value.shape not in ((), shape):
        message = f"a value of shape {show_shape(value.shape)} for one of shape {show_shape(shape)}"
        raise Mistake("E0303", span, message)


def spaced(name: str, given: Sequence[Value], shape: tuple[int, ...], span: Span) -> Value:
    """`linspace(low, high)` and `logspace(low, high)`: equal steps, equal ratios, both ends included."""
    low, high = given
    if not all(end.is_const and not end.is_array and end.is_number for end in given) or low.dim != high.dim:
        raise Mistake("E0301", span, f"'{name}' goes from one constant to another of the same dimension")
    if len(shape) != 1:
        raise Mistake("E0303", span, f"'{name}' fills a vector, not a value of shape {show_shape(shape)}")
    a, b = (to_float(end.scalar) for end in given)
    if name == "logspace" and not (a > 0 and b > 0):
        raise Mistake("E0301", span, "'logspace' goes from one positive number to another")
    return number(np.asarray(SPACED[name](a, b, shape[0])), low.dim)
