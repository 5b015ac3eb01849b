"""Calibration data, and the ranges of values that the real network has on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.dialects.diagnostics import CompileError, UsageError
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.passes.calibration import Calibration, observe, read_labels, stepped
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import SnnEngine

from tests.lower.networks import CORPUS
from tests.lower.networks import inputs as made_up
from tests.lower.networks import load as load_ir

LEAK = """model Leak {
  step 1 steps
  neuron LI { in I; var V = 0.5; V := V * 0.5 + I; spike when V >= 2 { V -= 2 } }
  input x : real[3] in [-4, 4]
  a = LI[3](2 * x)
  output y = a
}
"""
TWO = LEAK.replace("input x : real[3] in [-4, 4]", "input x : real[3]\n  input s : spikes").replace(
    "2 * x", "2 * x + s"
)
NONE = LEAK.replace("input x : real[3] in [-4, 4]", "").replace("2 * x", "bernoulli([0.5, 0, 1])")


def program(tmp_path: Path, text: str = LEAK) -> Program:
    path = tmp_path / "net.snn"
    path.write_text(text)
    return spikec.load(path)


def saved(tmp_path: Path, *arrays: Any, **named: Any) -> str:
    if named:
        np.savez(tmp_path / "data.npz", **named)
        return str(tmp_path / "data.npz")
    np.save(tmp_path / "data.npy", arrays[0])
    return str(tmp_path / "data.npy")


def refused(spec: str, interface: Interface, steps: int | None = None) -> tuple[str, str]:
    with pytest.raises(CompileError) as caught:
        Calibration.read(spec, interface, steps)
    first = caught.value.diagnostics[0]
    return first.code, f"{first.message} ({first.help})" if first.help else first.message


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    ("shape", "steps", "samples", "run", "streams"),
    [
        ((5, 3), None, 1, 5, True),
        ((4, 5, 3), None, 4, 5, True),
        ((4, 5, 3), 2, 4, 2, True),
        ((7, 3), 6, 7, 6, False),
        ((3,), 6, 1, 6, False),
        ((100, 3), 2, 64, 2, False),
    ],
)
def test_shapes(
    tmp_path: Path, shape: tuple[int, ...], steps: int | None, samples: int, run: int, streams: bool
) -> None:
    interface = Interface.of(program(tmp_path))
    data = np.random.default_rng(0).uniform(-1, 1, shape)
    calibration = Calibration.read(saved(tmp_path, data), interface, steps)
    found = list(calibration.samples(interface))
    assert len(found) == samples and calibration.steps == run and bool(calibration.streamed) == streams
    assert all(given.steps == run and given.batch is None for _, given in found)
    if samples == shape[0]:
        assert np.array_equal(found[-1][1].arrays["x"], data[-1][: run if streams else 3].astype(np.float32))


def test_samples_are_spread_evenly(tmp_path: Path) -> None:
    interface = Interface.of(program(tmp_path))
    data = np.repeat(np.linspace(0, 1, 101)[:, np.newaxis], 3, axis=1)
    calibration = Calibration.read(saved(tmp_path, data), interface, 1, samples=5)
    assert calibration.chosen.tolist() == [0, 25, 50, 75, 100] and calibration.total == 101
    assert [index for index, _ in calibration.samples(interface)] == [0, 25, 50, 75, 100]
    assert calibration.arrays["x"][:, 0].tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_keys_and_tables(tmp_path: Path) -> None:
    interface = Interface.of(program(tmp_path))
    data = np.arange(6).reshape(2, 3) / 10
    spec = saved(tmp_path, a=data, b=data[0])
    assert Calibration.read(f"{spec}:a", interface).steps == 2
    assert Calibration.read(f"{spec}:b", interface, 4).steps == 4
    np.savetxt(tmp_path / "data.csv", data, delimiter=",")
    table = Calibration.read(str(tmp_path / "data.csv"), interface)
    assert table.steps == 2 and np.array_equal(table.arrays["x"], data[np.newaxis])


def test_several_inputs_come_from_one_file(tmp_path: Path) -> None:
    interface = Interface.of(program(tmp_path, TWO))
    x, s = np.ones((4, 6, 3)), np.zeros((4, 6), bool)
    both = Calibration.read(saved(tmp_path, x=x, s=s), interface)
    assert both.steps == 6 and len(both.chosen) == 4 and both.streamed == {"x", "s"}
    held = Calibration.read(saved(tmp_path, x=x, s=s[:, 0]), interface)
    assert held.streamed == {"x"} and held.arrays["s"].shape == (4,)
    shared = Calibration.read(saved(tmp_path, x=x, s=np.asarray(True)), interface)
    assert shared.arrays["s"].shape == (4,) and shared.arrays["s"].all()
    code, message = refused(saved(tmp_path, x=x, other=s), interface)
    assert code == "E1205" and "there is no data for s" in message
    assert refused(saved(tmp_path, x), interface)[0] == "E1205"
    code, message = refused(saved(tmp_path, x=x, s=s[:3]), interface)
    assert code == "E1204" and "'x' has 4, 's' has 3" in message
    code, message = refused(saved(tmp_path, x=x, s=s[:, :2]), interface)
    assert code == "E1204" and "calibration runs 6 steps, but 's' has 2" in message


def test_event_files_are_one_sample(tmp_path: Path) -> None:
    text = (
        LEAK.replace("1 steps", "1 ms")
        .replace("x : real[3] in [-4, 4]", "x : real[3, 1]")
        .replace("2 * x", "2 * flatten(x)")
    )
    interface = Interface.of(program(tmp_path, text))
    columns = {"t": [0, 1500, 2500], "x": [0, 0, 0], "y": [0, 2, 2], "p": [1, 0, 1]}
    spec = saved(tmp_path, **{name: np.array(column) for name, column in columns.items()})
    for steps, run in ((None, 3), (5, 5)):
        calibration = Calibration.read(spec, interface, steps)
        assert calibration.steps == run and calibration.streamed == {"x"}
        assert calibration.arrays["x"][0, :3, 2, 0].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("data", "steps", "code", "words"),
    [
        (
            np.zeros((5, 4)),
            None,
            "E1204",
            "has shape (5, 4); expected (T, 3) for one sample or (B, T, 3) for B samples",
        ),
        (np.zeros((5, 4)), 9, "E1204", "expected (N, 3) for N samples of 9 steps each, or (B, T, 3)"),
        (np.zeros((2, 2, 5, 3)), None, "E1204", "has shape (2, 2, 5, 3)"),
        (np.zeros(()), None, "E1204", "has shape ()"),
        (np.zeros((2, 5, 3)), 9, "E1204", "calibration runs 9 steps, but 'x' has 5"),
        (np.zeros((0, 3)), None, "E1206", "is empty: shape (0, 3)"),
        (np.zeros((4, 0, 3)), None, "E1206", "is empty: shape (4, 0, 3)"),
        (np.zeros(3), None, "E1206", "no axis of steps"),
        (np.full((2, 3), np.nan), None, "E0717", "is nan"),
        (np.full((2, 3), -5.0), None, "E0717", "the declared range is [-4, 4]"),
        (np.full((2, 3), "a"), None, "E0717", "not numbers"),
    ],
)
def test_data_that_does_not_fit(tmp_path: Path, data: Any, steps: int | None, code: str, words: str) -> None:
    found, message = refused(saved(tmp_path, data), Interface.of(program(tmp_path)), steps)
    assert found == code and words in message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    interface = Interface.of(program(tmp_path))
    (tmp_path / "text.npy").write_text("no array")
    assert refused(str(tmp_path / "none.npy"), interface)[0] == "E0701"
    assert refused(str(tmp_path / "text.npy"), interface)[0] == "E0703"
    assert refused(saved(tmp_path, a=np.zeros(3)) + ":b", interface)[0] == "E0702"
    assert refused("", interface)[0] == "E1205"
    with pytest.raises(UsageError):
        Calibration.read(saved(tmp_path, np.zeros((2, 3))), interface, 0)
    assert refused("any.npz", Interface.of(program(tmp_path, NONE)))[0] == "E1205"


def test_labels_follow_the_samples(tmp_path: Path) -> None:
    interface = Interface.of(program(tmp_path))
    calibration = Calibration.read(saved(tmp_path, np.zeros((9, 3))), interface, 1, samples=3)
    spec = saved(tmp_path, labels=np.arange(9), short=np.arange(8), halves=np.arange(9) / 2, texts=np.full(9, "a"))
    assert read_labels(spec, calibration).tolist() == [0, 4, 8]
    np.savetxt(tmp_path / "labels.csv", np.arange(9))
    assert read_labels(str(tmp_path / "labels.csv"), calibration).tolist() == [0, 4, 8]
    for key, words in (("short", "shape (8,), but"), ("halves", "not integers"), ("texts", "not integers")):
        with pytest.raises(CompileError) as caught:
            read_labels(f"{spec}:{key}", calibration)
        assert caught.value.diagnostics[0].code == "E1207" and words in caught.value.diagnostics[0].message


# ---------------------------------------------------------------- ranges


def test_ranges_of_a_known_network(tmp_path: Path) -> None:
    net = program(tmp_path)
    text = net.text()
    data = np.array([[[1, 0.25, -1], [0, 0.25, -2]], [[0.5, 0, 4], [0.5, 0, 4]]])
    seen = observe(net, Calibration.read(saved(tmp_path, data), Interface.of(net)))
    assert net.text() == text
    x = seen.inputs["x"]
    assert x.low.tolist() == [0, 0, -2] and x.high.tolist() == [1, 0.25, 4] and not x.whole
    # From 0.5, V := V / 2 + 2 x, less 2 from 2 on: 2.25 - 2 = 0.25, then 0.125; in the second sample 1.25 and 1.625.
    state = seen.states["a.V"]
    assert state.low.tolist() == [0.125, 0.125, -4.875] and state.high[:2].tolist() == [1.625, 0.875]
    assert state.least == -4.875 and state.magnitude == max(4.875, state.greatest) and state.finite
    spikes = seen.states["a.spike"]
    assert spikes.whole and spikes.high.tolist() == [True, False, True]


def test_every_number_of_a_step_is_found_by_its_value(tmp_path: Path) -> None:
    net = program(tmp_path)
    data = np.random.default_rng(0).uniform(-4, 4, (2, 20, 3))
    seen = observe(net, Calibration.read(saved(tmp_path, data), Interface.of(net)))
    block = net.symbols()["step"].regions[0].blocks[0]
    assert seen.of(block.arguments[0]).low.tolist() == data.min(axis=(0, 1)).astype(np.float32).tolist()
    names = []
    for op in (operation.operation for operation in block.operations):
        for result in op.results:
            found = seen.of(result)
            if str(result.type.element_type) == "i1":
                assert found is None
                continue
            names.append(op.name)
            if op.name == "arith.mulf":
                assert found is not None and found.greatest == pytest.approx(2 * data.max())
    assert "arith.mulf" in names
    assert seen.of(net.symbols()["step"]) is None


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_is_seen_is_what_a_run_has(path: Path) -> None:
    """States of an ordinary run lie in the ranges, and reach their ends."""
    net = load_ir(path)
    interface = Interface.of(net)
    given = made_up(interface, 12)
    arrays = {name: array[np.newaxis] for name, array in given.items()}
    calibration = Calibration(12, arrays, frozenset(arrays))
    seen = observe(net, calibration, seed=5)
    engine = SnnEngine(net, interface)
    engine.reset(5, 0)
    history = {name: [engine.state(name)] for name in seen.states}
    for _ in stepped(engine, next(calibration.samples(interface))[1]):
        for name, values in history.items():
            values.append(engine.state(name))
    for name, values in history.items():
        assert np.array_equal(seen.states[name].low, np.min(values, axis=0), equal_nan=True), name
        assert np.array_equal(seen.states[name].high, np.max(values, axis=0), equal_nan=True), name
    for (position, number), found in seen.places.items():
        block = net.symbols()["step"].regions[0].blocks[0]
        value = block.arguments[number] if position < 0 else list(block.operations)[position].operation.results[number]
        assert isinstance(value.type, ir.RankedTensorType) and tuple(value.type.shape) == found.low.shape
        assert seen.of(value) is found


def test_networks_without_inputs_draw_as_their_sample_does(tmp_path: Path) -> None:
    net = program(tmp_path, NONE)
    seen = observe(net, Calibration(40), seed=3)
    assert not seen.inputs
    assert seen.states["a.V"].high[1] == 0.5 and seen.states["a.V"].high[2] > 1.9
    again, other = (observe(net, Calibration(40), seed=seed) for seed in (3, 4))
    assert np.array_equal(again.states["a.V"].high, seen.states["a.V"].high)
    assert not np.array_equal(other.states["a.V"].high, seen.states["a.V"].high)
