"""Evaluates expressions of the language: what is constant is folded, the rest is emitted.

`Expressions` knows literals, operators and pure functions.  What a name or a call of another kind
means depends on where the expression stands: programs of neurons and the network's dataflow have
subclasses of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

import numpy as np
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.frontend import imports, syntax
from spikec.frontend.arrays import Arrays
from spikec.frontend.emitter import FUNCTIONS, INT64, Emitter, show_shape
from spikec.frontend.units import DIMENSIONS, NUMBER, UNITS, Dimension, describe, parse_unit
from spikec.frontend.values import Mistake, Value, as_array, fits, integral, not_supported, number

# Functions of the language that are not built yet: refused by name, never misread.
LATER = frozenset(
    (
        *("delay_sum", "gauss", "time_surface", "window"),
        *("normalize", "norm", "unit_rows", "outer", "transpose"),
        *("glorot", "orthogonal"),
        *("distance", "grid", "named", "fixed_in", "fixed_out", "fixed_total", "from", "conv"),
        *("real", "contour", "converge"),
    )
)
MAX_RANK = 16
TYPES = ("real", "int", "bool", "path", *DIMENSIONS)


@dataclass(frozen=True)
class Clock:
    """The model's timestep: `dt` in seconds, or 1 under `step 1 steps`, where times are plain numbers of steps."""

    dt: Fraction
    in_steps: bool

    @property
    def time(self) -> Dimension:
        return NUMBER if self.in_steps else DIMENSIONS["time"]

    def dimension(self, name: str) -> Dimension:
        """The dimension that a type name stands for."""
        if self.in_steps and name in ("time", "rate"):
            return NUMBER
        return DIMENSIONS.get(name, NUMBER)

    def quantity(self, node: syntax.Quantity) -> Value:
        scale, dim = parse_unit(node.unit, (self.dt, self.time))
        return number(node.value * scale, dim)

    def steps(self, duration: Value, span: Span, what: str) -> Fraction:
        """A constant duration as an exact number of steps."""
        if not fits(duration, self.time) or not duration.is_const or duration.is_array:
            help = "this model counts time in steps: write '5 steps'" if self.in_steps else "write '2 ms' or '2 steps'"
            raise Mistake("E0403", span, f"{what} must be a constant time, not a {describe(duration.dim)}", help)
        return Fraction(duration.scalar) / self.dt


