"""Saturation in passes of its own, for a single group.

The last pass of a core may end in V := min(max(x, low), high).  Where the field has room for x, the last pass leaves x
there, and two passes of one cycle follow: the first marks what is out of range and clears it, the second adds the
limit.  The adder does it then, and a register needs no choice in front of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from spikec.analysis.intervals import BOOL, Interval
from spikec.lower.step_to_rtl.programs.expressions import Graph, Node, bits
from spikec.lower.step_to_rtl.programs.fold import Field, Pass, Plan

CLEAR, LIMIT = "clear", "limit"


def saturated_later(plan: Plan) -> Plan:
    """The plan with the passes for saturation behind its last one; the same where nothing saturates."""
    results, fields, marks = dict(plan.last.results), [], []
    clear, limit = Pass(CLEAR, {}), Pass(LIMIT, {})
    for field in plan.fields:
        value, low, high = _limits(plan.graph, results.get(field.name))
        fits = value is not None and field.range.low < 0 and bits(value.range.hull(field.range)) == bits(field.range)
        fields.append(replace(field, range=value.range.hull(field.range)) if value is not None and fits else field)
        if value is None or not fits:
            continue
        results[field.name] = value
        if value.kind == "input":  # it is there already
            del results[field.name]
        marks += _saturate(plan.graph, fields[-1], low, high, clear, limit)
    if not marks:
        return plan
    last = Pass(plan.last.name, results, plan.last.events)
    return replace(plan, fields=fields + marks, last=last, after=[clear, limit])


def _saturate(graph: Graph, field: Field, low: int | None, high: int | None, clear: Pass, limit: Pass) -> list[Field]:
    """Adds a field to the passes; gives the fields that mark what is below and above."""
    half = 1 << (bits(field.range) - 1)
    left = graph.input(f"left {field.name}", Interval(-half, half - 1))
    # Nothing says that this is 0, or the sum would be a constant.
    cleared = graph.input(f"cleared {field.name}", BOOL)
    tests, marks, ends, fields = [], [], [], []
    for side, end in (("below", low), ("above", high)):
        if end is not None:
            ends.append(graph.const(end))
            tests.append(graph.less(*((left, ends[-1]) if side == "below" else (ends[-1], left))))
            fields.append(Field(f"{side} {field.name}", BOOL, np.zeros(1, np.int64)))
            marks.append(graph.input(f"field {fields[-1].name}", BOOL))
    clear.results |= {one.name: test for one, test in zip(fields, tests, strict=True)}
    clear.results[field.name] = graph.select(graph.bitwise("or", tests[0], tests[-1]), graph.const(0), left)
    total = graph.add(cleared, graph.select(marks[0], ends[0], ends[-1]))
    limit.results[field.name] = graph.select(graph.bitwise("or", marks[0], marks[-1]), total, cleared)
    return fields


def _limits(graph: Graph, node: Node | None) -> tuple[Node, int | None, int | None] | tuple[None, None, None]:
    """(x, low, high) of min(max(x, low), high), one of which may not be there."""
    low: int | None = None
    high: int | None = None
    while node is not None and node.kind == "select":
        condition, a, b = node.args
        if high is None and b.constant is not None and condition is graph.less(a, graph.const(b.constant + 1)):
            node, high = a, b.constant
        elif low is None and a.constant is not None and condition is graph.less(b, graph.const(a.constant)):
            node, low = b, a.constant
        else:
            break
    return (None, None, None) if node is None or (low is None and high is None) else (node, low, high)
