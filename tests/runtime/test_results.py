"""The output file and the JSON object of a run."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import pytest
from spikec.runtime import results
from spikec.runtime.run import Executable, Run


@pytest.fixture
def run(net: Executable) -> Run:
    return net.run({"x": [1.0, 2.0]}, steps=5)


def test_keys_and_types_of_the_archive(run: Run) -> None:
    found = {key: (str(array.dtype), array.shape) for key, array in results.archive(run).items()}
    assert found == {
        "y": ("float32", (5, 2)),
        "label": ("int32", ()),
        "a.V": ("float32", (3, 2)),
        "a.spike": ("int32", (2, 2)),
        "a.event": ("int32", (2,)),
    }


def test_integers_that_do_not_fit_keep_their_width() -> None:
    run = Run(1, None, {"n": np.array([2**40])}, {}, {}, {}, {})
    assert results.archive(run)["n"].dtype == np.int64


def test_states_that_are_integers_are_written_as_floats() -> None:
    run = Run(1, None, {}, {"a.n": np.array([[3]], np.int64), "a.b": np.array([[True]])}, {}, {}, {})
    assert {array.dtype for array in results.archive(run).values()} == {np.dtype(np.float32)}


def test_the_file_is_the_same_for_the_same_arrays(run: Run) -> None:
    arrays = results.archive(run)
    first = results.npz(arrays)
    assert first == results.npz(arrays)
    with np.load(io.BytesIO(first), allow_pickle=False) as read:
        assert list(read.files) == list(arrays)
        for key, array in arrays.items():
            assert np.array_equal(read[key], array)
            assert read[key].dtype == array.dtype


def test_the_summary_is_json(run: Run) -> None:
    summary = json.loads(json.dumps(results.summary(run), allow_nan=False))
    assert set(summary) == {"steps", "batch", "seconds", "spikes", "synaptic_events", "projections", "outputs"}
    assert summary["spikes"] == {"a": 2}
    assert summary["outputs"]["label"] == {
        "shape": [],
        "dtype": "int32",
        "sha256": hashlib.sha256(np.int32(1).tobytes()).hexdigest(),
        "values": 1,
    }


def test_large_outputs_have_no_values_and_nan_is_null() -> None:
    run = Run(1, None, {"big": np.zeros(65), "nan": np.array([np.nan, np.inf, 1.0])}, {}, {}, {}, {})
    outputs = results.summary(run)["outputs"]
    assert "values" not in outputs["big"]
    assert outputs["nan"]["values"] == [None, None, 1.0]


def test_what_people_see(run: Run, net: Executable) -> None:
    text = results.shown(run, net.interface)
    assert text.startswith("Counter: 5 steps, 0.005 s of model time")
    assert "a         2 events" in text
    assert "label     1" in text
