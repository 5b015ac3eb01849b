"""Tables of the formats `bitmap` and `block`: the interpreter's bits and counts, for all kinds of events and sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spikec.dialects.diagnostics import InternalError
from spikec.lower.connect import Rows
from spikec.lower.snn_to_step import formats

from .conftest import TYPES

PRE = 37


def rows_of(present: np.ndarray[Any, Any]) -> Rows:
    row = np.concatenate([[0], np.cumsum(present.sum(1))]).astype(np.int32)
    return Rows(row, np.nonzero(present)[1].astype(np.uint16))


def declare(n: Any, name: str, stored: formats.Stored, weights: np.ndarray[Any, Any], post: int, element: str) -> None:
    named = {}
    for key, array in {**stored.arrays, "w": weights}.items():
        type = element if key == "w" else f"i{array.itemsize * 8}"
        n.constant(f"{name}.{key}", array, f"{len(array)}x{type}")
        named[key] = f'"{name}.{key}"'
    extra = {"index": stored.index, "block": stored.block}
    named |= {key: f"{value} : i64" for key, value in extra.items() if value is not None}
    n.table(name, stored.format, PRE, post, element, **named)


@pytest.mark.parametrize(
    ("event", "weight", "sum", "post"),
    [
        ("i1", "f32", "f32", 40),
        ("i1", "f32", "f32", 16),
        ("i1", "f32", "f32", 200),
        ("i1", "f32", "f32", 304),
        ("f32", "f32", "f32", 72),
        ("i2", "f32", "f32", 24),
        ("i1", "f64", "f64", 40),
        ("f64", "f64", "f64", 40),
        ("i1", "i8", "i32", 72),
        ("i32", "i16", "i32", 40),
        ("i1", "i8", "i16", 40),
        ("i2", "i32", "i64", 56),
    ],
)
@pytest.mark.parametrize("density", [0.1, 0.6, 1.0])
def test_the_same_as_the_interpreter(
    net: Any, both: Any, event: str, weight: str, sum: str, post: int, density: float
) -> None:
    rng = np.random.default_rng(post)
    n = net()
    n.buffer("input.x", "input", f"{PRE}x{event}")
    real = sum[0] == "f"
    n.buffer("acc", "state", f"{post}x{sum}", **({"init": f"-0.0 : {sum}"} if real else {}))
    n.buffer("synaptic_events", "counter", "i64")
    n.buffer("output.y", "output", f"{post}x{sum}")
    scattered = rng.random((PRE, post)) < density
    scattered[:, 3] = False
    whole = np.repeat(rng.random((PRE, post // 8)) < density, 8, axis=1)
    near = scattered & (np.arange(post) < post // 2)
    made = {
        "scattered": formats.bitmap(rows_of(scattered), post),
        "near": formats.bitmap(rows_of(near), post),
        "whole": formats.blocks(rows_of(whole), post),
    }
    for (name, stored), present in zip(made.items(), (scattered, near, whole), strict=True):
        assert stored is not None
        count = int(present.sum())
        values = rng.standard_normal(count) if real else rng.integers(-9, 9, count)
        declare(n, name, stored, values.astype(TYPES[weight]), post, weight)
    stored = made["scattered"]
    assert stored is not None
    alike = {key: f'"scattered.{key}"' for key in stored.arrays}
    n.table("alike", "bitmap", PRE, post, weight, weight=f"{-0.75 if real else 3} : {weight}", **alike)
    n.stage = [
        f'propagate from = @"input.x", delay = 0, low = 0, table = @{table}, into = @acc, mode = "dense", '
        "tally = @synaptic_events"
        for table in [*made, "alike"]
    ] + [f'copy from = @acc, delay = 0, low = 0, into = @"output.y", to = 0, size = {post}']
    run = both(n)
    active = rng.random((12, PRE)) < 0.3
    values = rng.standard_normal((12, PRE)) if event[0] == "f" else rng.integers(-2, 2, (12, PRE))
    x = active if event == "i1" else active * values
    trace = run.advance(12, {"x": x.astype(TYPES[event])})
    assert trace.synaptic_events == int((x != 0).sum(0) @ (2 * scattered.sum(1) + near.sum(1) + whole.sum(1)))


def test_the_cheapest_format_that_fits() -> None:
    def chosen(present: np.ndarray[Any, Any]) -> tuple[str, int | None]:
        stored = formats.chosen(rows_of(present), present.shape[1], 4)
        return stored.format, stored.block

    rng = np.random.default_rng(0)
    assert chosen(rng.random((PRE, 256)) < 0.02) == ("csr", None)
    assert chosen(rng.random((PRE, 256)) < 0.5) == ("bitmap", None)
    blocks = np.repeat(rng.random((PRE, 8)) < 0.3, 32, axis=1)
    assert chosen(blocks) == ("block", 32)
    assert chosen(blocks[:, :252]) == ("bitmap", None)
    assert chosen(np.zeros((PRE, 256), bool)) == ("bitmap", None)


def test_a_bitmap_ends_at_the_last_target() -> None:
    present = np.zeros((PRE, 256), bool)
    present[:, :60:9] = True
    stored = formats.chosen(rows_of(present), 256, 4)
    assert stored.format == "bitmap" and len(stored.arrays["bits"]) == 4 * PRE


def test_a_pair_with_several_synapses_is_in_no_bitmap() -> None:
    rows = Rows(np.array([0, 3], np.int32), np.array([1, 1, 2], np.uint16))
    assert formats.bitmap(rows, 3) is None
    assert formats.chosen(rows, 3, 4).format == "csr"


@pytest.mark.parametrize(
    ("format", "arrays", "extra", "message"),
    [
        ("bitmap", {"row": 3, "bits": 3, "w": 4}, "", "each of 2 sources needs 1 to 2 words of i16"),
        ("bitmap", {"row": 3, "bits": 6, "w": 4}, "", "each of 2 sources needs 1 to 2 words of i16"),
        ("bitmap", {"row": 2, "bits": 4, "w": 4}, "", "for 2 sources in 1 parts"),
        ("block", {"row": 3, "col": 1}, ", index = 16, weight = 1.0 : f32", "a block table has an array of weights"),
        ("block", {"row": 3, "col": 1, "w": 8}, ", index = 16", "a block table with blocks of None"),
        ("block", {"row": 3, "col": 1, "w": 7}, ", index = 16, block = 7", "do not divide 24"),
        ("block", {"row": 3, "col": 2, "w": 8}, ", index = 16, block = 8", "where 16 elements of f32 are needed"),
        ("csr", {"row": 3, "col": 2, "w": 2}, ", index = 16, block = 8", "a csr table with blocks of 8"),
    ],
)
def test_tables_that_do_not_fit_together(
    net: Any, format: str, arrays: dict[str, int], extra: str, message: str
) -> None:
    n = net()
    types = {"row": ("i32", np.int32), "col": ("i16", np.int16), "bits": ("i16", np.int16), "w": ("f32", np.float32)}
    for name, count in arrays.items():
        n.constant(name, np.zeros(count, types[name][1]), f"{count}x{types[name][0]}")
    named = ", ".join(f"{name} = @{name}" for name in arrays)
    n.declarations.append(
        f'"step.table"() {{sym_name = "t", format = "{format}", pre = 2, post = 24, arrays = {{{named}}}, '
        f"element = f32{extra}}} : () -> ()"
    )
    with pytest.raises(InternalError, match=message):
        n.program()
