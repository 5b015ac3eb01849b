"""The syntax tree of a `.snn` file: one frozen class per construct, a `Span` on every node.

The tree says what was written, nothing more; names, shapes and units are the business of `check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

from spikec.dialects.diagnostics import Span


@dataclass(frozen=True, slots=True)
class Node:
    span: Span


# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, slots=True)
class Number(Node):
    """`1`, `0.5`, `1e-3`: exact; `is_int` tells `1` from `1.0`."""

    value: Fraction
    is_int: bool


@dataclass(frozen=True, slots=True)
class Quantity(Node):
    """`10 ms`, `2 steps`: the exact number as written and its unit as written (`ms`, `mV/ms`)."""

    value: Fraction
    unit: str


@dataclass(frozen=True, slots=True)
class String(Node):
    value: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name; `true` and `false` are names too (of the constants of type bool)."""

    id: str


@dataclass(frozen=True, slots=True)
class ListExpr(Node):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`op` is `-` or `not`."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`op` is one of `+ - * / // % @ ^ >> << < <= > >= == != and or`."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class IfExpr(Node):
    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Keyword(Node):
    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Slice(Node):
    start: Expr | None
    stop: Expr | None


@dataclass(frozen=True, slots=True)
class Call(Node):
    function: Expr
    args: tuple[Expr, ...]
    keywords: tuple[Keyword, ...]


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`base[i, j]`, `base[a:b]`; also `LIF[128]` and `sum[k]` before a call."""

    base: Expr
    items: tuple[Expr | Slice, ...]


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    base: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Pipe(Node):
    """`value |> call`: the value becomes the first argument of the call."""

    value: Expr
    call: Expr


@dataclass(frozen=True, slots=True)
class Group(Node):
    """`{a, b}` as the end of a projection."""

    items: tuple[Expr, ...]


Expr = Number | Quantity | String | Name | ListExpr | Unary | Binary | IfExpr | Call | Index | Attribute | Pipe | Group

# ---------------------------------------------------------------- declarations


@dataclass(frozen=True, slots=True)
class Type(Node):
    """`voltage`, `real[64]`, `path`."""

    name: str
    shape: tuple[Expr, ...] | None


@dataclass(frozen=True, slots=True)
class Modifier(Node):
    """`learn`, `in [lo, hi]`, `seed n`, `if cond` after an expression; `kind` is the first word."""

    kind: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Formal(Node):
    """A parameter of a declaration, or a port: `tau: time = 10 ms`."""

    name: str
    type: Type | None
    default: Expr | None


@dataclass(frozen=True, slots=True)
class Import(Node):
    """`import "file.snn" as name` (path is a file) or `import std.neurons (LIF)`."""

    path: str
    is_file: bool
    alias: str | None
    names: tuple[Name, ...] | None


@dataclass(frozen=True, slots=True)
class Neuron(Node):
    name: str
    params: tuple[Formal, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class NeuronAlias(Node):
    """`neuron Fast = LIF(tau = 0.5 ms)`."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Synapse(Node):
    name: str
    params: tuple[Formal, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Rule(Node):
    name: str
    params: tuple[Formal, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Block(Node):
    name: str
    params: tuple[Formal, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Param(Node):
    name: str
    type: Type | None
    value: Expr | None
    modifiers: tuple[Modifier, ...]


# ---------------------------------------------------------------- statements of bodies


@dataclass(frozen=True, slots=True)
class Ports(Node):
    """`in ge : voltage, gi : voltage`."""

    ports: tuple[Formal, ...]


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """One state of `var V : voltage = 0 mV, x per pre = 0`; a `var` line gives one node each."""

    name: str
    type: Type | None
    per: str | None
    init: Expr | None
    modifiers: tuple[Modifier, ...]


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """`target op value` with op `=` (names a stream or a local), `:=`, `+=`, `-=` or `*=`."""

    target: Expr
    op: str
    value: Expr
    modifiers: tuple[Modifier, ...]


@dataclass(frozen=True, slots=True)
class Derivative(Node):
    """`V' = value`."""

    target: Expr
    value: Expr


@dataclass(frozen=True, slots=True)
class Solver(Node):
    name: str


@dataclass(frozen=True, slots=True)
class SpikeWhen(Node):
    condition: Expr
    emit: Expr | None
    grad: Expr | None
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Out(Node):
    value: Expr


@dataclass(frozen=True, slots=True)
class Hold(Node):
    names: tuple[Name, ...]
    duration: Expr


@dataclass(frozen=True, slots=True)
class On(Node):
    """`on pre { ... }`."""

    event: str
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Every(Node):
    period: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Clip(Node):
    target: Expr
    low: Expr
    high: Expr


@dataclass(frozen=True, slots=True)
class Return(Node):
    values: tuple[Expr, ...]


# ---------------------------------------------------------------- statements of models


@dataclass(frozen=True, slots=True)
class Step(Node):
    value: Expr


@dataclass(frozen=True, slots=True)
class Input(Node):
    name: str
    type: Type
    modifiers: tuple[Modifier, ...]


@dataclass(frozen=True, slots=True)
class Output(Node):
    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Population(Node):
    """`pop name : Type[shape](args) at place { V = init }`; `init` holds `Assign` nodes."""

    name: str
    value: Expr
    place: Expr | None
    init: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class ProjectionOption(Node):
    """`connect prob(p) seed 1 if cond`, `weight e`, `delay e`, `synapse f()`, `rule r()`, `kernel e`, `share e`."""

    kind: str
    value: Expr
    modifiers: tuple[Modifier, ...]


@dataclass(frozen=True, slots=True)
class Projection(Node):
    """`proj name : source -> target { options }`; a group with a port is `Attribute(Group, port)`."""

    name: str | None
    source: Expr
    target: Expr
    options: tuple[ProjectionOption, ...]


@dataclass(frozen=True, slots=True)
class Probe(Node):
    targets: tuple[Expr, ...]
    every: Expr | None


@dataclass(frozen=True, slots=True)
class TrainOption(Node):
    kind: str
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Train(Node):
    options: tuple[TrainOption, ...]


@dataclass(frozen=True, slots=True)
class Setting(Node):
    target: Expr
    value: Expr


@dataclass(frozen=True, slots=True)
class Phase(Node):
    name: str
    value: Expr
    settings: tuple[Setting, ...]
    carry: tuple[Name, ...]


Declaration = Neuron | NeuronAlias | Synapse | Rule | Block | Param
Statement = (
    Ports
    | Variable
    | Assign
    | Derivative
    | Solver
    | SpikeWhen
    | Out
    | Hold
    | On
    | Every
    | Clip
    | Return
    | Declaration
    | Step
    | Input
    | Output
    | Population
    | Projection
    | Probe
    | Train
    | Phase
)


@dataclass(frozen=True, slots=True)
class Model(Node):
    name: str
    params: tuple[Formal, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class File(Node):
    imports: tuple[Import, ...]
    declarations: tuple[Declaration, ...]
    models: tuple[Model, ...]


def walk(node: Any) -> Iterator[Node]:
    """All nodes of a node or a tuple of them, each before its parts; deep trees are no danger: nothing recurses."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting.extend(reversed(part))
        elif isinstance(part, Node):
            yield part
            waiting.extend(reversed([getattr(part, name) for name in type(part).__dataclass_fields__]))


def mapped(node: Any, change: Callable[[Any], Any]) -> Any:
    """A node with all its parts changed; the node itself where none was."""
    changes = {}
    for field in fields(node):
        part = getattr(node, field.name)
        if isinstance(part, Node | tuple):
            made = change(part)
            if made is not part and made != part:
                changes[field.name] = made
    return replace(node, **changes) if changes else node
