"""Sums of comparisons with ascending numbers, as Poisson counts are: the interpreter's, for any value and many numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

SIZE = 83


def counting(levels: list[float], predicates: str = "oge", integer: str = "i32") -> str:
    lines = []
    for i, level in enumerate(levels):
        lines += [
            f"  %l{i} = arith.constant {level!r} : f32",
            f"  %c{i} = arith.cmpf {predicates}, %x, %l{i} : f32",
            f"  %f{i} = arith.extui %c{i} : i1 to {integer}",
            f"  %n{i} = arith.addi %n{i - 1}, %f{i} : {integer}" if i else "",
        ]
    last = f"%n{len(levels) - 1}".replace("%n0", "%f0")
    text = "\n".join(lines).replace("%n0,", "%f0,")
    return f"func.func private @Count(%x: f32) -> {integer} {{\n{text}\n  return {last} : {integer}\n}}"


@pytest.mark.parametrize(
    ("count", "predicate", "integer"),
    [
        (5, "oge", "i32"),
        (15, "oge", "i32"),
        (16, "oge", "i64"),
        (31, "oge", "i16"),
        (32, "oge", "i32"),
        (9, "ogt", "i32"),
    ],
)
@pytest.mark.parametrize("ascending", [True, False])
def test_levels_that_are_reached(
    net: Any, both: Any, count: int, predicate: str, integer: str, ascending: bool
) -> None:
    rng = np.random.default_rng(count)
    levels = rng.standard_normal(count).astype(np.float32)
    levels[1] = levels[0]
    if ascending:
        levels.sort()
    n = net(counting([float(level) for level in levels], predicate, integer))
    n.buffer("input.x", "input", f"{SIZE}xf32")
    n.buffer("output.y", "output", f"{SIZE}x{integer}")
    n.stage = [
        f'update program = @Count, size = {SIZE}, args = [@"input.x"], delays = [0], results = [@"output.y"]',
    ]
    x = rng.standard_normal((4, SIZE)).astype(np.float32)
    x[0, :count], x[1, :4] = levels, [np.nan, np.inf, -np.inf, 0]
    x[2, :count] = np.nextafter(levels, -np.inf)
    y = both(n).advance(4, {"x": x}).outputs["y"]
    reached = x[..., None] >= levels if predicate == "oge" else x[..., None] > levels
    assert (y == reached.sum(-1)).all()
