"""Intervals of scalar programs: no value ever lies outside of its own, whatever the arguments are."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
import pytest
from spikec.analysis.intervals import Interval, is_real, limits, width
from spikec.analysis.refinement import Body
from spikec.dialects.constants import Array
from spikec.dialects.mlir import context, ir
from spikec.runtime.reference.blocks import PROGRAM_OPS, Scope
from spikec.runtime.reference.elements import dtype

from tests.analysis.scalar_programs import scalar_module

SAMPLES = 400


def argument(random: Random, type: Any) -> Interval:
    """An interval of a type: all of it, or a part with ends that matter."""
    if is_real(type):
        ends = sorted(random.choice((0.0, 1.0, -1.0, 0.1, -7.5, 1e3, -1e6, 3e38, -3e38, 1e-38)) for _ in range(2))
        to = np.float32 if width(type) == 32 else np.float64
        return Interval(*(float(to(end)) for end in ends))
    low, high = (int(end) for end in limits(type))
    if random.random() < 0.3:
        return Interval(low, high)
    near = [0, 1, -1, 5, -20, 100, low, high, random.randint(low, high)]
    return Interval(*sorted(min(max(random.choice(near), low), high) for _ in range(2)))


def samples(random: Random, interval: Interval, type: Any) -> Array:
    """Values of an interval, its ends and numbers near zero among them."""
    low, high = interval
    if is_real(type):
        made = [low, high, *(random.uniform(low, high) for _ in range(SAMPLES)), *(10.0 ** -random.randint(0, 37),)]
        return np.clip(np.asarray(random.choices(made, k=SAMPLES)), low, high).astype(dtype(type))
    chosen = [low, high, *(min(max(k, low), high) for k in (-2, -1, 0, 1, 2))]
    made = [
        random.choice(chosen) if random.random() < 0.3 else random.randint(int(low), int(high)) for _ in range(SAMPLES)
    ]
    return np.asarray(made).astype(dtype(type))


def assert_inside(values: Array, interval: Interval, what: str) -> None:
    numbers = [value.item() for value in np.atleast_1d(values)]
    for number in numbers:
        if isinstance(number, float) and math.isnan(number):
            assert interval.nan, f"{what} is NaN"
        else:
            assert interval.low <= number <= interval.high, f"{what} is {number}, not in {interval}"


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("reals", [False, True])
def test_no_value_leaves_its_interval(seed: int, reals: bool) -> None:
    random = Random(seed)
    text = scalar_module(random, reals)
    with context(), ir.Location.unknown():
        module = ir.Module.parse(text)
        block = module.body.operations[0].regions[0].blocks[0]
        body = Body(block)
        intervals = [argument(random, a.type) for a in block.arguments]
        found = body.run(intervals)
        scope = Scope(PROGRAM_OPS)
        reference = scope.block(block)
        slots: list[Any] = [None] * len(scope.numbers)
        with np.errstate(all="ignore"):
            drawn = [samples(random, i, a.type) for i, a in zip(intervals, block.arguments, strict=True)]
            reference.run(slots, drawn)
        for value, slot in body.values.items():
            assert_inside(slots[scope.numbers[value]], found.slots[slot], f"{value}\n{text}")
