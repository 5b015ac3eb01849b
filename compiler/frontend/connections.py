"""What stands in a projection's braces: `connect ...` as a recipe, `weight ...` and `delay ...`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from spikec.dialects import connectors
from spikec.dialects.convolution import Convolution
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.dialects.mlir import ir
from spikec.frontend import delays, pairs, syntax, tables
from spikec.frontend.convolution import Options as Windows
from spikec.frontend.convolution import per_axis, read_options
from spikec.frontend.delays import Spread
from spikec.frontend.emitter import show_shape
from spikec.frontend.expressions import Expressions
from spikec.frontend.pairs import Pairs
from spikec.frontend.units import NUMBER, Dimension, describe
from spikec.frontend.values import Mistake, Value, a_kind, fits, not_supported, number, places, to_float

if TYPE_CHECKING:
    from spikec.frontend.network import Network

CONNECTORS = ("all", "one_to_one", "prob", *connectors.FIXED, "from", "conv")
_FORMS = {
    "prob": "prob(p)",
    "fixed_in": "fixed_in(k)",
    "fixed_out": "fixed_out(k)",
    "fixed_total": "fixed_total(n)",
    "from": "from(table)",
    "conv": "conv(stride = 1, pad = 0)",
}


@dataclass
class Options:
    """What a projection's braces say; `connect` None is `all`."""

    connect: syntax.ProjectionOption | None = None
    weight: syntax.ProjectionOption | None = None
    delay: syntax.ProjectionOption | None = None
    synapse: syntax.ProjectionOption | None = None


@dataclass(frozen=True)
class Port:
    """Where a projection ends, for messages, and the dimension that a weight must have there."""

    name: str
    population: str
    dim: Dimension
    event: Dimension


@dataclass(frozen=True)
class Whole:
    """The attributes `connect` and `weight` of a projection, and the delay of its synapses."""

    recipe: Any
    weight: Any
    delay: int | Spread


@dataclass(frozen=True)
class Connected:
    """What `connect` says: the attribute, and the ends with what a value for each synapse must know of them."""

    recipe: dict[str, Any]
    ends: Pairs


def is_convolution(options: Options) -> bool:
    """Is the connector `conv(...)`?"""
    kind, call = _connector(options.connect)
    return kind == "conv" and call is not None


def convolved(network: Network, options: Options, ends: Pairs, port: Port | None) -> tuple[Any, Any, Dimension]:
    """The attributes `connect` and `weight` of a convolution, and the dimension of its weights.

    Without a port a weight may have any.
    """
    kind, call = _connector(options.connect)
    assert options.connect is not None and call is not None
    _check_form(options.connect, kind, call)
    return _Convolved(network, options, ends, port, call).attributes()


def whole(network: Network, options: Options, ends: Pairs, port: Port, span: Span) -> Whole:
    """All that a projection's braces say."""
    if is_convolution(options):
        recipe, weight, _ = convolved(network, options, ends, port)
        ends = replace(ends, by="kernel")
    else:
        connected = connect(network, options, ends)
        recipe, ends = connected.recipe, connected.ends
        weight, _ = weigh(network, options, ends, port, span)
    delay: int | Spread = 0
    if options.delay is not None:
        delay = delays.of_projection(network, options.delay, ends, _seed(network, options.delay))
    return Whole(recipe, weight, delay)


def connect(network: Network, options: Options, ends: Pairs) -> Connected:
    """The recipe of a connector that is no convolution."""
    kind, call = _connector(options.connect)
    if options.connect is not None:
        _check_form(options.connect, kind, call)
    recipe: dict[str, Any] = {"kind": ir.StringAttr.get("table" if kind == "from" else kind)}
    ends = replace(ends, each=(*ends.source, *ends.target))
    if options.connect is not None:
        ends, entries = _entries(network, options.connect, kind, call, ends)
        recipe |= entries
        if ends.table is not None and "delay" in ends.table.columns and options.delay is None:
            help = "write 'delay from(table, \"delay\") * 1 ms', or 'delay 0 ms' for none"
            raise Mistake("E0607", options.connect.value.span, f"the delays of '{ends.table.name}' are not used", help)
    return Connected(recipe, ends)


