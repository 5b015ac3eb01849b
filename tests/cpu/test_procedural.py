"""Tables of the format `procedural`: on machines without vectors too, for all kinds of events and sums."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest
from spikec.backends.cpu import codegen
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects.diagnostics import InternalError

from .conftest import TYPES

PRE, POST = 23, 210
APART = """
func.func private @apart(%pre: i64, %post: i64) -> i1 {
  %0 = arith.cmpi ne, %pre, %post : i64
  return %0 : i1
}
"""


def declare(n: Any, connect: str, **fields: str) -> None:
    rest = "".join(f", {name} = {value}" for name, value in fields.items())
    n.declarations.append(
        f'"step.table"() {{sym_name = "t", format = "procedural", pre = {PRE}, post = {POST}, '
        f"connect = {{{connect}}}{rest}}} : () -> ()"
    )


@pytest.mark.parametrize(
    ("event", "weight", "sum", "code"),
    [
        ("i1", "0.1 : f32", "f32", None),
        ("f32", "0.1 : f32", "f32", None),
        ("f64", "0.1 : f64", "f64", None),
        ("i32", "-3 : i8", "i32", None),
        ("i32", "-4 : i8", "i32", "pow2"),
    ],
)
@pytest.mark.parametrize("filter", ["", ", filter = @apart"])
def test_the_same_as_the_interpreter(
    net: Any, both: Any, event: str, weight: str, sum: str, code: str | None, filter: str
) -> None:
    run(propagating(net, event, weight, sum, code, filter), both, event)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names processors of x86-64")
@pytest.mark.parametrize("cpu", ["x86-64", "x86-64-v2", "x86-64-v3"])
def test_every_vector_width(net: Any, both: Any, host: CpuTarget, cpu: str) -> None:
    if cpu == "x86-64-v3" and not codegen.has(host, "avx2"):
        pytest.skip("needs AVX2")
    n = propagating(net, "f32", "0.1 : f32", "f32", None, "")
    run(n, lambda n: both(n, CpuTarget.parse(f"cpu:{host.triple},{cpu}")), "f32")


def propagating(net: Any, event: str, weight: str, sum: str, code: str | None, filter: str) -> Any:
    n = net(APART)
    n.buffer("input.x", "input", f"{PRE}x{event}")
    n.buffer("acc", "state", f"{POST}x{sum}")
    n.buffer("synaptic_events", "counter", "i64")
    n.buffer("output.y", "output", f"{POST}x{sum}")
    fields = {"arrays": "{}", "element": weight.split()[-1], "weight": weight, "key": "[4294967295, 7]"}
    declare(n, f'kind = "prob", p = 0.07{filter}', **fields, **({"code": f'"{code}"'} if code else {}))
    n.stage = [
        'propagate from = @"input.x", delay = 0, low = 0, table = @t, into = @acc, mode = "dense", tally = @synaptic_events',
        f'copy from = @acc, delay = 0, low = 0, into = @"output.y", to = 0, size = {POST}',
    ]
    return n


def run(n: Any, both: Any, event: str) -> None:
    rng = np.random.default_rng(3)
    x = (rng.integers(-3, 4, (9, PRE)) * (rng.random((9, PRE)) < 0.5)).astype(TYPES[event])
    trace = both(n).advance(9, {"x": x})
    assert 0.05 < trace.synaptic_events / (np.count_nonzero(x) * POST) < 0.09


@pytest.mark.parametrize(
    ("connect", "changed", "message"),
    [
        ('kind = "prob", p = 1.0', {}, "is no f64 between 0 and 1"),
        ('kind = "prob", p = 1.0e-17', {}, "is no f64 between 0 and 1"),
        ('kind = "prob", p = 0.5 : f32', {}, "is no f64 between 0 and 1"),
        ('kind = "fixed_in", p = 0.5', {}, "a procedural table with the connector"),
        ('kind = "prob", p = 0.5, filter = @apart', {}, "refers to @apart, which does not exist"),
        ('kind = "prob", p = 0.5', {"key": "[1]"}, "is not two words of 32 bits"),
        ('kind = "prob", p = 0.5', {"key": "[1, -1]"}, "is not two words of 32 bits"),
        ('kind = "prob", p = 0.5', {"weight": "0.5 : f64"}, "is not a f32"),
        ('kind = "prob", p = 0.5', {"parts": "2 : i64"}, "a procedural table has no parts"),
    ],
)
def test_tables_that_are_wrong(net: Any, connect: str, changed: dict[str, str], message: str) -> None:
    n = net()
    declare(n, connect, **{"arrays": "{}", "element": "f32", "weight": "0.5 : f32", "key": "[1, 2]", **changed})
    with pytest.raises(InternalError, match=message):
        n.program()
