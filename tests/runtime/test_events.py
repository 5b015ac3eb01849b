"""Event files as inputs: how they are counted, and that nothing in a file does harm."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.dialects.codes import CODES
from spikec.dialects.diagnostics import CompileError
from spikec.runtime import inputs
from spikec.runtime.inputs import Inputs
from spikec.runtime.interface import Input, Interface

SENSOR = Input("s", (2, 3, 4), "spikes", "bool", "", None, None)
COUNTS = Input("n", (2, 3, 4), "real", "float32", "", None, None)
FRAME = Input("f", (3, 4), "int", "int64", "", None, None)
SINGLE = Input("g", (1, 3, 4), "int", "int64", "", None, None)
LINE = Input("l", (4,), "real", "float32", "", None, None)

# Two events in one bin, and both sides of the edge between two bins of 1 ms.
T, X, Y, P = [0, 10, 999, 1000, 4500], [3, 3, 0, 0, 1], [2, 2, 1, 1, 0], [1, 1, 0, 0, 1]


def write(folder: Path, **changed: Any) -> Path:
    columns = {"t": T, "x": X, "y": Y, "p": P} | changed
    np.savez(folder / "e.npz", **{name: np.asarray(column) for name, column in columns.items()})
    return folder / "e.npz"


def prepared(
    path: Path,
    declared: Input,
    steps: int | None = None,
    batch: int | None = None,
    dt: float = 1e-3,
    dt_unit: str = "s",
    **others: Any,
) -> Inputs:
    net = Interface("Net", dt, dt_unit, (declared, *others.pop("more", ())), (), (), ())
    sources = inputs.read([f"{declared.name}={path}"], net)
    return inputs.prepare(sources | others, net, steps, batch)


def refused(path: Path, declared: Input = SENSOR, **settings: Any) -> str:
    with pytest.raises(CompileError) as caught:
        prepared(path, declared, **settings)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code in CODES
    return f"{diagnostic.code} {diagnostic.message}"


def one_by_one(shape: tuple[int, ...], steps: int) -> np.ndarray[Any, Any]:
    """Counts of the five events, written out as a loop."""
    counts = np.zeros((steps, *shape), int)
    for t, x, y, p in zip(T, X, Y, P, strict=True):
        counts[t // 1000][(p, y, x) if shape[0] == 2 else (0, y, x) if len(shape) == 3 else (y, x)] += 1
    return counts


def test_events_are_counted_in_bins_of_a_step(tmp_path: Path) -> None:
    ready = prepared(write(tmp_path), COUNTS)
    assert (ready.steps, ready.streamed) == (5, {"n"})
    assert ready.arrays["n"].dtype == np.float32
    assert np.array_equal(ready.arrays["n"], one_by_one((2, 3, 4), 5))


def test_spikes_are_one_where_there_is_an_event(tmp_path: Path) -> None:
    array = prepared(write(tmp_path), SENSOR).arrays["s"]
    assert array.dtype == np.bool_
    assert np.array_equal(array, one_by_one((2, 3, 4), 5) > 0)


@pytest.mark.parametrize("declared", [FRAME, SINGLE])
def test_without_channels_polarities_are_counted_together(tmp_path: Path, declared: Input) -> None:
    assert np.array_equal(prepared(write(tmp_path), declared).arrays[declared.name], one_by_one(declared.shape, 5))


def test_a_line_of_pixels(tmp_path: Path) -> None:
    path = write(tmp_path, y=np.zeros(5, int))
    assert prepared(path, LINE).arrays["l"].sum(axis=0).tolist() == [2, 1, 0, 2]
    assert refused(write(tmp_path), LINE).startswith("E0722 y[0] = 2 is outside: 'l' is 1 high (4 values")


@pytest.mark.parametrize("p", [np.array([1, 1, -1, -1, 1], np.int8), np.array(P, bool), np.array(P, float)])
def test_polarities_may_be_signed_bool_or_real(tmp_path: Path, p: Any) -> None:
    assert np.array_equal(prepared(write(tmp_path, p=p), COUNTS).arrays["n"], one_by_one((2, 3, 4), 5))


def test_steps_cut_a_file_and_lengthen_it(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert np.array_equal(prepared(path, COUNTS, steps=2).arrays["n"], one_by_one((2, 3, 4), 5)[:2])
    assert np.array_equal(prepared(path, COUNTS, steps=9).arrays["n"], one_by_one((2, 3, 4), 9))


def test_a_longer_stream_beside_events(tmp_path: Path) -> None:
    clock = Input("c", (), "real", "float32", "", None, None)
    ready = prepared(write(tmp_path), COUNTS, more=(clock,), c=inputs.Source(np.zeros(7)))
    assert ready.steps == 7
    assert np.array_equal(ready.arrays["n"], one_by_one((2, 3, 4), 7))


@pytest.mark.parametrize("dt", [0.1 * 1e-3, 1e-4, 3 * 1e-4 / 3])
def test_bins_do_not_depend_on_the_rounding_of_the_step(tmp_path: Path, dt: float) -> None:
    t = np.arange(1000) * 100
    zeros = np.zeros(1000, int)
    array = prepared(write(tmp_path, t=t, x=zeros, y=zeros, p=zeros), COUNTS, dt=dt).arrays["n"]
    assert (array[:, 0, 0, 0] == 1).all()


def test_a_declared_range_holds_for_counts(tmp_path: Path) -> None:
    declared = Input("n", (2, 3, 4), "real", "float32", "", 0.0, 1.0)
    assert "E0717 input 'n'[0, 1, 2, 3] is 2: the declared range" in refused(write(tmp_path), declared)


def test_a_key_reads_an_array_as_before(tmp_path: Path) -> None:
    net = Interface("Net", 1e-3, "s", (Input("x", (), "real", "float32", "", None, None),), (), (), ())
    assert inputs.read([f"{write(tmp_path)}:x"], net)["x"].array.tolist() == X


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"t": [0, 10, 999, 998, 4500]}, "t[3] = 998 is before the event in front of it"),
        ({"t": [-1, 10, 999, 1000, 4500]}, "t[0] = -1 is no time"),
        ({"t": [0, 10, 999, np.nan, 4500]}, "t[3] = nan is no time"),
        ({"t": [0, 10, 999, 1000, np.inf]}, "t[4] = inf is no time"),
        ({"t": [0, 10, 999, 1000, 2**63 - 1]}, "the last event of 's' is after step 2147483647"),
        ({"t": np.array([0, 10, 999, 1000, 2**64 - 1], np.uint64)}, "the last event of 's' is after step"),
        ({"x": [4, 3, 0, 0, 1]}, "x[0] = 4 is outside: 's' is 4 wide"),
        ({"x": [3, 3, 0, -1, -2]}, "x[3] = -1 is outside: 's' is 4 wide (2 values in all)"),
        ({"x": [3, 3, 0.5, 0, 1]}, "x[2] = 0.5 is outside"),
        ({"x": np.array([2**64 - 1, 0, 0, 0, 0], np.uint64)}, "x[0] = 18446744073709551615 is outside"),
        ({"y": [2, 2, 1, 3, 0]}, "y[3] = 3 is outside: 's' is 3 high"),
        ({"y": [2, 2, np.nan, 1, 0]}, "y[2] = nan is outside"),
        ({"p": [1, 1, 2, 0, 1]}, "p[2] = 2 is no polarity"),
        ({"p": [1, 1, 0, 0]}, "t, x, y and p are not of one length: t 5, x 5, y 5, p 4"),
        ({"x": [X]}, "'x' is int64 of shape (1, 5), not one number for each event"),
        ({"x": np.array(X, complex)}, "'x' is complex128 of shape (5,)"),
        ({"t": np.array(list("abcde"))}, "'t' is <U1 of shape (5,)"),
    ],
)
def test_events_that_do_not_fit(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    assert refused(write(tmp_path, **changed)).startswith(f"E0722 {message}")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    assert refused(write(tmp_path, t=np.array([None] * 5, object))).startswith("E0703")


def test_a_late_event_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikec.runtime.memory.limit", lambda: 100_000)
    path = write(tmp_path, t=[0, 10, 999, 1000, 10**9])
    assert refused(path).startswith("E0706 1000001 steps of 's' take 96 MB")
    assert prepared(path, SENSOR, steps=3).arrays["s"].sum() == 3


@pytest.mark.parametrize("shape", [(), (3, 3, 4), (2, 2, 3, 4)])
def test_shapes_that_are_no_sensor(tmp_path: Path, shape: tuple[int, ...]) -> None:
    declared = Input("s", shape, "spikes", "bool", "", None, None)
    assert refused(write(tmp_path), declared) == f"E0716 's' of shape {shape} cannot be fed from events"


def test_steps_without_a_duration(tmp_path: Path) -> None:
    assert refused(write(tmp_path), dt=1.0, dt_unit="steps").startswith("E0722 events have times, and a step")


def test_a_file_is_one_sample(tmp_path: Path) -> None:
    assert refused(write(tmp_path), batch=2).startswith("E0716 input 's' is an event file, which is one sample")


def test_a_file_without_events(tmp_path: Path) -> None:
    path = write(tmp_path, t=[], x=[], y=[], p=[])
    assert refused(path) == "E0718 input 's' has no events"
    assert not prepared(path, SENSOR, steps=4).arrays["s"].any()


@pytest.mark.parametrize("cut", [50, 200, 600])
def test_a_damaged_file(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    assert refused(path).startswith("E0703")


def test_a_model_runs_on_an_event_file(tmp_path: Path) -> None:
    model = tmp_path / "sensor.snn"
    model.write_text(
        "model Sensor {\n  step 1 ms\n  input e : spikes[2, 3, 4]\n  input n : real[3, 4]\n"
        "  output seen = over_time(count, e)\n  output sum = over_time(sum, n)\n}\n"
    )
    net = spikec.compile(spikec.load(model))
    specs = [f"{name}={write(tmp_path)}" for name in ("e", "n")]
    run = net.run(inputs.read(specs, net.interface))
    assert run.steps == 5
    for place in itertools.product(range(2), range(3), range(4)):
        assert run.outputs["seen"][place] == (one_by_one((2, 3, 4), 5) > 0).sum(axis=0)[place]
    assert np.array_equal(run.outputs["sum"], one_by_one((3, 4), 5).sum(axis=0))
