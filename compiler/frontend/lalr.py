"""The shift-reduce machine: lark's tables of `grammar.lark`, and nodes that are built as their rules are reduced.

lark would build a tree of its own first; here the stack holds the values of `tree.RULES` from the start, and beside
each value the first and last token of its text and how deep it is nested.  Nothing here recurses.
"""

from __future__ import annotations

from functools import cache
from itertools import repeat
from typing import Any

from spikec.dialects.diagnostics import Span
from spikec.frontend.grammar_tables import language
from spikec.frontend.tree import RULES, Rule, TreeBuilder

MAX_DEPTH = 150


class Reduction:
    """What reducing by a rule does.

    `origin` is what the rule makes, of `size` symbols.  Its parts are the symbols at the places of `picks`, each after
    so many absent optional parts; those of a spread symbol are taken one by one.  `places` are all that matters of them
    where nothing is absent or spread.  `build` makes the node of them.
    Where it is None the parts stay a list, for the rule that they are spread into.  `is_body` marks what stands in
    braces.
    """

    __slots__ = ("build", "is_body", "keeps_single", "origin", "picks", "places", "size", "trailing", "unit")

    def __init__(self, rule: Any) -> None:
        options, expansion = rule.options, rule.expansion
        name = rule.alias or rule.origin.name
        self.origin: str = rule.origin.name
        self.size = len(expansion)
        self.build: Rule | None = RULES.get(name)
        self.is_body = name in ("body", "model_body")
        self.keeps_single: bool = options.expand1 and not rule.alias
        self.picks: list[tuple[int, bool, int]] = []
        absent = _absent(options.empty_indices, len(expansion))
        waiting = 0
        for place, symbol in enumerate(expansion):
            waiting += absent[place]
            if options.keep_all_tokens or not (symbol.is_term and symbol.filter_out):
                self.picks.append((place, not symbol.is_term and symbol.name.startswith("_"), waiting))
                waiting = 0
        self.trailing = waiting + absent[-1]
        # A rule that hands on its only symbol, such as `?sum : product`: most reductions of an expression are such.
        self.unit = self.keeps_single and self.size == 1 and self.picks == [(0, False, 0)] and not self.trailing

        plain = not (self.trailing or any(spread or absent for _, spread, absent in self.picks))
        self.places = [place for place, *_ in self.picks] if plain else None

    def parts(self, read: list[Any]) -> list[Any]:
        """The parts among what the symbols are."""
        if self.places is not None:
            return [read[place][0] for place in self.places]
        parts: list[Any] = []
        for place, spread, absent in self.picks:
            if absent:
                parts.extend(repeat(None, absent))
            value = read[place][0]
            if not spread:
                parts.append(value)
            elif parts:
                parts.extend(value)
            else:
                parts = value  # a list grows in place
        if self.trailing:
            parts.extend(repeat(None, self.trailing))
        return parts


def _absent(marks: Any, symbols: int) -> list[int]:
    """How many optional parts are absent before each symbol, and after the last."""
    counts = [0] * (symbols + 1)
    place = 0
    for is_absent in marks or ():
        if is_absent:
            counts[place] += 1
        else:
            place += 1
    return counts


class _Actions(dict[Any, dict[str, Any]]):
    """What to do in each state at each symbol: go to a state (a number), or a Reduction; made on first use."""

    def __init__(self, states: dict[Any, dict[str, Any]]) -> None:
        super().__init__()
        self._states = states
        self._reductions: dict[int, Reduction] = {}

    def __missing__(self, state: Any) -> dict[str, Any]:
        row = {symbol: self._action(argument) for symbol, (_, argument) in self._states[state].items()}
        self[state] = row
        return row

    def _action(self, argument: Any) -> Any:
        if isinstance(argument, int):
            return argument
        # By identity: lark computes the hash of a rule anew each time.
        found = self._reductions.get(id(argument))
        if found is None:
            found = self._reductions[id(argument)] = Reduction(argument)
        return found


@cache
def _actions(tables: Any) -> _Actions:
    return _Actions(tables.parse_interactive("", start="start").parser_state.parse_conf.states)


# ---------------------------------------------------------------- the machine


class Misfit(Exception):
    """A token that cannot follow."""


