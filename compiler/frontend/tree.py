"""From the rules of `grammar.lark` to the classes of `syntax.py`: one small function per rule.

A function receives the span of what the rule matched and the values of its parts: nodes, tuples of
nodes, `Token`s for names and operators, and None for an absent optional part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, Protocol

from spikec.dialects.diagnostics import Diagnostics, Span
from spikec.frontend import syntax

# Beyond these a literal is no number of any format the compiler writes, and exact arithmetic on it is slow.
MAX_EXPONENT = 400
MAX_DIGITS = 400

_NUMBER = re.compile(r"(?P<digits>[0-9.]+)(?:[eE](?P<exponent>[+-]?[0-9]+))?\Z")


class Token(Protocol):
    """What is needed of a lark token; it is a `str` too."""

    type: str
    line: int
    column: int
    end_line: int
    end_column: int


class TreeBuilder:
    """Builds the nodes of one file; a literal that cannot be a number is reported and read as 0."""

    def __init__(self, file: str, diagnostics: Diagnostics) -> None:
        self._file = file
        self._diagnostics = diagnostics

    def span(self, first: Token | None, last: Token | None) -> Span:
        """The stretch of a text from one token to another; of an empty text, the start of the file."""
        if first is None or last is None:
            return Span(self._file, 1, 1, 1, 1)
        return Span(self._file, first.line, first.column, last.end_line, last.end_column)

    def token_span(self, token: Token) -> Span:
        return self.span(token, token)

    def name(self, token: Token) -> syntax.Name:
        return syntax.Name(self.token_span(token), str(token))

    def names(self, tokens: Iterable[Token]) -> tuple[syntax.Name, ...]:
        return tuple(self.name(token) for token in tokens)

    def number(self, token: Token) -> Fraction:
        text = str(token)
        match = _NUMBER.match(text)
        assert match is not None
        digits, exponent = match["digits"], match["exponent"] or "0"
        if len(digits) > MAX_DIGITS or len(exponent) > 8 or abs(int(exponent)) > MAX_EXPONENT:
            shown = text if len(text) <= 40 else text[:37] + "..."
            self._diagnostics.error(
                "E0109",
                self.token_span(token),
                f"the number {shown} is out of range",
                f"a number has at most {MAX_DIGITS} digits and an exponent from -{MAX_EXPONENT} to {MAX_EXPONENT}",
            )
            return Fraction(0)
        return Fraction(text.rstrip(".") if "e" not in text.lower() else text.replace(".e", "e").replace(".E", "E"))


Parts = list[Any]
Rule = Callable[[TreeBuilder, Span, Parts], Any]


def _present(parts: Iterable[Any]) -> tuple[Any, ...]:
    """The nodes among `parts`: broken statements left out, `var` lines spread out."""
    found: list[Any] = []
    for part in parts:
        if isinstance(part, tuple):
            found.extend(part)
        elif part is not None:
            found.append(part)
    return tuple(found)


def _sequence(builder: TreeBuilder, span: Span, parts: Parts) -> tuple[Any, ...]:
    return _present(parts)


def _broken(builder: TreeBuilder, span: Span, parts: Parts) -> None:
    return None


# ---------------------------------------------------------------- files


def _start(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.File:
    items = _present(parts)
    models = tuple(item for item in items if isinstance(item, syntax.Model))
    imports = tuple(item for item in items if isinstance(item, syntax.Import))
    rest = tuple(item for item in items if not isinstance(item, syntax.Model | syntax.Import))
    return syntax.File(span, imports, rest, models)


def _import_file(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Import:
    path, alias = parts
    return syntax.Import(span, path[1:-1], True, alias and str(alias), None)


def _import_module(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Import:
    path, names = parts
    return syntax.Import(span, path, False, None, names)


def _dotted(builder: TreeBuilder, span: Span, parts: Parts) -> str:
    return ".".join(parts)


def _names(builder: TreeBuilder, span: Span, parts: Parts) -> tuple[syntax.Name, ...]:
    return builder.names(parts)


# ---------------------------------------------------------------- declarations


def _named_body(node: Callable[..., Any]) -> Rule:
    def build(builder: TreeBuilder, span: Span, parts: Parts) -> Any:
        name, formals, body = parts
        return node(span, str(name), formals or (), body)

    return build


def _neuron_alias(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.NeuronAlias:
    name, value = parts
    return syntax.NeuronAlias(span, str(name), value)


def _param(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Param:
    name, type_, value, modifiers = parts
    return syntax.Param(span, str(name), type_, value, modifiers)


def _formal(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Formal:
    name, type_, default = parts
    return syntax.Formal(span, str(name), type_, default)


def _type(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Type:
    name, shape = parts
    # The span starts at the name: the colon belongs to the declaration.
    return syntax.Type(builder.token_span(name).to(span), str(name), shape)


def _modifier(kind: str) -> Rule:
    def build(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Modifier:
        return syntax.Modifier(span, kind, tuple(parts))

    return build


# ---------------------------------------------------------------- bodies


def _ports(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Ports:
    return syntax.Ports(span, tuple(parts))


def _port(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Formal:
    name, type_ = parts
    return syntax.Formal(span, str(name), type_, None)


def _variable(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Variable:
    name, type_, per, init, modifiers = parts
    return syntax.Variable(span, str(name), type_, per and str(per), init, modifiers)


def _assign(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Assign:
    target, operator, value, modifiers = parts
    return syntax.Assign(span, target, str(operator), value, modifiers)


def _derivative(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Derivative:
    return syntax.Derivative(span, *parts)


def _solver(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Solver:
    return syntax.Solver(span, str(parts[0]))


def _spike_when(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.SpikeWhen:
    condition, emit, grad, body = parts
    return syntax.SpikeWhen(span, condition, emit, grad, body or ())


def _out(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Out:
    return syntax.Out(span, parts[0])


def _hold(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Hold:
    return syntax.Hold(span, *parts)


def _on(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.On:
    event, body = parts
    return syntax.On(span, str(event), body)


def _every(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Every:
    return syntax.Every(span, *parts)


def _clip(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Clip:
    return syntax.Clip(span, *parts)


def _return(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Return:
    return syntax.Return(span, tuple(parts))


# ---------------------------------------------------------------- models


def _step(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Step:
    return syntax.Step(span, parts[0])


def _input(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Input:
    name, type_, modifiers = parts
    return syntax.Input(span, str(name), type_, modifiers)


def _output(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Output:
    name, value = parts
    return syntax.Output(span, str(name), value)


def _population(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Population:
    name, value, place, init = parts
    return syntax.Population(span, str(name), value, place, init or ())


def _projection(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Projection:
    name, source, target, options = parts
    return syntax.Projection(span, name and str(name), source, target, options or ())


def _option_kind(builder: TreeBuilder, span: Span, parts: Parts) -> str:
    return str(parts[0])


def _option(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.ProjectionOption:
    return syntax.ProjectionOption(span, *parts)


def _probe(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Probe:
    *targets, every = parts
    return syntax.Probe(span, tuple(targets), every)


def _train(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Train:
    return syntax.Train(span, _present(parts))


def _train_option(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.TrainOption:
    kind, *values = parts
    return syntax.TrainOption(span, str(kind), tuple(values))


def _phase(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Phase:
    name, value, settings, carry = parts
    return syntax.Phase(span, str(name), value, settings or (), carry or ())


def _setting(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Setting:
    target, value = parts
    return syntax.Setting(span, target, value)


# ---------------------------------------------------------------- expressions


def _group(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Group:
    return syntax.Group(span, tuple(parts))


def _pipe(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Pipe:
    return syntax.Pipe(span, *parts)


def _if_expression(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.IfExpr:
    return syntax.IfExpr(span, *parts)


def _binary(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Binary:
    left, operator, right = parts
    return syntax.Binary(span, str(operator), left, right)


def _unary(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Unary:
    operator, operand = parts
    return syntax.Unary(span, str(operator), operand)


def _call(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Call:
    function, arguments = parts
    arguments = arguments or ()
    positional = tuple(a for a in arguments if not isinstance(a, syntax.Keyword))
    keywords = tuple(a for a in arguments if isinstance(a, syntax.Keyword))
    return syntax.Call(span, function, positional, keywords)


def _keyword(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Keyword:
    name, value = parts
    return syntax.Keyword(span, str(name), value)


def _index(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Index:
    base, items = parts
    return syntax.Index(span, base, items)


def _slice(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Slice:
    return syntax.Slice(span, *parts)


def _attribute(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Attribute:
    base, name = parts
    return syntax.Attribute(span, base, str(name))


def _quantity(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Quantity:
    number, unit = parts
    return syntax.Quantity(span, builder.number(number), str(unit))


def _number(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Number:
    return syntax.Number(span, builder.number(parts[0]), parts[0].isdigit())


def _string(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.String:
    return syntax.String(span, parts[0][1:-1])


def _name(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.Name:
    return builder.name(parts[0])


def _list(builder: TreeBuilder, span: Span, parts: Parts) -> syntax.ListExpr:
    return syntax.ListExpr(span, tuple(parts))


def _only_expression(builder: TreeBuilder, span: Span, parts: Parts) -> Any:
    return parts[0]


RULES: dict[str, Rule] = {
    "start": _start,
    "import_file": _import_file,
    "import_module": _import_module,
    "dotted": _dotted,
    "names": _names,
    "error_statement": _broken,
    "model": _named_body(syntax.Model),
    "model_body": _sequence,
    "neuron": _named_body(syntax.Neuron),
    "neuron_alias": _neuron_alias,
    "synapse": _named_body(syntax.Synapse),
    "rule": _named_body(syntax.Rule),
    "block": _named_body(syntax.Block),
    "param": _param,
    "formals": _sequence,
    "formal": _formal,
    "type": _type,
    "shape": _sequence,
    "modifiers": _sequence,
    "learn": _modifier("learn"),
    "bounds": _modifier("in"),
    "seed": _modifier("seed"),
    "condition": _modifier("if"),
    "repeat": _modifier("repeat"),
    "body": _sequence,
    "ports": _ports,
    "port": _port,
    "variables": _sequence,
    "variable": _variable,
    "assign": _assign,
    "derivative": _derivative,
    "solver": _solver,
    "spike_when": _spike_when,
    "out": _out,
    "hold": _hold,
    "on": _on,
    "every": _every,
    "clip": _clip,
    "return": _return,
    "step": _step,
    "input": _input,
    "output": _output,
    "population": _population,
    "initial_values": _sequence,
    "projection": _projection,
    "options": _sequence,
    "option": _option,
    "option_kind": _option_kind,
    "probe": _probe,
    "train": _train,
    "train_option": _train_option,
    "phase": _phase,
    "settings": _sequence,
    "setting": _setting,
    "group": _group,
    "pipe": _pipe,
    "if_expression": _if_expression,
    "binary": _binary,
    "unary": _unary,
    "call": _call,
    "arguments": _sequence,
    "keyword": _keyword,
    "items": _sequence,
    "index": _index,
    "slice": _slice,
    "attribute": _attribute,
    "quantity": _quantity,
    "number": _number,
    "string": _string,
    "name": _name,
    "list": _list,
    "only_expression": _only_expression,
}
