"""What an expression of the language is worth: a constant known to the compiler, or an SSA value.

Constants stay exact (fractions) until a function or an array makes them f64; they are rounded to the
program's real type once, when they meet a value that exists only at run time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Span
from spikec.frontend.units import NUMBER, Dimension

Scalar = Fraction | float | int | bool
# Exact arithmetic is given up beyond this size, so that no expression can grow without bound.
EXACT_BITS = 4096


class Mistake(Exception):
    """A user's mistake in one statement; the statement is given up and the next one is looked at."""

    def __init__(self, code: str, span: Span, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.span, self.message, self.help = code, span, message, help


class Poisoned(Exception):
    """The statement uses a name whose own statement was wrong: nothing more to say about it."""


def not_supported(span: Span, what: str, help: str | None = None) -> Mistake:
    """The refusal of a construct that is part of the language and not built yet."""
    return Mistake("E0901", span, f"'{what}' is not supported yet", help)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a value holds that is drawn from the run seed: at each place an element of what a function gives."""

    function: str
    elements: Array


@dataclass(frozen=True, slots=True)
class Value:
    """One of: a constant scalar or array (`const`), a run-time value (`ssa`), text, a list, a table of arrays.

    `kind` is "real", "int", "bool", "text", "list" or "table".  `shape` is () for scalars.  `event` marks what
    a population or encoder emits.  `name` is the path of a named array or stream, `file` where a text was
    written, or which file an array or a number came from.  A run-time value that is `drawn` once for the whole run
    can stand where constant weights can.
    """

    kind: str
    const: Scalar | Array | None = None
    ssa: Any = None
    shape: tuple[int, ...] = ()
    dim: Dimension = NUMBER
    event: bool = False
    name: str = ""
    text: str = ""
    file: str = ""
    items: tuple[Value, ...] = ()
    table: Any = None
    drawn: Drawn | None = None

    @property
    def is_const(self) -> bool:
        return self.const is not None

    @property
    def is_array(self) -> bool:
        return isinstance(self.const, np.ndarray)

    @property
    def is_still(self) -> bool:
        """Is this an array that is one and the same in the whole run, known or drawn?"""
        return self.is_array or self.drawn is not None

    @property
    def is_number(self) -> bool:
        return self.kind in ("real", "int", "bool")

    @property
    def scalar(self) -> Scalar:
        """The constant of a scalar; an error of ours for anything else."""
        assert self.const is not None and not isinstance(self.const, np.ndarray)
        return self.const

    def with_dim(self, dim: Dimension) -> Value:
        return replace(self, dim=dim)


def fits(value: Value, dim: Dimension) -> bool:
    """Has the value this dimension?  A plain constant 0 is the zero of every dimension."""
    zero = value.dim == NUMBER and value.is_const and not value.is_array and value.const == 0
    return value.dim == dim or zero


def placed(value: Value, dim: Dimension) -> Value:
    """The value where this dimension is declared: what a file gave has no unit, and is in SI units of its place."""
    return value.with_dim(dim) if value.file and value.is_number and value.dim == NUMBER else value


def number(value: Scalar | Array, dim: Dimension = NUMBER, kind: str | None = None, name: str = "") -> Value:
    """A constant; its kind follows from its Python or numpy type unless it is given."""
    if isinstance(value, np.ndarray):
        if kind is None:
            kind = {"b": "bool", "i": "int", "u": "int"}.get(value.dtype.kind, "real")
        wanted = {"bool": np.bool_, "int": np.int64, "real": np.float64}[kind]
        return Value(kind, const=value.astype(wanted, copy=False), shape=value.shape, dim=dim, name=name)
    if kind is None:
        kind = "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "real"
    return Value(kind, const=_bounded(value), dim=dim, name=name)


def _bounded(value: Scalar) -> Scalar:
    if isinstance(value, Fraction) and max(value.numerator.bit_length(), value.denominator.bit_length()) > EXACT_BITS:
        return to_float(value)
    return value


def to_float(value: Scalar) -> float:
    """The nearest f64; what is too large for one becomes an infinity of its sign."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def as_array(value: Value) -> Array:
    """The constant as an f64, int64 or bool array."""
    if isinstance(value.const, np.ndarray):
        return value.const
    assert value.const is not None
    if value.kind == "real":
        return np.asarray(to_float(value.scalar), dtype=np.float64)
    return np.asarray(value.const, dtype=np.int64 if value.kind == "int" else np.bool_)


def counted(shape: tuple[int, ...]) -> Array:
    """The number of each element of a shape."""
    return np.arange(math.prod(shape), dtype=np.int64).reshape(shape)


def places(value: Value) -> Array:
    """The constant as an array; of a drawn value, the numbers of its elements (see `Module.weights`)."""
    return as_array(value) if value.drawn is None else value.drawn.elements


def a_kind(kind: str) -> str:
    """`a real`, `an int`."""
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def integral(value: Value) -> int | None:
    """The value as a Python int where it is a whole constant number, else None."""
    if isinstance(value.const, bool | int):
        return int(value.scalar)
    if isinstance(value.const, Fraction) and value.const.denominator == 1:
        return int(value.scalar)
    if isinstance(value.const, float) and value.const.is_integer() and abs(value.const) < 2**53:
        return int(value.scalar)
    return None
