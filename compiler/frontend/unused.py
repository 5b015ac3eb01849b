"""Parameters and inputs of a file that nothing in it names."""

from __future__ import annotations

from collections.abc import Iterable

from spikec.dialects.diagnostics import Diagnostics
from spikec.frontend import syntax
from spikec.frontend.ode import names_in


def report(file: syntax.File, diagnostics: Diagnostics) -> None:
    """Warns of parameters (of the model, of neurons and the like) and inputs whose names stand nowhere.

    A name counts as used wherever it can be meant, so what is reported is certain; one that begins with `_` is meant
    to be unused.
    """
    statements = [*file.declarations, *(statement for model in file.models for statement in model.body)]
    inside = [names_in(statement) for statement in statements]
    named = set().union(*inside, *(names_in(model.params) for model in file.models))
    for model in file.models:
        _formals("model", model.name, model.params, named, diagnostics)
    for node, names in zip(statements, inside, strict=True):
        match node:
            case syntax.Param() if not _is_used(node.name, named):
                _parameter(node, f"parameter '{node.name}'", diagnostics)
            case syntax.Input() if not _is_used(node.name, named):
                help = f"remove it, or use it, as in 'proj {node.name} -> population.port'"
                diagnostics.warning("W0202", node.span, f"input '{node.name}' is not used", help)
            case syntax.Neuron() | syntax.Synapse() | syntax.Rule() | syntax.Block():
                _formals(type(node).__name__.lower(), node.name, node.params, names, diagnostics)


def _formals(
    what: str, owner: str, formals: Iterable[syntax.Formal], named: set[str], diagnostics: Diagnostics
) -> None:
    for formal in formals:
        if not _is_used(formal.name, named):
            _parameter(formal, f"parameter '{formal.name}' of {what} '{owner}'", diagnostics)


def _is_used(name: str, named: set[str]) -> bool:
    return name in named or name.startswith("_")


def _parameter(node: syntax.Formal | syntax.Param, what: str, diagnostics: Diagnostics) -> None:
    diagnostics.warning("W0201", node.span, f"{what} is not used", "remove it, or use it in an expression")
