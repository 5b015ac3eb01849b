"""Bitmaps whose synapses have one weight: the interpreter's bits, however many rows arrive and wherever sums begin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spikec.lower.connect import Rows
from spikec.lower.snn_to_step import formats

from .conftest import TYPES

STEPS = 8


def bitmap(n: Any, name: str, present: np.ndarray[Any, Any], weight: float, element: str) -> None:
    row = np.concatenate([[0], np.cumsum(present.sum(1))]).astype(np.int32)
    stored = formats.bitmap(Rows(row, np.nonzero(present)[1].astype(np.uint16)), present.shape[1])
    assert stored is not None
    for key, array in stored.arrays.items():
        n.constant(f"{name}.{key}", array, f"{len(array)}xi{array.itemsize * 8}")
    arrays = {key: f'"{name}.{key}"' for key in stored.arrays}
    n.table(name, "bitmap", *present.shape, element, weight=f"{weight} : {element}", **arrays)


@pytest.mark.parametrize(
    ("element", "pre", "post", "begin", "listed"),
    [
        *(("f32", 40, 500, begin, True) for begin in ("0", "1.5", "no fill")),
        ("f32", 40, 500, "1.5", False),
        ("f32", 3, 80, "0", True),
        ("f32", 300, 1100, "0", True),
        ("f32", 300, 1100, "no fill", True),
        ("f32", 600, 72, "1.5", True),
        ("f32", 40, 2000, "0", True),
        ("f64", 300, 600, "1.5", True),
        ("f64", 40, 40, "no fill", True),
        ("i16", 40, 700, "1.5", True),
        ("i32", 300, 130, "no fill", True),
        ("i32", 300, 130, "0", False),
    ],
)
def test_sums_of_two_bitmaps(net: Any, both: Any, element: str, pre: int, post: int, begin: str, listed: bool) -> None:
    """From step to step a few rows arrive, many, all, and none."""
    rng = np.random.default_rng(post)
    real = element[0] == "f"
    n = net()
    sums = f"{post}x{element}"
    forms = {"forms": '["list"]'} if listed else {}
    n.buffer("input.x", "input", f"{pre}xi1", **forms)
    n.buffer("input.y", "input", f"{pre}xi1", **forms)
    n.buffer("acc", "state", sums, init=f"{'-0.0' if real else 0} : {element}")
    n.buffer("synaptic_events", "counter", "i64")
    n.buffer("output.y", "output", sums)
    present = {name: rng.random((pre, post)) < density for name, density in (("up", 0.2), ("down", 0.7))}
    present["up"][:, -1] = present["down"][:, -1] = True
    for name, weight in (("up", 0.1 if real else 3), ("down", -0.37 if real else -5)):
        bitmap(n, name, present[name], weight, element)
    if begin != "no fill":
        value = float(begin) if real else int(float(begin))
        n.stage = [f"fill into = @acc, value = {value} : {element}"]
    n.stage += [
        f'propagate from = @"input.{source}", delay = 0, low = 0, table = @{table}, into = @acc, mode = "dense", '
        "tally = @synaptic_events"
        for source, table in (("x", "up"), ("y", "down"))
    ]
    n.stage.append(f'copy from = @acc, delay = 0, low = 0, into = @"output.y", to = 0, size = {post}')
    share = np.array([0.02, 0.3, 1, 0, 0.9, 0.1, 0.05, 0.6])[:, None]
    x, y = rng.random((STEPS, pre)) < share, rng.random((STEPS, pre)) < share[::-1]
    trace = both(n).advance(STEPS, {"x": x.astype(TYPES["i1"]), "y": y.astype(TYPES["i1"])})
    assert trace.synaptic_events == int(x.sum(0) @ present["up"].sum(1) + y.sum(0) @ present["down"].sum(1))