# ---------------------------------------------------------------- connect


def _connector(option: syntax.ProjectionOption | None) -> tuple[str, syntax.Call | None]:
    if option is None:
        return "all", None
    node = option.value
    call = node if isinstance(node, syntax.Call) else None
    head = call.function if call is not None else node
    return (head.id if isinstance(head, syntax.Name) else "", call)


def _check_form(option: syntax.ProjectionOption, kind: str, call: syntax.Call | None) -> None:
    if kind not in CONNECTORS:
        help = did_you_mean(kind, CONNECTORS) or f"there are {', '.join(CONNECTORS)}"
        raise Mistake("E0201", option.value.span, "unknown connector" + (f" '{kind}'" if kind else ""), help)
    if (call is not None) != (kind in _FORMS):
        text = f"'{kind}' is written {_FORMS[kind]}" if kind in _FORMS else f"'{kind}' takes no arguments"
        raise Mistake("E0306", option.value.span, text)
    seen: set[str] = set()
    for modifier in option.modifiers:
        if modifier.kind in seen:
            remedy = "join the conditions with 'and'" if modifier.kind == "if" else None
            raise Mistake("E0205", modifier.span, f"'{modifier.kind}' is given twice", remedy)
        seen.add(modifier.kind)
        if modifier.kind not in ("if", "seed", "repeat"):
            raise Mistake("E0501", modifier.span, f"'{modifier.kind}' has no meaning with a connector")
        if modifier.kind == "seed" and kind not in connectors.DRAWN:
            raise Mistake("E0501", modifier.span, f"'seed' has no meaning with '{kind}': nothing is drawn")
        if modifier.kind == "repeat" and kind not in connectors.FIXED:
            raise Mistake("E0501", modifier.span, f"'repeat' has no meaning with '{kind}'")
        if modifier.kind == "if" and kind == "conv":
            raise Mistake("E0501", modifier.span, "'if' has no meaning with 'conv'")


def _entries(
    network: Network, option: syntax.ProjectionOption, kind: str, call: syntax.Call | None, ends: Pairs
) -> tuple[Pairs, dict[str, Any]]:
    """The entries of the recipe but for its kind, and the ends with what weights must know of it."""
    recipe: dict[str, Any] = {}
    modifiers = {modifier.kind: modifier for modifier in option.modifiers}
    if kind == "one_to_one":
        if ends.pre != ends.post:
            raise Mistake("E0303", option.value.span, f"one_to_one joins equal sizes, not {ends.pre} and {ends.post}")
        ends = replace(ends, each=ends.target, by="pre")
    if kind in connectors.DRAWN:
        assert call is not None
        Expressions.count_arguments(call, kind, 1, 1)
        if kind == "prob":
            recipe["p"] = _probability(network, ends, call.args[0])
        else:
            recipe["count"] = _i64(_count(network, ends, kind, call, modifiers))
            if "repeat" in modifiers:
                recipe["repeat"] = ir.UnitAttr.get()
        recipe["seed"] = _i64(network.seed_of(option.modifiers, ("seed", "if", "repeat")))
        recipe["path"] = ir.StringAttr.get(ends.path)
    elif kind == "from":
        assert call is not None
        ends = _listed(network, ends, call, recipe)
    if "if" in modifiers:
        recipe["filter"] = _filter(network, ends, modifiers["if"].args[0])
    return ends, recipe


def _probability(network: Network, ends: Pairs, node: syntax.Expr) -> Any:
    value, symbol = pairs.build(network, ends, node, f"{ends.path}.p", "real", "a connector's probability")
    if value.is_array or value.dim != NUMBER or (symbol is None and not 0 <= value.const <= 1):  # type: ignore[operator]
        raise Mistake("E0602", node.span, "a probability is a number from 0 to 1")
    if symbol is not None:
        return ir.FlatSymbolRefAttr.get(symbol)
    return ir.FloatAttr.get(ir.F64Type.get(), to_float(value.scalar))


