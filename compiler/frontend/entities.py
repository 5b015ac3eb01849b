"""What a name of a model stands for: a constant, a stream, a population."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spikec.dialects.diagnostics import Span
from spikec.frontend import syntax
from spikec.frontend.neuron import NeuronProgram, Resolved
from spikec.frontend.values import Value

if TYPE_CHECKING:
    from spikec.frontend.delays import Delayed

DECLARED_TWICE = "E0205"


@dataclass
class Arrival:
    """Something that reaches a port: an expression, or a projection's events.

    `delayed` gives what arrives with delays that differ between synapses, which reaches the port before all else.
    """

    span: Span
    emit: Callable[[Any], Any]
    delayed: Callable[[], Delayed | None] | None = None


@dataclass
class Entity:
    """A named object of the model.  `state` is "new", "busy", "done" or "wrong"."""

    name: str
    span: Span
    state: str = "new"


@dataclass
class Constant(Entity):
    """`define`, where there is one, gives the value when it is first asked for."""

    value: Value | None = None
    define: Callable[[], Value] | None = None


@dataclass
class Stream(Entity):
    """`name = expression`, or an input; `value` is its SSA value in this step (or of the run).

    With `indices` the expression is that of one element.  An argument of a block has its `formal` until it is known
    whether it is a stream or a constant.
    """

    expression: syntax.Expr | None = None
    value: Value | None = None
    seed: int = 0
    of_run: bool = False
    indices: tuple[syntax.Name, ...] = ()
    formal: syntax.Formal | None = None


@dataclass
class Population(Entity):
    """A population before and after its program was built.  A `hidden` one is a part of a projection."""

    resolved: Resolved | None = None
    shape: tuple[int, ...] = ()
    init: tuple[syntax.Statement, ...] = ()
    grid: tuple[int, ...] | None = None
    program: NeuronProgram | None = None
    bound: dict[str, tuple[Value, Span]] = field(default_factory=dict)
    arrivals: dict[str, list[Arrival]] = field(default_factory=dict)
    before: dict[str, Callable[[], Value]] = field(default_factory=dict)  # values in `@init` of drawn parameters
    value: Value | None = None
    hidden: bool = False
    cells: tuple[str, ...] | None = None  # the names of its neurons


@dataclass
class Connection(Entity):
    """A projection by its name.

    `holder`, where a synapse program gives it states, is the population of the state of this name.
    """

    holder: Callable[[str, Span], Population] | None = None
