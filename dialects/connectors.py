"""The recipes of `snn.synapses`: kinds of connectors, and the functions that they name.

A function of a recipe is private and over scalars.  Its first two arguments are the indices of source and target
(i64); the others say by a mark where their value comes from:

| mark | value |
|---|---|
| `snn.index` | the number of the synapse in row order (i64) |
| `snn.draw = "path", snn.seed = n` | a uniform draw in [0, 1) of its own for each synapse (f32 or f64) |
| `snn.array = @c, snn.by = "pre"` | an element of a constant: by "pre", "post", "pair" (pre * posts + post) or "row" |

"row" is the row of a table, in its order.

A derived recipe has one synapse for each synapse n of another one (`of`), in whose row order these are counted:
"from_source" leads from its source to n, "from_target" from its target to n, "to_target" from n to its target.  The
functions of a derived recipe see the source, the target and the number of that synapse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spikec.dialects import snn
from spikec.dialects.functions import argument_marks, signature, size, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program

FIXED = ("fixed_in", "fixed_out", "fixed_total")
DRAWN = ("prob", *FIXED)
DERIVED = ("from_source", "from_target", "to_target")
KINDS = ("all", "one_to_one", *DRAWN, "table", "conv", *DERIVED)

DRAW = "snn.draw"  # argument of a weight: the path of a uniform draw for each synapse
SEED = "snn.seed"  # beside DRAW: its seed, i64
ARRAY = "snn.array"  # argument of a weight: the name of a constant
BY = "snn.by"  # beside ARRAY: what chooses the element

CLAMP = "bound them, as in 'delay clamp(normal(2 ms, 1 ms), 0.5 ms, 5 ms)'"
MOST_DELAYS = 4096  # different ones that the synapses of one projection can have

NONZERO = "nonzero"  # mark of a recipe: what has the weight zero is no synapse

_ENTRIES: dict[str, tuple[str, ...]] = {
    "all": (),
    "one_to_one": (),
    "prob": ("p", "seed", "path"),
    **dict.fromkeys(FIXED, ("count", "seed", "path")),
    "table": ("sources", "targets"),
    **dict.fromkeys(DERIVED, ("of",)),
}
_BY = ("pre", "post", "pair", "row")
_END = {"from_source": "pre", "from_target": "post"}


def kind_of(view: snn.Synapses) -> str:
    """The kind of a recipe, or an empty text."""
    kind = view.connect.get("kind")
    return str(ir.StringAttr(kind).value) if isinstance(kind, ir.StringAttr) else ""


def weight_layout(view: snn.Synapses) -> str:
    """What the elements of a constant of weights belong to: "pair" [pre, post], "neuron" [n], "row" (of a table) or
    "kernel"."""
    return {"one_to_one": "neuron", "table": "row", "conv": "kernel"}.get(kind_of(view), "pair")


def weight_function(view: snn.Synapses, symbols: Mapping[str, Any]) -> Any | None:
    """The function that gives each synapse its weight; None for weights that are a number or a constant."""
    name = symbol_of(view.weight)
    return symbols[name] if name is not None and symbols[name].name == "func.func" else None


def delay_function(view: snn.Synapses, symbols: Mapping[str, Any]) -> Any | None:
    """The function that gives each synapse its delay in steps; None where the projection has none of its own."""
    return None if view.delay is None else symbols[view.delay]


def has_unknown_weights(view: snn.Synapses, symbols: Mapping[str, Any]) -> bool:
    """Whether a function gives the weights, of each synapse or of each element of an array that is drawn."""
    name = symbol_of(view.weight)
    if name is None:
        return False
    return symbols[name].name == "func.func" or snn.Constant(symbols[name]).draw is not None


def is_drawn(view: snn.Synapses, symbols: Mapping[str, Any]) -> bool:
    """Whether synapses, their weights or their delays depend on the run seed."""
    if kind_of(pairs_of(view, symbols)) in DRAWN:
        return True
    functions = (weight_function(view, symbols), delay_function(view, symbols))
    return any(DRAW in marks for function in functions if function is not None for marks in argument_marks(function))


def pairs_of(view: snn.Synapses, symbols: Mapping[str, Any]) -> snn.Synapses:
    """The recipe that says which pairs there are: that which a derived one is made of, else the recipe itself."""
    return snn.Synapses(symbols[str(symbol_of(view.connect["of"]))]) if kind_of(view) in DERIVED else view


def wrong_delay(view: snn.Synapses, delay: int) -> str:
    """The message about a delay that is drawn or computed and is not possible."""
    least, most = view.delay_range or (0, 0)
    which = "a negative delay" if delay < 0 else f"a delay that is not one of {least} to {most} steps"
    return f"a synapse has {which}: {delay} steps"


def most_for_target(view: snn.Synapses) -> int:
    """The greatest number of synapses that one target can have, for neither a table nor a convolution."""
    recipe, kind = view.connect, kind_of(view)
    if kind in ("one_to_one", "from_source", "from_target"):
        return 1
    if kind not in FIXED:
        return int(view.pre)
    count = int(ir.IntegerAttr(recipe["count"]).value)
    most = count * int(view.pre) if kind == "fixed_out" else count
    return most if "repeat" in recipe else min(most, int(view.pre))


def functions_of(view: snn.Synapses, symbols: Mapping[str, Any]) -> list[str]:
    """The names of all functions of a recipe."""
    named = [symbol_of(attribute) for attribute in (view.connect.get("filter"), view.connect.get("p"), view.weight)]
    named.append(view.delay)
    return [name for name in named if name is not None and symbols[name].name == "func.func"]


# ---------------------------------------------------------------- arguments of functions


@dataclass(frozen=True)
class Index:
    """The number of the synapse."""


@dataclass(frozen=True)
class Drawn:
    """A uniform number for each synapse."""

    path: str
    seed: int
    bits: int


@dataclass(frozen=True)
class Element:
    """An element of a constant."""

    array: str
    by: str


def extra_arguments(function: Any, given: int = 2) -> list[Index | Drawn | Element]:
    """Where the values of all arguments but the first ones, which are given, come from."""
    types = list(signature(function).inputs)
    return [argument(marks, type) for marks, type in zip(argument_marks(function)[given:], types[given:], strict=True)]


def argument(marks: dict[str, Any], type: Any) -> Index | Drawn | Element:
    """Where the value of an argument with these marks comes from."""
    if DRAW in marks:
        seed = ir.IntegerAttr(marks[SEED]).value
        return Drawn(str(ir.StringAttr(marks[DRAW]).value), seed, ir.FloatType(type).width)
    if ARRAY in marks:
        return Element(str(symbol_of(marks[ARRAY])), str(ir.StringAttr(marks[BY]).value))
    return Index()


# ---------------------------------------------------------------- rules


def problems(view: snn.Synapses, symbols: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the recipe of a connector that is no convolution, but for its filter and its weight."""
    recipe, kind = view.connect, kind_of(view)
    known = {"kind", "filter", NONZERO, *_ENTRIES[kind], *(["repeat"] if kind in FIXED else [])}
    for name in sorted(set(recipe) - known):
        yield f"'connect' has an unknown entry '{name}'"
    wanted: dict[str, Any] = {"count": ir.IntegerAttr, "seed": ir.IntegerAttr, "path": ir.StringAttr}
    for name in _ENTRIES[kind]:
        types = (ir.FloatAttr, ir.FlatSymbolRefAttr) if name == "p" else wanted.get(name, ir.FlatSymbolRefAttr)
        if not isinstance(recipe.get(name), types):
            yield f"the connector '{kind}' needs '{name}'"
            return
    if "repeat" in recipe and not isinstance(recipe["repeat"], ir.UnitAttr):
        yield "'repeat' is a mark without a value"
    if view.pre < 1 or view.post < 1:
        yield f"sizes {view.pre} and {view.post} must be positive"
    if kind == "one_to_one" and view.pre != view.post:
        yield f"one_to_one needs equal sizes, not {view.pre} and {view.post}"
    if kind in FIXED and ir.IntegerAttr(recipe["count"]).value < 0:
        yield "'count' is negative"
    if kind == "prob" and (name := symbol_of(recipe["p"])) is not None and not _is(symbols[name], "f64"):
        yield f"the probability @{name} must be (i64, i64) -> f64"
    if kind == "table":
        yield from _table(view, symbols)
    if kind in DERIVED:
        yield from _derived(view, kind, symbols)


