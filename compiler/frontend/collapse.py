"""Where the states of a synapse program live: one for each source, for each target, or for each synapse.

The rule is docs/language.md's.  Its result is a `Plan`: the statements of the program that run once for each source
and give what goes through the synapses, and those that run once for each target on the sum of what came; or None,
where only one state for each synapse says what is written.  What a value depends on is a set of "source", "target" and
"synapse"; the empty set is a number that all synapses share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from spikec.frontend import distributions, syntax
from spikec.frontend.ode import names_in

Places = frozenset[str]

SHARED: Places = frozenset()
SOURCE: Places = frozenset({"source"})
TARGET: Places = frozenset({"target"})
SYNAPSE: Places = frozenset({"synapse"})

EVENT = "pre"  # what the source emits, `delay` ago
WEIGHT = "w"
ARRIVED = "sum.arrived"  # in the program of a target: the sum of what came through its synapses

Factors = list[tuple[str, syntax.Expr]]


@dataclass(frozen=True)
class Plan:
    """`source` and `target` are the statements of the two programs, each empty where it would do nothing.

    Without a program of the source its events themselves go through the synapses.  `weighted` says whether a synapse
    multiplies by its weight.
    """

    source: tuple[syntax.Statement, ...]
    target: tuple[syntax.Statement, ...]
    weighted: bool


def dependences(body: Sequence[syntax.Statement], each: frozenset[str]) -> dict[str, Places]:
    """What every state and local name of a program depends on; `each` are the names of parameters per synapse."""
    known: dict[str, Places] = {s.name: SHARED for s in body if isinstance(s, syntax.Variable)}
    while True:
        before = dict(known)
        for name, value, handled in _assigned(body):
            known[name] = known.get(name, SHARED) | of(value, known, each) | (SOURCE if handled else SHARED)
        for variable in body:
            if isinstance(variable, syntax.Variable) and variable.init is not None:
                drawn = names_in(variable.init) & {"index", *distributions.NAMES}
                known[variable.name] |= SYNAPSE if drawn else SHARED
        if known == before:
            return known


def _assigned(body: Sequence[syntax.Statement]) -> Iterator[tuple[str, syntax.Expr, bool]]:
    """What is given a value, the value, and whether that is in a handler."""
    for statement in body:
        match statement:
            case syntax.Assign(target=syntax.Name() as target) | syntax.Derivative(target=syntax.Name() as target):
                yield target.id, statement.value, False
            case syntax.On():
                yield from ((name, value, True) for name, value, _ in _assigned(statement.body))


def of(node: syntax.Expr, known: Mapping[str, Places], each: frozenset[str]) -> Places:
    """What the value of an expression depends on."""
    found = SHARED
    for name in names_in(node):
        if name in known:
            found |= known[name]
        elif name in each or name == "index":
            found |= SYNAPSE
        elif name == EVENT or name.startswith("pre."):
            found |= SOURCE
        elif name.startswith("post."):
            found |= TARGET
    return found


def plan(body: Sequence[syntax.Statement], each: frozenset[str], spikes: bool) -> Plan | None:
    """How to do without a state for each synapse; `spikes` says that the source emits nothing but 0 and 1."""
    known = dependences(body, each)
    return _Collapse(tuple(body), known, each, spikes).plan()


@dataclass(frozen=True)
class _Collapse:
    body: tuple[syntax.Statement, ...]
    known: Mapping[str, Places]
    each: frozenset[str]
    spikes: bool

    def plan(self) -> Plan | None:
        summed = {s.name for s in self.body if isinstance(s, syntax.Variable) and not self.known[s.name] <= SOURCE}
        return self._summed(summed) if summed else self._sent()

    def _of(self, node: syntax.Expr) -> Places:
        return of(node, self.known, self.each)

    # ------------------------------------------------------------ states of the source alone

    def _sent(self) -> Plan | None:
        """`out` is the product of the weight, a value of the source and a value of the target."""
        out = next(s for s in self.body if isinstance(s, syntax.Out))
        split = self._split(out.value)
        if split is None:
            return None
        sent, after, weighted = split
        if len(sent) == 1 and sent[0][0] == "*" and sent[0][1] == syntax.Name(sent[0][1].span, EVENT):
            source: tuple[syntax.Statement, ...] = ()
        else:
            source = self._source({out: replace(out, value=_product(sent, out.value))})
        if not after:
            return Plan(source, (), weighted)
        arrived: Factors = [("*", syntax.Name(out.span, ARRIVED)), *after]
        return Plan(source, (*self._locals_of_target(), replace(out, value=_product(arrived, out.value))), weighted)

    def _split(self, node: syntax.Expr) -> tuple[Factors, Factors, bool] | None:
        """The factors that are the source's (or shared), those that are the target's, and whether `w` is one."""
        sent: Factors = []
        after: Factors = []
        weights = 0
        for op, factor in _factors(node):
            if isinstance(factor, syntax.Name) and factor.id == WEIGHT and op == "*":
                weights += 1
            elif self._of(factor) <= SOURCE:
                sent.append((op, factor))
            elif self._of(factor) <= TARGET:
                after.append((op, factor))
            else:
                return None
        return (sent, after, weights == 1) if weights <= 1 else None

    # ------------------------------------------------------------ states that can be summed

    def _summed(self, summed: set[str]) -> Plan | None:
        """The states that are not the source's start at zero, and all that happens to them is linear."""
        increments = [s for on in self._handlers() for s in on.body if _target_of(s) in summed]
        if len(increments) != 1 or not all(self._is_linear(s, summed) for s in self.body):
            return None
        (increment,) = increments
        if not isinstance(increment, syntax.Assign) or increment.op not in ("+=", "-="):
            return None
        split = self._split(increment.value)
        if split is None or split[1]:
            return None
        sent, _, weighted = split
        states = any(isinstance(s, syntax.Variable) and s.name not in summed for s in self.body)
        source: tuple[syntax.Statement, ...] = ()
        if sent or states or not self.spikes:
            out = syntax.Out(increment.span, _product(sent, increment.value))
            source = self._source({increment: out})
        arrived = replace(increment, value=syntax.Name(increment.value.span, ARRIVED))
        return Plan(source, tuple(self._of_target(summed, increment, arrived)), weighted)

    def _handlers(self) -> Iterator[syntax.On]:
        return (s for s in self.body if isinstance(s, syntax.On))

    def _is_linear(self, statement: syntax.Statement, summed: set[str]) -> bool:
        match statement:
            case syntax.Variable() if statement.name in summed:
                real = statement.type is None or statement.type.name not in ("int", "bool")
                return real and (statement.init is None or _is_zero(statement.init))
            case syntax.Derivative() if _target_of(statement) in summed:
                return self._linear(statement.value, summed, SHARED)
            case syntax.Assign() if _target_of(statement) in summed:
                if statement.op == "*=":
                    return self._of(statement.value) <= SHARED
                return self._linear(statement.value, summed, SHARED)
            case syntax.Assign():
                return self._of(statement.value) <= SOURCE or self._is_of_target(statement)
            case syntax.Out():
                return self._linear(statement.value, summed, TARGET)
            case _:
                return True

    def _linear(self, node: syntax.Expr, summed: set[str], factor: Places) -> bool:
        """Is this a sum of the states, each times something that depends on `factor` at most?"""
        match node:
            case syntax.Name():
                return node.id in summed
            case syntax.Unary(op="-"):
                return self._linear(node.operand, summed, factor)
            case syntax.Binary(op="+" | "-"):
                return self._linear(node.left, summed, factor) and self._linear(node.right, summed, factor)
            case syntax.Binary(op="*") if self._of(node.left) <= factor:
                return self._linear(node.right, summed, factor)
            case syntax.Binary(op="*" | "/") if self._of(node.right) <= factor:
                return self._linear(node.left, summed, factor)
            case _:
                return False

    # ------------------------------------------------------------ the two programs

    def _source(self, instead: Mapping[syntax.Statement, syntax.Out]) -> tuple[syntax.Statement, ...]:
        """The statements about the source's states, and `out` in the place of one that is not about them."""
        return tuple(self._of_source(self.body, instead))

    def _of_source(
        self, body: Sequence[syntax.Statement], instead: Mapping[syntax.Statement, syntax.Out]
    ) -> Iterator[syntax.Statement]:
        solved = any(isinstance(s, syntax.Derivative) and self._is_of_source(_target_of(s)) for s in body)
        for statement in body:
            match statement:
                case _ if statement in instead:
                    yield instead[statement]
                case syntax.On():
                    yield replace(statement, body=tuple(self._of_source(statement.body, instead)))
                case syntax.Solver() if solved:
                    yield statement
                case syntax.Variable() if self._is_of_source(statement.name):
                    yield statement
                case syntax.Assign() | syntax.Derivative() if self._is_of_source(_target_of(statement)):
                    yield statement

    def _is_of_source(self, name: str) -> bool:
        return self.known.get(name, SYNAPSE) <= SOURCE

    def _of_target(
        self, summed: set[str], increment: syntax.Assign, arrived: syntax.Assign
    ) -> Iterator[syntax.Statement]:
        """The statements about summed states; the sum of what arrives stands where the handler adds to one."""
        solved = any(isinstance(s, syntax.Derivative) and _target_of(s) in summed for s in self.body)
        for statement in self.body:
            match statement:
                case syntax.On() if increment in statement.body:
                    yield arrived
                case syntax.Solver() if solved:
                    yield statement
                case syntax.Variable() if statement.name in summed:
                    yield statement
                case syntax.Assign() | syntax.Derivative() if _target_of(statement) in summed:
                    yield statement
                case syntax.Assign() if self._is_of_target(statement):
                    yield statement
                case syntax.Out():
                    yield statement

    def _locals_of_target(self) -> Iterator[syntax.Statement]:
        return (s for s in self.body if isinstance(s, syntax.Assign) and self._is_of_target(s))

    def _is_of_target(self, statement: syntax.Assign) -> bool:
        return statement.op == "=" and self._of(statement.value) <= TARGET


