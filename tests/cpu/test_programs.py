"""Neuron programs: every scalar op on vectors and on single elements, equal to the reference interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

SIZE = 75  # two blocks of 32 and a rest
REALS = {"f32": np.float32, "f64": np.float64}


def reals(dtype: Any) -> np.ndarray[Any, Any]:
    """Ordinary, extreme and special numbers; subnormals too."""
    rng = np.random.default_rng(5)
    tiny = float(np.finfo(dtype).tiny)
    special = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, np.inf, -np.inf, np.nan, tiny, -tiny, tiny / 4, -tiny / 4, 1e5, -3e9, 1e19, -1e19, 90.0, -104.0]
    with np.errstate(over="ignore"):
        return np.concatenate([special, rng.standard_normal(SIZE - len(special)) * 3]).astype(dtype)


def integers(dtype: Any) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(6)
    info = np.iinfo(dtype)
    special = [0, 1, -1, 2, -2, info.min, info.max, info.min + 1, 7, -7, 31, 33]
    return np.concatenate([special, rng.integers(-60, 60, SIZE - len(special))]).astype(dtype)


def check(net: Any, both: Any, op: str, arguments: list[tuple[str, np.ndarray[Any, Any]]], result: str, steps: int = 1) -> None:
    """Runs one op over padded buffers, and over the host's arrays element by element at the end."""
    n = net()
    names = [f"%a{i}" for i in range(len(arguments))]
    listed = ", ".join(f"{name}: {type} {{snn.port = \"{name[1:]}\"}}" for name, (type, _) in zip(names, arguments, strict=True))
    n.programs = f"func.func private @P({listed}) -> ({result} {{snn.out}}) {{\n  {op.format(*names)}\n  return %r : {result}\n}}"
    for i, (type, _) in enumerate(arguments):
        n.buffer(f"input.x{i}", "input", f"{SIZE}x{type}")
        n.buffer(f"s{i}", "temp", f"{SIZE}x{type}")
        n.stage.append(f'copy from = @"input.x{i}", delay = 0, low = 0, into = @s{i}, to = 0, size = {SIZE}')
    n.buffer("r", "state", f"{SIZE}x{result}")
    n.buffer("output.r", "output", f"{SIZE}x{result}")
    delays = ", ".join("0" for _ in arguments)
    for prefix, into in (("s", "r"), ("input.x", "output.r")):
        given = ", ".join(f'@"{prefix}{i}"' for i in range(len(arguments)))
        n.stage.append(f'update program = @P, size = {SIZE}, args = [{given}], delays = [{delays}], results = [@"{into}"]')
    rows = [np.stack([np.roll(values, shift) for shift in range(steps)]) if i == 0 else np.stack([values] * steps)
            for i, (_, values) in enumerate(arguments)]
    both(n).advance(steps, {f"x{i}": row for i, row in enumerate(rows)})


@pytest.mark.parametrize("type", REALS)
@pytest.mark.parametrize("op", ["addf", "subf", "mulf", "divf", "maximumf", "minimumf"])
def test_real_arithmetic(net: Any, both: Any, op: str, type: str) -> None:
    values = reals(REALS[type])
    check(net, both, f"%r = arith.{op} {{0}}, {{1}} : {type}", [(type, values), (type, values)], type, SIZE)


@pytest.mark.parametrize("type", REALS)
@pytest.mark.parametrize("predicate", ["oeq", "ogt", "oge", "olt", "ole", "one", "une"])
def test_comparison_of_reals(net: Any, both: Any, predicate: str, type: str) -> None:
    values = reals(REALS[type])
    check(net, both, f"%r = arith.cmpf {predicate}, {{0}}, {{1}} : {type}", [(type, values), (type, values)], "i1", SIZE)


@pytest.mark.parametrize("type", REALS)
@pytest.mark.parametrize(
    "op",
    ["arith.negf"] + [f"math.{f}" for f in "exp expm1 log sqrt tanh sin cos floor ceil trunc roundeven absf".split()],
)
def test_functions(net: Any, both: Any, op: str, type: str) -> None:
    check(net, both, f"%r = {op} {{0}} : {type}", [(type, reals(REALS[type]))], type)


@pytest.mark.parametrize("type", ["i8", "i64"])
@pytest.mark.parametrize(
    "op", "addi subi muli floordivsi remsi maxsi minsi andi ori xori".split()
)
def test_integer_arithmetic(net: Any, both: Any, op: str, type: str) -> None:
    values = integers(f"int{type[1:]}")
    check(net, both, f"%r = arith.{op} {{0}}, {{1}} : {type}", [(type, values), (type, values)], type, SIZE)


@pytest.mark.parametrize("type", ["i16", "i32"])
@pytest.mark.parametrize("op", ["shli", "shrsi"])
def test_shifts(net: Any, both: Any, op: str, type: str) -> None:
    values, amounts = integers(f"int{type[1:]}"), np.arange(SIZE).astype(f"int{type[1:]}") % int(type[1:])
    check(net, both, f"%r = arith.{op} {{0}}, {{1}} : {type}", [(type, values), (type, amounts)], type, SIZE)


@pytest.mark.parametrize("predicate", ["eq", "ne", "slt", "sle", "sgt", "sge"])
def test_comparison_of_integers(net: Any, both: Any, predicate: str) -> None:
    values = integers(np.int32)
    check(net, both, f"%r = arith.cmpi {predicate}, {{0}}, {{1}} : i32", [("i32", values), ("i32", values)], "i1", SIZE)


