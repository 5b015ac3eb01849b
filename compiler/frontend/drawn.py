"""Arrays over a population or a shape that are no plain constants: numbers drawn for a run, cell by cell.

    param W : real[10, 64] = kaiming() seed 1             a parameter of the model
    pop a : LIF[8](tau = uniform(5 ms, 20 ms))            a parameter of a population

What is drawn depends on the seed of the run, so it is no constant of the program.  A parameter of the model is an
array that is drawn (`dialects/drawn.py`); weights of products and convolutions are the same array in their order, and
all else reads it as a state that nobody writes.  A parameter of a population is a state that `@init` writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from spikec.dialects import snn
from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import file_location, func, ir
from spikec.frontend import syntax
from spikec.frontend.emitter import show_shape
from spikec.frontend.entities import Arrival, Population, Stream
from spikec.frontend.initial import FILLING, NAMES, ElementExpressions, check_shape
from spikec.frontend.neuron import check_type
from spikec.frontend.ode import names_in
from spikec.frontend.values import Drawn, Mistake, Value, counted, places

if TYPE_CHECKING:
    from spikec.frontend.network import Network


def _depends_on_cell(network: Network, node: syntax.Expr) -> bool:
    """Is there a value of its own for each cell: drawn, spaced, or computed from its `index`?"""
    return bool((names_in(node) - set(network.entities)) & {"index", *FILLING})


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
    if not names_in(param.value) & set(NAMES) - set(network.entities):
        return _evaluated(network, param.value, shape, name, seed), span
    with network.statement(name, seed), file_location(span):
        value = _array(network, param.value, shape, name)
    if param.type.name in ("int", "bool"):
        raise Mistake("E0302", span, f"what is drawn is real, and '{param.name}' is declared as {param.type.name}")
    return _standing(network, param, value, span), span


def renamed(network: Network, param: syntax.Param, value: Value, span: Span) -> Value:
    """The value of a parameter that is another one, or a part of it."""
    if param.type is not None and param.type.shape is not None:
        shape = network.expressions.shape(param.type.shape, "the shape of a parameter")
        if value.shape != shape:
            message = f"an array of shape {show_shape(value.shape)}, declared as {show_shape(shape)}"
            raise Mistake("E0303", span, message)
    return _standing(network, param, value, span)


def _standing(network: Network, param: syntax.Param, value: Value, span: Span) -> Value:
    """The value in the parameter's type; the name becomes that of a stream which stands still."""
    formal = syntax.Formal(param.span, param.name, param.type, param.value)
    value = check_type(value, formal, network.clock, span)
    network.entities[network.owner] = Stream(network.owner, param.span, "done", value=value)
    return value


def _array(network: Network, node: syntax.Expr, shape: tuple[int, ...], name: str) -> Value:
    """An array of the numbers that an expression draws, as a value that can be used at once."""
    int64, span = ir.IntegerType.get_signless(64), node.span
    with ir.InsertionPoint(network.module.init.operation):
        function = func.FuncOp(f"{name}.draw", ([int64], []), visibility="private")
    expressions = ElementExpressions(network, shape, function.add_entry_block())
    try:
        with ir.InsertionPoint(expressions.block):
            value = expressions.eval(node)
            expressions.emitter.need_number(value, span, "an array")
            func.ReturnOp([expressions.emitter.ssa(value, (), "real", span)])
    except BaseException:
        function.operation.erase()
        raise
    arguments, real = [argument.type for argument in expressions.block.arguments], network.emitter.element("real")
    attributes = function.operation.attributes
    attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(arguments, [real]))
    attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(mark) for mark in expressions.marks])
    array = replace(value, const=None, ssa=None, shape=shape, drawn=Drawn(f"{name}.draw", counted(shape)))
    return _read(network, array, name, span)


def _read(network: Network, value: Value, name: str, span: Span) -> Value:
    """A drawn value with the array itself, for whoever does more with it than to weigh."""
    symbol = network.module.weights(name, value, places(value), span)
    type = ir.RankedTensorType.get(list(value.shape), network.emitter.element("real"))
    network.module.state(f"{name}.drawn", type, ir.FlatSymbolRefAttr.get(symbol), span, network.unit(value.dim))
    with network.at("step"):
        ssa = snn.Read.build(results=[type], of=f"{name}.drawn", delay=1).result
    return replace(value, kind="real", ssa=ssa)


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
    check_shape(value, population.shape, node.span)
    population.bound[keyword.name] = (Value("real", ssa=value.ssa, dim=value.dim), node.span)
    population.before[keyword.name] = lambda: value
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
    type = ir.RankedTensorType.get(list(shape), network.emitter.element("real"))
    if not network.dry:
        network.module.state(symbol, type, None, span, network.unit(value.dim))
        with network.at("init"), file_location(span):
            snn.Write.build(network.emitter.ssa(value, shape, "real", span), to=symbol)

    def read() -> Value:
        ssa = snn.Read.build(results=[type], of=symbol, delay=1).result
        return Value("real", ssa=ssa, shape=shape, dim=value.dim)

    return read
