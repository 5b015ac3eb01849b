"""What happens to each value of an entry point: who uses it, and which elementwise ops become one program.

Three kinds of values meet in an entry point.  *Aliases* (reshapes, and the scalar of a rank-0 tensor)
are another view of the same elements; they are replaced by their source everywhere.  *Elementwise*
values are computed by `arith`, `math` and `tensor.splat`; they need no storage of their own unless
something else than one elementwise computation uses them.  All others live in buffers.

A *root* is an elementwise value that gets a buffer: an op that needs storage uses it, or two clusters
do, or it is repeated (a scalar computed once, not once per element).  The *cluster* of a root are the
elementwise values that are computed with it, element by element, and nowhere else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from spikec.dialects import snn
from spikec.dialects.functions import SCALAR_OPS
from spikec.dialects.mlir import ir
from spikec.lower.snn_to_step.types import size_of

ALIASES = frozenset({"tensor.expand_shape", "tensor.collapse_shape", "tensor.extract"})
ELEMENTWISE = (SCALAR_OPS - {"arith.constant"}) | {"tensor.splat"}
EFFECTS = frozenset({snn.Propagate.name(), snn.Update.name(), snn.Write.name(), "func.return"})


class Dataflow:
    """The live ops of one entry point, and the uses of its values."""

    def __init__(self, function: Any) -> None:
        block = function.regions[0].blocks[0]
        self.function = function
        self.arguments = list(block.arguments)
        self.ops = _live([operation.operation for operation in block.operations])
        self.uses: dict[Any, list[tuple[Any, int]]] = defaultdict(list)
        for op in self.ops:
            if op.name not in ALIASES:
                for number, operand in enumerate(operands(op)):
                    self.uses[source(operand)].append((op, number))
        self.roots = self._roots()

    def reads(self) -> Iterator[snn.Read]:
        return (snn.Read(op) for op in self.ops if op.name == snn.Read.name())

    def writes(self) -> Iterator[snn.Write]:
        return (snn.Write(op) for op in self.ops if op.name == snn.Write.name())

    def cluster(self, root: Any) -> tuple[list[Any], list[Any]]:
        """The ops of a root's cluster, definitions first, and the values from outside that they use."""
        ops: list[Any] = []
        leaves: list[Any] = []
        self._collect(defining(source(root)), ops, leaves)
        return ops, leaves

    def _collect(self, op: Any, ops: list[Any], leaves: list[Any]) -> None:
        # Chains may be longer than the interpreter's stack is deep, hence a stack of our own.
        pending: list[tuple[Any, bool]] = [(op, False)]
        seen: set[Any] = set()
        while pending:
            current, ready = pending.pop()
            if ready:
                ops.append(current)
                continue
            if current.results[0] in seen:
                continue
            seen.add(current.results[0])
            pending.append((current, True))
            for operand in reversed([source(o) for o in current.operands]):
                if is_constant(operand) or operand in leaves:
                    continue
                if is_elementwise(operand) and operand not in self.roots:
                    pending.append((defining(operand), False))
                else:
                    leaves.append(operand)

    def _roots(self) -> dict[Any, None]:
        """Elementwise values with storage, in order; found from the last op to the first."""
        home: dict[Any, Any] = {}
        for op in reversed(self.ops):
            if op.name not in ELEMENTWISE:
                continue
            value = op.results[0]
            homes = {self._home(value, user, home) for user, _ in self.uses[value]}
            home[value] = homes.pop() if len(homes) == 1 else None
            if home[value] is None:
                home[value] = value
        return {value: None for value in reversed(home) if home[value] == value}

    def _home(self, value: Any, user: Any, home: dict[Any, Any]) -> Any:
        """The root whose cluster a use belongs to; None when the use needs `value` in a buffer."""
        if user.name not in ELEMENTWISE:
            return None
        if size_of(user.results[0].type) != size_of(value.type):
            return None
        return home[user.results[0]]


def operands(op: Any) -> list[Any]:
    """The operands of an op, then what its region uses of the values outside."""
    captured: dict[Any, None] = {}
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                for operand in inner.operation.operands:
                    if defining_block(operand) != block:
                        captured[operand] = None
    return [*op.operands, *captured]


def defining_block(value: Any) -> Any:
    return value.owner if isinstance(value, ir.BlockArgument) else value.owner.operation.block


def defining(value: Any) -> Any:
    """The op that makes a value, or None for an argument."""
    return None if isinstance(value, ir.BlockArgument) else value.owner.operation


def source(value: Any) -> Any:
    """The value that `value` is an alias of, or itself."""
    while (op := defining(value)) is not None and op.name in ALIASES:
        value = op.operands[0]
    return value


def is_elementwise(value: Any) -> bool:
    op = defining(value)
    return op is not None and op.name in ELEMENTWISE


def is_constant(value: Any) -> bool:
    op = defining(value)
    return op is not None and op.name == "arith.constant"


def number_of(value: Any) -> Any:
    """The scalar attribute of a constant: its value, or the value that all elements of a splat have."""
    attribute = defining(value).attributes["value"]
    if isinstance(attribute, ir.DenseElementsAttr):
        return attribute.get_splat_value()
    return attribute


def _live(ops: list[Any]) -> list[Any]:
    """The ops that have an effect or that one with an effect needs."""
    needed: set[Any] = set()
    kept = []
    for op in reversed(ops):
        if op.name in EFFECTS or any(result in needed for result in op.results):
            needed.update(operands(op))
            kept.append(op)
    return kept[::-1]
