"""Quotients by constants have the bits of the division, though they are made of products."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from spikec.backends.cpu.target import CpuTarget
from spikec.lower.step_to_cpu.neurons.quotients import reciprocal

SIZE = 1000
DIVISORS = (7.0, -3.0, 0.1, 200e-12, -5e-3, 1e6, 0.75, 1.9999998, 1e-30, 1e30, 2.0**-120 * 3, 2.0**120 * 1.5, 8.0, 0.0)


def nearest(value: Fraction, precision: int, to_integer: Any = round) -> Fraction:
    """Of `precision` bits, for a positive value."""
    exponent = math.floor(math.log2(value))
    unit = Fraction(2) ** (exponent - precision + 1)
    return to_integer(value / unit) * unit


@pytest.mark.parametrize("precision", [4, 5, 6, 7])
def test_a_constant_has_products_just_where_all_quotients_are_right(precision: int) -> None:
    numbers = range(1 << (precision - 1), 1 << precision)
    refused = 0
    for y in numbers[1:]:
        high = nearest(Fraction(1, y), precision, math.floor)
        low = nearest(Fraction(1, y) - high, precision)
        right = all(
            nearest(x * high + nearest(x * low, precision), precision) == nearest(Fraction(x, y), precision)
            for x in numbers
        )
        assert reciprocal(float(y), precision, 2.0**-126) == ((float(high), float(low)) if right else None)
        refused += not right
    assert 0 < refused < len(numbers) / 4


def test_what_has_no_such_products() -> None:
    for y in (0.0, math.inf, math.nan, 1.0, -0.25, 2.0**102 * 1.5, 2.0**-129 * 1.5):
        assert reciprocal(y, 24, 2.0**-126) is None
    assert reciprocal(-3.0, 24, 2.0**-126) == (-float.fromhex("0x1.555554p-2"), -float.fromhex("0x1.555556p-26"))


def dividends(real: Any) -> np.ndarray[Any, Any]:
    """Rows of numbers of all sizes, of those whose quotients are near the midpoint of two numbers, and of the ends."""
    rng = np.random.default_rng(3)
    limits = np.finfo(real)
    digits = limits.nmant + 1
    unsigned = f"u{real().itemsize}"
    rows = [rng.integers(0, np.iinfo(unsigned).max, (4, SIZE), unsigned, endpoint=True).view(real)]
    with np.errstate(over="ignore"):
        for y in DIVISORS:
            middle = rng.integers(1 << digits, 2 << digits, SIZE) | 1
            near = real(np.ldexp(middle * y, rng.integers(-3 * digits, digits, SIZE)))
            rows.append(np.stack([near, np.nextafter(near, real(np.inf))]))
        edge = limits.tiny * 2.0 ** rng.uniform(0, 3 * digits, SIZE)
        ends = np.resize([np.inf, -np.inf, np.nan, 0.0, -0.0, limits.tiny, -limits.tiny, limits.max, limits.min], SIZE)
        sparse = np.where(rng.random(SIZE) < 0.1, 1.1, -0.0)
        rows.append(np.stack([edge, -edge, limits.max * rng.random(SIZE), ends, sparse, 0 * sparse]).astype(real))
    x = np.concatenate(rows)
    return np.where(np.abs(x) < limits.tiny, np.copysign(real(0), x), x)  # the language has no others


@dataclass(frozen=True)
class Without(CpuTarget):
    """A machine that cannot fuse."""

    @property
    def fuses(self) -> bool:
        return False


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("element", "real"), [("f32", np.float32), ("f64", np.float64)])
def test_quotients_are_rounded_once(net: Any, both: Any, element: str, real: Any, fused: bool) -> None:
    kinds = ", ".join([element] * len(DIVISORS))
    quotients = [
        f"%y{k} = arith.constant {real(y):.20e} : {element}\n%q{k} = arith.divf %x, %y{k} : {element}"
        for k, y in enumerate(DIVISORS)
    ]
    names = [f"own{k}" for k in range(len(DIVISORS))]
    n = net(
        f"func.func private @P(%x: {element}) -> ({kinds}) {{\n"
        + "\n".join(quotients)
        + f"\nreturn {', '.join(f'%q{k}' for k in range(len(DIVISORS)))} : {kinds}\n}}"
    )
    n.buffer("input.x", "input", f"{SIZE}x{element}")
    results = ", ".join(f'@"{name}"' for name in names)
    n.stage = [f'update program = @P, size = {SIZE}, args = [@"input.x"], delays = [0], results = [{results}]']
    for name in names:
        n.buffer(name, "state", f"{SIZE}x{element}")
        n.buffer(f"output.{name}", "output", f"{SIZE}x{element}")
        n.stage.append(f'copy from = @{name}, delay = 0, low = 0, into = @"output.{name}", to = 0, size = {SIZE}')
    host = CpuTarget.parse()
    target = host if fused else Without(host.name, host.triple, host.cpu, host.features, host.native)
    x = dividends(real)
    both(n, target).advance(len(x), {"x": x})
