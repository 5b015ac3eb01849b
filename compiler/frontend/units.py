"""Dimensions and units, with exact arithmetic.

A dimension is a product of powers of kilogram, metre, second and ampere.  A unit is an exact factor
to SI and a dimension.  An angle counts as a plain number; `steps` is a time whose factor is the
step of the model, which only the model knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

_BASE = ("kg", "m", "s", "A")


@dataclass(frozen=True, slots=True)
class Dimension:
    """The exponents of mass, length, time and current; all zero for a plain number.

    Fractions come from roots alone.
    """

    mass: int | Fraction = 0
    length: int | Fraction = 0
    time: int | Fraction = 0
    current: int | Fraction = 0

    @property
    def exponents(self) -> tuple[int | Fraction, int | Fraction, int | Fraction, int | Fraction]:
        return self.mass, self.length, self.time, self.current

    @property
    def is_number(self) -> bool:
        """True if there is no dimension."""
        return not any(self.exponents)

    def __mul__(self, other: Dimension) -> Dimension:
        return Dimension(*(a + b for a, b in zip(self.exponents, other.exponents, strict=True)))

    def __truediv__(self, other: Dimension) -> Dimension:
        return Dimension(*(a - b for a, b in zip(self.exponents, other.exponents, strict=True)))

    def __pow__(self, exponent: int | Fraction) -> Dimension:
        return Dimension(*(a * exponent for a in self.exponents))

    def __str__(self) -> str:
        return describe(self)


NUMBER = Dimension()
TIME = Dimension(time=1)
RATE = Dimension(time=-1)
LENGTH = Dimension(length=1)
CURRENT = Dimension(current=1)
CHARGE = Dimension(time=1, current=1)
VOLTAGE = Dimension(mass=1, length=2, time=-3, current=-1)
CONDUCTANCE = CURRENT / VOLTAGE
RESISTANCE = VOLTAGE / CURRENT
CAPACITANCE = CHARGE / VOLTAGE

# The dimensions that a model may name as a type.
DIMENSIONS: dict[str, Dimension] = {
    "time": TIME,
    "voltage": VOLTAGE,
    "current": CURRENT,
    "conductance": CONDUCTANCE,
    "capacitance": CAPACITANCE,
    "rate": RATE,
    "length": LENGTH,
}

# Names for messages, and the SI unit that a recorded value of the dimension is in.
_NAMES: dict[Dimension, tuple[str, str]] = {
    NUMBER: ("number", "1"),
    TIME: ("time", "s"),
    VOLTAGE: ("voltage", "V"),
    CURRENT: ("current", "A"),
    CONDUCTANCE: ("conductance", "S"),
    CAPACITANCE: ("capacitance", "F"),
    RATE: ("rate", "Hz"),
    LENGTH: ("length", "m"),
    RESISTANCE: ("resistance", "Ohm"),
    CHARGE: ("charge", "C"),
    LENGTH**2: ("area", "m^2"),
}

STEPS = "steps"

_PREFIXES = {
    "f": Fraction(1, 10**15),
    "p": Fraction(1, 10**12),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "c": Fraction(1, 100),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
}

# Base symbol, its dimension and the prefixes that are units of the language: the terminal UNIT lists the same.
_SYMBOLS: tuple[tuple[str, Dimension, tuple[str, ...]], ...] = (
    ("s", TIME, ("n", "u", "m", "")),
    ("V", VOLTAGE, ("n", "u", "m", "k", "")),
    ("A", CURRENT, ("f", "p", "n", "u", "m", "")),
    ("S", CONDUCTANCE, ("p", "n", "u", "m", "")),
    ("F", CAPACITANCE, ("f", "p", "n", "u", "m", "")),
    ("Ohm", RESISTANCE, ("k", "M", "G", "")),
    ("Hz", RATE, ("k", "M", "")),
    ("m", LENGTH, ("n", "u", "m", "c", "")),
)

# pi to 40 digits; the nearest double of a degree is what matters.
_PI = Fraction("3.141592653589793238462643383279502884197")

UNITS: dict[str, tuple[Fraction, Dimension]] = {
    **{
        prefix + symbol: (_PREFIXES[prefix], dimension)
        for symbol, dimension, prefixes in _SYMBOLS
        for prefix in prefixes
    },
    "min": (Fraction(60), TIME),
    "deg": (_PI / 180, NUMBER),
    "rad": (Fraction(1), NUMBER),
    "um2": (Fraction(1, 10**12), LENGTH**2),
    "mm2": (Fraction(1, 10**6), LENGTH**2),
    "cm2": (Fraction(1, 10**4), LENGTH**2),
    "m2": (Fraction(1), LENGTH**2),
    STEPS: (Fraction(1), TIME),
}

# What may stand below the line of a unit such as `uF/cm2`: not `A`, `F`, `S` and `m`, which are names of variables too.
DENOMINATORS: dict[str, tuple[Fraction, Dimension]] = {
    name: meaning for name, meaning in UNITS.items() if name not in (*"AFSm", "kV", "min", "deg", "rad", STEPS)
}


@lru_cache(maxsize=1000)
def parse_unit(text: str, step: tuple[Fraction, Dimension] = UNITS[STEPS]) -> tuple[Fraction, Dimension]:
    """The factor to SI and the dimension of `ms`, `mV/ms`, `mV^2` or `uF/cm2`.  Raises KeyError for an unknown unit.

    `step` is what one of `steps` is worth; without it the factor is a number of steps, not of seconds.
    """
    above, slash, below = text.partition("/")
    scale, dimension = _power(above, {**UNITS, STEPS: step})
    if not slash:
        return scale, dimension
    divisor, other = _power(below, DENOMINATORS)
    return scale / divisor, dimension / other


def _power(text: str, table: Mapping[str, tuple[Fraction, Dimension]]) -> tuple[Fraction, Dimension]:
    name, caret, exponent = text.partition("^")
    scale, dimension = table[name]
    if caret and not exponent.removeprefix("-").isdecimal():
        raise KeyError(text)
    power = int(exponent) if caret else 1
    return scale**power, dimension**power


def si_unit(dimension: Dimension) -> str:
    """The SI unit of a dimension, for manifests: `V`, `Hz`, `V/s`, `V^2`; `1` for a number."""
    return _written(dimension, 1, "/", " ")


def describe(dimension: Dimension) -> str:
    """The name of a dimension in a message: `voltage`, `voltage / time`, `voltage^2`."""
    return _written(dimension, 0, " / ", " * ")


def _written(dimension: Dimension, column: int, per: str, times: str) -> str:
    """A dimension made of the named ones: powers before quotients per time or length, products, other quotients."""
    named = _NAMES.get(dimension)
    if named is not None:
        return named[column]
    for part, power in _powers(dimension):
        return f"{_NAMES[part][column]}^{power}"
    for parts in _quotients(dimension, _DIVISORS):
        return per.join(_NAMES[part][column] for part in parts)
    for parts in _products(dimension):
        return times.join(_NAMES[part][column] for part in parts)
    for parts in _quotients(dimension, _FURTHER_DIVISORS):
        return per.join(_NAMES[part][column] for part in parts)
    return _base_units(dimension)


_TERMS = tuple(d for d in _NAMES if not d.is_number)
# Divisors that read naturally come first: `voltage / time` rather than `voltage * rate`.
_DIVISORS = (TIME, LENGTH, LENGTH**2)
_FURTHER_DIVISORS = (VOLTAGE, CURRENT, CONDUCTANCE, CAPACITANCE)


def _quotients(dimension: Dimension, divisors: Sequence[Dimension]) -> list[tuple[Dimension, Dimension]]:
    above = (VOLTAGE, CURRENT, CONDUCTANCE, CAPACITANCE, LENGTH, RATE, CHARGE, RESISTANCE, TIME)
    return [(a, b) for b in divisors for a in above if a / b == dimension]


def _powers(dimension: Dimension) -> list[tuple[Dimension, int]]:
    return [(t, n) for t in _TERMS if t != RATE for n in (2, 3, -1, -2, -3) if t**n == dimension]


def _products(dimension: Dimension) -> list[tuple[Dimension, Dimension]]:
    return [(a, b) for i, a in enumerate(_TERMS) for b in _TERMS[i:] if a * b == dimension]


def _base_units(dimension: Dimension) -> str:
    parts = [(unit, power) for unit, power in zip(_BASE, dimension.exponents, strict=True) if power]
    return " ".join(unit if power == 1 else f"{unit}^{power}" for unit, power in parts)
