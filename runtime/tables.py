"""Reading tables of synapses: columns by name from `.csv`, `.npz` and `.npy` files that nobody vouches for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from spikec.dialects.constants import Array
from spikec.runtime import arrays, memory

COLUMNS = ("pre", "post", "weight", "delay")
"""What the columns of a table without names are, in order."""

ENDS = ("pre", "post")
"""The columns that may hold names of neurons."""


def read(path: Path) -> Mapping[str, Array]:
    """The columns of a table, each of shape (rows,).

    A `.csv` may begin with a line of names; an `.npz` has an array for each column, or one of shape
    (rows, columns), as a `.npy` has.  Raises CompileError for a file that cannot be read or is no table.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        names = arrays.keys(path)
        if len(names) != 1:
            return {name: arrays.read(path, name) for name in names}
    if suffix == ".csv":
        return _csv(path)
    return columns(arrays.read(path), path)


def columns(array: Array, path: Path | None = None) -> Mapping[str, Array]:
    """The columns of an array of shape (rows, 2 to 4)."""
    if array.ndim != 2 or not 2 <= array.shape[1] <= len(COLUMNS):
        shape = "x".join(map(str, array.shape)) or "no axis"
        text = f"a table of synapses has 2 to 4 columns ({', '.join(COLUMNS)}), and this is an array of {shape}"
        raise arrays.fail("E0607", path, text, "name the columns to have others")
    return {name: array[:, n] for n, name in enumerate(COLUMNS[: array.shape[1]])}


def _csv(path: Path) -> Mapping[str, Array]:
    with arrays.readable(path, ".csv"):
        if path.stat().st_size * 8 > memory.limit():
            raise arrays.fail("E0706", path, f"{memory.shown(path.stat().st_size)} of text; use .npz for such tables")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = arrays.csv_rows(stream)
            head = next(rows, [])
            names = [] if all(map(_is_number, head)) else [name.strip() for name in head]
            kind = np.str_ if _has_text(names, rows) else np.float64
        found = _cells(path, bool(names), max(1, len(head)), kind)
    if not names:
        return columns(found, path)
    for name in names:
        if not name or names.count(name) > 1:
            text = f"the name '{name}' stands above two columns" if name else "a column has no name"
            raise arrays.fail("E0607", path, text)
    if found.shape[1] != len(names):
        raise arrays.fail("E0607", path, f"there are {len(names)} names for {found.shape[1]} columns")
    with arrays.readable(path, ".csv"):
        return {name: _column(name, found[:, n]) for n, name in enumerate(names)}


def _column(name: str, cells: Array) -> Array:
    """A column of numbers; the ends of synapses may have names instead."""
    if cells.dtype.kind != "U" or (name in ENDS and not all(map(_is_number, cells.tolist()))):
        return cells
    return cells.astype(np.float64)


def _has_text(names: list[str], rows: Iterator[list[str]]) -> bool:
    """Whether the first of the rows below the names calls neurons by theirs."""
    if not set(ENDS) <= set(names):
        return False
    return any(not _is_number(cell) for name, cell in zip(names, next(rows, []), strict=False) if name in ENDS)


def _cells(path: Path, named: bool, width: int, kind: type) -> Array:
    """The numbers or texts below the names, of shape (rows, columns)."""
    with path.open(encoding="utf-8-sig") as stream, warnings.catch_warnings():
        # No rows at all are fine.
        warnings.simplefilter("ignore", UserWarning)
        lines = (line for line in stream if line.split("#")[0].strip())
        if named:
            next(lines, None)
        found: Array = np.loadtxt(lines, delimiter=",", comments="#", ndmin=2, dtype=kind)
    if kind is np.str_:
        found = np.char.strip(found)
    return found if found.size else np.empty((0, width))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
