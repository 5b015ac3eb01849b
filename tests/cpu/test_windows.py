"""Tables of the format `conv`: the interpreter's bits and counts, and those of the same synapses as rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects import powers
from spikec.dialects.convolution import Convolution
from spikec.dialects.diagnostics import InternalError
from spikec.lower.convolution import convolved
from spikec.lower.step_to_cpu.plan import plan
from spikec.lower.step_to_cpu.synapses import across

from .conftest import TYPES, equal

KINDS = [
    ("i1", "f32", "f32"),
    ("f32", "f32", "f32"),
    ("i2", "f64", "f64"),
    ("i1", "i8", "i32"),
    ("i32", "i16", "i32"),
    ("i1", "i8", "i16"),
    ("i2", "i32", "i64"),
]


def drawn(rng: np.random.Generator) -> Convolution:
    """A convolution of one or two axes; some of them have sources without targets, and kernels wider than a register."""
    axes = int(rng.integers(1, 3))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(rng.integers(low, high, axes).tolist())

    groups = int(rng.integers(1, 4))
    channels, outputs = (groups * int(rng.integers(1, 4)) for _ in range(2))
    kernel = each(1, 7) if rng.random() < 0.8 else each(14, 40)
    return Convolution(
        (channels, *each(1, 12)), (outputs, *each(1, 12)), kernel, each(1, 5), each(0, 5), each(1, 4), groups
    )


def declare(n: Any, shape: Convolution, weight: str, array: np.ndarray[Any, Any], code: bool) -> None:
    """The same synapses twice: as kernels in `t`, and as rows in `u`."""
    rows, gathered = convolved(shape, array if array.ndim else None)
    extents = {name: getattr(shape, name) for name in ("input", "output", "kernel", "stride", "padding", "dilation")}
    connect = ", ".join(f"{name} = {list(numbers)}" for name, numbers in extents.items())
    named: dict[str, str] = {"code": '"pow2"'} if code else {}
    if not array.ndim:
        named["weight"] = f"{array} : {weight}"
    both = {"t.w": shape.stored(array), "u.w": gathered} if array.ndim else {}
    for name, stored in both.items():
        assert stored is not None
        kept = powers.encode(stored) if code else stored
        n.constant(name, kept, f"{kept.size}x{'i8' if code else weight}")
    w = {name: f'"{name}"' for name in both}
    kernels = {"connect": f'{{kind = "conv", {connect}, groups = {shape.groups} : i64}}'}
    n.table("t", "conv", shape.pre, shape.post, weight, **named, **({"w": w["t.w"]} if w else {}), **kernels)
    n.constant("u.row", rows.row, f"{len(rows.row)}xi32")
    n.constant("u.col", rows.col, f"{len(rows.col)}xi{rows.col.itemsize * 8}")
    index = {"row": '"u.row"', "col": '"u.col"', "index": f"{rows.col.itemsize * 8} : i64"}
    n.table("u", "csr", shape.pre, shape.post, weight, **named, **({"w": w["u.w"]} if w else {}), **index)


def layer(
    n: Any, rng: np.random.Generator, event: str, weight: str, sum: str
) -> tuple[Convolution, np.ndarray[Any, Any]]:
    """A network of one random convolution, and random events for it."""
    shape, real = drawn(rng), sum[0] == "f"
    while not shape.synapses:
        shape = drawn(rng)
    code = not real and rng.random() < 0.4
    values = rng.standard_normal(shape.weights) if real else rng.integers(-9, 9, shape.weights)
    if code:
        values = rng.choice([-1, 0, 1], shape.weights) * 2 ** rng.integers(0, 6, shape.weights)
    array = (np.full((), 2) if rng.random() < 0.2 else values).astype(TYPES[weight])
    declare(n, shape, weight, array, code)
    connect(n, shape, event, sum)
    return shape, active(rng, (6, shape.pre), 0.4, event)


def connect(n: Any, shape: Convolution, event: str, sum: str) -> None:
    """Adds the events of an input through both tables to sums of their own, which begin with -0."""
    n.buffer("input.x", "input", f"{shape.pre}x{event}")
    for name in "tu":
        n.buffer(f"acc.{name}", "state", f"{shape.post}x{sum}", **({"init": f"-0.0 : {sum}"} if sum[0] == "f" else {}))
        n.buffer(f"output.{name}", "output", f"{shape.post}x{sum}")
        n.buffer(f"{name}.synaptic_events", "counter", "i64")
        n.stage += [
            f'propagate from = @"input.x", delay = 0, low = 0, table = @{name}, into = @"acc.{name}", mode = "dense", '
            f'tally = @"{name}.synaptic_events"',
            f'copy from = @"acc.{name}", delay = 0, low = 0, into = @"output.{name}", to = 0, size = {shape.post}',
        ]


def active(rng: np.random.Generator, shape: tuple[int, ...], share: Any, event: str) -> np.ndarray[Any, Any]:
    """Random events, of a share of all elements."""
    chosen = rng.random(shape) < share
    numbers = rng.standard_normal(shape) if event[0] == "f" else rng.integers(-2, 2, shape)
    return (chosen if event == "i1" else chosen * numbers).astype(TYPES[event])


@pytest.mark.parametrize(("event", "weight", "sum"), KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_the_same_as_the_interpreter_and_as_rows(
    net: Any, both: Any, host: CpuTarget, event: str, weight: str, sum: str, seed: int
) -> None:
    """On this processor, and on one without masks."""
    n = net()
    shape, x = layer(n, np.random.default_rng(seed), event, weight, sum)
    for target in (host, CpuTarget.parse(f"cpu:{host.triple},x86-64")) if "x86" in host.triple else (host,):
        trace = both(n, target).advance(len(x), {"x": x})
        assert np.array_equal(trace.outputs["t"], trace.outputs["u"], equal_nan=True)
        rows, _ = convolved(shape, None)
        assert trace.synaptic_events == 2 * int((x != 0).sum(0) @ np.diff(rows.row))


SHAPES = (
    Convolution((3, 9, 12), (35, 9, 6), (3, 3), (1, 2), (1, 1), (1, 1), 1),
    Convolution((4, 20, 20), (19, 6, 18), (4, 2), (3, 1), (1, 1), (2, 3), 1),
    Convolution((2, 60), (72, 50), (12,), (1,), (1,), (1,), 1),
)
"""Of many channels: small, with axes that differ, and one axis with a long kernel."""


@pytest.mark.parametrize(
    ("kind", "shape", "cpu"),
    [
        (("i1", "f32", "f32"), 0, ""),
        (("i1", "f32", "f32"), 2, "x86-64-v3"),
        (("f32", "f32", "f32"), 1, ""),
        (("f32", "f32", "f32"), 0, "x86-64-v3"),
        (("i2", "f64", "f64"), 2, ""),
        (("i1", "i8", "i32"), 1, ""),
        (("i32", "i16", "i32"), 0, ""),
        (("i2", "i32", "i64"), 1, ""),
    ],
)
def test_from_silence_to_all_inputs(
    net: Any,
    both: Any,
    host: CpuTarget,
    monkeypatch: pytest.MonkeyPatch,
    kind: tuple[str, str, str],
    shape: int,
    cpu: str,
) -> None:
    """What is silent leaves a sum of -0 alone, and is not multiplied by an infinite weight."""
    if cpu and "x86" not in host.triple:
        pytest.skip("a processor of another kind")
    monkeypatch.setattr(across, "UNMASKED", 1.0)
    target = CpuTarget.parse(f"cpu:{host.triple},{cpu}") if cpu else host
    n, made, (event, weight, sum) = net(), SHAPES[shape], kind
    rng = np.random.default_rng(shape)
    array = (rng.standard_normal(made.weights) * 9).astype(TYPES[weight])
    if sum[0] == "f":
        array.flat[:2] = np.inf, -0.0
    declare(n, made, weight, array, False)
    connect(n, made, event, sum)
    x = active(rng, (5, made.pre), np.array([0, 0.05, 0.5, 1, 1])[:, None], event)
    run = both(n, target)
    assert plan(run.program, target).across["t"].many(event == "i1") <= np.count_nonzero(x[-1])
    trace = run.advance(len(x), {"x": x})
    assert equal(trace.outputs["t"], trace.outputs["u"])


@pytest.mark.parametrize("seed", range(40))
def test_the_number_of_synapses(seed: int) -> None:
    shape = drawn(np.random.default_rng(seed))
    assert shape.synapses == convolved(shape, None)[0].row[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("pre = 9", "'pre' is 9, where"),
        ("groups = 3", "3 groups do not divide the 2 channels of 'input'"),
        ("weights = 5", "where 6 elements of f32 are needed"),
        ("connect", "a conv table with the connector None"),
    ],
)
def test_tables_that_do_not_fit_together(net: Any, change: str, message: str) -> None:
    n = net()
    count = 5 if change == "weights = 5" else 6
    n.constant("w", np.zeros(count, np.float32), f"{count}xf32")
    lists = "input = [2, 5], output = [1, 3], kernel = [3], stride = [1], padding = [0], dilation = [1]"
    connect = f', connect = {{kind = "conv", {lists}, groups = {3 if "groups" in change else 1} : i64}}'
    n.declarations.append(
        f'"step.table"() {{sym_name = "t", format = "conv", pre = {9 if "pre" in change else 10}, post = 3, '
        f"arrays = {{w = @w}}, element = f32{'' if change == 'connect' else connect}}} : () -> ()"
    )
    with pytest.raises(InternalError, match=message):
        n.program()
