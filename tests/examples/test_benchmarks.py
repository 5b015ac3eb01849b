"""The networks of `benchmarks/` in a small size: all of their numbers fit, and they run as the reference does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from spikec.dialects import snn
from spikec.runtime.interface import Interface

ROOT = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(ROOT))

from agreement import differences  # noqa: E402
from cases import FOLDER, Case, cases, merged  # noqa: E402
from environments import OURS, PEERS  # noqa: E402
from models import network  # noqa: E402
from rounds import Failed, measure, prepare  # noqa: E402
from run import takers  # noqa: E402
from summary import summary  # noqa: E402

FULL = bool(os.environ.get("SPIKEC_FULL"))
STEPS = 5
MANY = 32


def small() -> Iterator[Case]:
    """Every case in a small size; of those that come to the same then, the first."""
    seen = []
    for case in cases().values():
        scaled = case.over("small")
        values = {key: value for key, value in scaled.given(Path()).items() if key not in ("name", "about", "batch")}
        if values not in seen:
            seen.append(values)
            yield Case(case.name, merged(scaled.values, {"steps": STEPS, "check": STEPS}))


@pytest.mark.parametrize("case", list(small()), ids=lambda case: case.name)
def test_a_small_network_runs_as_the_reference(case: Case, tmp_path: Path) -> None:
    if (missing := case.missing()) is not None:
        pytest.skip(missing)
    case.write_inputs(tmp_path)
    program = network(case.given(tmp_path))
    assert set(case.neurons) <= set(Interface.of(program).populations)
    if not FULL and len(list(program.ops(snn.Synapses))) > MANY:
        pytest.skip("so many projections take seconds to compile: with SPIKEC_FULL")
    assert differences(case, tmp_path) == []


@pytest.mark.parametrize("case", list(cases().values()), ids=lambda case: case.name)
def test_numbers_of_a_case(case: Case) -> None:
    assert case.steps > 0 and 0 < case.values["tolerance"] < 1
    assert all(count > 0 for count in case.neurons.values())
    assert case.missing() or case.model().is_file()
    assert set(case.values.get("peers", {})) <= {peer.name for peer in PEERS}
    assert case.over("in_short").without <= {peer.name for peer in PEERS if peer is not OURS}


def test_every_model_and_script_belongs_to_a_case() -> None:
    named = {case.values.get(key) for case in cases().values() for key in ("model", "inputs")}
    assert {path.name for path in FOLDER.iterdir() if path.suffix in (".snn", ".py")} <= named


def test_rounds_of_a_process(tmp_path: Path) -> None:
    case = cases()["coba"].over("small")
    prepare(case, OURS, tmp_path, tmp_path)
    rounds = measure(case, [OURS], tmp_path, tmp_path, lambda _: 2, lambda *_: None)
    first, second = (result["spikec"] for result in rounds)
    assert first["spikes"] == second["spikes"] and first["spikes"].keys() == case.neurons.keys()
    assert first["cpu_seconds"] > 0 and first["events"] > 0


def test_the_short_form_has_fewer_peers_unless_they_are_named() -> None:
    case, known = cases()["mlp/batch-1"], {peer: frozenset({"mlp"}) for peer in PEERS}
    fewer = takers(case.over("in_short"), known, named=False)
    assert OURS in fewer and len(fewer) < len(PEERS)
    assert takers(case, known, named=False) == takers(case.over("in_short"), known, named=True) == list(PEERS)
    assert takers(cases()["coba"], known, named=False) == []


def test_what_a_script_says_when_it_fails(tmp_path: Path) -> None:
    absent = Case("coba", {**cases()["coba"].values, "model": "absent.snn"})
    with pytest.raises(Failed, match=r"absent\.snn"):
        prepare(absent, OURS, tmp_path, tmp_path)


def answer(seconds: float, spikes: int, events: int | None = None) -> dict[str, object]:
    return {"cpu_seconds": seconds, "wall_seconds": seconds, "spikes": {"a": spikes}, "outputs": [], "events": events}


def test_ratios_are_medians_within_rounds() -> None:
    case = Case("net", {"about": "", "steps": 100, "dt_ms": 1.0, "tolerance": 0.1, "neurons": {"a": 10}})
    times = ((1.0, 4.0, 0.5), (2.0, 6.0, 1.0), (1.0, 10.0, 2.0))
    rounds = [
        {"spikec": answer(ours, 100, 5000), "brian2": answer(peer, 120), "c": answer(hand, 105)}
        for ours, peer, hand in times
    ]
    result = summary(case, rounds, {"nest": "it is absent"})
    assert (result.fastest, result.fastest_by_ours, result.ours_by_handwritten) == ("brian2", 4.0, 2.0)
    assert result.rows["brian2"].median_cpu_seconds == 6.0
    assert list(result.wrong()) == ["brian2 did other work, a: 120 spikes, ours 100"]
    assert (result.activity.events, result.activity.rate) == (50_000, 100.0)
