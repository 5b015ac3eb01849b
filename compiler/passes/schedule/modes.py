"""Event-driven or dense: how each propagation walks its source.

An event-driven one walks a list of the active elements, which the host or an update keeps; a dense one looks at every
element.  Both add the same numbers in the same order, and count the same.  By itself the pass takes events where the
source is spikes, or events that have a list already, and dense for what is active at all times: real values.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from spikec.dialects import snn, step
from spikec.dialects.accesses import uses
from spikec.dialects.functions import result_marks, symbol_of, walk
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.propagations import propagations


@dataclass(frozen=True)
class Choice:
    """The mode of the propagations from one buffer through one table."""

    table: str
    source: str
    mode: str
    reason: str


def choose(program: Program, wanted: str) -> list[Choice]:
    """Sets the mode of every propagation and the forms of its source; `wanted` is "auto", "event" or "dense"."""
    with program.module.context, ir.Location.unknown():
        modes = _Modes(program)
        choices = [choice for op in modes.propagations for choice in modes.choose(op, wanted)]
        modes.keep_forms()
    return list(dict.fromkeys(choices))


class _Modes:
    def __init__(self, program: Program) -> None:
        self.buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
        self.symbols = program.symbols()
        self.propagations: list[step.Propagate | step.Sweep] = []
        self.writers: dict[str, list[Any]] = defaultdict(list)
        for operation in program.module.body.operations:
            for op in walk(operation.operation) if operation.operation.name == "func.func" else ():
                self._add(step.DIALECT.view(op))

    def _add(self, op: Any) -> None:
        if isinstance(op, step.Propagate | step.Sweep):
            self.propagations.append(op)
        for use in uses(op, self.buffers) if op is not None else ():
            if use.writes:
                self.writers[use.buffer].append(op)

    def choose(self, op: step.Propagate | step.Sweep, wanted: str) -> list[Choice]:
        choices = [
            Choice(one.table, one.from_, *self._mode(self.buffers[one.from_], wanted)) for one in propagations(op)
        ]
        found = [ir.StringAttr.get(choice.mode) for choice in choices]
        if isinstance(op, step.Sweep):
            op.operation.attributes["modes"] = ir.ArrayAttr.get(found)
        else:
            (op.operation.attributes["mode"],) = found
        return choices

    def _mode(self, source: step.Buffer, wanted: str) -> tuple[str, str]:
        events = str(source.type.element_type) in ("i1", "i2") or "list" in (source.forms or [])
        if not self._listable(source):
            return "dense", "not kept as a list"
        if wanted != "auto":
            return wanted, "asked for"
        return ("event", "events") if events else ("dense", "values in every step")

    def _listable(self, buffer: step.Buffer) -> bool:
        """Whether a list of the buffer can be kept: the host and updates fill lists."""
        writers = self.writers[buffer.sym_name]
        if buffer.kind == "input":
            return True
        return buffer.kind in ("state", "stream", "temp") and all(isinstance(op, step.Update) for op in writers)

    def keep_forms(self) -> None:
        """Gives each source the forms that its propagations walk."""
        modes: dict[str, set[str]] = defaultdict(set)
        for one in (one for op in self.propagations for one in propagations(op)):
            modes[one.from_].add(one.mode)
        for name, found in modes.items():
            buffer = self.buffers[name]
            forms = set(buffer.forms or [])
            spikes = str(buffer.type.element_type) == "i1"
            if "event" in found:
                forms |= {"list"} if spikes and forms else {"list", "mask"}
                self._mark(name)
            else:
                forms -= {"list"}
            if "dense" in found and (spikes or "list" in forms):
                forms |= {"mask"}
            if forms == {"mask"} and not spikes:
                forms = set()
            _set(buffer, sorted(forms))

    def _mark(self, name: str) -> None:
        """Marks the results that fill a list as events."""
        for update in self.writers[name]:
            for number, result in enumerate(update.results_):
                if symbol_of(result) == name:
                    function = self.symbols[update.program]
                    marks = result_marks(function)
                    if snn.STATE not in marks[number]:
                        marks[number][snn.EVENT] = ir.UnitAttr.get()
                        function.attributes["res_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(m) for m in marks])


def _set(buffer: step.Buffer, forms: list[str]) -> None:
    attributes = buffer.operation.attributes
    if forms:
        attributes["forms"] = ir.ArrayAttr.get([ir.StringAttr.get(form) for form in forms])
    elif "forms" in attributes:
        del attributes["forms"]
