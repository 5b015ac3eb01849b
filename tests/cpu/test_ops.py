"""Each op of level `step`, in all its forms, equal to the reference interpreter bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

ALL_FORMS = ('["list"]', '["mask"]', '["list", "mask"]')
SIZES = [(size, ALL_FORMS[k % 3]) for k, size in enumerate((1, 7, 15, 16, 17, 31, 32, 33, 64, 100, 33, 100))]


def population(net: Any, size: int, forms: str, slots: int = 1) -> None:
    """LIF neurons `a` with input `x`, recorded."""
    net.buffer("a.V", "state", f"{size}xf32")
    net.buffer("a.spike", "stream", f"{size}xi1", slots, forms=forms)
    net.buffer("a.emitted", "counter", "i64")
    net.buffer("synaptic_events", "counter", "i64")
    net.buffer("probe.a.V", "probe", f"{size}xf32", of='@"a.V"', record='"value"', every="1", low="0", high=f"{size}")
    net.buffer(
        "probe.a.spike", "probe", f"{size}xi1", of='@"a.spike"', record='"event"', every="1", low="0", high=f"{size}"
    )


def update(size: int, port: str) -> str:
    return (
        f'update program = @LIF, size = {size}, args = [@"{port}", @"a.V", 0.904 : f32], delays = [0, 0, 0], '
        'results = [@"a.V", @"a.spike"]'
    )


RECORDS = ['tally of = @"a.spike", into = @"a.emitted"', 'record into = @"probe.a.V"', 'record into = @"probe.a.spike"']


@pytest.mark.parametrize(("size", "forms"), SIZES)
def test_update_from_a_host_input(net: Any, both: Any, lif: str, size: int, forms: str) -> None:
    n = net(lif)
    n.buffer("input.x", "input", f"{size}xf32")
    population(n, size, forms)
    n.stage = [update(size, "input.x"), *RECORDS]
    run = both(n)
    x = np.random.default_rng(size).random((20, size), np.float32)
    trace = run.advance(20, {"x": x})
    assert trace.emitted["a"] > 0
    run.advance(3, held={"x": x[0]})


@pytest.mark.parametrize(("size", "forms"), SIZES)
def test_recurrence_with_delays_wraps_its_slots(net: Any, both: Any, lif: str, size: int, forms: str) -> None:
    rng = np.random.default_rng(size)
    n = net(lif)
    n.buffer("input.x", "input", f"{size}xf32")
    population(n, size, forms, 4)
    n.buffer("a.I", "temp", f"{size}xf32")
    weights = (rng.random((size, size)) < 0.3) * rng.standard_normal((size, size))
    weights[0, 0] = 0.25
    n.csr("aa", weights.astype(np.float32))
    n.constant("w", rng.standard_normal((size, size)).astype(np.float32), f"{size}x{size}xf32")
    n.constant("o", rng.standard_normal(size).astype(np.float32), f"{size}xf32")
    n.table("dense", "dense", size, size, w="w")
    n.table("one", "one_to_one", size, size, w="o")
    n.table("same", "one_to_one", size, size, weight="-0.125 : f32")
    walk = "event" if "list" in forms else "dense"
    n.stage = [
        f'copy from = @"input.x", delay = 0, low = 0, into = @"a.I", to = 0, size = {size}',
        *(
            f'propagate from = @"a.spike", delay = {delay}, low = 0, table = @{table}, into = @"a.I", mode = "{mode}", '
            "tally = @synaptic_events"
            for delay, table, mode in (
                (1, "aa", walk),
                (2, "dense", walk),
                (3, "one", walk),
                (1, "dense", "dense"),
                (2, "same", "dense"),
            )
        ),
        update(size, "a.I"),
        *RECORDS,
    ]
    run = both(n)
    trace = run.advance(15, {"x": rng.random((15, size), np.float32) * 2})
    assert trace.synaptic_events > 0
    run.advance(4, held={"x": rng.random(size, np.float32)})


@pytest.mark.parametrize(
    ("event", "element", "dtype"),
    [
        ("i1", "f32", bool),
        ("i2", "f32", np.int8),
        ("i8", "i32", np.int8),
        ("i32", "i64", np.int32),
        ("f32", "f32", np.float32),
        ("f64", "f64", np.float64),
        ("i1", "i32", bool),
        ("i16", "f64", np.int16),
    ],
)
@pytest.mark.parametrize(("forms", "mode"), [('["list"]', "event"), ('["list"]', "dense"), (None, "dense")])
def test_events_of_every_type(
    net: Any, both: Any, event: str, element: str, dtype: Any, forms: str | None, mode: str
) -> None:
    pre, post, low = 50, 37, 7
    rng = np.random.default_rng(3)
    n = net()
    n.buffer("input.x", "input", f"{pre}x{event}", **({"forms": forms} if forms else {}))
    n.buffer("acc", "state", f"{post}x{element}")
    n.buffer("synaptic_events", "counter", "i64")
    n.buffer("output.y", "output", f"{post}x{element}")
    number = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64}[element]
    draw = (
        (lambda *s: rng.standard_normal(s).astype(number))
        if element[0] == "f"
        else lambda *s: rng.integers(-9, 9, s).astype(number)
    )
    size = pre - low - 3
    n.constant("w", draw(size, post), f"{size}x{post}x{element}")
    n.table("dense", "dense", size, post, element, w="w")
    n.csr("sparse", draw(size, post), element=element)
    weight = "1.5" if element[0] == "f" else "3"
    n.csr("plain", (rng.random((size, post)) < 0.4).astype(number), 32, f"{weight} : {element}", element)
    n.stage = [
        f'propagate from = @"input.x", delay = 0, low = {low}, table = @{table}, into = @acc, '
        f'mode = "{mode}", tally = @synaptic_events'
        for table in ("dense", "sparse", "plain")
    ] + [f'copy from = @acc, delay = 0, low = 0, into = @"output.y", to = 0, size = {post}']
    run = both(n)
    active = rng.random((12, pre)) < 0.3
    values = (
        rng.standard_normal((12, pre))
        if dtype in (np.float32, np.float64)
        else rng.integers(-2 if event == "i2" else -9, 2 if event == "i2" else 9, (12, pre))
    )
    run.advance(12, {"x": (active if dtype is bool else active * values).astype(dtype)})


def test_silence_keeps_minus_zero(net: Any, both: Any) -> None:
    n = net()
    n.buffer("input.x", "input", "40xf32")
    n.buffer("acc", "state", "40xf32", init="-0.0 : f32")
    n.buffer("synaptic_events", "counter", "i64")
    n.constant("w", np.ones((40, 40), np.float32), "40x40xf32")
    n.table("dense", "dense", 40, 40, w="w")
    n.stage = [
        'propagate from = @"input.x", delay = 0, low = 0, table = @dense, into = @acc, mode = "dense", '
        "tally = @synaptic_events"
    ]
    run = both(n)
    run.advance(2, held={"x": np.zeros(40, np.float32)})
    assert np.signbit(run.cpu.states()["acc"]).all()


@pytest.mark.parametrize("size", [1, 31, 33, 100])
@pytest.mark.parametrize("real", ["f32", "f64"])
def test_draw(net: Any, both: Any, size: int, real: str) -> None:
    n = net()
    n.buffer("u", "state", f"{size}x{real}")
    n.buffer("v", "state", f"{size}x{real}")
    n.buffer("output.y", "output", f"{size}x{real}")
    n.init = ['draw into = @u, path = "a.V", seed = 11, key = 0']
    n.stage = [
        'draw into = @v, path = "noise", seed = 2, key = 1',
        'draw into = @"output.y", path = "other", seed = 0, key = 2',
    ]
    run = both(n)
    run.advance(5)
    run.reset(7, 3)
    run.advance(4)


def test_draw_beyond_32_bits_of_steps(net: Any, both: Any) -> None:
    n = net()
    n.buffer("v", "state", "20xf32")
    n.stage = ['draw into = @v, path = "noise", seed = 2, key = 0']
    run = both(n)
    run.cpu._steps = run.reference._steps = run.steps = (5 << 32) + 3
    run.advance(2)


def test_copies_clocks_fills_and_outputs(net: Any, both: Any) -> None:
    n = net()
    n.buffer("input.x", "input", "5x9xf32")
    n.buffer("s", "stream", "45xf32", 3)
    n.buffer("spikes", "stream", "40xi1", 2, forms='["mask"]')
    n.buffer("input.e", "input", "40xi1", forms='["list"]')
    n.buffer("joined", "state", "60xf32", init="2.5 : f32")
    n.buffer("time", "temp", "i64")
    n.buffer("output.t", "output", "i64")
    n.buffer("output.y", "output", "60xf32")
    n.buffer("output.e", "output", "40xi1")
    n.buffer("e.emitted", "counter", "i64")
    n.stage = [
        'copy from = @"input.x", delay = 0, low = 0, into = @s, to = 0, size = 45',
        "copy from = @s, delay = 2, low = 3, into = @joined, to = 11, size = 37",
        'copy from = @"input.e", delay = 0, low = 1, into = @spikes, to = 2, size = 38',
        'copy from = @spikes, delay = 1, low = 0, into = @"output.e", to = 0, size = 40',
        "clock into = @time",
        'copy from = @time, delay = 0, low = 0, into = @"output.t", to = 0, size = 1',
        'copy from = @joined, delay = 0, low = 0, into = @"output.y", to = 0, size = 60',
        'tally of = @spikes, into = @"e.emitted"',
        "fill into = @joined, value = -1.5 : f32",
    ]
    rng = np.random.default_rng(0)
    run = both(n)
    run.advance(9, {"x": rng.random((9, 5, 9), np.float32), "e": rng.random((9, 40)) < 0.4})


@pytest.mark.parametrize("forms", ['["mask"]', None])
def test_fill_of_events(net: Any, both: Any, forms: str | None) -> None:
    n = net()
    n.buffer("e", "stream", "21xi1", 2, **({"forms": forms} if forms else {}))
    n.buffer("acc", "state", "5xf32")
    n.buffer("e.emitted", "counter", "i64")
    n.buffer("synaptic_events", "counter", "i64")
    n.constant("w", np.arange(105, dtype=np.float32).reshape(21, 5), "21x5xf32")
    n.table("t", "dense", 21, 5, w="w")
    n.stage = [
        "fill into = @e, value = true",
        'tally of = @e, into = @"e.emitted"',
        'propagate from = @e, delay = 0, low = 0, table = @t, into = @acc, mode = "dense", tally = @synaptic_events',
        "fill into = @e, value = false",
        'tally of = @e, into = @"e.emitted"',
        'propagate from = @e, delay = 1, low = 0, table = @t, into = @acc, mode = "dense", tally = @synaptic_events',
    ]
    assert both(n).advance(3).synaptic_events == 3 * 105


MAP = """
func.func private @madd(%a: f32, %b: f32, %sum: f32) -> f32 {
  %0 = arith.mulf %a, %b : f32
  %1 = arith.addf %sum, %0 : f32
  return %1 : f32
}
func.func private @count(%a: i1, %n: i32) -> i32 {
  %0 = arith.extui %a : i1 to i32
  %1 = arith.addi %n, %0 : i32
  return %1 : i32
}
func.func private @largest(%a: f32, %at: i64, %best: f32, %where: i64) -> (f32, i64) {
  %0 = arith.cmpf ogt, %a, %best : f32
  %1 = arith.select %0, %a, %best : f32
  %2 = arith.select %0, %at, %where : i64
  return %1, %2 : f32, i64
}
"""


def test_maps(net: Any, both: Any) -> None:
    n = net(MAP)
    n.buffer("input.x", "input", "6x20xf32")
    n.buffer("input.e", "input", "6x20xi1", forms='["list"]')
    n.constant("k", np.random.default_rng(1).standard_normal((20, 9)).astype(np.float32), "20x9xf32")
    n.constant("at", np.arange(20), "20xi64")
    n.buffer("product", "temp", "6x9xf32")
    n.buffer("counts", "state", "6xi32")
    n.buffer("best", "temp", "6xf32")
    n.buffer("where", "temp", "6xi64")
    n.buffer("output.p", "output", "6x9xf32")
    n.buffer("output.w", "output", "6xi64")
    two, three = "affine_map<(i, k) -> (i, k)>", "(i, j, k)"
    first = "affine_map<(i, k) -> (i)>"
    n.stage = [
        "fill into = @product, value = 0.0 : f32",
        "fill into = @best, value = 0xFF800000 : f32",
        "fill into = @where, value = 0 : i64",
        'map program = @madd, extents = [6, 9, 20], iterators = ["parallel", "parallel", "reduction"], '
        f'args = [@"input.x", @k], delays = [0, 0], '
        f"maps = [affine_map<{three} -> (i, k)>, affine_map<{three} -> (k, j)>], "
        f"results = [@product], result_maps = [affine_map<{three} -> (i, j)>]",
        'map program = @count, extents = [6, 10], iterators = ["parallel", "reduction"], args = [@"input.e"], '
        "delays = [0], "
        f"maps = [affine_map<(i, k) -> (i, k * 2 + 1)>], results = [@counts], result_maps = [{first}]",
        'map program = @largest, extents = [6, 20], iterators = ["parallel", "reduction"], args = [@"input.x", @at], '
        f"delays = [0, 0], maps = [{two}, affine_map<(i, k) -> (k)>], results = [@best, @where], "
        f"result_maps = [{first}, {first}]",
        'copy from = @product, delay = 0, low = 0, into = @"output.p", to = 0, size = 54',
        'copy from = @where, delay = 0, low = 0, into = @"output.w", to = 0, size = 6',
    ]
    rng = np.random.default_rng(0)
    run = both(n)
    run.advance(4, {"x": rng.standard_normal((4, 6, 20)).astype(np.float32), "e": rng.random((4, 6, 20)) < 0.5})


def test_states_start_from_numbers_and_constants(net: Any, both: Any) -> None:
    rng = np.random.default_rng(0)
    n = net()
    n.constant("V0", rng.random(40, np.float32), "40xf32")
    n.buffer("V", "state", "40xf32", init="@V0")
    n.buffer("k", "state", "40xi64", init="-7000000000 : i64")
    n.buffer("e", "stream", "40xi1", 2, init="true", forms='["list"]')
    n.buffer("label", "temp", "40xi64")
    n.buffer("output.V", "result", "40xf32")
    n.buffer("output.k", "result", "40xi64")
    n.buffer("output.steps", "result", "i64")
    n.buffer("e.emitted", "counter", "i64")
    n.stage = ['tally of = @e, into = @"e.emitted"']
    n.finish = [
        'copy from = @V, delay = 0, low = 0, into = @"output.V", to = 0, size = 40',
        'copy from = @k, delay = 0, low = 0, into = @"output.k", to = 0, size = 40',
        'clock into = @"output.steps"',
    ]
    run = both(n)
    assert run.finish()["k"][0] == -7000000000
    run.advance(3)
    assert run.finish()["steps"] == 3
