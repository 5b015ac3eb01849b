"""Compiles a `synapse` declaration, or the part of it that runs for each source or target, as neurons are compiled.

In its statements `pre.V` and `post.V` are single names, of ports through which these values come.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from spikec.dialects.diagnostics import Span, did_you_mean
from spikec.frontend import collapse, syntax
from spikec.frontend.collapse import EVENT, WEIGHT
from spikec.frontend.neuron import ProgramBuilder
from spikec.frontend.values import Mistake, Value, not_supported, number

_OWNERS = ("synapse", "pre", "post")
_PLACELESS = {syntax.Ports: "in", syntax.SpikeWhen: "spike", syntax.Hold: "hold"}


class SynapseBuilder(ProgramBuilder):
    """A program with handlers: what stands in `on pre` happens where the source emitted something."""

    what = "synapse"

    def _other(self, statement: syntax.Statement) -> None:
        if not isinstance(statement, syntax.On):
            super()._other(statement)
            return
        happens = self.emitter.binary("!=", self.values[EVENT], number(0, self.values[EVENT].dim), statement.span)
        for inner in statement.body:
            match inner:
                case syntax.Assign():
                    defines = inner.target.id if isinstance(inner.target, syntax.Name) else None
                    self._attempt(self._assign, inner, happens, defines=defines)
                case syntax.Out():
                    self._attempt(self._out_where, inner, happens)

    def _out_where(self, statement: syntax.Out, condition: Value) -> None:
        """A value where something happens, else 0."""
        self._out(statement)
        assert self.out is not None
        self.out = self.emitter.select(condition, self.out, number(Fraction(0), self.out.dim), statement.span)


def statements(declaration: syntax.Synapse) -> tuple[syntax.Statement, ...]:
    """The body of a declaration, checked as far as that needs no values.  Raises Mistake."""
    for formal in declaration.params:
        if formal.name in (WEIGHT, "pre", "post"):
            message = f"'{formal.name}' has a meaning of its own in a synapse, and is no name of a parameter"
            raise Mistake("E0507", formal.span, message)
    for statement in declaration.body:
        _check(statement)
    outs = [statement for statement in declaration.body if isinstance(statement, syntax.Out)]
    if not outs:
        help = "say what arrives at the port, as in 'out w * g'"
        raise Mistake("E0507", declaration.span, f"synapse '{declaration.name}' has no 'out'", help)
    if len(outs) > 1:
        raise Mistake("E0506", outs[1].span, "a synapse has one 'out'")
    body: tuple[syntax.Statement, ...] = _named(declaration.body)
    return body


def _check(statement: syntax.Statement) -> None:
    match statement:
        case syntax.Variable() if statement.per not in (None, *_OWNERS):
            help = did_you_mean(str(statement.per), _OWNERS) or f"there are {', '.join(_OWNERS)}"
            raise Mistake("E0507", statement.span, f"a state is 'per synapse', not 'per {statement.per}'", help)
        case syntax.On() if statement.event != "pre":
            raise not_supported(statement.span, f"on {statement.event}")
        case syntax.On():
            for inner in statement.body:
                if not isinstance(inner, syntax.Assign):
                    raise Mistake("E0501", inner.span, f"'{_word(inner)}' has no place in 'on pre'")
        case syntax.Variable() | syntax.Assign() | syntax.Derivative() | syntax.Solver() | syntax.Out():
            pass
        case _:
            raise Mistake("E0501", statement.span, f"'{_word(statement)}' has no place in a synapse")


def _word(statement: syntax.Statement) -> str:
    return _PLACELESS.get(type(statement), type(statement).__name__.lower())


def _named(node: Any) -> Any:
    """`pre.V` and `post.V` as names; `pre.spike` is what `pre` is."""
    if isinstance(node, tuple):
        return tuple(_named(item) for item in node)
    match node:
        case syntax.Attribute(base=syntax.Name(id="pre" | "post" as end)):
            return syntax.Name(node.span, EVENT if (end, node.name) == ("pre", "spike") else f"{end}.{node.name}")
        case syntax.Node():
            return syntax.mapped(node, _named)
        case _:
            return node


def names(body: Any) -> dict[str, Span]:
    """The names that a body mentions, each where it is mentioned first; a handler mentions what it waits for."""
    found: dict[str, Span] = {}
    for node in syntax.walk(body):
        if isinstance(node, syntax.Name):
            found.setdefault(node.id, node.span)
        elif isinstance(node, syntax.On):
            found.setdefault(EVENT, node.span)
    return found


def check_owners(body: tuple[syntax.Statement, ...], each: frozenset[str]) -> None:
    """`var x per pre` and `per post` promise one value at all synapses of a neuron.  Raises Mistake."""
    known = collapse.dependences(body, each)
    promised = {"pre": (collapse.SOURCE, "source"), "post": (collapse.TARGET, "target")}
    for variable in body:
        if not isinstance(variable, syntax.Variable) or variable.per not in promised:
            continue
        places, end = promised[str(variable.per)]
        others = sorted(known[variable.name] - places)
        if others:
            message = f"'{variable.name}' is to be one state per {end}, and it depends on the {others[0]}"
            raise Mistake("E0507", variable.span, message, "declare it 'per synapse'")


def without_owners(body: tuple[syntax.Statement, ...]) -> tuple[syntax.Statement, ...]:
    """The body as a program of one place, where `per` says nothing."""
    return tuple(replace(s, per=None) if isinstance(s, syntax.Variable) else s for s in body)