def _target_of(statement: syntax.Statement) -> str:
    """The name that a statement gives a value, or an empty text."""
    target = statement.target if isinstance(statement, syntax.Assign | syntax.Derivative) else None
    return target.id if isinstance(target, syntax.Name) else ""


def _is_zero(node: syntax.Expr) -> bool:
    return isinstance(node, syntax.Number | syntax.Quantity) and node.value == 0


def _factors(node: syntax.Expr, op: str = "*") -> Factors:
    """An expression as factors and divisors, in textual order."""
    match node:
        case syntax.Binary(op="*"):
            return [*_factors(node.left, op), *_factors(node.right, op)]
        case syntax.Binary(op="/"):
            return [*_factors(node.left, op), *_factors(node.right, "/" if op == "*" else "*")]
        case syntax.Unary(op="-"):
            return [("*", syntax.Number(node.span, Fraction(-1), is_int=True)), *_factors(node.operand, op)]
        case _:
            return [(op, node)]


def _product(factors: Factors, whole: syntax.Expr) -> syntax.Expr:
    """The product of factors from left to right, which stands for a part of `whole`; 1 for none."""
    made: syntax.Expr | None = None
    for op, factor in factors:
        if made is None:
            one = syntax.Number(whole.span, Fraction(1), is_int=False)
            made = factor if op == "*" else syntax.Binary(whole.span, "/", one, factor)
        else:
            made = syntax.Binary(whole.span, op, made, factor)
    return made if made is not None else syntax.Number(whole.span, Fraction(1), is_int=False)