def _count(network: Network, ends: Pairs, kind: str, call: syntax.Call, modifiers: Mapping[str, Any]) -> int:
    node = call.args[0]
    count = network.expressions.whole(node, f"the number of '{kind}'")
    there = {"fixed_in": ends.pre, "fixed_out": ends.post, "fixed_total": ends.pre * ends.post}[kind]
    if "repeat" not in modifiers and count > there:
        what = {"fixed_in": "sources", "fixed_out": "targets", "fixed_total": "pairs"}[kind]
        help = "'repeat' allows several synapses on one pair"
        raise Mistake("E0606", node.span, f"'{kind}' needs {count} different {what}, and there are {there}", help)
    return count


def _listed(network: Network, ends: Pairs, call: syntax.Call, recipe: dict[str, Any]) -> Pairs:
    table, extra = tables.named(network.expressions, call, "")
    if extra:
        raise Mistake("E0306", call.args[1].span, "'connect from(table)' takes the whole table, and no column of it")
    span = call.args[0].span
    both = (("sources", "pre", ends.pre, ends.source_part), ("targets", "post", ends.post, ends.target_part))
    for which, column, count, part in both:
        array = tables.indices(table, column, count, None if part is None else part.cells, span)
        symbol = network.module.constant(f"{ends.path}.{which}", array, span)
        recipe[which] = ir.FlatSymbolRefAttr.get(symbol)
    return replace(ends, each=(table.rows,), by="row", table=table)


def _filter(network: Network, ends: Pairs, node: syntax.Expr) -> Any:
    value, symbol = pairs.build(network, ends, node, f"{ends.path}.if", "bool", "a connector's condition")
    if symbol is None:
        raise Mistake("E0302", node.span, f"'if' needs a condition, not {a_kind(value.kind)}")
    return ir.FlatSymbolRefAttr.get(symbol)


# ---------------------------------------------------------------- weight


def weigh(network: Network, options: Options, ends: Pairs, port: Port | None, span: Span) -> tuple[Any, Dimension]:
    """A number, the symbol of an array of `ends.each`, or that of a function of each synapse; and its dimension."""
    if options.weight is None:
        return _default(network, ends, port, span)
    node = options.weight.value
    seed = _seed(network, options.weight)
    drawn, symbol = pairs.drawn_array(network, node), None
    if drawn is not None and drawn.shape == ends.each and seed is None:
        value = drawn
    else:
        value, symbol = pairs.build(network, ends, node, f"{ends.path}.weight", "weight", "a weight", seed)
    _check_dimension(value, port, node.span)
    if symbol is not None:
        return ir.FlatSymbolRefAttr.get(symbol), value.dim
    return _constant(network, ends, value, node.span), value.dim


def _seed(network: Network, option: syntax.ProjectionOption) -> int | None:
    """The `seed` of a weight or a delay; None where it has none."""
    drawn = [modifier for modifier in option.modifiers if modifier.kind == "seed"]
    for modifier in option.modifiers:
        if modifier.kind != "seed":
            raise not_supported(modifier.span, modifier.kind)
    if len(drawn) > 1:
        raise Mistake("E0205", drawn[1].span, "'seed' is given twice")
    return network.seed_of(option.modifiers) if drawn else None


def _default(network: Network, ends: Pairs, port: Port | None, span: Span) -> tuple[Any, Dimension]:
    """Without `weight`: the weights of a table that has some, else 1."""
    if ends.table is None or "weight" not in ends.table.columns:
        _check_dimension(number(Fraction(1)), port, span)
        return _constant(network, ends, number(Fraction(1)), span), NUMBER
    value = tables.column(ends.table, ends.table, "weight", span)
    _check_dimension(value, port, span, "give the weights of the table a unit, as in 'weight from(table) * 1 mV'")
    return _constant(network, ends, value, span), value.dim


def _check_dimension(value: Value, port: Port | None, span: Span, help: str | None = None) -> None:
    if port is not None and not fits(value, port.dim / port.event):
        message = f"port '{port.name}' of '{port.population}' has dimension {describe(port.dim)}"
        message += f", weight times event {describe(value.dim * port.event)}"
        raise Mistake("E0401", span, message, help)


