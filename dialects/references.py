"""Which op each symbol reference must lead to, at both levels.

Checked before any other rule, so that those can look up what they refer to without asking.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spikec.dialects import snn, step
from spikec.dialects.definition import Op, Ref, Refs
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir

FUNCTION = "func.func"

_FIELDS: dict[tuple[type[Op], str], str] = {
    (snn.Constant, "draw"): FUNCTION,
    (snn.Population, "neuron"): FUNCTION,
    (snn.Population, "states"): snn.State.name(),
    (snn.Population, "params"): snn.Param.name(),
    (snn.Population, "event"): snn.State.name(),
    (snn.Population, "out"): snn.State.name(),
    (snn.Probe, "of"): snn.State.name(),
    (snn.Propagate, "synapses"): snn.Synapses.name(),
    (snn.Synapses, "delay"): FUNCTION,
    (snn.Update, "population"): snn.Population.name(),
    (snn.Read, "of"): snn.State.name(),
    (snn.Write, "to"): snn.State.name(),
    (step.Propagate, "table"): step.Table.name(),
    (step.Sweep, "tables"): step.Table.name(),
    (step.Update, "program"): FUNCTION,
    (step.Map, "program"): FUNCTION,
}
"""The kind of op that a field refers to; all other fields of level `step` name buffers."""


def unresolved(view: Op, symbols: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the references of an op whose attributes are of the right kinds."""
    for what, name, kind in _references(view):
        if name not in symbols:
            yield f"{what} refers to @{name}, which does not exist"
        elif symbols[name].name not in kind.split():
            wanted = " or a ".join(f"'{one}'" for one in kind.split())
            yield f"{what} refers to @{name}, which is a '{symbols[name].name}' and not a {wanted}"


def _references(view: Op) -> Iterator[tuple[str, str, str]]:
    """(what refers, to which symbol, of which kind; blanks between several)."""
    attributes = view.operation.attributes
    for name, field in view.fields.items():
        if isinstance(field, Ref | Refs) and name in attributes:
            kind = _FIELDS.get((type(view), name), step.Buffer.name())
            value = field.decode(attributes[name])
            for symbol in [value] if isinstance(value, str) else value:
                yield f"attribute '{name}'", symbol, kind
    yield from _hidden(view)


def _hidden(view: Op) -> Iterator[tuple[str, str, str]]:
    """References in attributes that may be something else too."""
    constant = snn.Constant.name()
    buffer = step.Buffer.name()
    match view:
        case snn.Param():
            yield from _maybe("attribute 'value'", view.value, constant)
        case snn.State():
            yield from _maybe("attribute 'init'", view.init, constant)
            yield from _maybe("attribute 'scale'", view.scale, constant)
        case snn.Synapses():
            yield from _maybe("attribute 'weight'", view.weight, f"{constant} {FUNCTION}")
            yield from _maybe("attribute 'scale'", view.scale, constant)
            for name in ("filter", "p"):
                yield from _maybe(f"'{name}' of 'connect'", view.connect.get(name), FUNCTION)
            for name in ("sources", "targets"):
                yield from _maybe(f"'{name}' of 'connect'", view.connect.get(name), constant)
            yield from _maybe("'of' of 'connect'", view.connect.get("of"), snn.Synapses.name())
        case step.Buffer():
            yield from _maybe("attribute 'init'", view.init, buffer)
        case step.Table():
            for name, array in view.arrays.items():
                yield from _maybe(f"array '{name}'", array, buffer)
            yield from _maybe("'filter' of 'connect'", (view.connect or {}).get("filter"), FUNCTION)
        case step.Update():
            for entry in [*view.args, *view.results_]:
                yield from _maybe("an argument or result", entry, buffer)


def _maybe(what: str, attribute: Any, kind: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(attribute, ir.FlatSymbolRefAttr | ir.SymbolRefAttr):
        yield what, symbol_of(attribute) or str(attribute), kind
