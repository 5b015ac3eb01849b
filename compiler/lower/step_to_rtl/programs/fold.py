"""The passes of a core over its elements, and the fields that it holds.

A sample begins with a pass that gives fields their start, unless they are registers.  In a step there is a pass for
each event that arrives, and at the end one that computes the neurons.  What arrives is added to a field: to one of its
own (`acc`), which the last pass clears, or, where the program has the form

    f(V, I) = post(pre(V) +- (I << k))      or      f(V, I) = post(c ? V : pre(V) +- (I << k)),

to the state itself: events add to it what the program would have added to pre(V), nothing where c is true, and the last
pass sees the sum.  Then no accumulator is held, and a first pass computes pre(V), which is left out where pre(V) = V.
The field is V times 2^F where pre(V) has that factor, so that all passes add to the same bits.  In the worst order of
events sums may leave the field for a while; they are right modulo its size, and their end fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from spikec.analysis.intervals import Interval, point
from spikec.dialects.constants import Array
from spikec.lower.step_to_rtl.programs.behaviour import Behaviour
from spikec.lower.step_to_rtl.programs.expressions import ADDERS, Graph, Node, above, below_power

WEIGHT, EVENT = "weight", "event"
Product = Literal["weight", "value", "shifted", "product"]
"""What an event brings: a weight, where events have no values; its value, where weights are 0 and 1; the value shifted,
where they are 0 and +-2^k; else the product, by a multiplier."""


@dataclass(frozen=True)
class Field:
    """A number held for each element: `state` times 2^`shift`, or what arrived so far; `start` [size] at first."""

    name: str
    range: Interval
    start: Array
    state: str | None = None
    shift: int = 0

    @property
    def is_uniform(self) -> bool:
        """Whether all elements start alike."""
        return bool((self.start == self.start.flat[0]).all())


@dataclass
class Pass:
    """What becomes of fields, by name; those left out stay.  `events` are sent."""

    name: str
    results: dict[str, Node]
    events: dict[str, Node] = field(default_factory=dict)


@dataclass
class Plan:
    """`start` begins a sample, None where a reset of registers does; `first` comes before the events of a step,
    `arrive` are the passes for an event by port, `last` ends a step, but for what comes `after`.

    Inputs of their nodes are "field NAME" (in the last pass "sum NAME" where events were added to it), "weight",
    "event" (its value), "constant NAME", "value NAME", "draw NAME" and "index".  While a sample starts a field is read
    as its start.
    """

    graph: Graph
    fields: list[Field]
    start: Pass | None
    first: Pass | None
    arrive: dict[str, Pass]
    last: Pass
    after: list[Pass] = field(default_factory=list)

    @property
    def passes(self) -> list[Pass]:
        found = {one.name: one for one in self.arrive.values()}
        once = [one for one in (self.start, self.first) if one is not None]
        return [*once, *found.values(), self.last, *self.after]


@dataclass(frozen=True)
class _Folded:
    """What port `port` brings joins `state`: `total` = `before` + port * 2^`shift`, with - if it is `less`.

    `before` is made of the state.  Where `blocked` is 1 nothing is added, and `before` is the state.
    """

    port: str
    state: str
    total: Node
    before: Node
    shift: int
    less: bool
    blocked: Node | None = None


def plan(
    found: Behaviour, weights: Interval, events: Interval, products: Mapping[str, Product], registers: bool
) -> Plan:
    """The passes for a behaviour; `weights` is the interval of single weights, `events` that of values of events.

    `products` says of each port what an event brings there.  Fields that are `registers` take their start with a reset,
    others in a pass.
    """
    return _Planning(found, weights, events, products).plan(registers)


class _Planning:
    def __init__(self, found: Behaviour, weights: Interval, events: Interval, products: Mapping[str, Product]) -> None:
        self._found, self._graph = found, found.graph
        self._weights, self._events, self._products = weights, events, products
        self._names = [*found.results, *found.events]
        self._roots = [*found.results.values(), *found.events.values()]
        self._folded: dict[str, _Folded] = {}  # by state

    def plan(self, registers: bool) -> Plan:
        for port in self._found.ports:
            self._fold(port)
        self._keep_apart()
        fields = [self._held(name) for name in self._found.states]
        ports = {one.port: one for one in self._folded.values()}
        arrive, late, cleared = {}, {}, {}
        for port, node in self._found.ports.items():
            if port in ports:
                one = ports[port]
                arrive[port] = self._arrival(port, one.state, one.shift, one.total.range, one.less, one.blocked)
            else:
                own = Field(f"acc {port}", node.range.hull(point(0)), np.zeros(1, np.int64))
                fields.append(own)
                arrive[port] = self._arrival(port, own.name, 0, own.range)
                late[node] = self._graph.input(f"field {own.name}", own.range)
                cleared[own.name] = self._graph.const(0)
        first, last = self._first(), self._last(late, cleared)
        start = self._start(fields, [last, *([first] if first else [])]) if fields and not registers else None
        return Plan(self._graph, fields, start, first, arrive, last)

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
        inner, block = self._state_and_rest(before), self._block(user)
        states, blocked = self._found.states, None
        if block is not None:
            total, kept, blocked = block
            states, before = {kept: states[kept]}, self._kept_if(blocked, states[kept], before)
        elif inner is not None:  # (V + X) + I is (V + I) + X, and V needs no first pass
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
        rest = self._beside([total], [blocked])
        for name, state in states.items():
            if state in inputs and state not in rest and name not in self._folded:
                self._folded[name] = _Folded(port, name, total, before, shift, user.kind == "sub", blocked)
                return

    def _keep_apart(self) -> None:
        """Gives up what is folded into a state that the last pass must see as it was."""
        while True:
            folded = self._folded.values()
            rest = self._beside([one.total for one in folded], [one.blocked for one in folded])
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

    def _kept_if(self, condition: Node, state: Node, node: Node) -> Node:
        """`condition ? state : node`; where the node is state - X, by an X of 0: the sum is chosen as it is then."""
        if node.kind == "sub" and node.args[0] is state:
            return self._graph.sub(state, self._graph.select(condition, self._graph.const(0), node.args[1]))
        return self._graph.select(condition, state, node)

    def _block(self, node: Node) -> tuple[Node, str, Node] | None:
        """(`c ? V : node`, V, c) where that is all that uses a node, V is a state, and c a look at other states."""
        user = self._user(node)
        if user is None or user.kind != "select" or node is user.args[0]:
            return None
        condition, one, other = user.args
        kept, blocked = (one, condition) if other is node else (other, self._graph.negated(condition))
        name = next((name for name, state in self._found.states.items() if state is kept), None)
        parts = above([blocked])
        adds = any(
            part.kind in ADDERS or (part.kind == "below" and not below_power(int(part.value or 0))) for part in parts
        )
        return None if name is None or adds or kept in parts else (user, name, blocked)

    def _beside(self, totals: list[Node], blocks: list[Node | None]) -> set[Node]:
        """What the results need beside some values, of which nothing is known, and to know what is blocked."""
        opaque = {total: self._graph.input(f"total {total.number}", total.range) for total in totals}
        found = self._graph.rebuilt(self._roots, opaque.get)
        return set(above([*found, *(node for node in blocks if node is not None)]))

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
        return {
            node: self._graph.shr(self._held_now(name), self._shift(name)) for name, node in self._found.states.items()
        }

    def _held_now(self, name: str) -> Node:
        """The field of a state between two steps."""
        shift = self._shift(name)
        return self._graph.input(f"field {name}", _times(self._found.states[name].range, shift), shift)

    def _start(self, fields: list[Field], others: list[Pass]) -> Pass:
        """Fields as they are read, which is their start; or what another pass makes of that, if it is the same."""
        starts = {one.name: self._graph.const(int(one.start.flat[0])) for one in fields if one.is_uniform}

        def started(node: Node) -> Node | None:
            return starts.get(str(node.value).partition(" ")[2]) if node.kind == "input" else None

        found = {}
        for one in fields:
            made = [other.results[one.name] for other in others if one.name in other.results]
            same = (node for node in made if self._graph.rebuilt([node], started)[0] is starts.get(one.name))
            found[one.name] = next(same, None) or self._held_now(one.name)
        return Pass("start", found)

    def _first(self) -> Pass | None:
        changed = [one for one in self._folded.values() if one.before is not self._found.states[one.state]]
        before = self._graph.rebuilt([one.before for one in changed], self._at_rest().get)
        return Pass("first", dict(zip((one.state for one in changed), before, strict=True))) if changed else None

    def _brought(self, port: str) -> Node:
        """What an event brings to a port: its value times a weight."""
        graph, weight = self._graph, self._graph.input(WEIGHT, self._weights)
        if self._products[port] == "weight":
            return weight
        event = graph.input(EVENT, self._events)
        match self._products[port]:
            case "value":
                return graph.select(graph.low(weight, 1), event, graph.const(0))
            case "shifted":
                return graph.mul_power(event, weight)
        return graph.mul(event, weight)

    def _arrival(
        self, port: str, name: str, shift: int, range: Interval, less: bool = False, blocked: Node | None = None
    ) -> Pass:
        total, weight = self._graph.input(f"sum {name}", range), self._graph.shl(self._brought(port), shift)
        if blocked is not None:
            blocked = self._graph.rebuilt([blocked], self._at_rest().get)[0]
            weight = self._graph.select(blocked, self._graph.const(0), weight)
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
