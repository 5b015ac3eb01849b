"""What each reduction starts from and does with one element: `sum mean max min any all argmax`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spikec.dialects.diagnostics import Span
from spikec.dialects.mlir import arith, ir
from spikec.frontend.emitter import Emitter
from spikec.frontend.units import NUMBER, Dimension
from spikec.frontend.values import Mistake, Value

REDUCTIONS = ("sum", "mean", "max", "min", "any", "all", "argmax")

_STEPS: dict[tuple[str, bool], Callable[[Any, Any], Any]] = {
    ("sum", True): arith.addi,
    ("sum", False): arith.addf,
    ("mean", False): arith.addf,
    ("max", True): arith.maxsi,
    ("max", False): arith.maximumf,
    ("min", True): arith.minsi,
    ("min", False): arith.minimumf,
    ("any", True): arith.ori,
    ("all", True): arith.andi,
}


@dataclass(frozen=True)
class Reduction:
    """`kind` is that of the elements; `starts` are the (number, element type) of the accumulators.

    `step(element, *accumulators)` gives the new accumulators, number `result` of which is the value, of
    `result_kind`.
    """

    kind: str
    dim: Dimension
    starts: Sequence[tuple[float, Any]]
    step: Callable[..., list[Any]]
    result: int
    result_kind: str

    @staticmethod
    def of(name: str, x: Value, emitter: Emitter, span: Span) -> Reduction:
        """The reduction of elements such as `x`; `mean` still is the sum."""
        if name in ("any", "all") and x.kind == "real":
            raise Mistake("E0302", span, f"'{name}' needs conditions, not reals", "compare them, as in 'x > 0'")
        kind = {"any": "bool", "all": "bool", "mean": "real"}.get(name, "int" if x.kind == "bool" else x.kind)
        element = emitter.element(kind)
        if name == "argmax":
            i32 = ir.IntegerType.get_signless(32)
            starts = [(bound("max", element), element), (0, i32), (0, i32)]
            return Reduction(kind, NUMBER, starts, _first_largest, 1, "int")
        start = {"sum": 0, "mean": 0, "any": 0, "all": 1}.get(name)
        dim = NUMBER if name in ("any", "all") else x.dim
        combine = _STEPS[name, kind != "real"]
        first = bound(name, element) if start is None else start
        return Reduction(kind, dim, [(first, element)], lambda v, acc: [combine(acc, v)], 0, kind)


def _first_largest(value: Any, best: Any, at: Any, position: Any) -> list[Any]:
    """The lowest index of the largest element; `position` counts the elements that were seen."""
    i32, i64 = ir.IntegerType.get_signless(32), ir.IntegerType.get_signless(64)
    real = not isinstance(value.type, ir.IntegerType)
    predicate = ir.IntegerAttr.get(i64, 2 if real else 4)
    larger = arith.cmpf(predicate, value, best) if real else arith.cmpi(predicate, value, best)
    one = arith.constant(i32, ir.IntegerAttr.get(i32, 1))
    return [arith.select(larger, value, best), arith.select(larger, position, at), arith.addi(position, one)]


def bound(name: str, element: Any) -> float:
    """What any element is at least as large (max) or as small (min) as."""
    if isinstance(element, ir.IntegerType):
        largest: int = 2 ** (element.width - 1) - 1
        return -largest - 1 if name == "max" else largest
    return float("-inf") if name == "max" else float("inf")
