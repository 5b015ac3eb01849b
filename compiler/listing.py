"""Passes, targets and the tables of passes as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spikec.dialects.notes import Cell, Table
from spikec.pass_options import written
from spikec.plugins import OURS


def passes(found: Sequence[Mapping[str, Any]]) -> str:
    """Each pass with its level, what it does, and its options below it."""
    return "\n".join(line for entry in found for line in _pass(entry))


def _pass(entry: Mapping[str, Any]) -> Iterator[str]:
    if entry["error"]:
        yield f"{entry['name']}  error: {entry['error']}"
        return
    level = "" if entry["level"] == "any" else f"level {entry['level']}: "
    yield f"{entry['name']}  {level}{entry['about']}{_origin(entry)}"
    rows = [_option(option) for option in entry["options"]]
    for row in _columns(rows, "<<<"):
        yield f"    {row}"


def _option(option: Mapping[str, Any]) -> tuple[str, str, str]:
    default = "" if option["required"] else f"={written(option['default'])}"
    choices = "|".join(str(choice) for choice in option["choices"] or ())
    return f"{option['name']}{default}", choices or option["type"], option["help"]


def targets(found: Sequence[Mapping[str, Any]]) -> str:
    """Each target with its form, what it is for and what it makes."""
    width = max(len(entry["form"]) for entry in found)
    return "\n".join(f"{entry['form']:<{width}}  {_target(entry)}" for entry in found)


def _target(entry: Mapping[str, Any]) -> str:
    if entry["error"]:
        return f"error: {entry['error']}"
    return f"{entry['about']}; --emit {' '.join(entry['emit'])}{_origin(entry)}"


def _origin(entry: Mapping[str, Any]) -> str:
    return "" if entry["package"] == OURS else f" [{entry['package']}]"


def table(made: Table) -> str:
    """A table with its title; numbers stand on the right, others on the left."""
    columns = [[row[i] for row in made.rows] for i in range(len(made.columns))]
    sides = "".join(">" if all(_is_number(cell) for cell in column) else "<" for column in columns)
    rows = [made.columns, *(tuple(_cell(cell) for cell in row) for row in made.rows)]
    return "\n".join([made.title, *(f"  {row}" for row in _columns(rows, sides))])


def _is_number(cell: Cell) -> bool:
    """A number, or one that is missing."""
    return cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool))


def _cell(cell: Cell) -> str:
    match cell:
        case None:
            return "-"
        case bool():
            return "yes" if cell else "no"
        case float():
            return f"{cell:.6g}"
    return str(cell)


def _columns(rows: Sequence[Sequence[str]], sides: str) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(sides))] if rows else []
    for row in rows:
        cells = (f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True))
        yield "  ".join(cells).rstrip()