class Expressions:
    """Evaluation in one function under construction."""

    def __init__(self, emitter: Emitter, clock: Clock, arrays: Arrays) -> None:
        self.emitter = emitter
        self.clock = clock
        self.arrays = arrays

    # ------------------------------------------------------------ what subclasses decide

    def name(self, node: syntax.Name) -> Value:
        self.unknown(node.id, node.span, [])

    def attribute(self, node: syntax.Attribute) -> Value:
        base = self.eval(node.base)
        if base.kind == "table":
            return self.arrays.entry(base, node.name, node.span)
        raise Mistake("E0203", node.span, f"this has no attribute '{node.name}'")

    def call(self, node: syntax.Call, name: str) -> Value:
        """A call of something that is not a pure function."""
        self.unknown(name, node.function.span, [*FUNCTIONS, *_PURE])

    def unknown(self, name: str, span: Span, known: Iterable[str]) -> NoReturn:
        if name in LATER:
            raise not_supported(span, name)
        unit = f"a unit follows a number, as in '1 {name}'" if name in UNITS else None
        help = imports.offer(name) or unit or did_you_mean(name, [*known, "dt", "true", "false", *FUNCTIONS, *_PURE])
        raise Mistake("E0201", span, f"unknown name '{name}'", help)

    # ------------------------------------------------------------ evaluation

    def eval(self, node: syntax.Expr) -> Value:
        """The value of an expression; raises `Mistake` for a user's error in it."""
        match node:
            case syntax.Number():
                if node.is_int and node.value > INT64[1]:
                    raise Mistake(
                        "E0305", node.span, "this integer does not fit into 64 bits", "write it as a real, as in '1e20'"
                    )
                return number(int(node.value) if node.is_int else node.value)
            case syntax.Quantity():
                return self.clock.quantity(node)
            case syntax.String():
                return Value("text", text=node.value, file=node.span.file)
            case syntax.Name():
                return self._name(node)
            case syntax.ListExpr():
                return self._list(node)
            case syntax.Unary(op="-"):
                return self.emitter.negate(self.eval(node.operand), node.span)
            case syntax.Unary():
                return self.emitter.logical_not(self.eval(node.operand), node.span)
            case syntax.Binary():
                return self._binary(node)
            case syntax.IfExpr():
                return self._if(node)
            case syntax.Call():
                return self._call(node)
            case syntax.Index():
                return self.index(node)
            case syntax.Attribute():
                return self.attribute(node)
            case syntax.Pipe():
                return self.eval(piped(node))
            case syntax.Group():
                raise Mistake("E0301", node.span, "a group '{...}' stands only at an end of a projection")

    def constant(self, node: syntax.Expr, what: str) -> Value:
        """A constant number; `what` names the place in the message."""
        value = self.eval(node)
        if not value.is_const or not value.is_number:
            raise Mistake("E0301", node.span, f"{what} must be a constant number")
        return value

    def whole(self, node: syntax.Expr, what: str, least: int = 0) -> int:
        """A constant whole number of at least `least` that fits into 64 bits."""
        value = self.eval(node)
        result = integral(value) if value.is_const and not value.is_array and value.dim == NUMBER else None
        if result is None or result < least:
            raise Mistake("E0301", node.span, f"{what} must be a constant whole number of at least {least}")
        if result > INT64[1]:
            raise Mistake("E0305", node.span, f"{what} does not fit into 64 bits")
        return result

    def shape(self, items: Iterable[syntax.Expr | syntax.Slice], what: str) -> tuple[int, ...]:
        """The extents written in `[...]`."""
        shape: list[int] = []
        for item in items:
            if isinstance(item, syntax.Slice):
                raise Mistake("E0301", item.span, f"{what} needs numbers, not a slice")
            shape.extend(self._extents(item, what))
        size = 1
        for extent in shape:
            size *= extent
        if size > 2**31 - 1:
            raise Mistake(
                "E0301", next(iter(items)).span, f"{what} has {size} elements: at most {2**31 - 1} are possible"
            )
        return tuple(shape)

    def _extents(self, node: syntax.Expr, what: str) -> tuple[int, ...]:
        """One extent, or all of a shape such as `shape(x)`."""
        value = self.eval(node)
        if value.is_array and value.kind == "int" and len(value.shape) == 1 and np.all(as_array(value) >= 1):
            return tuple(int(extent) for extent in as_array(value))
        return (self.whole(node, what, 1),)

    def _name(self, node: syntax.Name) -> Value:
        if node.id in ("true", "false"):
            return number(node.id == "true")
        if node.id == "dt":
            return number(self.clock.dt, self.clock.time)
        return self.name(node)

    def _list(self, node: syntax.ListExpr) -> Value:
        items = tuple(self.eval(item) for item in node.items)
        rank = max((len(item.shape) for item in items), default=0) + 1
        if rank > MAX_RANK:
            raise Mistake("E0303", node.span, f"an array of {rank} axes: at most {MAX_RANK} are possible")
        if items and all(i.is_const and i.is_number and i.shape == items[0].shape for i in items):
            for item, written in zip(items, node.items, strict=True):
                self.emitter.same_dim(items[0], item, written.span, "a list has one dimension")
            kind = "real" if any(i.kind == "real" for i in items) else items[0].kind
            return number(np.stack([as_array(i) for i in items]), items[0].dim, kind)
        raise Mistake("E0301", node.span, "a list holds constant numbers of one shape")

    def _binary(self, node: syntax.Binary) -> Value:
        # Long sums are left-deep: walk down the left spine without recursion.
        spine = [node]
        while isinstance(spine[-1].left, syntax.Binary):
            spine.append(spine[-1].left)
        value = self.eval(spine[-1].left)
        for part in reversed(spine):
            right = self._unit_below(part) or self.eval(part.right)
            value = (
                self.matmul(value, right, part)
                if part.op == "@"
                else self.emitter.binary(part.op, value, right, part.span)
            )
        return value

    def _unit_below(self, node: syntax.Binary) -> Value | None:
        """`ms` in `0.1/ms` or `3 * 0.1/ms`, unless something has that name."""
        right, left = node.right, node.left
        while isinstance(left, syntax.Binary) and left.op in ("*", "/"):
            left = left.right
        if node.op != "/" or not isinstance(right, syntax.Name) or right.id not in UNITS:
            return None
        if not isinstance(left, syntax.Number | syntax.Quantity):
            return None
        try:
            return self.eval(right)
        except Mistake as mistake:
            if mistake.code != "E0201":
                raise
        return self.clock.quantity(syntax.Quantity(right.span, Fraction(1), right.id))

    def matmul(self, a: Value, b: Value, node: syntax.Binary) -> Value:
        """`a @ b`; here for constants."""
        if not (a.is_const and b.is_const and a.is_array and b.is_array):
            raise Mistake("E0302", node.span, "'@' needs a matrix and a vector")
        if a.shape[-1] != b.shape[0]:
            raise Mistake(
                "E0303", node.span, f"shapes {show_shape(a.shape)} and {show_shape(b.shape)} do not match in '@'"
            )
        return number(np.asarray(as_array(a) @ as_array(b)), a.dim * b.dim)

    def _if(self, node: syntax.IfExpr) -> Value:
        condition = self.eval(node.condition)
        if condition.is_const and not condition.is_array and condition.kind == "bool":
            return self.eval(node.then if condition.const else node.otherwise)
        return self.emitter.select(condition, self.eval(node.then), self.eval(node.otherwise), node.span)

    def index(self, node: syntax.Index) -> Value:
        """`x[a:b]`, `x[i]` of constants along the first axes."""
        base = self.eval(node.base)
        if not base.is_const or not base.is_array:
            raise Mistake("E0301", node.span, "only an array can be indexed")
        bounds = self.bounds(node, base.shape)
        index = tuple(low if single else slice(low, high) for low, high, single in bounds)
        part = as_array(base)[index]
        return number(part if part.shape else part.item(), base.dim, base.kind)

    def bounds(self, node: syntax.Index, shape: tuple[int, ...]) -> list[tuple[int, int, bool]]:
        """The (low, high, is one element) of each written axis, checked against `shape`."""
        if len(node.items) > len(shape):
            raise Mistake("E0303", node.span, f"{len(node.items)} indices for a value of shape {show_shape(shape)}")
        bounds = []
        for item, extent in zip(node.items, shape, strict=False):
            if isinstance(item, syntax.Slice):
                low = 0 if item.start is None else self.whole(item.start, "the start of a slice")
                high = extent if item.stop is None else self.whole(item.stop, "the end of a slice")
                single = False
            else:
                if isinstance(item, syntax.String):
                    raise Mistake("E0610", item.span, "an index by name, and nothing here has names")
                low = self.whole(item, "an index")
                high, single = low + 1, True
            if not low < high <= extent:
                raise Mistake("E0303", item.span, f"[{low}:{high}] is empty or outside of an axis of {extent} elements")
            bounds.append((low, high, single))
        return bounds

    # ------------------------------------------------------------ calls

    def _call(self, node: syntax.Call) -> Value:
        if isinstance(node.function, syntax.Index):
            return self.call(node, "")
        if not isinstance(node.function, syntax.Name):
            raise _no_function(node.function)
        name = node.function.id
        if name in FUNCTIONS:
            (x,) = self.arguments(node, name, 1, 1)
            return self.emitter.function(name, x, node.span)
        if name in ("min", "max") and len(node.args) == 2:
            a, b = self.arguments(node, name, 2, 2)
            return self.emitter.extreme(name, a, b, node.span)
        if name in _PURE:
            return getattr(self, f"_{name}")(node)  # type: ignore[no-any-return]
        if name in LATER:
            raise not_supported(node.function.span, name)
        return self.call(node, name)

    def arguments(self, node: syntax.Call, name: str, least: int, most: int) -> list[Value]:
        """The values of the positional arguments, their number checked; no keywords."""
        if node.keywords:
            raise Mistake("E0306", node.keywords[0].span, f"'{name}' takes no keyword arguments")
        self.count_arguments(node, name, least, most)
        return [self.eval(argument) for argument in node.args]

    @staticmethod
    def count_arguments(node: syntax.Call, name: str, least: int, most: int) -> None:
        if not least <= len(node.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise Mistake(
                "E0306", node.span, f"'{name}' takes {wanted} argument{'s' * (wanted != '1')}, not {len(node.args)}"
            )

    def _relu(self, node: syntax.Call) -> Value:
        (x,) = self.arguments(node, "relu", 1, 1)
        return self.emitter.extreme("max", x, number(0, x.dim), node.span)

    def _clamp(self, node: syntax.Call) -> Value:
        x, low, high = self.arguments(node, "clamp", 3, 3)
        return self.emitter.extreme("min", self.emitter.extreme("max", x, low, node.span), high, node.span)

    def _size(self, node: syntax.Call) -> Value:
        return number(math.prod(self.extents_of(node, "size")))

    def _channels(self, node: syntax.Call) -> Value:
        shape = self.extents_of(node, "channels")
        if not shape:
            raise Mistake("E0303", node.span, "a scalar has no channels")
        return number(shape[0])

    def extents_of(self, node: syntax.Call, name: str) -> tuple[int, ...]:
        """The shape of the one argument of a call."""
        (x,) = self.arguments(node, name, 1, 1)
        return x.shape

    def _load(self, node: syntax.Call) -> Value:
        self.count_arguments(node, "load", 1, 2)
        path, *key = self.arguments(node, "load", 1, 2)
        if any(v.kind != "text" for v in (path, *key)):
            raise Mistake(
                "E0302", node.span, "'load' takes a path and the name of an array in it, as in 'load(weights, \"w1\")'"
            )
        return self.arrays.load(path, key[0].text if key else None, node.span)

    def _zeros(self, node: syntax.Call) -> Value:
        self.count_arguments(node, "zeros", 0, 0)
        return number(Fraction(0))

    def _ones(self, node: syntax.Call) -> Value:
        self.count_arguments(node, "ones", 0, 0)
        return number(Fraction(1))

    def _constant(self, node: syntax.Call) -> Value:
        (x,) = self.arguments(node, "constant", 1, 1)
        return x


_PURE = frozenset(["relu", "clamp", "size", "channels", "load", "zeros", "ones", "constant"])


def piped(node: syntax.Pipe) -> syntax.Call:
    """`x |> f(a)` is `f(x, a)`; `x |> f` is `f(x)`."""
    if isinstance(node.call, syntax.Call):
        call = node.call
        return syntax.Call(node.span, call.function, (node.value, *call.args), call.keywords)
    return syntax.Call(node.span, node.call, (node.value,), ())


def _no_function(function: syntax.Expr) -> Mistake:
    """What is wrong with a call of something other than a name."""
    if isinstance(function, syntax.Attribute) and function.name in {*FUNCTIONS, *_PURE}:
        help = f"write '{function.name}(...)'"
        return Mistake("E0201", function.span, "a function has a name without dots", help)
    help = "give what is inside a name of its own, and call a function, neuron or block by its name"
    return Mistake("E0302", function.span, "only what has a plain name can be called", help)