def _derived(view: snn.Synapses, kind: str, symbols: Mapping[str, Any]) -> Iterator[str]:
    pairs = pairs_of(view, symbols)
    if kind_of(pairs) in (*DERIVED, "conv", "prob"):
        yield f"'{kind}' is not made of a recipe of kind '{kind_of(pairs)}'"
        return
    if any(problems(pairs, symbols)):
        return
    here, there = (view.post, pairs.post) if kind == "to_target" else (view.pre, getattr(pairs, _END[kind]))
    if here != there:
        yield f"'{kind}' of @{pairs.sym_name} has {there} neurons at that end, not {here}"
    count, made = view.pre if kind == "to_target" else view.post, number_of(pairs, symbols)
    if made not in (None, count):
        yield f"@{pairs.sym_name} makes {made} synapses, not {count}"
    if kind != "from_source" and symbol_of(view.weight) is not None:
        yield f"the weight of '{kind}' is one number"


def number_of(view: snn.Synapses, symbols: Mapping[str, Any]) -> int | None:
    """How many synapses a recipe makes, where that is neither drawn nor up to a filter."""
    recipe, kind = view.connect, kind_of(view)
    if kind in FIXED:
        count = int(ir.IntegerAttr(recipe["count"]).value)
        return fixed_number(kind, count, view.pre, view.post)
    if "filter" in recipe:
        return None
    if kind == "table":
        return rows_of_table(view, symbols)
    counts: dict[str, int] = {"all": view.pre * view.post, "one_to_one": view.pre}
    return counts.get(kind)


