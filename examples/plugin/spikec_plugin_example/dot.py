"""The target `dot`: a drawing of what one timestep does, in the language of Graphviz.

Boxes are stages, with the number of their operations; ovals are buffers, with their element type and shape.  An
arrow into a stage is a buffer that it reads (dashed: as it was in an earlier step), an arrow out of it one that it
writes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from spikec.dialects import step
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program

DRAWN = ("input", "output", "result", "state", "stream", "temp")


@dataclass(frozen=True)
class DotTarget:
    """A drawing of the stages and buffers of a timestep, for Graphviz."""

    name: str
    level: ClassVar[str] = "step"
    kinds: ClassVar[tuple[str, ...]] = ("dot",)

    def emit(
        self, module: Program, kinds: Collection[str], constants: Mapping[str, Any], interface: Any
    ) -> dict[str, bytes]:
        return {"dot": "\n".join(["digraph timestep {", *(f"  {line};" for line in _lines(module)), "}", ""]).encode()}


def _lines(program: Program) -> Iterator[str]:
    buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer) if buffer.kind in DRAWN}
    yield f"label={json.dumps(program.attribute('model'))}"
    for name, buffer in buffers.items():
        yield f"{json.dumps(name)} [label={json.dumps(f'{name}: {buffer.type}')}]"
    for name, function in program.symbols().items():
        if name.startswith("stage."):
            yield from _stage(name, function, buffers)


def _stage(name: str, function: Any, buffers: Mapping[str, Any]) -> Iterator[str]:
    ops = [op.operation for op in function.regions[0].blocks[0].operations if op.operation.name.startswith("step.")]
    count = Counter(op.name.removeprefix("step.") for op in ops)
    label = "\n".join([name, *(f"{number} {kind}" for kind, number in sorted(count.items()))])
    yield f"{json.dumps(name)} [shape=box, label={json.dumps(label)}]"
    arrows = {arrow: None for op in ops for arrow in _arrows(name, op, buffers)}
    yield from arrows


def _arrows(stage: str, op: Any, buffers: Mapping[str, Any]) -> Iterator[str]:
    """What an op reads and writes: `into` and `results` are written, every other buffer is read."""
    for attribute in op.attributes:
        values = op.attributes[attribute]
        for i, value in enumerate(values if isinstance(values, ir.ArrayAttr) else [values]):
            if not isinstance(value, ir.FlatSymbolRefAttr) or value.value not in buffers:
                continue
            ends = [json.dumps(value.value), json.dumps(stage)]
            if attribute in ("into", "results"):
                yield " -> ".join(reversed(ends))
            else:
                yield " -> ".join(ends) + (" [style=dashed]" if _delay(op, i) else "")


def _delay(op: Any, operand: int) -> int:
    """How many steps ago the value that an op reads was written."""
    if "delays" in op.attributes:
        return int(op.attributes["delays"][operand].value)
    return int(op.attributes["delay"].value) if "delay" in op.attributes else 0
