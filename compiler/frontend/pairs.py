"""Functions of a synapse: the condition `if`, the probability, the weight and the delay of a projection.

They see the indices `pre` and `post` of the two neurons (within what is connected), the constants of the model, and
`distance(pre, post)`.  A weight and a delay see `index` too, the number of the synapse in row order, elements of
arrays, and draws.  What is constant is folded; the rest becomes a private function (docs/ir.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spikec.dialects import connectors, snn
from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import file_location, func, ir
from spikec.frontend import distributions, syntax, tables
from spikec.frontend.emitter import Emitter, show_shape
from spikec.frontend.ends import Part, grid_of
from spikec.frontend.entities import Constant, Stream
from spikec.frontend.expressions import Expressions
from spikec.frontend.values import Mistake, Value, not_supported, number, places

if TYPE_CHECKING:
    from spikec.frontend.network import Network


OF_SYNAPSE = ("weight", "delay")  # kinds of functions that tell synapses of one pair apart


@dataclass(frozen=True)
class Pairs:
    """What a projection connects: its path, the two shapes and, where they are populations, the parts of those.

    `table` is the table of `connect from(...)`; `each` is the shape of an array of weights, of which `by` says what
    its elements belong to.
    """

    path: str
    source: tuple[int, ...]
    target: tuple[int, ...]
    source_part: Part | None
    target_part: Part | None
    each: tuple[int, ...] = ()
    by: str = "pair"
    table: tables.Table | None = None

    @property
    def pre(self) -> int:
        return math.prod(self.source)

    @property
    def post(self) -> int:
        return math.prod(self.target)


@dataclass
class _Function:
    """The private function under construction: marks of its arguments, and those that were asked for before."""

    block: Any
    marks: list[dict[str, Any]]
    known: dict[Any, Any] = field(default_factory=dict)

    def argument(self, key: Any, type: Any, marks: dict[str, Any]) -> Any:
        """The argument of this key, added when it is first asked for."""
        if key not in self.known:
            self.known[key] = self.block.add_argument(type, ir.Location.unknown())
            self.marks.append(marks)
        return self.known[key]


class PairExpressions(Expressions):
    """Expressions over one pair of neurons; `what` names the place in messages."""

    def __init__(self, network: Network, pairs: Pairs, real: int, function: _Function, kind: str, what: str) -> None:
        emitter = Emitter(real, self._array, scalar=True)
        super().__init__(emitter, network.clock, network.arrays)
        self.network = network
        self.pairs = pairs
        self.function = function
        self.kind = kind
        self.what = what
        self.of_synapse = kind in OF_SYNAPSE
        self.draws = 0
        self.seed = 0
        self._pair = {name: Value("int", ssa=function.block.arguments[n]) for n, name in enumerate(("pre", "post"))}

    def name(self, node: syntax.Name) -> Value:
        if node.id in self._pair:
            return self._pair[node.id]
        if node.id == "index" and self.of_synapse:
            int64 = self.emitter.element("int")
            return Value("int", ssa=self.function.argument("index", int64, {snn.INDEX: ir.UnitAttr.get()}))
        drawn = self._drawn(node)
        if drawn is not None:
            return Value("real", ssa=self._array(drawn, node.span), dim=drawn.dim)
        entity = self.network.lookup(node.id, node.span)
        if not isinstance(entity, Constant) or entity.value is None:
            raise Mistake("E0301", node.span, f"{self.what} is constant, and '{node.id}' is not")
        if entity.value.is_array and not self.of_synapse:
            raise not_supported(node.span, f"array in {self.what}")
        return entity.value

    def _call(self, node: syntax.Call) -> Value:
        name = node.function.id if isinstance(node.function, syntax.Name) else ""
        if name == "distance":
            return self._distance(node)
        if name == "from" and self.of_synapse:
            return self._from(node)
        if name in distributions.NAMES and self.of_synapse:
            return distributions.draw(self, node, name, self._uniform)
        return super()._call(node)

    # ------------------------------------------------------------ arrays

    def _drawn(self, node: syntax.Expr) -> Value | None:
        return drawn_array(self.network, node) if self.of_synapse else None

    def index(self, node: syntax.Index) -> Value:
        """`a[pre]`, `a[post]`, `a[pre, post]`: the element of a constant array for this pair."""
        names = [item.id if isinstance(item, syntax.Name) else "" for item in node.items]
        by = {("pre",): "pre", ("post",): "post", ("pre", "post"): "pair"}.get(tuple(names))
        if by is None:
            return super().index(node)
        base = self._drawn(node.base) or self.eval(node.base)
        if not base.is_still:
            raise Mistake("E0301", node.span, "only an array can be indexed")
        pairs = self.pairs
        wanted = {"pre": (pairs.pre,), "post": (pairs.post,), "pair": (pairs.pre, pairs.post)}[by]
        if base.shape != wanted:
            message = (
                f"an array of shape {show_shape(base.shape)}, where {show_shape(wanted)} is needed for every neuron"
            )
            raise Mistake("E0303", node.span, message)
        return Value(base.kind, ssa=self._element(base, by, node.span), dim=base.dim)

    def _array(self, value: Value, span: Span) -> Any:
        """The element of an array that has one for each synapse."""
        if value.shape != self.pairs.each:
            message = f"an array of shape {show_shape(value.shape)}, where {show_shape(self.pairs.each)} is needed"
            raise Mistake("E0303", span, message)
        return self._element(value, self.pairs.by, span)

    def _element(self, value: Value, by: str, span: Span) -> Any:
        module, name = self.network.module, value.name or f"{self.pairs.path}.array"
        array = places(value)
        symbol = module.constant(name, array, span) if value.drawn is None else module.weights(name, value, array, span)
        # Reals are stored in the program's type whatever the type of this function.
        stored = self.emitter.element(value.kind)
        marks = {connectors.ARRAY: ir.FlatSymbolRefAttr.get(symbol), connectors.BY: ir.StringAttr.get(by)}
        return self.function.argument((symbol, by), stored, marks)

    def _from(self, node: syntax.Call) -> Value:
        if self.pairs.table is None:
            help = "write 'connect from(...)'"
            raise Mistake("E0602", node.span, "a column of a table belongs to the synapses of that table", help)
        table, column = tables.named(self, node, self.kind)
        return tables.column(table, self.pairs.table, column, node.span)

    # ------------------------------------------------------------ draws and places

    def _uniform(self, span: Span) -> Value:
        path = f"{self.pairs.path}.{self.kind}" + (f"#{self.draws}" if self.draws else "")
        self.draws += 1
        seed = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), self.seed)
        marks = {connectors.DRAW: ir.StringAttr.get(path), connectors.SEED: seed}
        return Value("real", ssa=self.function.argument(path, self.emitter.element("real"), marks))

    def _distance(self, node: syntax.Call) -> Value:
        """Between the places of the two neurons, in steps of the grid."""
        self.count_arguments(node, "distance", 2, 2)
        names = [argument.id if isinstance(argument, syntax.Name) else "" for argument in node.args]
        if sorted(names) != ["post", "pre"]:
            raise Mistake("E0306", node.span, "a distance is written 'distance(pre, post)'")
        ends = (("source", self.pairs.source_part, "pre"), ("target", self.pairs.target_part, "post"))
        places = [self._place(grid_of(part, what, node.span), name, node.span) for what, part, name in ends]
        if len(places[0]) != len(places[1]):
            raise Mistake(
                "E0303", node.span, f"grids of {len(places[0])} and of {len(places[1])} axes have no distance"
            )
        total = number(0)
        for a, b in zip(*places, strict=True):
            along = self.emitter.binary("-", a, b, node.span)
            total = self.emitter.binary("+", total, self.emitter.binary("*", along, along, node.span), node.span)
        return self.emitter.function("sqrt", total, node.span)

    def _place(self, where: tuple[Part, tuple[int, ...], int], name: str, span: Span) -> list[Value]:
        _, grid, first = where
        flat = self.emitter.binary("+", self._pair[name], number(first), span) if first else self._pair[name]
        coordinates = []
        for axis in range(len(grid)):
            behind = number(math.prod(grid[axis + 1 :]))
            along = self.emitter.binary("//", flat, behind, span) if behind.scalar != 1 else flat
            coordinates.append(self.emitter.binary("%", along, number(grid[axis]), span) if axis else along)
        return coordinates


def drawn_array(network: Network, node: syntax.Expr) -> Value | None:
    """An array that is drawn, by its name."""
    if not isinstance(node, syntax.Name) or node.id not in network.entities:
        return None
    entity = network.lookup(node.id, node.span)
    value = entity.value if isinstance(entity, Stream) else None
    return value if value is not None and value.drawn is not None else None


def build(
    network: Network,
    pairs: Pairs,
    node: syntax.Expr,
    symbol: str,
    kind: str,
    what: str,
    seed: int | None = None,
    spread: bool = False,
    change: Callable[[PairExpressions, Value], Value] | None = None,
) -> tuple[Value, str | None]:
    """The value of an expression over pairs, and the symbol of its function unless it is constant.

    `kind` is "bool" for a condition, "real" for a probability (computed in f64 whatever the program's reals are),
    "weight" for a weight and "delay" for a delay, which `change` makes whole steps; `seed` is that of draws.  An array
    becomes a function too if it is to be `spread`.
    """
    int64 = ir.IntegerType.get_signless(64)
    with ir.InsertionPoint(network.module.init.operation), file_location(node.span):
        made = func.FuncOp(symbol, ([int64, int64], []), visibility="private")
    function = _Function(made.add_entry_block(), [{}, {}])
    real = network.module.real if kind in OF_SYNAPSE else 64
    expressions = PairExpressions(network, pairs, real, function, kind, what)
    expressions.seed = seed or 0
    try:
        with ir.InsertionPoint(function.block):
            value = expressions.eval(node)
            if not value.is_number:
                raise Mistake("E0302", node.span, f"{what} is a number, not {value.kind}")
            if seed is not None and not expressions.draws:
                raise Mistake("E0501", node.span, "'seed' has no meaning here: nothing is drawn")
            value = value if change is None else change(expressions, value)
            if value.is_const and kind != "bool" and not (spread and value.is_array):
                made.operation.erase()
                return value, None
            wanted = {"bool": "bool", "delay": "int"}.get(kind, "real")
            if kind == "bool" and value.kind != "bool":
                made.operation.erase()
                return value, None
            result = expressions.emitter.ssa(value, (), wanted, node.span)
            func.ReturnOp([result])
    except BaseException:
        made.operation.erase()
        raise
    arguments = [argument.type for argument in function.block.arguments]
    made.operation.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(arguments, [result.type]))
    if len(function.marks) > 2:
        marks = ir.ArrayAttr.get([ir.DictAttr.get(mark) for mark in function.marks])
        made.operation.attributes["arg_attrs"] = marks
    return value, symbol
