"""Tables that passes leave in the notes of a program."""

from __future__ import annotations

from typing import Any

from spikec.dialects.notes import Table
from spikec.dialects.program import Program


def table(program: Program, title: str) -> Table:
    """The one table of this title."""
    (found,) = (note for note in program.notes if isinstance(note, Table) and note.title == title)
    return found


def rows(program: Program, title: str) -> list[dict[str, Any]]:
    """The rows of the one table of this title, by its columns."""
    found = table(program, title)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]
