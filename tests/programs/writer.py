"""Draws the parts that all of a random program needs: choices, numbers, units and expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Clock:
    """How durations are written: in a unit, or in steps."""

    step: str
    unit: str
    per_step: float

    def time(self, steps: float) -> str:
        return f"{steps * self.per_step:g} {self.unit}"

    def rate(self, spikes_per_step: float) -> str:
        return f"{spikes_per_step:g}" if self.unit == "steps" else f"{1000 * spikes_per_step / self.per_step:g} Hz"


CLOCKS = (
    Clock("1 ms", "ms", 1.0),
    Clock("0.1 ms", "ms", 0.1),
    Clock("0.5 ms", "ms", 0.5),
    Clock("1 steps", "steps", 1.0),
)


@dataclass(frozen=True)
class Neuron:
    """What the network must know of a declaration; `emits` is "bool", "int" or "real", `random` the states that may
    start at random."""

    name: str
    ports: tuple[str, ...]
    states: tuple[str, ...]
    random: tuple[str, ...]
    emits: str
    spikes: bool


@dataclass(frozen=True)
class Stream:
    """A named value of the network: its shape, its kind, and its neuron where it is a population."""

    name: str
    shape: Shape
    kind: str
    neuron: Neuron | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass
class Writer:
    """Draws one program, statement by statement."""

    random: Random
    clock: Clock
    volts: bool
    functions: bool = True
    wide: bool = False  # what few passes know may occur: see `extras.py`
    lines: list[str] = field(default_factory=list)
    declarations: list[str] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    inputs: dict[str, Array] = field(default_factory=dict)
    streams: list[Stream] = field(default_factory=list)
    neurons: list[Neuron] = field(default_factory=list)
    probed: set[str] = field(default_factory=set)
    placed: set[str] = field(default_factory=set)
    tables: dict[str, dict[str, Array]] = field(default_factory=dict)
    steps: int = 20
    counter: int = 0

    # ------------------------------------------------------------ draws

    def pick(self, options: Sequence[Any]) -> Any:
        return self.random.choice(options)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def whole(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def decimal(self, low: float, high: float) -> str:
        """A number with at most three digits after the point, never zero."""
        value = self.random.randint(round(low * 1000), round(high * 1000)) / 1000
        return f"{value or 0.001:g}"

    def seed(self) -> str:
        return f" seed {self.whole(0, 99)}" if self.chance(70) else ""

    def fresh(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}{self.counter}"

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.whole(0, 2**31))

    # ------------------------------------------------------------ scales

    @property
    def unit(self) -> str:
        """The suffix of a membrane quantity."""
        return " mV" if self.volts else ""

    @property
    def dimension(self) -> str:
        return "voltage" if self.volts else "real"

    @property
    def typed(self) -> str:
        """The type mark of ports and states in a program with units."""
        return " : voltage" if self.volts else ""

    def level(self, low: float, high: float) -> str:
        return self.decimal(low, high) + self.unit

    def plain(self, text: str) -> str:
        """A membrane quantity as a plain number."""
        return f"({text}) / 1 mV" if self.volts else text

    def scaled(self, text: str) -> str:
        """A plain number as a membrane quantity."""
        return f"({text}) * 1 mV" if self.volts else text

    # ------------------------------------------------------------ expressions

    def real(self, leaves: Sequence[str], depth: int = 2) -> str:
        """A dimensionless real expression of the given real leaves."""
        if depth == 0 or self.chance(15):
            return str(self.pick(leaves)) if leaves and self.chance(80) else self.decimal(0.1, 2)
        a = self.real(leaves, depth - 1)
        unary, binary = (UNARY, BINARY) if self.functions else (ALGEBRAIC, POLYNOMIAL)
        form = self.whole(0, len(unary) + 4)
        if form < len(unary):
            return str(unary[form]).format(a)
        b = self.real(leaves, depth - 1)
        return str(self.pick(binary)).format(a, b, self.condition(leaves, depth - 1))

    def condition(self, leaves: Sequence[str], depth: int = 1) -> str:
        comparison = self.pick(("<", "<=", ">", ">=", "==", "!="))
        first = f"{self.real(leaves, min(depth, 1))} {comparison} {self.decimal(0.1, 2)}"
        form = self.whole(0, 5)
        if form > 2 or depth == 0:
            return first
        second = f"{self.pick(leaves)} > {self.decimal(0.1, 1)}" if leaves else "true"
        return (f"{first} and {second}", f"({first}) or not ({second})", f"not ({first})")[form]


UNARY = (
    "exp(-abs({0}))",
    "tanh({0})",
    "sigmoid({0})",
    "relu({0})",
    "abs({0})",
    "sqrt(abs({0}))",
    "log(1 + abs({0}))",
    "expm1(min({0}, 1))",
    "sin({0})",
    "cos({0})",
    "floor({0})",
    "ceil({0})",
    "trunc({0})",
    "round({0})",
    "(-({0}))",
    "clamp({0}, -2, 2)",
    "min({0}, 3) ^ 2",
)
BINARY = (
    "({0} + {1})",
    "({0} - {1})",
    "({0} * {1})",
    "{0} / (1 + abs({1}))",
    "min({0}, {1})",
    "max({0}, {1})",
    "(if {2} then {0} else {1})",
    "(if {2} then {0} else {1})",
)

TRANSCENDENTAL = ("exp", "tanh", "sigmoid", "sqrt", "log", "sin", "cos")
ALGEBRAIC = tuple(form for form in UNARY if not form.startswith(TRANSCENDENTAL))
POLYNOMIAL = tuple(form for form in BINARY if "/" not in form)
