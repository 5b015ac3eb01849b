"""`--input` options and arrays of the Python API: what is taken, what is refused and how."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spikec.dialects.diagnostics import CompileError, UsageError
from spikec.runtime import inputs
from spikec.runtime.inputs import Inputs, Source
from spikec.runtime.interface import Input, Interface

SPIKES = Input("s", (3,), "spikes", "bool", "", None, None)
REAL = Input("x", (2, 2), "real", "float32", "V", -1.0, 1.0)
SCALAR = Input("r", (), "real", "float32", "", None, None)
INTEGER = Input("n", (2,), "int", "int64", "", None, None)


def interface(*declared: Input) -> Interface:
    return Interface("Net", 1e-3, "s", declared, (), (), ())


def prepared(declared: Input, array: Any, steps: int | None = None, batch: int | None = None) -> Inputs:
    return inputs.prepare({declared.name: Source(np.asarray(array))}, interface(declared), steps, batch)


def refused(declared: Input, array: Any, steps: int | None = None, batch: int | None = None) -> str:
    with pytest.raises(CompileError) as caught:
        prepared(declared, array, steps, batch)
    (diagnostic,) = caught.value.diagnostics
    return f"{diagnostic.code} {diagnostic.message}"


# ---------------------------------------------------------------- shapes and lengths


def test_an_array_with_an_axis_of_steps_streams() -> None:
    ready = prepared(SPIKES, np.eye(3))
    assert ready.steps == 3
    assert ready.streamed == {"s"}
    assert ready.arrays["s"].dtype == np.bool_


def test_an_array_of_the_declared_shape_is_held() -> None:
    ready = prepared(REAL, np.zeros((2, 2)), steps=5)
    assert ready.steps == 5
    assert ready.streamed == frozenset()


def test_a_scalar_streams_or_is_held() -> None:
    assert prepared(SCALAR, [1.0, 2.0]).streamed == {"r"}
    assert prepared(SCALAR, 0.5, steps=2).arrays["r"].shape == ()


def test_a_longer_stream_is_cut_and_a_shorter_one_refused() -> None:
    assert prepared(SPIKES, np.zeros((9, 3)), steps=4).arrays["s"].shape == (4, 3)
    assert refused(SPIKES, np.zeros((9, 3)), steps=10) == "E0718 input 's' has 9 steps, but 10 are run"


def test_the_longest_stream_gives_the_steps() -> None:
    given = {"s": Source(np.zeros((4, 3))), "r": Source(np.zeros(6))}
    with pytest.raises(CompileError, match="input 's' has 4 steps, but 6 are run"):
        inputs.prepare(given, interface(SPIKES, SCALAR))


def test_without_a_stream_the_steps_must_be_given() -> None:
    with pytest.raises(UsageError, match="give --steps N"):
        prepared(SCALAR, 1.0)


@pytest.mark.parametrize("steps", [0, -1, 2**31])
def test_steps_out_of_range(steps: int) -> None:
    with pytest.raises(UsageError):
        prepared(SCALAR, 1.0, steps=steps)


def test_a_stream_without_steps() -> None:
    assert refused(SPIKES, np.zeros((0, 3))) == "E0718 input 's' has no steps"


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 2, 3), ()])
def test_a_wrong_shape_names_both(shape: tuple[int, ...]) -> None:
    assert refused(SPIKES, np.zeros(shape)) == f"E0716 input 's' has shape {shape}, not (T, 3) or (3,)"


def test_a_batch_is_the_first_axis() -> None:
    ready = prepared(SPIKES, np.zeros((5, 7, 3)), batch=5)
    assert ready.steps == 7
    assert ready.sample(2)["s"].shape == (7, 3)
    assert prepared(SPIKES, np.zeros((5, 3)), steps=2, batch=5).sample(0)["s"].shape == (3,)
    assert refused(SPIKES, np.zeros((7, 3)), batch=5) == "E0716 input 's' has shape (7, 3), not (5, T, 3) or (5, 3)"


def test_missing_and_unknown_inputs_are_all_reported() -> None:
    with pytest.raises(CompileError) as caught:
        inputs.prepare({"spikes": Source(np.zeros(3))}, interface(SPIKES, SCALAR), 3)
    assert [d.code for d in caught.value.diagnostics] == ["E0715", "E0714", "E0714"]


# ---------------------------------------------------------------- values


def test_spikes_are_zero_or_one() -> None:
    assert prepared(SPIKES, [[0.0, 1.0, 1.0]]).arrays["s"].tolist() == [[False, True, True]]
    assert refused(SPIKES, [[0, 1, 2]]) == "E0717 input 's'[0, 2] is 2: spikes are 0 or 1"
    assert refused(SPIKES, [[0, np.nan, -1]]).endswith("spikes are 0 or 1 (2 values in all)")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_reals_are_finite(value: float) -> None:
    assert "is not a finite float32" in refused(SCALAR, [0.0, value])


def test_reals_stay_in_the_declared_range() -> None:
    array = np.zeros((1, 2, 2))
    array[0, 1, 0] = -1.5
    assert refused(REAL, array) == "E0717 input 'x'[0, 1, 0] is -1.5: the declared range is [-1, 1]"


def test_integers() -> None:
    assert prepared(INTEGER, [[1.0, -2.0]]).arrays["n"].dtype == np.int64
    assert "is not an integer" in refused(INTEGER, [[0.5, 0]])
    assert "is not an integer" in refused(INTEGER, [[0, 2.0**63]])
    assert "is not an integer" in refused(INTEGER, np.array([[0, 2**64 - 1]], np.uint64))


@pytest.mark.parametrize("array", [np.zeros((1, 3), complex), np.array([["a", "b", "c"]])])
def test_other_types_are_refused(array: Any) -> None:
    assert "not numbers" in refused(SPIKES, array)


# ---------------------------------------------------------------- options and files


def test_the_name_may_be_left_out_for_the_only_input(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    assert set(inputs.read([str(tmp_path / "a.npy")], interface(SPIKES))) == {"s"}
    with pytest.raises(CompileError, match="names no input, and Net has 2 inputs"):
        inputs.read([str(tmp_path / "a.npy")], interface(SPIKES, REAL))


def test_an_unknown_name_gets_a_suggestion(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    declared = Input("image", (3,), "spikes", "bool", "", None, None)
    with pytest.raises(CompileError, match="did you mean 'image'"):
        inputs.read([f"imagge={tmp_path / 'a.npy'}"], interface(declared))


def test_keys_of_npz(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=np.zeros((2, 3)), s=np.ones((4, 3)))
    assert inputs.read([f"s={path}:one"], interface(SPIKES))["s"].array.shape == (2, 3)
    assert inputs.read([f"s={path}"], interface(SPIKES))["s"].array.shape == (4, 3)
    with pytest.raises(CompileError, match=r"E0702.*no array 'ones'(.|\n)*did you mean 'one'"):
        inputs.read([f"s={path}:ones"], interface(SPIKES))
    with pytest.raises(CompileError, match="which array"):
        inputs.read([f"r={path}"], interface(SCALAR))


def test_rows_of_a_csv_are_steps(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("# x y z\n1,0,1\n0,0,0\n")
    ready = inputs.prepare(inputs.read([str(path)], interface(SPIKES)), interface(SPIKES))
    assert (ready.steps, ready.streamed) == (2, {"s"})
    path.write_text("1,0,1\n")
    assert inputs.prepare(inputs.read([str(path)], interface(SPIKES)), interface(SPIKES), 9).streamed == frozenset()
    path.write_text("1,0,1\n0,1,1\n")
    batch = inputs.prepare(inputs.read([str(path)], interface(SPIKES)), interface(SPIKES), 9, 2)
    assert batch.arrays["s"].shape == (2, 3)


def test_a_csv_row_is_a_flattened_slice(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("0,.1,.2,.3\n0,0,0,0\n")
    ready = inputs.prepare(inputs.read([str(path)], interface(REAL)), interface(REAL))
    assert ready.arrays["x"].shape == (2, 2, 2)


def npy(array: Any, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **settings)
    return buffer.getvalue()


GOOD = npy(np.zeros((2, 3)))
HUGE = GOOD.replace(b"(2, 3), }" + 14 * b" ", b"(99999999, 99999999), }")
assert len(HUGE) == len(GOOD) and HUGE != GOOD


def zipped(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.npy", b""),
        ("a.npy", b"not numpy"),
        ("a.npy", GOOD[:-1]),
        ("a.npy", GOOD[:20]),
        ("a.npy", HUGE),
        ("a.npy", GOOD.replace(b"(2, 3)", b"(9, 9)")),
        ("a.npy", GOOD.replace(b"(2, 3)", b"(-2,3)")),
        ("a.npy", GOOD.replace(b"<f8", b"<q9")),
        ("a.npy", npy(np.array([{}, {}]), allow_pickle=True)),
        ("a.npz", b""),
        ("a.npz", b"PK\x03\x04 broken"),
        ("a.npz", zipped("s.npy", b"nonsense")),
        ("a.npz", zipped("s.npy", GOOD[:-8])),
        ("a.npz", zipped("s.npy", GOOD)[:-40]),
        ("a.npz", zipped("s.npy", GOOD).replace(b"\x93NUMPY", b"\x93NAMPY")),
        ("a.csv", b""),
        ("a.csv", b"# nothing\n"),
        ("a.csv", b"1,2,x\n"),
        ("a.csv", b"1,2,3\n1,2\n"),
        ("a.csv", b"\xff\xfe\x00"),
        ("a.txt", b"1 2 3"),
    ],
)
def test_malformed_files(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CompileError) as caught:
        inputs.read([f"s={tmp_path / name}"], interface(SPIKES))
    assert [d.code for d in caught.value.diagnostics] == ["E0703"]


def test_an_array_that_cannot_fit_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spikec.runtime.memory.limit", lambda: 1000)
    np.savez_compressed(tmp_path / "a.npz", s=np.zeros((1000, 3)))
    with pytest.raises(CompileError, match="E0706"):
        inputs.read([f"s={tmp_path / 'a.npz'}"], interface(SPIKES))


def test_absent_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"E0701.*no such file: (.*)b.npy"):
        inputs.read([f"s={tmp_path / 'b.npy'}"], interface(SPIKES))
    (tmp_path / "c.npy").mkdir()
    with pytest.raises(CompileError, match="E0704"):
        inputs.read([f"s={tmp_path / 'c.npy'}"], interface(SPIKES))


def test_an_input_given_twice(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(UsageError, match="twice"):
        inputs.read([f"s={tmp_path / 'a.npy'}"] * 2, interface(SPIKES))
