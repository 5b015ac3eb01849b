"""`x[idx[i], k]`: an element whose place is known only in the step.

It is the sum of the elements of the axis whose number is the wanted one, and so zero where there is no such element:
`sum[g](if g == idx[i] then x[g, k] else 0)`.  Flags are joined with `any`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from spikec.frontend import syntax
from spikec.frontend.values import Mistake, a_kind

if TYPE_CHECKING:
    from spikec.frontend.dataflow import DataflowExpressions


def place(node: syntax.Index) -> int | None:
    """The first axis whose subscript names an element of something else; None where none does."""
    return next((axis for axis, item in enumerate(node.items) if any(_elements(item))), None)


def _elements(item: object) -> Iterator[syntax.Index]:
    """The elements that a subscript is computed from."""
    match item:
        case syntax.Index():
            yield item
        case syntax.Unary():
            yield from _elements(item.operand)
        case syntax.Binary():
            yield from _elements(item.left)
            yield from _elements(item.right)


def chosen(expressions: DataflowExpressions, node: syntax.Index, axis: int, index: str) -> syntax.Call:
    """The reduction over a new index that gives the element."""
    wanted, span = node.items[axis], node.span
    assert not isinstance(wanted, syntax.Slice)
    with expressions.network.dry_run():
        kind = expressions.eval(node.base).kind
        numbers = [expressions.eval(element.base) for element in _elements(wanted)]
    wrong = next((value.kind for value in numbers if value.kind not in ("int", "bool")), None)
    if wrong is not None:
        raise Mistake("E0302", wanted.span, f"an element has a whole number, and this is {a_kind(wrong)}")
    name = syntax.Name(wanted.span, index)
    items = (*node.items[:axis], name, *node.items[axis + 1 :])
    here: syntax.Expr = syntax.Binary(wanted.span, "==", name, wanted)
    element: syntax.Expr = replace(node, items=items)
    if kind == "bool":
        body: syntax.Expr = syntax.Binary(span, "and", here, element)
    else:
        body = syntax.IfExpr(span, here, element, syntax.Number(span, Fraction(0), kind == "int"))
    function = syntax.Index(span, syntax.Name(span, "any" if kind == "bool" else "sum"), (name,))
    return syntax.Call(span, function, (body,), ())
