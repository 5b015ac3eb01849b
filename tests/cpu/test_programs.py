"""Neuron programs: every scalar op on vectors and on single elements, equal to the reference interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIZE = 75  # two blocks of 32 and a rest
REALS = {"f32": np.float32, "f64": np.float64}


def reals(dtype: Any) -> np.ndarray[Any, Any]:
    """Ordinary, extreme and special numbers; subnormals too."""
    rng = np.random.default_rng(5)
    tiny = float(np.finfo(dtype).tiny)
    special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        1.5,
        2.5,
        -2.5,
        np.inf,
        -np.inf,
        np.nan,
        tiny,
        -tiny,
        tiny / 4,
        -tiny / 4,
        1e5,
        -3e9,
        1e19,
        -1e19,
        90.0,
        -104.0,
    ]
    with np.errstate(over="ignore"):
        return np.concatenate([special, rng.standard_normal(SIZE - len(special)) * 3]).astype(dtype)


def integers(dtype: Any) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(6)
    info = np.iinfo(dtype)
    special = [0, 1, -1, 2, -2, info.min, info.max, info.min + 1, 7, -7, 31, 33]
    return np.concatenate([special, rng.integers(-60, 60, SIZE - len(special))]).astype(dtype)


def check(net: Any, both: Any, ops: list[tuple[str, list[tuple[str, Any]], str]]) -> None:
    """Runs ops `(text, arguments, result type)` over all shifts of their first argument against the second.

    Each runs over padded buffers, and element by element over the host's arrays.
    """
    n, programs, given, steps = net(), [], {}, 1
    for k, (op, arguments, result) in enumerate(ops):
        listed = ", ".join(f'%a{i}: {type} {{snn.port = "a{i}"}}' for i, (type, _) in enumerate(arguments))
        text = op.format(*(f"%a{i}" for i in range(len(arguments))))
        programs.append(
            f"func.func private @P{k}({listed}) -> ({result} {{snn.out}}) {{\n  %r = {text}\n  return %r : {result}\n}}"
        )
        for i, (type, values) in enumerate(arguments):
            name = f"{type}.{i}" if len(arguments) == 2 else f"{type}.only"
            if name not in given:
                n.buffer(f"input.{name}", "input", f"{SIZE}x{type}")
                n.buffer(f"copy.{name}", "temp", f"{SIZE}x{type}")
                n.stage.insert(
                    0, f'copy from = @"input.{name}", delay = 0, low = 0, into = @"copy.{name}", to = 0, size = {SIZE}'
                )
                given[name] = values
        names = [f"{type}.{i}" if len(arguments) == 2 else f"{type}.only" for i, (type, _) in enumerate(arguments)]
        steps = SIZE if len(arguments) == 2 else steps
        n.buffer(f"r{k}", "state", f"{SIZE}x{result}")
        n.buffer(f"output.r{k}", "output", f"{SIZE}x{result}")
        delays = ", ".join("0" for _ in arguments)
        for prefix, into in (("copy", f"r{k}"), ("input", f"output.r{k}")):
            used = ", ".join(f'@"{prefix}.{name}"' for name in names)
            n.stage.append(
                f'update program = @P{k}, size = {SIZE}, args = [{used}], delays = [{delays}], results = [@"{into}"]'
            )
    n.programs = "\n".join(programs)
    rows = {
        name: np.stack([np.roll(values, shift if name.endswith(".0") else 0) for shift in range(steps)])
        for name, values in given.items()
    }
    both(n).advance(steps, rows)


@pytest.mark.parametrize("type", REALS)
def test_real_arithmetic(net: Any, both: Any, type: str) -> None:
    pair = [(type, reals(REALS[type]))] * 2
    names = ["addf", "subf", "mulf", "divf", "maximumf", "minimumf"]
    check(net, both, [(f"arith.{op} {{0}}, {{1}} : {type}", pair, type) for op in names])


@pytest.mark.parametrize("type", REALS)
def test_comparison_of_reals(net: Any, both: Any, type: str) -> None:
    pair = [(type, reals(REALS[type]))] * 2
    names = ["oeq", "ogt", "oge", "olt", "ole", "one", "une"]
    check(net, both, [(f"arith.cmpf {name}, {{0}}, {{1}} : {type}", pair, "i1") for name in names])


@pytest.mark.parametrize("type", REALS)
def test_functions(net: Any, both: Any, type: str) -> None:
    one = [(type, reals(REALS[type]))]
    names = [
        "arith.negf",
        *(
            f"math.{f}"
            for f in [
                "exp",
                "expm1",
                "log",
                "sqrt",
                "tanh",
                "sin",
                "cos",
                "floor",
                "ceil",
                "trunc",
                "roundeven",
                "absf",
            ]
        ),
    ]
    check(net, both, [(f"{name} {{0}} : {type}", one, type) for name in names])


@pytest.mark.parametrize("type", ["i8", "i16", "i32", "i64"])
def test_integers(net: Any, both: Any, type: str) -> None:
    values = integers(f"int{type[1:]}")
    names = ["addi", "subi", "muli", "floordivsi", "remsi", "maxsi", "minsi", "andi", "ori", "xori"]
    ops = [(f"arith.{op} {{0}}, {{1}} : {type}", [(type, values)] * 2, type) for op in names]
    compared = [
        (f"arith.cmpi {p}, {{0}}, {{1}} : {type}", [(type, values)] * 2, "i1")
        for p in ["eq", "ne", "slt", "sle", "sgt", "sge"]
    ]
    check(net, both, ops + compared)


@pytest.mark.parametrize("type", ["i16", "i32", "i64"])
def test_shifts_and_absolute_values(net: Any, both: Any, type: str) -> None:
    dtype = f"int{type[1:]}"
    values, amounts = integers(dtype), (np.arange(SIZE) % int(type[1:])).astype(dtype)
    shifts = [
        (f"arith.{op} {{0}}, {{1}} : {type}", [(type, values), (type, amounts)], type) for op in ("shli", "shrsi")
    ]
    check(net, both, [*shifts, (f"math.absi {{0}} : {type}", [(type, values)], type)])


CONVERSIONS = (
    "extui i1 i32,extsi i2 i16,extsi i32 i64,trunci i64 i8,uitofp i1 f32,sitofp i64 f32,sitofp i8 f64,sitofp i2 f32,"
    "fptosi f32 i32,fptosi f64 i64,fptosi f32 i64,fptosi f32 i8,fptosi f64 i32"
)


def test_conversions(net: Any, both: Any) -> None:
    values: dict[str, Any] = {name: reals(dtype) for name, dtype in REALS.items()}
    values |= {f"i{bits}": integers(f"int{bits}") for bits in (8, 16, 32, 64)}
    values["i1"] = np.resize([True, False, True], SIZE)
    values["i2"] = np.resize([0, 1, -1, -2], SIZE).astype(np.int8)
    split = [text.split() for text in CONVERSIONS.split(",")]
    check(net, both, [(f"arith.{op} {{0}} : {a} to {b}", [(a, values[a])], b) for op, a, b in split])


MIXED = """
func.func private @P(%V: f32 {snn.state = "V"}, %k: i64 {snn.state = "k"}, %h: i8 {snn.state = "h"},
    %n: i64 {snn.index},
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
    [
        ("i1", "arith.ori %s, %s : i1"),
        ("i2", "arith.trunci %h1 : i8 to i2"),
        ("i32", "arith.trunci %k2 : i64 to i32"),
        ("f32", "arith.select %s, %2, %z : f32"),
    ],
)
@pytest.mark.parametrize("forms", ['["list"]', '["mask"]'])
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
        "propagate from = @e, delay = 2, low = 0, table = @t, into = @acc, "
        f'mode = "{"event" if "list" in forms else "dense"}", tally = @synaptic_events',
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


def test_samples_of_a_batch_on_several_threads_give_the_same(tmp_path: Path) -> None:
    import spikec

    model = tmp_path / "net.snn"
    model.write_text(
        "model M { step 1 ms\n neuron N { in I; var V = 0; V := V + I; spike when V > 1 { V := 0 } }\n"
        " input x : real[20]\n s = bernoulli(x) seed 1\n a = N[20](0.4 * s)\n probe a.spike\n output y = over_time(count, a) }\n"
    )
    net = spikec.compile(spikec.load(model))
    x = np.random.default_rng(0).random((7, 20), dtype=np.float32)
    one, three = (net.run({"x": x}, steps=50, batch=7, threads=threads) for threads in (1, 3))
    assert np.array_equal(one.outputs["y"], three.outputs["y"]) and one.counts == three.counts
    assert np.array_equal(one.probes["a.spike"], three.probes["a.spike"]) and len(one.probes["a.spike"]) > 100
