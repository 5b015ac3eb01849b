"""The event camera of the example 10_dvs: what it guarantees, its files, and the detection of slip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spikec
from hypothesis import given, settings
from hypothesis import strategies as st
from spikec.runtime import inputs

from tests.examples.scripts import said, script

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "10_dvs"


dvs = script("examples/10_dvs/events.py")


def columns(events: Any) -> list[list[int]]:
    return [getattr(events, name).tolist() for name in "txyp"]


def film(seed: int, frames: int = 12, size: tuple[int, int] = (5, 6)) -> np.ndarray[Any, Any]:
    """Log intensities that wander."""
    return np.random.default_rng(seed).normal(0, 0.5, (frames, *size)).cumsum(axis=0)


def one_pixel(log: list[float], times: list[float], contrast: float) -> list[tuple[int, int]]:
    """The definition, event by event: (time, polarity) of a pixel."""
    found = []
    crossed = 0
    for (t0, before), (t1, after) in zip(
        zip(times, log, strict=True), list(zip(times, log, strict=True))[1:], strict=False
    ):
        while abs((after - log[0]) / contrast - crossed) >= 1:
            sign = 1 if (after - log[0]) / contrast > crossed else -1
            crossed += sign
            level = log[0] + crossed * contrast
            found.append((int(t0 + (level - before) / (after - before) * (t1 - t0) + 1e-6), int(sign > 0)))
    return found


# ---------------------------------------------------------------- the sensor


def test_a_static_scene_has_no_events() -> None:
    scene = np.random.default_rng(0).random((1, 8, 9)).repeat(50, axis=0)
    assert len(dvs.record(scene, np.arange(50) * 1000)) == 0
    assert len(dvs.record(scene[:1], [0])) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 1.0), st.booleans())
def test_a_monotone_change_gives_its_whole_contrasts(seed: int, contrast: float, falls: bool) -> None:
    rng = np.random.default_rng(seed)
    log = np.abs(rng.exponential(0.4, (9, 4, 3))).cumsum(axis=0) * (-1 if falls else 1)
    events = dvs.record_log(log, np.arange(9) * 700, dvs.Sensor(contrast=contrast))
    counts = events.counts(4, 3, 10**6, 1)[0]
    whole = np.floor(np.abs(log[-1] - log[0]) / contrast).astype(int)
    assert np.array_equal(counts[0 if falls else 1], whole)
    assert not counts[1 if falls else 0].any()


def test_steps_of_exactly_one_contrast() -> None:
    ramp = np.arange(11.0).reshape(-1, 1, 1) * 0.25
    events = dvs.record_log(ramp, np.arange(11) * 10, dvs.Sensor(contrast=0.25))
    assert columns(events) == [[10 * k for k in range(1, 11)], [0] * 10, [0] * 10, [1] * 10]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_events_are_those_of_the_definition(seed: int) -> None:
    log, times = film(seed, size=(2, 2)), np.arange(12) * 1000.0 + 500
    events = dvs.record_log(log, times, dvs.Sensor(contrast=0.2))
    for y, x in np.ndindex(2, 2):
        here = (events.y == y) & (events.x == x)
        wanted = sorted(one_pixel(log[:, y, x].tolist(), times.tolist(), 0.2))
        assert events.p[here].tolist() == [p for _, p in wanted]
        assert np.abs(events.t[here] - [t for t, _ in wanted]).max(initial=0) <= 1


def test_a_negative_has_the_same_events_with_opposite_polarity() -> None:
    times = np.arange(12) * 1000
    events, negative = dvs.record_log(film(3), times), dvs.record_log(-film(3), times)
    t, x, y, p = columns(events)
    assert len(t) > 100
    assert columns(negative) == [t, x, y, [1 - polarity for polarity in p]]


def test_events_ascend_and_lie_between_the_frames() -> None:
    events = dvs.record_log(film(4), np.arange(12) * 1000 + 70, dvs.Sensor(noise_hz=1000))
    assert (np.diff(events.t) >= 0).all()
    assert events.t.min() >= 70 and events.t.max() <= 11070


def test_a_refractory_pixel_is_silent_and_loses_nothing_else() -> None:
    times = np.arange(12) * 1000
    every = dvs.record_log(film(5), times, dvs.Sensor(contrast=0.05))
    some = dvs.record_log(film(5), times, dvs.Sensor(contrast=0.05, refractory_us=300))
    kept = set(zip(*columns(some), strict=True))
    assert kept < set(zip(*columns(every), strict=True))
    for y, x in np.ndindex(5, 6):
        mine = some.t[(some.y == y) & (some.x == x)]
        assert (np.diff(mine) >= 300).all()
        for t in every.t[(every.y == y) & (every.x == x)]:
            assert ((mine <= t) & (t - mine < 300)).any(), "an event is lost only behind one that is kept"


def test_noise_has_its_rate_and_its_seed() -> None:
    sensor, still = dvs.Sensor(noise_hz=50.0), np.ones((2, 20, 20))
    events = dvs.record(still, [0, 10**6], sensor, seed=1)
    assert abs(len(events) - 20000) < 5 * 20000**0.5
    assert abs(events.p.mean() - 0.5) < 0.02
    assert columns(events) == columns(dvs.record(still, [0, 10**6], sensor, seed=1))
    assert columns(events) != columns(dvs.record(still, [0, 10**6], sensor, seed=2))


@pytest.mark.parametrize(
    ("frames", "times"),
    [
        (np.zeros((3, 4)), [0, 1, 2]),
        (np.zeros((0, 2, 2)), []),
        (np.full((2, 2, 2), np.nan), [0, 1]),
        (np.zeros((2, 2, 2)), [1, 1]),
        (np.zeros((2, 2, 2)), [0, 1, 2]),
        (np.zeros((2, 2, 2)), [-5, 1]),
    ],
)
def test_films_that_are_none(frames: Any, times: list[float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        dvs.record_log(frames, times)


def test_negative_intensities_and_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        dvs.record(-np.ones((2, 2, 2)), [0, 1])
    for wrong in ({"contrast": 0.0}, {"floor": -1.0}, {"refractory_us": -1}, {"noise_hz": -1.0}):
        with pytest.raises(ValueError, match="must"):
            dvs.Sensor(**wrong)


# ---------------------------------------------------------------- saccades and files


def test_saccades_are_a_closed_triangle() -> None:
    path = dvs.saccades(100, 5.0)
    assert path.shape == (301, 2)
    assert np.array_equal(path[0], path[-1])
    assert np.array_equal(path[[0, 100, 200]], [[-2.5, -2.5], [0, 2.5], [2.5, -2.5]])
    assert np.abs(np.diff(path, axis=0)).max() < 0.06


def test_moving_by_whole_pixels_moves_the_film() -> None:
    image = np.random.default_rng(1).random((8, 8))
    still, moved = dvs.moved(image, np.array([[0.0, 0.0], [3.0, -2.0]]))
    assert still.shape == (34, 34)
    assert np.allclose(moved[:-2, 3:], still[2:, :-3])


def test_an_even_image_stays_even() -> None:
    inner = dvs.moved(np.ones((20, 20)), np.zeros((1, 2)))[0]
    assert np.allclose(inner, 1)


def test_a_digit_sends_events_of_both_polarities() -> None:
    from sklearn.datasets import load_digits

    image = load_digits().images[0] / 16
    events = dvs.digit(image)
    counts = events.counts(34, 34, 1000, 301)
    assert counts.sum() == len(events) > 1000
    assert 0.4 < events.p.mean() < 0.6
    assert columns(events) == columns(dvs.digit(image))


def test_spikec_counts_a_saved_file_as_the_example_does(tmp_path: Path) -> None:
    events = dvs.record_log(film(6, size=(5, 6)), np.arange(12) * 1000, dvs.Sensor(contrast=0.1))
    events.save(tmp_path / "e.npz")
    model = tmp_path / "m.snn"
    model.write_text("model M {\n  step 1 ms\n  input x : int[2, 5, 6]\n  output y = x\n}\n")
    net = spikec.compile(spikec.load(model))
    run = net.run(inputs.read([str(tmp_path / "e.npz")], net.interface), steps=11)
    assert np.array_equal(run.outputs["y"], events.counts(5, 6, 1000, 11))


# ---------------------------------------------------------------- slip


def test_slip_is_told_from_rest(tmp_path: Path) -> None:
    word, percent, *_, path = " ".join(said("examples/10_dvs/slip.py", "-o", tmp_path)).split()
    assert word == "accuracy" and float(percent) >= 95
    assert Path(path).read_bytes().startswith(b"\x89PNG")


def test_the_readout_is_not_tried_on_what_it_was_fitted_to() -> None:
    slip = script("examples/10_dvs/slip.py")
    first, second = (slip.recording(False, seed) for seed in (0, slip.RECORDINGS // 2))
    assert columns(first) != columns(second)
    rows = np.column_stack([np.arange(4.0), np.ones(4)])
    answers = np.array([False, False, True, True])
    assert np.array_equal(rows @ slip.readout(rows, answers) > 0, answers)