def fixed_number(kind: str, count: int, pre: int, post: int) -> int:
    """How many synapses a connector of a kind in `FIXED` makes."""
    return count * {"fixed_in": post, "fixed_out": pre, "fixed_total": 1}[kind]


def _table(view: snn.Synapses, symbols: Mapping[str, Any]) -> Iterator[str]:
    types = [snn.Constant(symbols[view.connect[name].value]).type for name in _ENTRIES["table"]]
    if any(str(type.element_type) != "i64" or len(type.shape) != 1 for type in types) or types[0] != types[1]:
        yield f"a table has one source and one target for each row, vectors of i64, not {types[0]} and {types[1]}"


def nonzero_problems(view: snn.Synapses, symbols: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the mark that leaves out weights of zero."""
    if NONZERO not in view.connect:
        return
    if not isinstance(view.connect[NONZERO], ir.UnitAttr):
        yield f"'{NONZERO}' is a mark without a value"
    name = symbol_of(view.weight)
    if name is None or symbols[name].name != snn.Constant.name():
        yield f"'{NONZERO}' needs weights that are an array"


def table_values(view: snn.Synapses, program: Program) -> Iterator[str]:
    """Whether the numbers in a table are neurons, as far as its arrays are at hand."""
    if kind_of(view) != "table":
        return
    for name, count in (("sources", view.pre), ("targets", view.post)):
        found = program.constants.get(str(symbol_of(view.connect[name])))
        if found is not None and found.size and not (found.min() >= 0 and found.max() < count):
            yield f"'{name}' has numbers from {found.min()} to {found.max()}, where there are {count} neurons"


def rows_of_table(view: snn.Synapses, symbols: Mapping[str, Any]) -> int:
    """The number of rows of a recipe of kind "table"."""
    return size(snn.Constant(symbols[view.connect["sources"].value]).type)


def weight_problems(view: snn.Synapses, function: Any, symbols: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a function of weights."""
    yield from _function_problems(pairs_of(view, symbols), f"the weight @{symbol_of(view.weight)}", function, symbols)
    found = list(signature(function).results)
    if len(found) == 1 and str(found[0]) not in ("f32", "f64"):
        yield f"the weight @{symbol_of(view.weight)} is a {found[0]}, and not an f32 or f64"


def delay_problems(view: snn.Synapses, symbols: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the delays of synapses."""
    if (view.delay is None) != (view.delay_range is None):
        yield "'delay' and 'delay_range' belong together"
    if view.delay is None or view.delay_range is None:
        return
    if kind_of(view) in ("conv", *DERIVED):
        yield f"synapses of the connector '{kind_of(view)}' have one delay"
        return
    if len(view.delay_range) != 2 or not 0 <= view.delay_range[0] <= view.delay_range[1]:
        yield f"'delay_range' is the least and the largest delay in steps, not {view.delay_range}"
    elif view.delay_range[1] - view.delay_range[0] >= MOST_DELAYS:
        yield f"delays from {view.delay_range[0]} to {view.delay_range[1]} are more than {MOST_DELAYS} different ones"
    yield from _function_problems(view, f"the delay @{view.delay}", symbols[view.delay], symbols)
    if [str(type) for type in signature(symbols[view.delay]).results] != ["i64"]:
        yield f"the delay @{view.delay} is no i64"


def _function_problems(view: snn.Synapses, what: str, function: Any, symbols: Mapping[str, Any]) -> Iterator[str]:
    type = signature(function)
    if [str(t) for t in type.inputs[:2]] != ["i64", "i64"] or len(type.results) != 1:
        yield f"{what} must be (i64, i64, ...) -> a number"
        return
    for marks, argument in list(zip(argument_marks(function), type.inputs, strict=True))[2:]:
        yield from _argument_problems(view, f"an argument of {what}", marks, argument, symbols)


def _argument_problems(
    view: snn.Synapses, what: str, marks: dict[str, Any], type: Any, symbols: Mapping[str, Any]
) -> Iterator[str]:
    if DRAW in marks:
        if str(type) not in ("f32", "f64") or not isinstance(marks[DRAW], ir.StringAttr):
            yield f"{what} draws numbers of f32 or f64 under a name"
        if not isinstance(marks.get(SEED), ir.IntegerAttr):
            yield f"{what} draws without '{SEED}'"
    elif ARRAY in marks:
        name = str(symbol_of(marks[ARRAY]))
        by = str(ir.StringAttr(marks[BY]).value) if isinstance(marks.get(BY), ir.StringAttr) else ""
        if name not in symbols or symbols[name].name != snn.Constant.name():
            yield f"{what} names no constant: {marks[ARRAY]}"
        elif by not in _BY or (by == "row" and kind_of(view) != "table"):
            yield f"{what} has '{BY}' {marks.get(BY)}"
        else:
            yield from _elements(view, what, snn.Constant(symbols[name]).type, by, type, symbols)
    elif snn.INDEX not in marks or str(type) != "i64":
        yield f"{what} has no role"


def _elements(
    view: snn.Synapses, what: str, array: Any, by: str, type: Any, symbols: Mapping[str, Any]
) -> Iterator[str]:
    counts = {"pre": view.pre, "post": view.post, "pair": view.pre * view.post}
    wanted = rows_of_table(view, symbols) if by == "row" else counts[by]
    if array.element_type != type or size(array) != wanted:
        yield f"{what} is an element of {array}, where {wanted} elements of {type} are needed"


def _is(function: Any, result: str) -> bool:
    return str(signature(function)) == f"(i64, i64) -> {result}"
