"""Stages that run a block of steps for one tile of targets after the other give what one step at a time gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.backends.cpu.target import CpuTarget
from spikec.lower import snn_to_step, step_to_cpu
from spikec.lower.step_to_cpu import tiles
from spikec.lower.step_to_cpu.plan import plan
from spikec.lower.step_to_cpu.threads import shares
from spikec.passes.schedule import Schedule
from spikec.runtime.cpu import CpuEngine
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import StepEngine

from tests.programs.drawn_arrays import with_arrays
from tests.programs.engines import Array

from .conftest import equal

NEURONS = """
  neuron IF(theta = 1.0) {
    in I
    var V = 0
    V := 0.8 * V + I
    spike when V >= theta { V := 0 }
  }
  neuron Tired(theta: real) {
    in I, J
    var V = 0
    var w = 0
    w := 0.9 * w
    V := 0.7 * V + I - 0.5 * J - w
    spike when V >= theta { V := V - theta; w := w + 0.25 }
  }
"""
CHAIN = """
  input x : spikes[70]
  a = IF[64](A @ x)
  b = IF[90](B @ a)
  c = IF[10](C @ b)
  output y = c
  output count_b = over_time(count, b)
"""
CHAIN_ARRAYS = {"A": (64, 70), "B": (90, 64), "C": (10, 90)}
MIXED = """
  input x : spikes[45]
  input z : real[64]
  a = Tired[64](A @ x + z, B @ x, theta = T)
  r = IF[32](C @ a + D @ prev(r))
  b = IF[40](E @ a)
  c = Tired[96](F @ b + G @ a, H @ prev(a), theta = 1.5)
  output y = c
  output v = c.V
  probe a.spike, r.V
  probe b.V every 3 ms
"""
MIXED_ARRAYS = {"A": (64, 45), "B": (64, 45), "T": (64,), "C": (32, 64), "D": (32, 32)}
MIXED_ARRAYS |= {"E": (40, 64), "F": (96, 40), "G": (96, 64), "H": (96, 64)}


SHARED = """
  input x : spikes[64]
  a = IF[64](A @ x)
  b = IF[64](A @ a)
  c = IF[64](B @ b)
  output y = c
"""
SHARED_ARRAYS = {"A": (64, 64), "B": (64, 64)}


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads a text whose arrays of given shapes are made up; tables of any size run in tiles, never abreast."""
    if not CpuTarget.parse().vector_bits:
        pytest.skip("no vectors here")
    monkeypatch.setattr(tiles, "SECOND_CACHE", 0)
    monkeypatch.setattr(tiles, "ABREAST", np.inf)

    return lambda body, arrays, real=32: with_arrays(tmp_path, NEURONS + body, arrays, real=real)


def inputs(interface: Interface, steps: int, seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        one.name: rng.random((steps, *one.shape)) < 0.4
        if one.dtype == "bool"
        else rng.normal(0, 0.3, (steps, *one.shape)).astype(one.dtype)
        for one in interface.inputs
    }


def parts(given: dict[str, Array], begin: int, end: int) -> dict[str, Array]:
    return {name: np.ascontiguousarray(array[begin:end]) for name, array in given.items()}


@pytest.mark.parametrize(
    ("body", "arrays", "wanted"),
    [
        (CHAIN, CHAIN_ARRAYS, {"stage.a", "stage.b"}),
        (MIXED, MIXED_ARRAYS, {"stage.a"}),
        (SHARED, SHARED_ARRAYS, {"stage.c"}),
    ],
    ids=["chain", "mixed", "shared"],
)
@pytest.mark.parametrize("block", [2, 5, 16])
@pytest.mark.parametrize("mode", ["event", "auto"])
@pytest.mark.parametrize("abreast", [False, True], ids=["events", "abreast"])
def test_blocks_in_pieces(
    network: Any,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    arrays: Any,
    wanted: set[str],
    block: int,
    mode: str,
    abreast: bool,
) -> None:
    if abreast:
        monkeypatch.setattr(tiles, "ABREAST", 0)
    program = network(body, arrays)
    plain, interface = snn_to_step.lower(program, 0), Interface.of(program)
    scheduled = Schedule(block=block, mode=mode).run(plain)
    target = CpuTarget.parse()
    if abreast and not target.compress:
        pytest.skip("no masks of registers here")
    with scheduled.module.context:
        made = plan(scheduled, target).tiled
        assert wanted <= set(made) and (not abreast or all(made[name].abreast for name in wanted))
    engine = target.load(step_to_cpu.lower(scheduled, target), scheduled.constants, interface)
    for seed in range(2):
        reference = StepEngine(plain, interface)
        engine.reset()
        given, begin = inputs(interface, 40, seed), 0
        for steps in (3, 5, 1, 20, 11):
            part = parts(given, begin, begin + steps)
            found, expected = (e.advance(part, frozenset(part), steps) for e in (engine, reference))
            for which in ("outputs", "probes", "values"):
                mine, other = getattr(found, which), getattr(expected, which)
                assert set(mine) == set(other)
                for name in mine:
                    assert equal(mine[name], other[name]), (which, name)
            assert found.emitted == expected.emitted and any(found.emitted.values())
            assert found.synaptic_events == expected.synaptic_events
            begin += steps
        ends, others = engine.finish(), reference.finish()
        assert all(equal(ends[name], others[name]) for name in others)


@pytest.mark.parametrize("numbers", ["f32", "f64", "integers"])
@pytest.mark.parametrize("far", [False, True], ids=["near", "far"])
def test_number_types_abreast(network: Any, monkeypatch: pytest.MonkeyPatch, numbers: str, far: bool) -> None:
    """With silent steps, steps in which all sources are active, and others."""
    monkeypatch.setattr(tiles, "ABREAST", 0)
    monkeypatch.setattr(tiles, "SECOND_CACHE", 0 if far else 1e6)
    program = network(CHAIN, CHAIN_ARRAYS, 64 if numbers == "f64" else 32)
    if numbers == "integers":
        program = spikec.pipeline("quantize{weights=8,state=24}")(program)
    target, steps = CpuTarget.parse(), 37
    lowered = Schedule(block=24).run(snn_to_step.lower(program, 0))
    with lowered.module.context:
        made = plan(lowered, target).tiled
    assert not target.compress or {"stage.a", "stage.b"} <= {name for name, stage in made.items() if stage.abreast}
    share = np.resize([0.0, 1.0, 0.5, 0.1, 0.9], (steps, 1))
    x = np.random.default_rng(0).random((steps, 70)) < share
    nets = [spikec.compile(program, "reference"), spikec.compile(program, "cpu", pipeline="schedule{block=24}")]
    expected, found = (net.run({"x": x}, steps=steps) for net in nets)
    assert (
        equal(expected.outputs["y"], found.outputs["y"])
        and expected.counts == found.counts
        and any(expected.counts.values())
    )
    assert expected.projections == found.projections


def test_threads_share_tables_in_tiles(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "GRAIN", 32)
    program = network(CHAIN, CHAIN_ARRAYS)
    net = spikec.compile(program, "cpu", pipeline="schedule{block=8}")
    engine = net.engine
    assert isinstance(engine, CpuEngine)
    given = inputs(Interface.of(program), 30, 0)
    one = engine.advance(given, frozenset(given), 30)
    for threads in (2, 3):
        engine.reset()
        engine.divide(threads, always=True)
        assert engine.threads == threads
        found = engine.advance(given, frozenset(given), 30)
        assert found.emitted == one.emitted and all(equal(found.outputs[n], one.outputs[n]) for n in one.outputs)
