"""Values that are known before the first step: initial states, and arrays over a population or a shape.

`index` is the number of the element, and there are draws from distributions and numbers at equal steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.dialects import connectors, snn
from spikec.dialects.diagnostics import Span
from spikec.dialects.drawn import ELEMENT
from spikec.dialects.mlir import file_location, ir
from spikec.frontend import distributions, syntax
from spikec.frontend.arrays import Arrays
from spikec.frontend.emitter import FUNCTIONS, Emitter, show_shape
from spikec.frontend.entities import Constant, Stream
from spikec.frontend.expressions import Clock, Expressions
from spikec.frontend.units import NUMBER
from spikec.frontend.values import Mistake, Value, as_array, counted, not_supported, number, to_float

if TYPE_CHECKING:
    from spikec.frontend.network import Network

# Numbers from `low` to `high`, one for each element of the shape.
SPACED: dict[str, Callable[[float, float, int], Any]] = {"linspace": np.linspace, "logspace": np.geomspace}

NAMES = (*distributions.NAMES, "kaiming")
FILLING = (*NAMES, *SPACED)


class InitExpressions(Expressions):
    """Initial values over a population: constants, its parameters, and draws from distributions."""

    def __init__(self, emitter: Emitter, clock: Clock, arrays: Arrays, network: Network) -> None:
        super().__init__(emitter, clock, arrays)
        self.network = network
        self.population_shape: tuple[int, ...] = ()
        self.scope: Mapping[str, Value] = {}
        self.before: Mapping[str, Callable[[], Value]] = {}
        self._draws = 0

    def begin(
        self,
        shape: tuple[int, ...],
        scope: Mapping[str, Value],
        before: Mapping[str, Callable[[], Value]] | None = None,
    ) -> None:
        """The next expression stands for values over `shape` and sees the names of `scope`; of those that are no
        constants, `before` gives the values that are known before the first step."""
        self.population_shape, self.scope, self.before, self._draws = shape, scope, before or {}, 0

    def name(self, node: syntax.Name) -> Value:
        if node.id == "index" and "index" not in self.scope and "index" not in self.network.entities:
            return number(counted(self.population_shape))
        if node.id in self.before:
            return self.before[node.id]()
        if node.id in self.scope:
            value = self.scope[node.id]
            if value.is_const or not value.is_number:
                return value
            raise Mistake("E0301", node.span, f"an initial value is known before the run, and '{node.id}' is a stream")
        entity = self.network.lookup(node.id, node.span)
        if isinstance(entity, Stream) and entity.value is not None and entity.value.drawn is not None:
            return self.kept(entity.value, node.span)
        if not isinstance(entity, Constant) or entity.value is None:
            raise Mistake("E0301", node.span, f"an initial value is known before the run, and '{node.id}' is not")
        return entity.value

    def call(self, node: syntax.Call, name: str) -> Value:
        return self.unknown(name or "this", node.function.span, [*NAMES, *FUNCTIONS])

    def _call(self, node: syntax.Call) -> Value:
        name = node.function.id if isinstance(node.function, syntax.Name) else ""
        if name == "kaiming":
            low, high = kaiming(self, node)
            return distributions.between(self.emitter, low, high, self._uniform, node.span)
        if name in distributions.NAMES:
            return distributions.draw(self, node, name, self._uniform)
        if name in SPACED:
            return spaced(name, self.arguments(node, name, 2, 2), self.population_shape, node.span)
        return super()._call(node)

    def _uniform(self, span: Span) -> Value:
        with file_location(span):
            type = ir.RankedTensorType.get(list(self.population_shape), self.emitter.element("real"))
            ssa = snn.Draw.build(results=[type], path=self.next_path(), seed=self.network.seed).result
        return Value("real", ssa=ssa, shape=self.population_shape)

    def kept(self, value: Value, span: Span) -> Value:
        """An array of the model that is drawn, from the state that keeps it."""
        if value.ssa.owner.name != "snn.read":
            raise not_supported(span, "a part of a drawn array among initial values")
        kept = ir.FlatSymbolRefAttr(value.ssa.owner.attributes["of"]).value
        with file_location(span):
            ssa = snn.Read.build(results=[value.ssa.type], of=kept, delay=1).result
        return replace(value, ssa=ssa)

    def next_path(self) -> str:
        """The path of the next draw of the statement."""
        path = self.network.owner + (f"#{self._draws}" if self._draws else "")
        self._draws += 1
        return path


class ElementExpressions(InitExpressions):
    """The value of one element of a drawn array, as a function of its number: arrays give their element, draws one."""

    def __init__(self, network: Network, shape: tuple[int, ...], block: Any) -> None:
        emitter = Emitter(network.module.real, self._element, scalar=True)
        super().__init__(emitter, network.clock, network.arrays, network)
        self.begin(shape, {})
        self.block = block
        self.marks: list[dict[str, Any]] = [{}]

    def kept(self, value: Value, span: Span) -> Value:
        raise not_supported(span, "a drawn array in the value of another")

    def _uniform(self, span: Span) -> Value:
        seed = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), self.network.seed)
        marks = {connectors.DRAW: ir.StringAttr.get(self.next_path()), connectors.SEED: seed}
        return Value("real", ssa=self._argument(marks, "real", span))

    def _element(self, value: Value, span: Span) -> Any:
        check_shape(value, self.population_shape, span)
        symbol = self.network.module.constant(value.name or f"{self.network.owner}.array", as_array(value), span)
        marks = {connectors.ARRAY: ir.FlatSymbolRefAttr.get(symbol), connectors.BY: ir.StringAttr.get(ELEMENT)}
        return self._argument(marks, value.kind, span)

    def _argument(self, marks: dict[str, Any], kind: str, span: Span) -> Any:
        self.marks.append(marks)
        return self.block.add_argument(self.emitter.element(kind), file_location(span))


def check_shape(value: Value, shape: tuple[int, ...], span: Span) -> None:
    """A number, or one for each element."""
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


def kaiming(expressions: InitExpressions, node: syntax.Call) -> tuple[Value, Value]:
    """The ends of the uniform distribution of `kaiming(gain = sqrt(2))`: -b and b with b = gain sqrt(3 / fan_in).

    He et al., "Delving deep into rectifiers", 2015; fan_in is the product of all extents but the first.
    """
    shape = expressions.population_shape
    known = {keyword.name: keyword.value for keyword in node.keywords}
    if node.args or set(known) - {"gain"}:
        raise Mistake("E0306", node.span, "'kaiming' is written 'kaiming()' or 'kaiming(gain = 1)'")
    if len(shape) < 2:
        message = f"'kaiming' fills a matrix or a kernel, not a value of shape {show_shape(shape)}"
        raise Mistake("E0303", node.span, message, "its first axis are the outputs, the others its inputs")
    given = expressions.constant(known["gain"], "a gain") if known else number(math.sqrt(2))
    if given.is_array or given.dim != NUMBER:
        raise Mistake("E0301", node.span, "a gain is a plain number")
    bound = to_float(given.scalar) * math.sqrt(3 / math.prod(shape[1:]))
    return number(-bound), number(bound)
