"""Tables of synapses: names of columns, files that are no tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spikec.dialects.diagnostics import CompileError
from spikec.runtime import tables


def test_columns_by_name_and_by_place(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("# wiring\n\npre, post, E\n1,2,3.5  # first\n\n4,5,6\n")
    found = tables.read(tmp_path / "a.csv")
    assert {name: column.tolist() for name, column in found.items()} == {"pre": [1, 4], "post": [2, 5], "E": [3.5, 6]}
    (tmp_path / "b.csv").write_text("1,2,0.5\n")
    assert list(tables.read(tmp_path / "b.csv")) == ["pre", "post", "weight"]
    np.save(tmp_path / "c.npy", np.arange(8).reshape(2, 4))
    assert list(tables.read(tmp_path / "c.npy")) == ["pre", "post", "weight", "delay"]
    np.savez(tmp_path / "d.npz", np.arange(4).reshape(2, 2))
    assert tables.read(tmp_path / "d.npz")["post"].tolist() == [1, 3]
    np.savez(tmp_path / "e.npz", post=np.array([2]), pre=np.array([1]))
    assert tables.read(tmp_path / "e.npz")["pre"].tolist() == [1]


def test_a_table_may_have_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("pre,post\n")
    assert {name: column.shape for name, column in tables.read(tmp_path / "a.csv").items()} == {
        "pre": (0,),
        "post": (0,),
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0\n1\n", "E0607"),
        ("0,1,2,3,4\n", "E0607"),
        ("pre,post,pre\n0,1,2\n", "E0607"),
        ("pre,,post\n0,1,2\n", "E0607"),
        ("pre,post\n0,1,2\n", "E0607"),
        ("pre,post,weight\n0,1,one\n", "E0703"),
        ("pre,post,weight\na,b,one\n", "E0703"),
        ("pre,post\n0,1\n2\n", "E0703"),
        ("", "E0607"),
    ],
)
def test_what_is_no_table(text: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(CompileError, match=code):
        tables.read(path)


def test_names_of_neurons(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("pre, post, weight\nAVAL, 3, 1.5\nAVAR, 4, 2\n")
    found = tables.read(path)
    assert found["pre"].tolist() == ["AVAL", "AVAR"]
    assert found["post"].tolist() == [3, 4] and found["weight"].tolist() == [1.5, 2]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="E0701"):
        tables.read(tmp_path / "none.csv")
    with pytest.raises(CompileError, match="E0703"):
        tables.read(tmp_path / "none.txt")
