"""Reading names of neurons from a `.csv` that nobody vouches for."""

from __future__ import annotations

from pathlib import Path

from spikec.runtime import arrays, memory

COLUMN = "name"


def read(path: Path) -> list[str]:
    """One name for each line, or the column `name` where the first line names columns.

    Raises CompileError for a file that cannot be read or lacks a name.
    """
    with arrays.readable(path, ".csv"):
        if path.stat().st_size * 8 > memory.limit():
            raise arrays.fail("E0706", path, f"{memory.shown(path.stat().st_size)} of names")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [[cell.strip() for cell in row] for row in arrays.csv_rows(stream)]
    place = 0
    if rows and COLUMN in rows[0]:
        place = rows[0].index(COLUMN)
        rows = rows[1:]
    elif any(len(row) > 1 for row in rows):
        raise arrays.fail("E0610", path, "several columns, and the first line calls none of them 'name'")
    missing = next((n for n, row in enumerate(rows) if len(row) <= place or not row[place]), None)
    if missing is not None:
        raise arrays.fail("E0610", path, f"row {missing} has no name", "rows are counted from 0")
    return [row[place] for row in rows]
