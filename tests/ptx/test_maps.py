"""Maps whose loops come to a part of the result, or to its elements in another order: the interpreter's bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

MOVES = """
func.func private @f32(%a: f32, %old: f32) -> f32 {
  %0 = arith.addf %a, %old : f32
  return %0 : f32
}
func.func private @i1(%a: i1, %old: i1) -> i1 {
  %0 = arith.xori %a, %old : i1
  return %0 : i1
}
"""
PARTS = {
    "the first columns": ("(i, j)", "(i, j)"),
    "columns from the second on": ("(i, j)", "(i, j + 1)"),
    "the last rows": ("(i, j)", "(i + 3, j)"),
    "rows as columns": ("(i, j)", "(j, i)"),
    "one row": ("(j, i)", "(4, j)"),
    "every other column": ("(i, j)", "(i, j * 2)"),
}


@pytest.mark.parametrize("type", ["f32", "i1"])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_result(net: Any, both: Any, type: str, part: str) -> None:
    read, written = PARTS[part]
    extents = (1, 4) if part == "one row" else (4, 3)
    n = net(MOVES)
    n.buffer("input.x", "input", f"4x4x{type}")
    n.buffer("kept", "state", f"7x7x{type}")
    n.buffer("output.y", "output", f"7x7x{type}")
    n.stage = [
        f"map program = @{type}, extents = [{extents[0]}, {extents[1]}], "
        'iterators = ["parallel", "parallel"], args = [@"input.x"], delays = [0], '
        f"maps = [affine_map<(i, j) -> {read}>], results = [@kept], result_maps = [affine_map<(i, j) -> {written}>]",
        'copy from = @kept, delay = 0, low = 0, into = @"output.y", to = 0, size = 49',
    ]
    x = np.random.default_rng(0).random((5, 4, 4), np.float32)
    y = both(n).advance(5, {"x": x < 0.5 if type == "i1" else x}).outputs["y"]
    assert 0 < np.count_nonzero(y[-1]) <= extents[0] * extents[1]
