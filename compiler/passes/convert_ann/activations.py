"""The activations of a network: what clips a value to zero below, found in the dataflow of `@step`.

relu(v)                            max(v, 0)
clip(v, 0, 6)                      min(max(v, 0), 6)
a quantised activation             min(max(floor(v), 0), 15), with `roundeven` in place of `floor` too
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from spikec.dialects import snn
from spikec.dialects.program import Program
from spikec.passes import structure
from spikec.passes.canonicalize import identities

_STEPS = re.compile(r"/\w+#\d+$")


@dataclass(frozen=True)
class Activation:
    """`value` is its base clipped to [0, `high`]; `inner` are the ops between them, which nobody else uses.

    `first` is the op that takes the base, as its operand number `place`.  `rounding` is the op that makes whole
    numbers of the base, "" where there is none.  `name` is that of the projection before it, as its author called it.
    """

    value: Any
    first: Any
    place: int
    high: float
    rounding: str
    inner: tuple[Any, ...]
    name: str

    @property
    def base(self) -> Any:
        """What is activated."""
        return self.first.operands[self.place]

    @property
    def levels(self) -> int | None:
        """How many steps above zero there are; None for an activation that is not quantised."""
        return int(self.high) if self.rounding and self.high.is_integer() else None


def find(program: Program) -> list[Activation]:
    """The activations of `@step`, in order."""
    found: list[Activation] = []
    for operation in program.symbols()["step"].regions[0].blocks[0].operations:
        op = operation.operation
        if _limit(op) is not None and not _goes_on(op):
            activation = _chain(op)
            if activation is not None:
                found.append(activation)
    return found


def _limit(op: Any) -> tuple[int, float] | None:
    """The number of the operand that an op limits by a number, and that number."""
    if op.name not in ("arith.maximumf", "arith.minimumf"):
        return None
    for place in (0, 1):
        number = identities.number(op.operands[place])
        if number is not None:
            return 1 - place, float(number)
    return None


def _goes_on(op: Any) -> bool:
    users = structure.users(op.results[0])
    return len(users) == 1 and _limit(users[0]) is not None


def _chain(op: Any) -> Activation | None:
    """The limits that end with `op` as one interval; an activation where that begins at zero."""
    links: list[tuple[Any, int, float]] = []
    before: Any = op
    while before is not None and (limit := _limit(before)) is not None:
        links.append((before, *limit))
        base = before.operands[limit[0]]
        before = structure.defining(base) if len(structure.users(base)) == 1 else None
    low, high = -math.inf, math.inf
    for link, _, number in reversed(links):
        if link.name == "arith.maximumf":
            low, high = max(low, number), max(high, number)
        else:
            low, high = min(low, number), min(high, number)
    if low != 0.0 or not high > 0.0:
        return None
    ops, (first, place, _) = [link for link, _, _ in links], links[-1]
    rounding = ""
    if before is not None and before.name in ("math.floor", "math.roundeven"):
        first, place, rounding = before, 0, before.name
        ops.append(before)
    return Activation(op.results[0], first, place, high, rounding, tuple(ops[1:]), layer_of(first.operands[place]))


def layer_of(value: Any) -> str:
    """The name of the projection behind which a value stands, without the part that the compiler gave it."""
    seen = [value]
    for current in seen:
        op = structure.defining(current)
        if op is None:
            continue
        if op.name == snn.Propagate.name():
            return _STEPS.sub("", snn.Propagate(op).synapses)
        seen += [operand for operand in op.operands if operand not in seen]
    return "activation"
