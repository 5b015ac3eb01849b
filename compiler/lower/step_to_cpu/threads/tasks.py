"""What the workers that run one network together do in a stage: tasks, and the memory that each of them touches.

A divided task is done by all workers, each for its share of the targets; any other one is done by worker 0.  The list
of a divided update is written by all workers in parts, which worker 0 then puts together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from spikec.dialects import step
from spikec.dialects.accesses import uses
from spikec.dialects.convolution import Convolution
from spikec.dialects.functions import size, symbol_of
from spikec.dialects.propagations import Propagation, propagations
from spikec.lower.step_to_cpu.threads import shares

FIRST = "worker 0"
ELEMENTS = "elements"

Form = Literal["values", "list", "parts"]


@dataclass(frozen=True, slots=True)
class Access:
    """A use of the slot of step t - delay of one form of a buffer.

    `reach` names the way in which the elements are shared out: two accesses of the same reach never meet in an element
    that different workers touch.  None stands for all elements.
    """

    buffer: str
    form: Form
    writes: bool
    reach: str | None
    delay: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """An op, or the making of the list of a `buffer`: of an input, or out of the parts that the workers wrote."""

    kind: Literal["op", "list", "gather"]
    op: Any
    buffer: str
    divided: bool
    accesses: tuple[Access, ...]


def tasks(ops: list[Any], inputs: list[str], buffers: Mapping[str, step.Buffer], symbols: Any) -> Iterator[Task]:
    """The tasks of a stage with these ops, which makes the lists of these inputs."""
    for name in inputs:
        yield Task("list", None, name, False, (Access(name, "list", True, FIRST),))
    for op in ops:
        reach = _reach(op, buffers, symbols)
        divided = reach is not None
        yield Task("op", op, "", divided, tuple(_accesses(op, reach or FIRST, buffers)))
        if divided and isinstance(op, step.Update):
            for name in _listed(op, buffers):
                accesses = (Access(name, "parts", False, FIRST), Access(name, "list", True, FIRST))
                yield Task("gather", None, name, False, accesses)


def _listed(op: step.Update, buffers: Mapping[str, step.Buffer]) -> list[str]:
    """The results that are kept as lists."""
    names = [name for name in map(symbol_of, op.results_) if name is not None]
    return [name for name in names if "list" in (buffers[name].forms or [])]


def _reach(op: Any, buffers: Mapping[str, step.Buffer], symbols: Any) -> str | None:
    """How an op is shared out; None for one that worker 0 does."""
    match op:
        case step.Fill() | step.Draw() | step.Update():
            return ELEMENTS
        case step.Copy():
            whole = op.size == size(buffers[op.into].type) == size(buffers[op.from_].type)
            return ELEMENTS if whole else None
        case step.Propagate() | step.Sweep():
            reaches = {_targets(one, symbols) for one in propagations(op)}
            return reaches.pop() if len(reaches) == 1 else None
    return None


def _targets(op: Propagation, symbols: Any) -> str | None:
    """How the targets of a propagation are shared out; None where a source's targets are found one after the other."""
    table = step.Table(symbols[op.table])
    match table.format:
        case "procedural":
            return None
        case "block":
            return ELEMENTS if shares.GRAIN % table.block == 0 else None
        case "bitmap":
            return ELEMENTS if shares.GRAIN % step.BITMAP_WORD == 0 else None
        case "conv":
            shape = Convolution.of(table.connect)
            channels = shape.output[0] // shape.groups
            return f"{channels} channels of {shape.groups} groups" if channels > 1 else None
    return ELEMENTS


def _accesses(op: Any, reach: str, buffers: Mapping[str, step.Buffer]) -> Iterator[Access]:
    """What an op touches that is shared out by `reach`."""
    listed = _listed(op, buffers) if isinstance(op, step.Update) else []
    for use in uses(op, buffers):
        buffer = buffers[use.buffer]
        if use.writes:
            yield Access(use.buffer, "values", True, reach)
            if use.buffer in listed:
                yield Access(use.buffer, "parts", True, reach)
        else:
            # The sources of a propagation and single numbers are read by all.
            same = isinstance(op, step.Copy) or (isinstance(op, step.Update) and size(buffer.type) == op.size)
            own = reach if same or reach == FIRST else None
            for form in _read(op, buffer, buffers):
                yield Access(use.buffer, form, False, own, use.delay)


def _read(op: Any, buffer: step.Buffer, buffers: Mapping[str, step.Buffer]) -> tuple[Form, ...]:
    """In which forms an op reads a buffer."""
    match op:
        case step.Update() | step.Map() | step.Copy():
            return ("values",)
        case step.Record() if buffers[op.into].record == "value":
            return ("values",)
    if "list" not in (buffer.forms or []):
        return ("values",)
    plain = isinstance(op, step.Tally) or str(buffer.type.element_type) == "i1"
    return ("list",) if plain else ("list", "values")
