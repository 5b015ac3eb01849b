"""Connectors with exact numbers: the same pairs as the definition, exact counts, uniform choice, seeds, filters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import CompileError
from spikec.dialects.random import key, uniform, words
from spikec.lower import connect, fixed
from spikec.runtime.reference import connectors as reference

MAKE = {"fixed_in": fixed.fixed_in, "fixed_out": fixed.fixed_out, "fixed_total": fixed.fixed_total}
CASES = [
    ("fixed_in", 50, 48, 7),
    ("fixed_in", 50, 48, 40),
    ("fixed_in", 50, 3, 50),
    ("fixed_in", 70000, 2, 3),
    ("fixed_out", 6, 900, 13),
    ("fixed_out", 6, 9, 0),
    ("fixed_out", 6, 9, 5),
    ("fixed_total", 30, 20, 77),
    ("fixed_total", 30, 20, 599),
    ("fixed_total", 30, 20, 600),
    ("fixed_total", 1, 1, 1),
    ("fixed_total", 70000, 70000, 100),
]


def pairs(rows: connect.Rows) -> Array:
    return np.stack([rows.sources(), rows.col.astype(np.int64)], axis=1)


def defined(kind: str, pre: int, post: int, count: int, repeat: bool, drawn: Any, keep: Any) -> Array:
    """The pairs that the reference interpreter makes."""
    view: Any = SimpleNamespace(pre=pre, post=post, sym_name="p")
    found = reference._fixed(view, kind, count, repeat, drawn, keep)
    return np.array([(i, j) for i, row in enumerate(found) for j in row], np.int64).reshape(-1, 2)


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize(("kind", "pre", "post", "count"), CASES)
def test_the_same_pairs_as_the_definition(kind: str, pre: int, post: int, count: int, repeat: bool) -> None:
    drawn = key(3, 2, "a path")
    made = MAKE[kind](pre, post, count, repeat, drawn)
    assert np.array_equal(pairs(made), defined(kind, pre, post, count, repeat, drawn, None))
    assert made.row.dtype == np.int32 and made.col.dtype == (np.uint16 if post <= 65536 else np.uint32)


@pytest.mark.parametrize(("kind", "count"), [("fixed_in", 6), ("fixed_in", 11), ("fixed_out", 9), ("fixed_total", 200)])
@pytest.mark.parametrize("repeat", [False, True])
def test_a_condition_leaves_fewer_partners_to_choose_from(kind: str, count: int, repeat: bool) -> None:
    drawn = key(1, 0, "w")

    def keep(source: Array, target: Array) -> Array:
        return np.asarray((source + 2 * target) % 3 != 0)

    made = pairs(MAKE[kind](24, 21, count, repeat, drawn, keep))
    assert np.array_equal(made, defined(kind, 24, 21, count, repeat, drawn, keep))
    assert keep(made[:, 0], made[:, 1]).all()
    number = {"fixed_in": 21 * count, "fixed_out": 24 * count, "fixed_total": count}[kind]
    assert len(made) == number
    assert repeat or len(np.unique(made, axis=0)) == number


@pytest.mark.parametrize("stretch", [1, 50, 1 << 18])
@pytest.mark.parametrize("kind", ["fixed_in", "fixed_out", "fixed_total"])
def test_however_much_is_drawn_at_a_time(kind: str, stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = pairs(MAKE[kind](40, 30, 12, False, (1, 2), lambda i, j: i != j))
    monkeypatch.setattr(connect, "STRETCH", stretch)
    assert np.array_equal(pairs(MAKE[kind](40, 30, 12, False, (1, 2), lambda i, j: i != j)), wanted)


def test_every_neuron_has_its_number_and_all_partners_are_equally_likely() -> None:
    made = pairs(fixed.fixed_in(200, 3000, 30, False, key(0, 1, "w")))
    assert (np.bincount(made[:, 1]) == 30).all()
    assert len(np.unique(made, axis=0)) == len(made)
    # How often each source was chosen: within five standard deviations of 3000 * 30 / 200 times.
    often = np.bincount(made[:, 0], minlength=200)
    deviation = np.sqrt(3000 * 0.15 * 0.85)
    assert np.abs(often - 450).max() < 5 * deviation
    assert 0.7 * deviation < often.std() < 1.3 * deviation
    most = pairs(fixed.fixed_out(3000, 200, 170, False, key(0, 1, "w")))
    assert (np.bincount(most[:, 0]) == 170).all()
    assert np.abs(np.bincount(most[:, 1], minlength=200) - 2550).max() < 5 * deviation


def test_repeated_draws_are_independent() -> None:
    made = pairs(fixed.fixed_total(10, 10, 100000, True, key(0, 0, "w")))
    often = np.bincount(made[:, 0] * 10 + made[:, 1], minlength=100)
    assert often.sum() == 100000 and np.abs(often - 1000).max() < 5 * np.sqrt(1000)


def test_seed_and_path_choose_and_more_targets_leave_the_others_alone() -> None:
    drawn = [pairs(fixed.fixed_in(30, 30, 5, False, key(*k))).tolist() for k in [(0, 0, "a"), (1, 0, "a"), (0, 1, "a")]]
    assert len({str(d) for d in drawn}) == 3
    few, many = (pairs(fixed.fixed_in(30, n, 5, False, key(0, 0, "a"))) for n in (10, 80))
    assert np.array_equal(few, many[many[:, 1] < 10])


def test_too_few_partners() -> None:
    for make in MAKE.values():
        with pytest.raises(fixed.Shortage):
            make(5, 5, 26, False, (0, 0))
        with pytest.raises(fixed.Shortage):
            make(5, 5, 1, True, (0, 0), lambda i, j: i < 0)
        assert len(make(5, 5, 0, True, (0, 0), lambda i, j: i < 0).col) == 0
    with pytest.raises(CompileError, match="E0606"):
        defined("fixed_in", 5, 5, 6, False, (0, 0), None)


def test_too_many_synapses_are_refused_before_memory_is_taken() -> None:
    for make in MAKE.values():
        with pytest.raises(OverflowError):
            make(1 << 20, 1 << 20, 1 << 31, True, (0, 0))


def test_draws_are_exact_for_any_size() -> None:
    numbers = words((1, 2), np.zeros(500, np.int64), np.arange(500))
    for size in (1, 7, 2**31 + 5, 2**32, 2**62 - 1):
        found = fixed._upper_half(numbers, np.full(500, size, np.uint64))
        assert found.tolist() == [(number * size) >> 64 for number in numbers.tolist()]


def test_pairs_of_different_probability() -> None:
    def chance(source: Array, target: Array) -> Array:
        return np.where(source == target, np.nan, 0.5 / (1.0 + np.abs(source - target)))

    drawn = key(0, 3, "w")
    made = pairs(connect.probable_pairs(400, 300, chance, drawn, lambda i, j: i % 2 == 0))
    every = np.stack(np.meshgrid(np.arange(400), np.arange(300), indexing="ij"), axis=-1).reshape(-1, 2)
    kept = (uniform(drawn, every[:, 0], every[:, 1], 0) < chance(*every.T)) & (every[:, 0] % 2 == 0)
    assert np.array_equal(made, every[kept])
    near = np.abs(made[:, 0] - made[:, 1]) == 1
    assert abs(near.sum() - 0.25 * 300) < 5 * np.sqrt(300 * 0.25 * 0.75)


def test_tables_keep_their_order_within_a_pair() -> None:
    sources, targets = np.array([3, 0, 3, 0, 3]), np.array([1, 2, 1, 0, 0])
    made = connect.listed(5, 4, sources, targets)
    assert pairs(made).tolist() == [[0, 0], [0, 2], [3, 0], [3, 1], [3, 1]]
    assert made.place is not None and made.place.tolist() == [3, 1, 4, 0, 2]
    kept = connect.listed(5, 4, sources, targets, lambda i, j: j != 1)
    assert kept.place is not None and kept.place.tolist() == [3, 1, 4]
