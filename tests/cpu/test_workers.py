"""Several threads that run one network together give the bits that one thread gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.backends.cpu.target import CpuTarget
from spikec.lower.step_to_cpu.threads import shares
from spikec.runtime.cpu import CpuEngine
from spikec.runtime.run import Executable, Run
from spikec.runtime.workers import Pace

from tests.programs.engines import Array, differences
from tests.programs.generator import write_case

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(params=["scalars", "vectors"])
def grain(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small populations are shared out too: neuron by neuron in scalar code, else in blocks of vectors."""
    if request.param == "scalars":
        monkeypatch.setattr(CpuTarget, "vector_bits", 0)
        monkeypatch.setattr(shares, "GRAIN", 1)
    else:
        monkeypatch.setattr(shares, "GRAIN", 32)


def divided(net: Executable, threads: int, inputs: dict[str, Array], steps: int) -> tuple[Run, dict[str, Array]]:
    """A run and the states after it, for which so many threads share the work of every step."""
    engine = net.engine
    assert isinstance(engine, CpuEngine)
    engine.divide = lambda _: CpuEngine.divide(engine, threads, always=True)  # type: ignore[method-assign, assignment]
    run = net.run(inputs, steps=steps, seed=3)
    assert engine.threads == threads
    return run, engine.states()


def same(net: Executable, inputs: dict[str, Array], steps: int, counts: tuple[int, ...] = (2, 3)) -> Run:
    one, states = net.run(inputs, steps=steps, seed=3), net.engine.states()
    for threads in counts:
        run, found = divided(net, threads, inputs, steps)
        assert not differences({"one thread": one, f"{threads} threads": run})
        for name, array in states.items():
            np.testing.assert_array_equal(found[name], array, err_msg=f"{name}, {threads} threads")
    return one


@pytest.mark.parametrize("number", range(8))
def test_random_programs_are_equal(number: int, tmp_path: Path, grain: None) -> None:
    case = write_case(Random(number), wide=True)
    same(spikec.compile(spikec.load(case.write(tmp_path)), seed=3), case.inputs, case.steps)


def test_blocks_of_steps_and_rows_in_parts(tmp_path: Path, grain: None) -> None:
    """Layers that run several steps before the next one, delays that differ, numbers that all workers read."""
    model = tmp_path / "net.snn"
    model.write_text(
        "model M {\n step 1 ms\n neuron N { in I; var V = 0; V := 0.9 * V + I; spike when V > 1 { V := 0 } }\n"
        " input x : spikes[90]\n a = N[150](w @ x)\n pop b : N[130]\n c = N[70](u @ b)\n"
        " proj a -> b.I { connect prob(0.2) seed 1; weight uniform(-0.1, 0.3) seed 2;"
        " delay uniform(1 ms, 6 ms) seed 3 }\n"
        " param w : real[150, 90] = normal(0.02, 0.1) seed 4\n param u : real[70, 130] = normal(0.05, 0.1) seed 5\n"
        " probe a.spike, b.spike, c.spike, b.V[3:100]\n output y = over_time(count, c) }\n"
    )
    x = np.random.default_rng(0).random((70, 90)) < 0.2
    for pipeline in ("", "schedule{block=8}"):
        net = spikec.compile(spikec.load(model), seed=3, pipeline=pipeline)
        assert min(same(net, {"x": x}, 70).counts.values()) > 100


@pytest.mark.parametrize(
    ("model", "steps"), [("02_vogels_abbott/cuba.snn", 200), ("05_brunel/brunel.snn", 100)], ids=["cuba", "brunel"]
)
def test_examples_are_equal(model: str, steps: int) -> None:
    small = {"excitatory": 800, "inhibitory": 200}
    assert same(spikec.compile(spikec.load(EXAMPLES / model, small), seed=3), {}, steps).synaptic_events > 1000


def test_runs_of_one_and_several_threads_may_follow_each_other() -> None:
    program = spikec.load(EXAMPLES / "02_vogels_abbott/cuba.snn", {"excitatory": 400, "inhibitory": 100})
    one, several = (spikec.compile(program).engine for _ in range(2))
    assert isinstance(one, CpuEngine) and isinstance(several, CpuEngine)
    for threads, steps in ((1, 30), (2, 25), (3, 1), (1, 40), (2, 40)):
        several.divide(threads, always=True)
        a, b = (engine.advance({}, frozenset(), steps) for engine in (one, several))
        assert a.emitted == b.emitted
        for key, rows in a.probes.items():
            np.testing.assert_array_equal(b.probes[key], rows)
    for name, array in one.states().items():
        np.testing.assert_array_equal(several.states()[name], array)


def paced(
    alone: float,
    together: float,
    steps: int = 200_000,
    run: int = 1_000_000,
    lost: Callable[[int, int], float] = lambda done, count: 0.0,
) -> tuple[float, float]:
    """The time of so many steps over that of one thread, and the part of them that was run together.

    Runs have `run` steps each; workers lose some time while they do `count` steps after those that are done.
    """
    pace, done, spent, shared = Pace(), 0, 0.0, 0
    while done < steps:
        count = min(run - done % run, pace.steps)
        taken = count * together + lost(done, count) if pace.together else count * alone
        shared += count * pace.together
        pace.ran(count, taken)
        done, spent = done + count, spent + taken
    return spent / (done * alone), shared / done


def test_threads_work_together_where_that_is_faster() -> None:
    time, shared = paced(alone=20e-6, together=12e-6)
    assert shared > 0.95 and time < 0.65


def test_a_short_run_is_worth_it() -> None:
    assert paced(alone=34e-6, together=22e-6, steps=2000)[0] < 0.72
    assert paced(alone=34e-6, together=22e-6, steps=20_000, run=7)[0] < 0.67


def test_a_disturbance_now_and_then_changes_nothing() -> None:
    time, shared = paced(
        20e-6, 12e-6, 2_000_000, lost=lambda done, count: 4e-3 * ((done + count) // 4000 - done // 4000)
    )
    assert shared > 0.97 and time < 0.66


def test_what_short_pieces_do_not_show_is_found_out() -> None:
    """Another program that takes every fourth piece, and more time with it than workers save."""
    assert (
        paced(20e-6, 12e-6, 2_000_000, lost=lambda done, count: 4e-3 * ((done + count) // 200 - done // 200))[0] < 1.1
    )


def test_a_machine_that_becomes_busy_is_left_and_taken_again() -> None:
    busy = range(200_000, 500_000)
    time, shared = paced(20e-6, 12e-6, 1_000_000, lost=lambda done, count: 400e-6 * count * (done in busy))
    assert 0.5 < shared < 0.72 and time < 0.85


def test_short_steps_are_left_to_one_thread() -> None:
    assert paced(alone=1e-6, together=0.1e-6) == (pytest.approx(1.0), 0.0)


@pytest.mark.parametrize("slower", [1.1, 2.0, 9.0, 100.0])
def test_a_busy_machine_costs_little(slower: float) -> None:
    time, _ = paced(alone=20e-6, together=slower * 20e-6)
    assert time < 1.1