@pytest.mark.parametrize(
    ("op", "source", "result"),
    [("extui", "i1", "i32"), ("extsi", "i2", "i16"), ("extsi", "i32", "i64"), ("trunci", "i64", "i8"), ("uitofp", "i1", "f32"),
     ("sitofp", "i64", "f32"), ("sitofp", "i8", "f64"), ("sitofp", "i2", "f32"), ("fptosi", "f32", "i32"), ("fptosi", "f64", "i64"),
     ("fptosi", "f32", "i64"), ("fptosi", "f32", "i8"), ("fptosi", "f64", "i32")],
)
def test_conversions(net: Any, both: Any, op: str, source: str, result: str) -> None:
    if source in REALS:
        values: Any = reals(REALS[source])
    elif source in ("i1", "i2"):
        values = np.resize([True, False, True], SIZE) if source == "i1" else np.resize([0, 1, -1, -2], SIZE).astype(np.int8)
    else:
        values = integers(f"int{source[1:]}")
    check(net, both, f"%r = arith.{op} {{0}} : {source} to {result}", [(source, values)], result)


def test_absolute_integers(net: Any, both: Any) -> None:
    check(net, both, "%r = math.absi {0} : i32", [("i32", integers(np.int32))], "i32")


MIXED = """
func.func private @P(%V: f32 {snn.state = "V"}, %k: i64 {snn.state = "k"}, %h: i8 {snn.state = "h"}, %n: i64 {snn.index},
    %g: f32 {snn.param = "g"}, %w: f32 {snn.param = "w"}, %on: i1 {snn.param = "on"})
    -> (f32 {snn.state = "V"}, i64 {snn.state = "k"}, i8 {snn.state = "h"}, EVENT {snn.event}) {
  %c = arith.constant 3 : i64
  %one = arith.constant 1 : i8
  %f = arith.sitofp %n : i64 to f32
  %0 = arith.mulf %f, %g : f32
  %1 = arith.addf %V, %0 : f32
  %2 = arith.mulf %1, %w : f32
  %k1 = arith.addi %k, %n : i64
  %k2 = arith.muli %k1, %c : i64
  %h1 = arith.addi %h, %one : i8
  %low = arith.trunci %h1 : i8 to i2
  %z = arith.constant 0.0 : f32
  %s0 = arith.cmpf ogt, %2, %z : f32
  %s = arith.andi %s0, %on : i1
  %e = VALUE
  return %2, %k2, %h1, %e : f32, i64, i8, EVENT
}
"""


@pytest.mark.parametrize(
    ("event", "value"),
    [("i1", "arith.ori %s, %s : i1"), ("i2", "arith.trunci %h1 : i8 to i2"), ("i32", "arith.trunci %k2 : i64 to i32"),
     ("f32", "arith.select %s, %2, %z : f32")],
)
@pytest.mark.parametrize("forms", ['["list"]', '["mask"]', '["list", "mask"]'])
def test_states_index_shared_and_array_arguments(net: Any, both: Any, event: str, value: str, forms: str) -> None:
    n = net(MIXED.replace("EVENT", event).replace("VALUE", value))
    rng = np.random.default_rng(2)
    n.buffer("V", "state", f"{SIZE}xf32", init="0.5 : f32")
    n.buffer("k", "state", f"{SIZE}xi64")
    n.buffer("h", "state", f"{SIZE}xi8")
    n.constant("w", rng.standard_normal(SIZE).astype(np.float32), f"{SIZE}xf32")
    n.constant("g", np.array([0.125], np.float32), "1xf32")
    n.buffer("e", "stream", f"{SIZE}x{event}", 3, forms=forms)
    n.buffer("P.emitted", "counter", "i64")
    n.buffer("synaptic_events", "counter", "i64")
    n.buffer("acc", "state", "9xf32")
    n.buffer("probe.P.spike", "probe", f"40x{event}", of="@e", record='"event"', every="1", low="11", high="51")
    n.buffer("probe.P.k", "probe", "7x5xi64", of="@k", record='"value"', every="3", low="2", high="37")
    n.csr("t", (rng.random((SIZE, 9)) < 0.5) * rng.standard_normal((SIZE, 9)).astype(np.float32))
    n.stage = [
        'propagate from = @e, delay = 2, low = 0, table = @t, into = @acc, mode = "event", tally = @synaptic_events',
        f"update program = @P, size = {SIZE}, args = [@V, @k, @h, unit, @g, @w, true], delays = [0, 0, 0, 0, 0, 0, 0], "
        "results = [@V, @k, @h, @e]",
        'tally of = @e, into = @"P.emitted"',
        'record into = @"probe.P.spike"',
        'record into = @"probe.P.k"',
    ]
    run = both(n)
    for steps in (1, 4, 2, 9):
        run.advance(steps)


@pytest.mark.parametrize("decay", ["f32", "f64"])
def test_a_decaying_state_ends_at_zero(net: Any, both: Any, decay: str) -> None:
    n = net(
        f'func.func private @D(%V: {decay} {{snn.state = "V"}}) -> ({decay} {{snn.state = "V"}}) {{\n'
        f"  %c = arith.constant 0.5 : {decay}\n  %r = arith.mulf %c, %V : {decay}\n  return %r : {decay}\n}}"
    )
    n.buffer("V", "state", f"37x{decay}", init=f"1.0e-30 : {decay}")
    n.stage = ["update program = @D, size = 37, args = [@V], delays = [0], results = [@V]"]
    run = both(n)
    run.advance(20 if decay == "f32" else 1000)
    run.advance(20)
    assert not run.cpu.states()["V"].any()
    # Outside of the compiled code subnormals are what they were.
    assert np.float32(1e-38) * np.float32(0.5) > 0
