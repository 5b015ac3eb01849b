"""Outputs appear whole or not at all, and nothing is replaced without leave."""

from __future__ import annotations

from pathlib import Path

import pytest
from spikec.dialects.diagnostics import CompileError
from spikec.runtime import files


def test_a_file_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write(path, b"1")
    with pytest.raises(CompileError, match=r"E0707.*exists(.|\n)*--force"):
        files.write(path, b"2")
    assert path.read_bytes() == b"1"
    files.write(path, b"2", force=True)
    assert path.read_bytes() == b"2"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"1")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    files.write(tmp_path / "link", b"2", force=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"2"


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "folder", tmp_path):
        with pytest.raises(CompileError, match="E0708"):
            files.write(path, b"1", force=True)


def test_devices_are_written_to(tmp_path: Path) -> None:
    files.write(Path("/dev/null"), b"1")
    assert not Path("/dev/null").is_file()


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="E0708"):
        files.write_folder(tmp_path / "net", {"a": b"1", "b": tmp_path / "absent"})
    assert list(tmp_path.iterdir()) == []
    files.write_folder(tmp_path / "deep" / "net", {"a": b"1"})
    assert (tmp_path / "deep" / "net" / "a").read_bytes() == b"1"


def test_a_folder_that_exists_keeps_what_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(CompileError, match="E0707"):
        files.write_folder(tmp_path, {"a": b"1"})
    files.write_folder(tmp_path, {"a": b"1"}, force=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "mine"]