class Machine:
    """The state of the parser: a stack of states, and for each but the first what was read since the one below.

    That is a tuple: the value, the first and the last token of its text (None where it is empty), and its height.

    `nesting` is the number of brackets around the next token, which the parser counts; `too_deep` is where the first
    node begins that is nested more than MAX_DEPTH levels deep.
    """

    def __init__(self, text: str, start: str, builder: TreeBuilder) -> None:
        tables = language()
        interactive = tables.parse_interactive(text, start=start)
        conf = interactive.parser_state.parse_conf
        self.actions = _actions(tables)
        self.thread = interactive.lexer_thread
        self.states: list[Any] = [conf.start_state]
        self._end = conf.end_state
        self._start = start
        self._builder = builder
        self._read: list[tuple[Any, Any, Any, int]] = []
        self.nesting = 0
        self.too_deep: Span | None = None

    @property
    def position(self) -> Any:
        """The state on top, which tells lark's lexer what may follow."""
        return self.states[-1]

    def feed(self, token: Any, is_end: bool = False) -> Any:
        """Takes a token; the value of the whole text at its end.  Raises Misfit where it cannot follow."""
        states, actions = self.states, self.actions
        kind = token.type
        while True:
            action = actions[states[-1]].get(kind)
            if action is None:
                raise Misfit
            if isinstance(action, int):
                states.append(action)
                self._read.append((token, token, token, 0))
                return None
            if action.unit:
                states[-1] = actions[states[-2]][action.origin]
            else:
                self._reduce(action)
            if is_end and states[-1] == self._end:
                return self._read[-1][0]

    def _reduce(self, reduction: Reduction) -> None:
        """Puts what a rule makes in the place of its symbols."""
        self._reduce_states(self.states, reduction)
        begin = len(self._read) - reduction.size
        read = self._read[begin:]
        del self._read[begin:]
        first = last = None
        height = 0
        for _, start, end, high in read:
            if start is not None:
                first, last = start if first is None else first, end
            if high > height:
                height = high
        parts = reduction.parts(read)
        value: Any = parts
        if reduction.keeps_single and len(parts) == 1:
            value = parts[0]
        elif reduction.build is not None:
            span = self._builder.span(first, last)
            value = reduction.build(self._builder, span, parts)
            height = 0 if reduction.is_body else height + 1
            if height + self.nesting > MAX_DEPTH and self.too_deep is None:
                self.too_deep = self._builder.span(first, first)
        self._read.append((value, first, last, height))

    def _reduce_states(self, states: list[Any], reduction: Reduction) -> None:
        del states[len(states) - reduction.size :]
        states.append(self.actions[states[-1]][reduction.origin])

    # ------------------------------------------------------------ questions and repairs after a mistake

    def accepted(self) -> frozenset[str]:
        """The kinds of tokens that can follow."""
        return frozenset(kind for kind in self.actions[self.states[-1]] if kind.isupper() and self._accepts(kind))

    def _accepts(self, kind: str) -> bool:
        """Whether a token could follow; the tables alone also name some that only fit elsewhere."""
        states = list(self.states)
        while True:
            action = self.actions[states[-1]].get(kind)
            if action is None:
                return False
            if isinstance(action, int):
                return True
            self._reduce_states(states, action)

    def settled_state(self) -> Any:
        """The state once all is reduced that can be: the same for `a`, `a.b` and `f(a)` in one place."""
        states = list(self.states)
        while (reduction := self._only_reduction(states[-1])) is not None:
            self._reduce_states(states, reduction)
        return states[-1]

    def settle(self) -> None:
        """Reduces what is complete, so that no state inside of a closed body is left on the stack."""
        while (reduction := self._only_reduction(self.states[-1])) is not None:
            self._reduce(reduction)

    def _only_reduction(self, state: Any) -> Reduction | None:
        """The rule that a state must reduce by; None if there is a choice or statements would be joined."""
        actions = [a for kind, a in self.actions[state].items() if kind.isupper() and not isinstance(a, int)]
        if not actions or any(action is not actions[0] for action in actions):
            return None
        found: Reduction = actions[0]
        joins = found.origin == self._start or "_statements" in found.origin
        return None if joins or not found.size else found

    def takes(self, kind: str, depth: int) -> bool:
        """Whether the state at a depth of the stack knows what to do with a kind of token."""
        return kind in self.actions[self.states[depth]]

    def pop(self) -> None:
        """Forgets the topmost state and what was read before it."""
        self.states.pop()
        self._read.pop()