def _constant(network: Network, ends: Pairs, value: Value, span: Span) -> Any:
    if value.shape == ():
        return ir.FloatAttr.get(network.emitter.element("real"), network.emitter.real_constant(to_float(value.scalar)))
    if value.shape != ends.each:
        sides = {"pre": "(one weight for each pair)", "row": "(one weight for each row of the table)"}
        message = f"weights of shape {show_shape(value.shape)}, where {show_shape(ends.each)} is needed"
        raise Mistake("E0303", span, f"{message} {sides.get(ends.by, '([pre, post])')}")
    array = places(value)
    if ends.by != "kernel":
        array = array.reshape(ends.pre, -1) if ends.by == "pair" else array.reshape(-1)
    symbol = network.module.weights(value.name or f"{network.owner}.weight", value, array, span)
    return ir.FlatSymbolRefAttr.get(symbol)


# ---------------------------------------------------------------- conv


@dataclass(frozen=True)
class _Convolved:
    """`connect conv(k, stride = 1, pad = 0, dilation = 1, groups = 1)`: from [channels, extent...] to the same.

    The size k of the window is that of the weights, an array [output channels, channels / groups, k...]; it is
    written where the weight is one number.
    """

    network: Network
    options: Options
    ends: Pairs
    port: Port | None
    call: syntax.Call

    def attributes(self) -> tuple[Any, Any, Dimension]:
        axes = len(self.ends.source) - 1
        if axes not in (1, 2) or len(self.ends.target) != axes + 1:
            shapes = f"{show_shape(self.ends.source)} to {show_shape(self.ends.target)}"
            message = f"'conv' joins [channels, length] or [channels, height, width], not {shapes}"
            raise Mistake("E0303", self.call.span, message)
        defaults = {"stride": 1, "pad": 0, "dilation": 1, "groups": 1}
        windows = read_options(self.network.expressions, self.call, "conv", axes, defaults)
        Expressions.count_arguments(self.call, "conv", 0, 1)
        value, span = self._value()
        kernel = self._kernel(value, axes)
        shape = self._shape(windows, kernel)
        _check_dimension(value, self.port, span)
        if value.shape not in ((), shape.weights):
            message = f"weights of shape {show_shape(value.shape)}, where {show_shape(shape.weights)} is needed"
            raise Mistake("E0303", span, f"{message} (output channels, channels of a group, window)")
        ends = replace(self.ends, each=shape.weights, by="kernel")
        return shape.recipe(), _constant(self.network, ends, value, span), value.dim

    def _value(self) -> tuple[Value, Span]:
        option = self.options.weight
        if option is None:
            return number(Fraction(1)), self.call.span
        if option.modifiers:
            raise not_supported(option.modifiers[0].span, option.modifiers[0].kind)
        drawn = pairs.drawn_array(self.network, option.value)
        value = drawn or self.network.expressions.constant(option.value, "the weight of 'conv'")
        return value, option.value.span

    def _kernel(self, value: Value, axes: int) -> tuple[int, ...]:
        if self.call.args:
            return per_axis(self.network.expressions, self.call.args[0], "the size of a window", axes, 1)
        if len(value.shape) != axes + 2:
            help = "write it, as in 'conv(3, pad = 1)'"
            raise Mistake("E0303", self.call.span, "the size of the window is not known from the weight", help)
        return value.shape[2:]

    def _shape(self, windows: Windows, kernel: tuple[int, ...]) -> Convolution:
        source, target, groups = self.ends.source, self.ends.target, windows["groups"][0]
        if source[0] % groups or target[0] % groups:
            message = f"{groups} groups do not divide {source[0]} and {target[0]} channels"
            raise Mistake("E0303", self.call.span, message)
        stride, padding, dilation = windows["stride"], windows["pad"], windows["dilation"]
        spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        axes = zip(source[1:], padding, spans, stride, strict=True)
        extents = tuple(max(0, (n + 2 * p - w) // s + 1) for n, p, w, s in axes)
        if extents != target[1:]:
            message = f"'conv' makes {show_shape((target[0], *extents))} of {show_shape(source)}"
            raise Mistake("E0303", self.call.span, f"{message}, and the target has the shape {show_shape(target)}")
        return Convolution(source, target, kernel, stride, padding, dilation, groups)


def _i64(value: int) -> Any:
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)
