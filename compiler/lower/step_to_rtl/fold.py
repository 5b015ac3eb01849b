"""The passes of a core over its elements, and the fields that it holds.

In a step there is a pass for each event that arrives, and at the end one that computes the neurons.  What arrives is
added to a field: to one of its own (`acc`), which the last pass clears, or, where the program has the form

    f(V, I) = post(pre(V) +- (I << k))

to the state itself: events add to it what the program would have added to pre(V), and the last pass sees the sum.  Then
no accumulator is held, and a first pass computes pre(V), which is left out where pre(V) = V.  The field is V times 2^F
where pre(V) has that factor, so that all passes add to the same bits.  In the worst order of events sums may leave the
field for a while; they are right modulo its size, and their end fits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from spikec.analysis.intervals import Interval, point
from spikec.dialects.constants import Array
from spikec.lower.step_to_rtl.behaviour import Behaviour
from spikec.lower.step_to_rtl.expressions import Graph, Node, above

WEIGHT, EVENT = "weight", "event"


@dataclass(frozen=True)
class Field:
    """A number held for each element: `state` times 2^`shift`, or what arrived so far; `start` [size] at first."""

    name: str
    range: Interval
    start: Array
    state: str | None = None
    shift: int = 0


@dataclass
class Pass:
    """What becomes of fields, by name; those left out stay.  `events` are sent."""

    name: str
    results: dict[str, Node]
    events: dict[str, Node] = field(default_factory=dict)


@dataclass
class Plan:
    """`first` comes before the events of a step, `arrive` are the passes for an event by port, `last` ends a step.

    Inputs of their nodes are "field NAME" (in the last pass "sum NAME" where events were added to it), "weight",
    "event" (its value), "constant NAME", "value NAME", "draw NAME" and "index".
    """

    graph: Graph
    fields: list[Field]
    first: Pass | None
    arrive: dict[str, Pass]
    last: Pass

    @property
    def passes(self) -> list[Pass]:
        found = {one.name: one for one in self.arrive.values()}
        return [*([self.first] if self.first else []), *found.values(), self.last]


@dataclass(frozen=True)
class _Folded:
    """What port `port` brings joins `state`: `total` = `before` + port * 2^`shift`, with - if it is `less`.

    `before` is made of the state.
    """

    port: str
    state: str
    total: Node
    before: Node
    shift: int
    less: bool


def plan(found: Behaviour, weights: Interval, events: Interval | None) -> Plan:
    """The passes for a behaviour; `weights` is the interval of single weights, `events` that of values of events."""
    return _Planning(found, weights, events).plan()


class _Planning:
    def __init__(self, found: Behaviour, weights: Interval, events: Interval | None) -> None:
        self._found, self._graph = found, found.graph
        self._weight = self._graph.input(WEIGHT, weights)
        if events is not None:
            self._weight = self._graph.mul(self._weight, self._graph.input(EVENT, events))
        self._names = [*found.results, *found.events]
        self._roots = [*found.results.values(), *found.events.values()]
        self._folded: dict[str, _Folded] = {}  # by state

    def plan(self) -> Plan:
        for port in self._found.ports:
            self._fold(port)
        self._keep_apart()
        fields = [self._held(name) for name in self._found.states]
        ports = {one.port: one for one in self._folded.values()}
        arrive, late, cleared = {}, {}, {}
        for port, node in self._found.ports.items():
            if port in ports:
                one = ports[port]
                arrive[port] = self._arrival(one.state, one.shift, one.total.range, one.less)
            else:
                own = Field(f"acc {port}", node.range.hull(point(0)), np.zeros(1, np.int64))
                fields.append(own)
                arrive[port] = self._arrival(own.name, 0, own.range)
                late[node] = self._graph.input(f"field {own.name}", own.range)
                cleared[own.name] = self._graph.const(0)
        return Plan(self._graph, fields, self._first(), arrive, self._last(late, cleared))

    # ------------------------------------------------------------ what can be folded

    def _fold(self, port: str) -> None:
        """Folds a port into a state where that is possible."""
        graph, shift, node = self._graph, 0, self._found.ports[port]
        user = self._user(node)
        while user is not None and user.kind == "shl":
            shift += int(user.value or 0)
            node, user = user, self._user(user)
        if user is None or user.kind not in ("add", "sub") or node is (user.args[0] if user.kind == "sub" else None):
            return
        joined = graph.add if user.kind == "add" else graph.sub
        before = next(arg for arg in user.args if arg is not node)
        inner = self._state_and_rest(before)
        if inner is not None:  # (V + X) + I is (V + I) + X, and V needs no first pass
            before, more = inner
            total = joined(before, node)
            self._replace(user, graph.add(total, more))
        else:
            total = user
            constants = [one.args[1].constant for one in self._users(total) if one.kind == "add"]
            constant = next((c for c in constants if c is not None and 0 < c < 1 << before.zeros), None)
            if constant is not None:  # what the last pass adds costs nothing in the first one
                before = graph.add(before, graph.const(constant))
                total = joined(before, node)
                self._replace(user, graph.add(total, graph.const(-constant)))
        inputs = {one for one in above([before]) if one.kind == "input"}
        if inputs & {*self._found.ports.values(), *self._found.values.values(), *self._found.draws.values()}:
            return
        rest = self._beside([total])
        for name, state in self._found.states.items():
            if state in inputs and state not in rest and name not in self._folded:
                self._folded[name] = _Folded(port, name, total, before, shift, user.kind == "sub")
                return

    def _keep_apart(self) -> None:
        """Gives up what is folded into a state that the last pass must see as it was."""
        while True:
            rest = self._beside([one.total for one in self._folded.values()])
            seen = [name for name in self._folded if self._found.states[name] in rest]
            if not seen:
                return
            del self._folded[seen[0]]

    def _state_and_rest(self, node: Node) -> tuple[Node, Node] | None:
        """(V, X) of a sum V + X of a state and of something without it."""
        if node.kind == "add":
            for state, other in (node.args, node.args[::-1]):
                if state in self._found.states.values() and state not in above([other]):
                    return state, other
        return None

    def _user(self, node: Node) -> Node | None:
        """The one node that uses another one, if there is just one and it is no result."""
        users = self._users(node)
        return users[0] if len(users) == 1 and node not in self._roots else None

    def _users(self, node: Node) -> list[Node]:
        return [one for one in above(self._roots) if node in one.args]

    def _beside(self, totals: list[Node]) -> set[Node]:
        """What the results need beside some values, of which nothing is known."""
        opaque = {total: self._graph.input(f"total {total.number}", total.range) for total in totals}
        return set(above(self._graph.rebuilt(self._roots, opaque.get)))

    def _replace(self, old: Node, new: Node) -> None:
        self._roots = self._graph.rebuilt(self._roots, {old: new}.get)

    # ------------------------------------------------------------ fields and passes

    def _shift(self, name: str) -> int:
        """The F of a state: the zeros that what comes before the events ends in, but for a constant."""
        one = self._folded.get(name)
        if one is None or one.before is self._found.states[name]:
            return 0
        return (one.before.args[0] if one.before.kind == "join" else one.before).zeros

    def _held(self, name: str) -> Field:
        shift, one = self._shift(name), self._folded.get(name)
        range = _times(self._found.states[name].range, shift)
        range = range.hull(_times(self._found.results[name].range, shift))
        if one is not None:
            range = range.hull(one.before.range).hull(one.total.range)
        return Field(name, range, self._found.starts[name] << shift, name, shift)

    def _at_rest(self) -> dict[Node, Node]:
        """The states between two steps, by what they hold."""
        found = {}
        for name, node in self._found.states.items():
            shift = self._shift(name)
            held = self._graph.input(f"field {name}", _times(node.range, shift), shift)
            found[node] = self._graph.shr(held, shift)
        return found

    def _first(self) -> Pass | None:
        changed = [one for one in self._folded.values() if one.before is not self._found.states[one.state]]
        before = self._graph.rebuilt([one.before for one in changed], self._at_rest().get)
        return Pass("first", dict(zip((one.state for one in changed), before, strict=True))) if changed else None

    def _arrival(self, name: str, shift: int, range: Interval, less: bool = False) -> Pass:
        total, weight = self._graph.input(f"sum {name}", range), self._graph.shl(self._weight, shift)
        joined = self._graph.sub if less else self._graph.add
        return Pass(f"arrive {name} {shift} {less}", {name: joined(total, weight)})

    def _last(self, late: dict[Node, Node], cleared: dict[str, Node]) -> Pass:
        totals = {one.total: self._graph.input(f"sum {one.state}", one.total.range) for one in self._folded.values()}
        held = self._at_rest()
        nodes = self._graph.rebuilt(self._roots, {**held, **late, **totals}.get)
        found = dict(zip(self._names, nodes, strict=True))
        events = {name: found[name] for name in self._found.events}
        results = {name: self._graph.shl(found[name], self._shift(name)) for name in self._found.results}
        changed = {name: node for name, node in results.items() if node is not held[self._found.states[name]]}
        return Pass("last", changed | cleared, events)


def _times(range: Interval, shift: int) -> Interval:
    return Interval(int(range.low) << shift, int(range.high) << shift)
