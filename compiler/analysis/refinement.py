"""The intervals of a straight-line block, with what conditions say about the arms of a `select`.

    %s = arith.cmpf oge, %v, %theta
    %r = arith.subf %v, %theta
    %w = arith.select %s, %r, %v

`%w` is at most the larger of theta and the greatest `%v` less theta: each arm is evaluated anew with what
its side of the condition leaves of `%v`.  Elementwise ops alone are evaluated anew, since an element of a
condition says nothing about other elements.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spikec.analysis.intervals import (
    ANY_REAL,
    BOOL,
    Comparison,
    Interval,
    Transfer,
    integer_comparison,
    integer_transfer,
    is_real,
    limits,
    modulo,
    point,
    width,
)
from spikec.analysis.real_intervals import real_comparison, real_constant, real_transfer
from spikec.dialects.functions import SCALAR_OPS
from spikec.dialects.mlir import ir

Special = Callable[[Any], tuple[list[Any], Callable[[list[Interval]], list[Interval]]]]
"""Reads an op that is not elementwise; gives the values that it uses and the function to its results."""
Refined = dict[int, Interval]
Assumed = dict[tuple[int, bool], list[Refined]]

_DEPTH = 2  # conditions that are assumed at once; deeper selects join their arms
_ALTERNATIVES = 4  # cases that a condition is split into
_CASTS = frozenset({"arith.extsi", "arith.extui", "arith.trunci"})
TRUTH = {True: point(1), False: point(0)}
_UNKNOWN = point(0)  # what a slot holds until its op is evaluated


@dataclass(frozen=True, slots=True)
class Node:
    """An op: the slots of its operands and results, the function between them, the type of an integer result."""

    op: Any
    name: str
    operands: tuple[int, ...]
    results: tuple[int, ...]
    transfer: Transfer | None
    many: Callable[[list[Interval]], list[Interval]] | None
    type: Interval | None
    comparison: Comparison | None


@dataclass(slots=True)
class Case:
    """An assumption: what it leaves of some values, and what follows for others as far as it was asked."""

    refined: Refined
    mask: int
    depth: int
    known: Refined = field(default_factory=dict)
    assumed: Assumed = field(default_factory=dict)


@dataclass(slots=True)
class Values:
    """One evaluation of a block: an interval for each slot; `wrapped` are the ops that may leave their type."""

    slots: list[Interval]
    wrapped: list[Any]
    cases: dict[tuple[int, bool], list[Case]] = field(default_factory=dict)
    assumed: Assumed = field(default_factory=dict)


class Body:
    """A block made ready for evaluation; `captured` are the values that it takes from around it."""

    def __init__(self, block: Any, specials: Mapping[str, Special] | None = None) -> None:
        self._specials = specials or {}
        self._numbers: dict[Any, int] = {}
        self._above: list[int] = []  # by slot: the bits of all slots that it is an elementwise function of
        self._makers: list[Node | None] = []
        self.captured: list[Any] = []
        self.arguments = [self._slot(argument) for argument in block.arguments]
        operations = [operation.operation for operation in block.operations]
        self.nodes = [self._node(op) for op in operations[:-1]]
        self.returned = [self._operand(value) for value in operations[-1].operands]

    @property
    def values(self) -> Mapping[Any, int]:
        """The slot of each value."""
        return self._numbers

    # ------------------------------------------------------------ reading

    def _slot(self, value: Any) -> int:
        slot = self._numbers[value] = len(self._numbers)
        self._above.append(1 << slot)
        self._makers.append(None)
        return slot

    def _operand(self, value: Any) -> int:
        if value not in self._numbers:
            self.captured.append(value)
            return self._slot(value)
        return self._numbers[value]

    def _node(self, op: Any) -> Node:
        name, made = op.name, list(op.results)
        elementwise = name in SCALAR_OPS
        transfer = many = None
        uses = list(op.operands)
        if elementwise and name != "arith.select":
            uses, transfer = _elementwise(op, name, uses, made[0].type)
        elif not elementwise:
            uses, many = self._specials[name](op)
        operands = tuple([self._operand(value) for value in uses])
        results = tuple([self._slot(value) for value in made])
        around = limits(made[0].type) if len(made) == 1 else ANY_REAL
        type = None if around is ANY_REAL else around
        node = Node(op, name, operands, results, transfer, many, type, _comparison(op, name))
        if elementwise:
            for slot in operands:
                self._above[results[0]] |= self._above[slot]
        for slot in results:
            self._makers[slot] = node
        return node

    # ------------------------------------------------------------ evaluation

    def run(self, arguments: Sequence[Interval], captured: Sequence[Interval] = ()) -> Values:
        """The intervals of all values, from those of the arguments and of the captured values."""
        values = Values([_UNKNOWN] * len(self._numbers), [])
        for slot, interval in zip(self.arguments, arguments, strict=True):
            values.slots[slot] = interval
        for value, interval in zip(self.captured, captured, strict=True):
            values.slots[self._numbers[value]] = interval
        for node in self.nodes:
            if node.many is None:
                found = self._evaluate(node, values, None)
                values.slots[node.results[0]] = self._fit(node, found, values)
                continue
            results = node.many([values.slots[slot] for slot in node.operands])
            for slot, found in zip(node.results, results, strict=True):
                values.slots[slot] = self._fit(node, found, values)
        return values

    def _fit(self, node: Node, found: Interval, values: Values | None) -> Interval:
        """An integer that leaves its type may be any."""
        if node.type is None or node.type.covers(found):
            return found
        if values is not None:
            values.wrapped.append(node.op)
        return node.type

    def _evaluate(self, node: Node, values: Values, case: Case | None) -> Interval:
        if node.transfer is None:
            return self._select(node, values, case)
        return node.transfer(*[self._value(slot, values, case) for slot in node.operands])

    def _value(self, slot: int, values: Values, case: Case | None) -> Interval:
        """A value under an assumption."""
        if case is None or not self._above[slot] & case.mask:
            return values.slots[slot]
        if slot not in case.known:
            self._follow(slot, values, case)
        return case.known[slot]

    def _follow(self, slot: int, values: Values, case: Case) -> None:
        """Evaluates what leads from the refined values to a slot, in order, so that nothing recurs deeply."""
        above = self._above[slot]
        first = (case.mask & -case.mask).bit_length() - 1
        for number in range(first, slot + 1):
            node = self._makers[number]
            if not (above >> number) & 1 or number in case.known or not self._above[number] & case.mask:
                continue
            found = values.slots[number]
            if number in case.refined:
                found = case.refined[number]
            elif node is not None:
                anew = self._fit(node, self._evaluate(node, values, case), None)
                found = anew.meet(found) or anew
            case.known[number] = found

    # ------------------------------------------------------------ conditions

    def _select(self, node: Node, values: Values, case: Case | None) -> Interval:
        condition, *arms = node.operands
        known = self._value(condition, values, case)
        if known.is_point:
            return self._value(arms[0 if known.low else 1], values, case)
        found: Interval | None = None
        for truth, arm in zip((True, False), arms, strict=True):
            for assumed in self._cases(condition, truth, values, case):
                value = self._value(arm, values, assumed)
                found = value if found is None else found.hull(value)
        if found is None:  # no side is possible: nothing ever gets here
            return self._value(arms[0], values, case)
        return found

    def _cases(self, condition: int, truth: bool, values: Values, case: Case | None) -> Sequence[Case | None]:
        """Assumptions, one of which holds where the condition is `truth`."""
        if case is not None and case.depth >= _DEPTH:
            return [case]
        if case is not None:
            return [_added(case, refined) for refined in self._assume(condition, truth, values, case)]
        key = (condition, truth)
        if key not in values.cases:
            values.cases[key] = [_added(None, refined) for refined in self._assume(condition, truth, values, None)]
        return values.cases[key]

    def _assume(self, slot: int, truth: bool, values: Values, case: Case | None) -> list[Refined]:
        """What a condition leaves of the values that it is made of: one of these holds; empty where it never does."""
        assumed = values.assumed if case is None else case.assumed
        if (slot, truth) not in assumed:
            assumed[slot, truth] = self._assumed(slot, truth, values, case)
        return assumed[slot, truth]

    def _assumed(self, slot: int, truth: bool, values: Values, case: Case | None) -> list[Refined]:
        if self._value(slot, values, case).meet(TRUTH[truth]) is None:
            return []
        node = self._makers[slot]
        own = [{slot: TRUTH[truth]}]
        if node is None:
            return own
        found = list(self._reasons(node, truth, values, case))
        if found == [None] or len(found) > _ALTERNATIVES:
            return own
        return [{**refined, slot: TRUTH[truth]} for refined in found if refined is not None]

    def _reasons(self, node: Node, truth: bool, values: Values, case: Case | None) -> Iterator[Refined | None]:
        """The ways in which an op is `truth`; one None where nothing is known of them."""
        if node.comparison is not None:
            yield from self._compared(node, truth, values, case)
        elif node.type != BOOL or node.name not in ("arith.andi", "arith.ori", "arith.xori"):
            yield None
        elif node.name == "arith.xori":
            a, b = (self._value(slot, values, case) for slot in node.operands)
            if a.is_point or b.is_point:
                flip, other = (a, node.operands[1]) if a.is_point else (b, node.operands[0])
                yield from self._assume(other, truth != bool(flip.low), values, case)
            else:
                yield None
        elif truth == (node.name == "arith.andi"):
            first, second = (self._assume(slot, truth, values, case) for slot in node.operands)
            for one, another in itertools.product(first, second):
                yield from _both(one, another)
        else:
            for slot in node.operands:
                yield from self._assume(slot, truth, values, case)

    def _compared(self, node: Node, truth: bool, values: Values, case: Case | None) -> Iterator[Refined]:
        assert node.comparison is not None
        a, b = node.operands
        left = right = None
        pair = node.comparison.refine(self._value(a, values, case), self._value(b, values, case), truth)
        if pair is not None:
            left, right = self._traced(a, pair[0], values, case), self._traced(b, pair[1], values, case)
        if left is not None and right is not None:
            yield from _both(left, right)

    def _traced(self, slot: int, found: Interval, values: Values, case: Case | None) -> Refined | None:
        """What is known of a value, and of what it was cast from; None where there is no such value."""
        refined = {slot: found}
        node = self._makers[slot]
        while node is not None and node.name in _CASTS:
            (slot,) = node.operands
            source = self._value(slot, values, case)
            assert node.transfer is not None
            if node.type is None or node.transfer(source) != source or not node.type.covers(source):
                break
            narrowed = source.meet(found)
            if narrowed is None:
                return None
            refined[slot] = found = narrowed
            node = self._makers[slot]
        return refined


def _added(case: Case | None, refined: Refined) -> Case:
    before, depth = ({}, 0) if case is None else (case.refined, case.depth)
    everything = {**before, **refined}
    return Case(everything, sum(1 << slot for slot in everything), depth + 1)


def _both(one: Refined, other: Refined) -> Iterator[Refined]:
    """Two assumptions at once, none where they exclude each other."""
    found = dict(one)
    for slot, interval in other.items():
        common = found[slot].meet(interval) if slot in found else interval
        if common is None:
            return
        found[slot] = common
    yield found


def _comparison(op: Any, name: str) -> Comparison | None:
    if name == "arith.cmpi":
        return integer_comparison(op)
    return real_comparison(op) if name == "arith.cmpf" else None


def _elementwise(op: Any, name: str, operands: list[Any], type: Any) -> tuple[list[Any], Transfer]:
    """What an op uses, and the function from that to its result; nothing but the type where it is not known."""
    if name == "arith.constant":
        fixed = constant(op)
        return [], lambda: fixed
    pair = _modulo(op) if name == "arith.subi" else None
    if pair is not None:
        return list(pair), modulo
    transfer = real_transfer(op)
    if transfer is None and not any(is_real(one) for one in (type, *(value.type for value in operands))):
        transfer = integer_transfer(op)
    if transfer is None:
        anything = limits(type)
        return operands, lambda *found: anything
    return operands, transfer


def constant(op: Any) -> Interval:
    """The value of an `arith.constant`, as a program computes with it."""
    attribute, type = op.attributes["value"], op.results[0].type
    if isinstance(attribute, ir.DenseElementsAttr):
        if not attribute.is_splat:
            return limits(type)
        attribute = attribute.get_splat_value()
    if is_real(type):
        return real_constant(ir.FloatAttr(attribute).value, width(type))
    # The numbers of an i1 are 0 and 1 here, and MLIR's own are 0 and -1.
    return point(abs(attribute.value) if width(type) == 1 else attribute.value)


def _modulo(op: Any) -> tuple[Any, Any] | None:
    """(x, y) of `x - floor(x / y) * y`, from the subtraction."""
    if isinstance(op.operands[1].owner, ir.Block):
        return None
    x, product = op.operands[0], op.operands[1].owner
    if product.name != "arith.muli" or isinstance(product.operands[0].owner, ir.Block):
        return None
    quotient, y = product.operands[0].owner, product.operands[1]
    if quotient.name != "arith.floordivsi" or list(quotient.operands) != [x, y]:
        return None
    return x, y
