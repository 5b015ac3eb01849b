"""What a pass has to say about a program: tables for a report, and warnings."""

from __future__ import annotations

from dataclasses import dataclass

from spikec.dialects.diagnostics import Diagnostic

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Table:
    """One table of a report, such as the scale and the error of each quantised projection."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


Note = Table | Diagnostic
