"""`spikec cost`: what it prints, and what it says of counts that are none or of another network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import Result

Spikec = Callable[..., Result]


@pytest.fixture
def counted(spikec: Spikec) -> dict[str, Any]:
    """The object of a run of drawn.snn, which is in run.json too."""
    out = spikec("run", "drawn.snn", "--input", "x.npy", "--json").out
    Path("run.json").write_text(out)
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.fixture(autouse=True)
def currents() -> None:
    np.save("x.npy", np.linspace(0.2, 0.9, 8 * 20).reshape(8, 20).astype(np.float32))


def test_events_are_those_of_the_run(spikec: Spikec, counted: dict[str, Any]) -> None:
    assert counted["synaptic_events"] == sum(counted["projections"].values()) > 0
    result = spikec("cost", "drawn.snn", "--rates", "run.json", "--json")
    assert (result.status, result.err) == (0, "")
    cost = json.loads(result.out)
    for name in ("steps", "batch", "spikes", "synaptic_events", "projections"):
        assert cost[name] == counted[name]
    layers = {layer["name"]: layer for layer in cost["layers"]}
    for name, count in counted["projections"].items():
        assert layers[name]["run"]["synaptic_events"] == count
    assert cost["rates"] == "measured"


def test_a_batch_is_the_sum_of_its_samples(spikec: Spikec) -> None:
    np.save("x.npy", np.linspace(0.2, 0.9, 3 * 20).reshape(3, 20).astype(np.float32))
    Path("run.json").write_text(
        spikec("run", "drawn.snn", "--input", "x.npy", "--batch", "3", "--steps", "8", "--json").out
    )
    cost = json.loads(spikec("cost", "drawn.snn", "--rates", "run.json", "--json").out)
    assert (cost["steps"], cost["batch"]) == (8, 3)
    cell = next(layer for layer in cost["layers"] if layer["name"] == "a")
    assert cell["run"]["additions"] == 3 * 8 * cell["step"]["additions"] == 3 * 8 * 20 * 4


def test_the_table(spikec: Spikec, counted: dict[str, Any]) -> None:
    measured = spikec("cost", "drawn.snn", "--rates", "run.json").out
    assert measured.startswith("Drawn on cpu: 8 steps, counted in run.json\n")
    assert str(counted["synaptic_events"]) in measured
    assert "assumed" not in measured
    assumed = spikec("cost", "drawn.snn", "--target", "fpga{device=45k}", "--steps", "50").out
    assert assumed.startswith("Drawn on fpga: 50 steps, assumed 0.05 events per neuron and step\n")
    assert "spikec run MODEL --json > run.json" in assumed
    counts = spikec("cost", "drawn.snn", "--target", "reference").out
    assert "cycles" not in counts


def test_passes_change_what_is_counted(spikec: Spikec) -> None:
    plain, integers = (
        json.loads(spikec("cost", "net.snn", "--json", *pipeline).out)
        for pipeline in ((), ("--pipeline", "quantize{weights=4,state=8}"))
    )
    assert plain["total"]["state_bytes"] > integers["total"]["state_bytes"]
    assert integers["pipeline"] == "quantize{weights=4,state=8}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 0}, "'steps' is 0"),
        ({"batch": "3"}, "'batch' is \"3\""),
        ({"spikes": {"a": -1, "b": 0}}, "'spikes' is no object of counts"),
        ({"projections": None}, "'projections' is no object of counts"),
        ({"synaptic_events": 1}, "'synaptic_events' is not the sum of 'projections'"),
    ],
)
def test_what_is_no_record_of_a_run(spikec: Spikec, counted: dict[str, Any], change: Any, said: str) -> None:
    Path("run.json").write_text(json.dumps(counted | change))
    result = spikec("cost", "drawn.snn", "--rates", "run.json")
    assert result.status == 1
    assert "error[E0723]: run.json tells of no run" in result.err and said in result.err


@pytest.mark.parametrize(
    ("text", "code"),
    [("{", "E0723"), ("[]", "E0723"), ("[" * 100_000, "E0723"), ("\xff", "E0723"), (None, "E0701")],
    ids=["broken", "list", "deep", "bytes", "missing"],
)
def test_what_is_no_json(spikec: Spikec, text: str | None, code: str) -> None:
    if text is not None:
        Path("run.json").write_bytes(text.encode("latin1"))
    result = spikec("cost", "drawn.snn", "--rates", "run.json")
    assert result.status == 1 and f"error[{code}]" in result.err


def test_counts_of_another_network(spikec: Spikec, counted: dict[str, Any]) -> None:
    other = spikec("cost", "net.snn", "--rates", "run.json")
    assert other.status == 1
    assert "error[E0724]: run.json is of another network: the model has none of its populations 'a'" in other.err
    first, second = counted["projections"]
    many = counted | {"projections": {first: 10**6, second: 0}, "synaptic_events": 10**6}
    Path("run.json").write_text(json.dumps(many))
    result = spikec("cost", "drawn.snn", "--rates", "run.json")
    assert result.status == 1
    assert f"'{first}' has 1e+06 additions, and at most {20 * 8} are possible" in result.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--target", "fgpa"], "no costs are known of the target 'fgpa'; did you mean 'fpga'?"),
        (["--rates", "run.json", "--steps", "3"], "--steps is for assumed rates"),
    ],
)
def test_wrong_use(spikec: Spikec, argv: list[str], said: str) -> None:
    result = spikec("cost", "net.snn", *argv)
    assert said in result.err
    assert (result.status, result.out) == (2, "")
