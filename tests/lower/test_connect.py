"""Connectors: the same pairs as the definition, the right distribution, filters, rows in order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from spikec.dialects.constants import Array
from spikec.dialects.random import key
from spikec.lower import connect, filters
from spikec.runtime.reference import synapses

from tests.lower.networks import parse

CASES = [
    (50, 48, 0.2),
    (1, 70000, 0.001),
    (300, 7, 0.5),
    (60, 60, 0.999),
    (20, 300, 1e-9),
    (9, 9, 1e-300),
    (9, 9, 0.0),
    (9, 9, 1.0),
    (9, 9, 1.5),
    (9, 9, -1.0),
]


def rows(connection: connect.Rows) -> list[Array]:
    return [connection.col[begin:end] for begin, end in zip(connection.row[:-1], connection.row[1:], strict=True)]


@pytest.mark.parametrize(("pre", "post", "p"), CASES)
def test_the_same_pairs_as_row_by_row(pre: int, post: int, p: float) -> None:
    source = key(3, 2, "a path")
    made = connect.probable(pre, post, p, source)
    wanted = list(synapses.probable(pre, post, p, source))
    assert len(made.row) == pre + 1 and made.row.dtype == np.int32
    assert made.col.dtype == (np.uint16 if post <= 65536 else np.uint32)
    for one, other in zip(rows(made), wanted, strict=True):
        assert np.array_equal(one, other)


def test_rows_that_need_more_draws_than_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many numbers are drawn at a time, the pairs are the same."""
    source = key(0, 0, "w")
    wanted = connect.probable(40, 500, 0.3, source)
    for stretch in (1, 64, 1000):
        monkeypatch.setattr(connect, "STRETCH", stretch)
        made = connect.probable(40, 500, 0.3, source)
        assert np.array_equal(made.col, wanted.col) and np.array_equal(made.row, wanted.row)
    # Few draws at a time: most rows take several rounds.
    source_rows, targets = connect._stretch(np.arange(40), 500, math.log(0.7), 5, 3, source)
    assert np.array_equal(np.bincount(source_rows, minlength=40), np.diff(wanted.row))
    assert np.array_equal(targets, wanted.col)


def test_pairs_are_independent_and_of_the_given_probability() -> None:
    pre, post, p = 400, 300, 0.1
    made = connect.probable(pre, post, p, key(1, 0, "w"))
    matrix = np.zeros((pre, post), bool)
    matrix[made.sources(), made.col] = True
    assert matrix.sum() == len(made.col), "no pair twice"
    # Within five standard deviations: of all pairs, of each column, of neighbours in a row.
    deviation = math.sqrt(p * (1 - p))
    assert abs(matrix.mean() - p) < 5 * deviation / math.sqrt(pre * post)
    assert (abs(matrix.mean(axis=0) - p) < 5 * deviation / math.sqrt(pre)).all()
    both = (matrix[:, 1:] & matrix[:, :-1]).mean()
    assert abs(both - p * p) < 5 * math.sqrt(p * p * (1 - p * p)) / math.sqrt(pre * (post - 1))


def test_seed_and_path_choose_the_pairs() -> None:
    drawn = [
        connect.probable(30, 30, 0.5, key(*k)).col.tolist()
        for k in [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b")]
    ]
    assert len({tuple(d) for d in drawn}) == 4
    # More sources leave the rows of the others alone.
    few, many = connect.probable(10, 30, 0.5, key(0, 0, "a")), connect.probable(90, 30, 0.5, key(0, 0, "a"))
    assert all(np.array_equal(a, b) for a, b in zip(rows(few), rows(many)[:10], strict=True))


@pytest.mark.parametrize("stretch", [7, 1 << 18])
def test_filters_drop_pairs(stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "STRETCH", stretch)
    made = connect.every(6, 9, lambda pre, post: (pre + post) % 3 == 0)
    assert [r.tolist() for r in rows(made)] == [[j for j in range(9) if (i + j) % 3 == 0] for i in range(6)]
    assert made.sources().tolist() == [i for i in range(6) for j in range(9) if (i + j) % 3 == 0]
    diagonal = connect.one_to_one(6, lambda pre, post: pre > 2)
    assert [r.tolist() for r in rows(diagonal)] == [[], [], [], [3], [4], [5]]
    nothing = connect.every(6, 9, lambda pre, post: pre < 0)
    assert nothing.row.tolist() == [0] * 7 and len(nothing.col) == 0


FILTER = """module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func private @keep(%pre: i64, %post: i64) -> i1 {
    %three = arith.constant 3 : i64
    %d = arith.subi %pre, %post : i64
    %f = arith.floordivsi %d, %three : i64
    %r = arith.remsi %d, %three : i64
    %s = arith.addi %f, %r : i64
    %x = arith.sitofp %s : i64 to f32
    %e = math.exp %x : f32
    %one = arith.constant 1.0 : f32
    %keep = arith.cmpf ole, %e, %one : f32
    return %keep : i1
  }
  func.func private @all(%pre: i64, %post: i64) -> i1 {
    %true = arith.constant true
    return %true : i1
  }
}
"""


def test_filters_are_programs() -> None:
    program = parse(FILTER)
    symbols = program.symbols()
    pre, post = np.repeat(np.arange(8), 8), np.tile(np.arange(8), 8)
    kept = filters.filter_of(symbols["keep"])(pre, post)
    difference = pre - post
    assert kept.tolist() == (np.floor_divide(difference, 3) + np.fmod(difference, 3) <= 0).tolist()
    assert filters.filter_of(symbols["all"])(pre, post).shape == (64,)
