"""Propagation of integers: every width of sums, weights and events, in all formats and at every vector width."""

from __future__ import annotations

import platform
import re
from typing import Any

import numpy as np
import pytest
from spikec.backends.cpu import codegen
from spikec.backends.cpu.header import header
from spikec.backends.cpu.target import CpuTarget
from spikec.runtime.interface import Input, Interface, Output

PRE, STEPS = 21, 12
WIDTHS = [("i8", "i8"), ("i8", "i16"), ("i16", "i16"), ("i8", "i32"), ("i16", "i32"), ("i32", "i32"), ("i16", "i64")]

EVENTS = [("i2", "i16"), ("i8", "i32"), ("i16", "i8")]


def integers(rng: Any, element: str, *shape: int) -> np.ndarray[Any, Any]:
    """Of the whole range of a type, the extremes among them."""
    bits = int(element[1:])
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    values = rng.integers(low, high, shape, endpoint=True)
    values.reshape(-1)[: min(2, values.size)] = (low, high)[: min(2, values.size)]
    return np.asarray(values.astype(f"int{max(bits, 8)}"))


def codes(rng: Any, element: str, *shape: int) -> np.ndarray[Any, Any]:
    """Codes of 0 and of powers of two up to the largest of a type."""
    bits = int(element[1:])
    made = rng.integers(-bits, bits - 1, shape, endpoint=True).astype(np.int8)
    made.reshape(-1)[: min(3, made.size)] = (0, -bits, bits - 1)[: min(3, made.size)]
    return np.asarray(made)


def propagating(net: Any, event: str, weight: str, into: str, post: int, coded: bool) -> Any:
    """One propagate of each format, from events that are a host input, kept in a state and shown."""
    rng = np.random.default_rng(post)
    make, element = (codes, "i8") if coded else (integers, weight)
    extra = {"code": '"pow2"'} if coded else {}
    n = net()
    forms = '["list"]' if event == "i1" else '["list", "mask"]'
    n.buffer("input.x", "input", f"{PRE}x{event}", forms=forms)
    n.buffer("sum", "state", f"{post}x{into}", init=f"3 : {into}")
    n.buffer("own", "state", f"{PRE}x{into}")
    n.buffer("output.sum", "output", f"{post}x{into}")
    n.buffer("synaptic_events", "counter", "i64")
    n.constant("w", make(rng, weight, PRE, post), f"{PRE}x{post}x{element}")
    n.table("dense", "dense", PRE, post, weight, w="w", **extra)
    present = rng.random((PRE, post)) < 0.4
    row = np.concatenate([[0], np.cumsum(present.sum(1))]).astype(np.int32)
    column = np.nonzero(present)[1].astype(np.uint16)
    n.constant("row", row, f"{PRE + 1}xi32")
    n.constant("col", column, f"{len(column)}xi16")
    n.constant("v", make(rng, weight, len(column)), f"{len(column)}x{element}")
    n.table("csr", "csr", PRE, post, weight, row="row", col="col", index="16 : i64", w="v", **extra)
    n.table(
        "number", "csr", PRE, post, weight, row="row", col="col", index="16 : i64", weight=f"-4 : {weight}", **extra
    )
    n.constant("o", make(rng, weight, PRE), f"{PRE}x{element}")
    n.table("one", "one_to_one", PRE, PRE, weight, w="o", **extra)
    n.stage = [
        f'propagate from = @"input.x", delay = 0, low = 0, table = @{table}, into = @{target}, mode = "{mode}", '
        "tally = @synaptic_events"
        for table, target, mode in (
            ("dense", "sum", "event"),
            ("csr", "sum", "event"),
            ("number", "sum", "dense"),
            ("dense", "sum", "dense"),
            ("one", "own", "event"),
        )
    ]
    n.stage.append(f'copy from = @sum, delay = 0, low = 0, into = @"output.sum", to = 0, size = {post}')
    return n


def events(event: str) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    active = rng.random((STEPS, PRE)) < 0.4
    return {"x": active if event == "i1" else np.where(active, integers(rng, event, STEPS, PRE), 0).astype(
        f"int{max(8, int(event[1:]))}"
    )}  # fmt: skip


@pytest.mark.parametrize("coded", [False, True], ids=["weights", "codes"])
@pytest.mark.parametrize(("weight", "into"), WIDTHS)
def test_every_width(net: Any, both: Any, weight: str, into: str, coded: bool) -> None:
    post = 31 + WIDTHS.index((weight, into))
    for event, size in zip(("i1", *EVENTS[post % 3]), (post, 2 * post, 1), strict=True):
        run = both(propagating(net, event, weight, into, size, coded))
        assert run.advance(STEPS, events(event)).outputs["sum"].any()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names processors of x86-64")
@pytest.mark.parametrize("cpu", ["x86-64", "x86-64-v2", "x86-64-v3"])
@pytest.mark.parametrize("coded", [False, True], ids=["weights", "codes"])
def test_every_vector_width(net: Any, both: Any, host: CpuTarget, cpu: str, coded: bool) -> None:
    if cpu == "x86-64-v3" and not codegen.has(host, "avx2"):
        pytest.skip("needs AVX2")
    target = CpuTarget.parse(f"cpu:{host.triple},{cpu}")
    for weight, into in (("i8", "i16"), ("i8", "i32"), ("i16", "i64")):
        both(propagating(net, "i8", weight, into, 45, coded), target).advance(STEPS, events("i8"))


def test_powers_are_shifted_and_not_multiplied(net: Any, both: Any) -> None:
    text = both(propagating(net, "i16", "i8", "i32", 64, True)).module.mlir
    assert "arith.shli" in text
    assert set(re.findall(r"arith\.muli .* : (\S+)", text)) <= {"index"}


def test_the_header_has_integer_types_and_scales(net: Any, both: Any) -> None:
    run = both(propagating(net, "i16", "i8", "i32", 8, False))
    shown = Interface(
        "net", 1e-3, "s",
        (Input("x", (PRE,), "real", "int16", "A", None, None, 0.25),),
        (Output("sum", (8,), "int32", "V", True, 1e-3),),
        (), (),
    )  # fmt: skip
    text = header(run.module, shown)
    assert f"const int16_t *x; /* x: int16 [steps][{PRE}], A, times 0.25 */" in text
    assert "int32_t *sum; /* sum: int32 [steps][8], V, times 0.001 */" in text
