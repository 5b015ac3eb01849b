"""Lists of the active elements of an input: all of them, in order, wherever they are and however many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from spikec.backends.cpu.target import CpuTarget

from .conftest import TYPES

STEPS = 12


@pytest.mark.parametrize("compress_bytes", [True, False])
@pytest.mark.parametrize("event", ["i1", "i2", "i8"])
@pytest.mark.parametrize(("size", "low"), [(1, 0), (15, 3), (63, 0), (64, 0), (65, 1), (129, 66), (700, 5)])
def test_inputs_of_bytes(
    net: Any, both: Any, monkeypatch: pytest.MonkeyPatch, compress_bytes: bool, event: str, size: int, low: int
) -> None:
    if compress_bytes and not CpuTarget.parse().compress_bytes:
        pytest.skip("no vectors of bytes can be compressed here")
    monkeypatch.setattr(CpuTarget, "compress_bytes", compress_bytes)
    part = size - low
    n = net()
    n.buffer("input.x", "input", f"{size}x{event}", forms='["list"]')
    n.buffer("acc", "state", f"{part}xi32")
    n.buffer("synaptic_events", "counter", "i64")
    record = f'of = @"input.x", record = "event", every = 1, low = {low}, high = {size}'
    n.buffer("probe.x", "probe", f"{part}x{event}", **dict(pair.split(" = ") for pair in record.split(", ")))
    n.table("one", "one_to_one", part, part, "i32", weight="3 : i32")
    n.stage = [
        f'propagate from = @"input.x", delay = 0, low = {low}, table = @one, into = @acc, mode = "event", '
        "tally = @synaptic_events",
        'record into = @"probe.x"',
    ]
    rng = np.random.default_rng(size)
    # From silence to activity of everything; the last step is its own array, which ends where the input does.
    active = rng.random((STEPS, size)) < np.linspace(-0.1, 1.1, STEPS)[:, None] ** 2
    x = (active * (1 if event == "i1" else rng.choice([-1, 1], (STEPS, size)))).astype(TYPES[event])
    run = both(n)
    run.advance(STEPS, {"x": x})
    run.advance(1, held={"x": x[-1].copy()})
    assert run.cpu.states()["acc"].any()
