"""`from(table)`: synapses, weights and other columns that stand in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.frontend import names, syntax
from spikec.frontend.expressions import Expressions
from spikec.frontend.values import Mistake, Value, as_array, number


@dataclass(frozen=True)
class Table:
    """The columns of a table, each of shape (rows,)."""

    name: str
    columns: Mapping[str, Array]

    @property
    def rows(self) -> int:
        return len(self.columns["pre"])


def named(expressions: Expressions, node: syntax.Call, default: str) -> tuple[Table, str]:
    """The table and the column that `from(table)` or `from(table, "column")` names."""
    if node.keywords:
        raise Mistake("E0306", node.keywords[0].span, "'from' takes no keyword arguments")
    expressions.count_arguments(node, "from", 1, 2)
    source, *column = [expressions.eval(argument) for argument in node.args]
    if column and column[0].kind != "text":
        raise Mistake("E0302", node.args[1].span, "a column of a table has a name, as in 'from(wiring, \"weight\")'")
    span = node.args[0].span
    if source.is_array:
        columns = expressions.arrays.table_columns(as_array(source), span)
    elif source.kind in ("text", "table"):
        columns = expressions.arrays.table(source, span)
    else:
        raise Mistake("E0302", span, "'from' takes the path of a table, as in 'from(\"wiring.csv\")'")
    return _checked(source, columns, span), column[0].text if column else default


def _checked(source: Value, columns: Mapping[str, Array], span: Span) -> Table:
    table = Table(source.text or source.name or "the table", columns)
    for name in ("pre", "post"):
        if name not in columns:
            help = f"it has {', '.join(columns)}" if columns else None
            raise Mistake("E0607", span, f"'{table.name}' has no column '{name}'", help)
    for name, values in columns.items():
        if values.shape != (table.rows,) or values.ndim != 1:
            shapes = f"{list(values.shape)} and 'pre' {list(columns['pre'].shape)}"
            raise Mistake("E0607", span, f"the columns of a table have one length: '{name}' has the shape {shapes}")
    return table


def column(table: Table, connected: Table, name: str, span: Span) -> Value:
    """A column of the table that the projection's synapses come from."""
    if name not in table.columns:
        raise Mistake(
            "E0607",
            span,
            f"'{table.name}' has no column '{name}'",
            did_you_mean(name, table.columns) or f"it has {', '.join(table.columns)}",
        )
    same = all(np.array_equal(table.columns[end], connected.columns[end]) for end in ("pre", "post"))
    if not same:
        raise Mistake("E0607", span, f"'{table.name}' has other synapses than '{connected.name}', which connects them")
    values = table.columns[name]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise Mistake("E0607", span, f"row {row} of '{table.name}': '{name}' is {values[row]}")
    # It has no unit, as all that comes from files.
    return replace(number(np.asarray(values, np.float64), name=f"{table.name}.{name}"), file=table.name)


def indices(table: Table, name: str, count: int, cells: Sequence[str] | None, span: Span) -> Array:
    """The column "pre" or "post" as indices of one of `count` neurons; where they have names, it may hold these."""
    values: Any = table.columns[name]
    what = {"pre": "source", "post": "target"}[name]
    if values.dtype.kind == "U" and cells is not None:
        return names.numbers(values, cells, f"'{table.name}' names a {what}, and no neuron is", span)
    if values.dtype.kind not in "iuf":
        kind = "names" if values.dtype.kind == "U" else values.dtype
        raise Mistake(
            "E0607",
            span,
            f"the column '{name}' of '{table.name}' holds {kind}, not numbers of neurons",
            "names are for populations that are placed 'at named(...)'" if kind == "names" else None,
        )
    wrong = np.flatnonzero(~((values >= 0) & (values < count) & (values == np.floor(values))))
    if len(wrong):
        message = (
            f"row {wrong[0]} of '{table.name}' names the {what} {values[wrong[0]]:g}, where there are 0 to {count - 1}"
        )
        raise Mistake("E0607", span, message, "neurons are counted from 0; the rows too")
    return np.asarray(values, np.int64)
