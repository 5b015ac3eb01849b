"""Real ops as integer ops: one block, an entry point's or a neuron program's, from top to bottom."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from spikec.analysis.intervals import Interval
from spikec.analysis.moves import moved
from spikec.dialects.constants import Array
from spikec.dialects.functions import MOVES, walk
from spikec.dialects.mlir import arith, ir
from spikec.dialects.mlir import math as mlir_math
from spikec.dialects.refusal import Refusal
from spikec.passes.quantize.affine import LINEAR, Affine, Atom, Number, atom, linear, same, uniform
from spikec.passes.quantize.arithmetic import LONG, Arithmetic, Code, TooWide, snapped, width
from spikec.passes.quantize.classes import ROUNDED, Classes, extents, is_real
from spikec.passes.quantize.functions import FUNCTIONS, evaluate, logarithm, root, scale_of, series
from spikec.passes.quantize.scales import DRAWN, Scales

SWAPPED = {2: 4, 3: 5, 4: 2, 5: 3}  # cmpf predicates with their operands exchanged
PREDICATES = {
    1: arith.CmpIPredicate.eq,
    2: arith.CmpIPredicate.sgt,
    3: arith.CmpIPredicate.sge,
    4: arith.CmpIPredicate.slt,
    5: arith.CmpIPredicate.sle,
    6: arith.CmpIPredicate.ne,
    13: arith.CmpIPredicate.ne,
}
FAR = 2.0**LONG
DIVIDED = 16  # bits after the point of a quotient of integers
STEEP = {"math.log": logarithm, "math.sqrt": root}


class Block:
    """Translates the ops of a block at the current insertion point.

    `values` are the new values of what was no real, `forms` the forms over new integers of what was one.
    `sums` says which values go on a sum that a loop has begun.
    """

    def __init__(
        self,
        classes: Classes,
        scales: Scales,
        arithmetic: Arithmetic,
        owner: str,
        array: Callable[[tuple[int, ...] | None, Array], Any],
    ) -> None:
        self.classes = classes
        self.scales = scales
        self.arithmetic = arithmetic
        self.owner = owner
        self.array = array
        self.values: dict[Any, Any] = {}
        self.forms: dict[Any, Affine] = {}
        self.sums: dict[Any, Atom] = {}

    def run(self, operations: Sequence[Any]) -> None:
        for op in operations:
            with op.location:
                try:
                    self.op(op)
                except TooWide:
                    raise Refusal("E1213", "a sum needs more than 62 bits", op, "give the states fewer bits") from None

    # ------------------------------------------------------------ values

    def code(self, type: Any) -> Code:
        """Code on values of a type's shape."""
        shape = extents(type) if isinstance(type, ir.RankedTensorType) else None
        return Code(shape, lambda values: self.array(shape, values))

    def scale(self, value: Any) -> Number:
        return self.scales.of((self.owner, value))

    def set(self, value: Any, form: Affine) -> None:
        """The form of a value; one that is cut becomes an integer in the scale of its class here."""
        if (self.owner, value) in self.classes.cuts and not form.is_constant:
            begun = self.sums.get(value)
            scale = self.scale(value)
            form = self.integer(value.type, form, scale) if begun is None else self.continued(begun, form, scale)
        self.forms[value] = form

    def continued(self, begun: Atom, form: Affine, scale: Number) -> Affine:
        """A sum of a loop after one more round; `begun` is the sum before it, whose limit counts no rounds."""
        if not any(term == begun and same(factor, scale) for term, factor in form.terms):
            return self.integer(begun.value.type, form, scale)
        code = self.code(begun.value.type)
        added = self.arithmetic.at(code, form.without(begun), scale)
        total = arith.addi(code.wide(begun.value), code.wide(added.value))
        return atom(total, scale, begun.limit + added.limit)

    def integer(self, type: Any, form: Affine, scale: Number, rounding: str | None = None) -> Affine:
        """A form as one integer in a scale."""
        made = self.arithmetic.at(self.code(type), form, scale, rounding)
        return Affine(((made, scale),))

    def wide(self, value: Any, scale: Number | None = None) -> tuple[Any, int]:
        """A real value as i64 in the scale of its class (or another), and its greatest magnitude."""
        scale = self.scale(value) if scale is None else scale
        made = self.arithmetic.at(self.code(value.type), self.forms[value], scale)
        return self.code(value.type).wide(made.value), made.limit

    def known(self, value: Any) -> Any:
        """The new value of something that was no real."""
        return self.values[value]

    def limit(self, value: Any) -> int:
        """The greatest magnitude of an original integer."""
        bits = width(value.type)
        if bits <= 32:
            return 1 if bits == 1 else 1 << (bits - 1)
        low, high = self.classes.ranges.within(self.owner, value)
        return int(max(abs(low), abs(high)))

    # ------------------------------------------------------------ ops

    def op(self, op: Any) -> None:
        name = op.name
        real = [v for v in op.operands if is_real(v.type)]
        results_real = any(is_real(r.type) for r in op.results)
        if not real and not results_real:
            self.copied(op)
        elif name == "arith.constant" or (results_real and self.classes.forms[self.owner, op.results[0]].is_constant):
            self.forms[op.results[0]] = self.classes.forms[self.owner, op.results[0]]
        elif name in LINEAR:
            form = linear(name, [self.forms[v] for v in real])
            if form is None:
                form = self.product(op) if name == "arith.mulf" else self.quotient(op)
            self.set(op.results[0], form)
        elif name == "arith.cmpf":
            self.values[op.results[0]] = self.compared(op)
        elif name in ("arith.select", "arith.maximumf", "arith.minimumf", "math.absf"):
            self.chosen(op, real)
        elif name in FUNCTIONS:
            self.set(op.results[0], self.smooth(op, op.operands[0], self._one(op.results[0])))
        elif name in ROUNDED:
            self.set(op.results[0], self.rounded(op))
        elif name == "arith.fptosi":
            self.values[op.results[0]] = self.cut_off(op)
        elif name in ("arith.sitofp", "arith.uitofp"):
            self.set(op.results[0], atom(self._signed(op), 1.0, self.limit(op.operands[0])))
        elif name == "tensor.concat":
            self.joined(op)
        elif name in MOVES:
            self.moved(op)
        elif name == "linalg.generic":
            self.generic(op)
        else:
            self.ours(op)

    def ours(self, op: Any) -> None:
        """An op of the dialect or a terminator."""
        raise Refusal("E1211", f"'{op.name}' has no integer form", op)

    def copied(self, op: Any) -> None:
        """An op without reals, with its new operands, in its regions too."""
        made = op.clone()
        for new, old in zip(walk(made), walk(op), strict=True):
            for number, operand in enumerate(old.operands):
                if operand in self.values:
                    new.operands[number] = self.values[operand]
        for result, new in zip(op.results, made.results, strict=True):
            self.values[result] = new

    def _signed(self, op: Any) -> Any:
        """The operand of a conversion as the integer that its signed reading is."""
        value = self.known(op.operands[0])
        if op.name == "arith.sitofp" and width(value.type) == 1:
            code = self.code(op.results[0].type)
            return arith.subi(code.number(0), code.wide(value))
        return value

    def smooth(self, op: Any, argument: Any, scale: float) -> Affine:
        """A function of a variable as a polynomial over all that the variable can be."""
        unit = self._one(argument)
        made = self.wide(argument, unit)
        code = self.code(argument.type)
        if op.name in STEEP:
            return STEEP[op.name](self.arithmetic, code, Atom(made[0], made[1]), unit, scale)
        reach = made[1] * unit
        interval = self.classes.ranges.within(self.owner, argument).meet(Interval(-reach, reach))
        name = op.name.removeprefix("math.").removeprefix("arith.")
        coefficients = series(FUNCTIONS[op.name], interval) if interval is not None else None
        if interval is None or coefficients is None:
            text = f"'{name}' has no polynomial over all that its argument can be"
            help = "bound the argument, such as with clamp, or calibrate"
            span = "" if interval is None else f", {interval.low:.4g} to {interval.high:.4g}"
            raise Refusal("E1211", text + span, op, help)
        form = atom(made[0], unit, made[1])
        result = evaluate(self.arithmetic, code, form, interval, coefficients, scale)
        return atom(result.value, scale, result.limit)

    def quotient(self, op: Any) -> Affine:
        """A division by a variable: a product with its reciprocal, or of integers where that has no bound."""
        divisor = op.operands[1]
        interval = self.classes.ranges.within(self.owner, divisor)
        if interval.low <= 0 <= interval.high:
            return self.divided(op)
        least = min(abs(interval.low), abs(interval.high))
        inverse = self.smooth(op, divisor, scale_of(1.0 / float(least)))
        dividend = self.forms[op.operands[0]]
        if dividend.is_constant:
            return inverse.times(dividend.constant)
        code = self.code(op.results[0].type)
        made, scale = inverse.terms[0]
        first = self.wide(op.operands[0]), self.scale(op.operands[0])
        return self._product(code, first, ((code.wide(made.value), made.limit), scale))

    def divided(self, op: Any) -> Affine:
        """A division of integers, rounded down; by zero it is 0."""
        dividend, divisor = op.operands
        code, unit = self.code(op.results[0].type), self._one(divisor)
        if self.forms[dividend].is_constant:
            scale = float(np.max(np.abs(self.forms[dividend].constant))) / 2.0**DIVIDED or 1.0
        else:
            scale = self._one(dividend)
        value, limit = self.wide(dividend, scale)
        shift = min(DIVIDED, LONG - limit.bit_length())
        if shift < 0:
            raise TooWide
        made = arith.floordivsi(code.times(value, 2.0**shift), self.wide(divisor, unit)[0])
        return atom(made, scale / unit * 2.0**-shift, limit << shift)

    def product(self, op: Any) -> Affine:
        """Of two variables: exact where 62 bits hold it, else of the leading bits of both."""
        a, b = ((self.wide(v), self.scale(v)) for v in op.operands)
        return self._product(self.code(op.results[0].type), a, b)

    def _product(self, code: Code, a: tuple[tuple[Any, int], Number], b: tuple[tuple[Any, int], Number]) -> Affine:
        sides = []
        excess = (a[0][1] * b[0][1]).bit_length() - LONG
        for (value, limit), scale in (a, b):
            cut = max(0, -(-excess // 2))
            shifted = code.shift_right(value, cut, self.arithmetic.rounding)
            sides.append((shifted, (limit >> cut) + (1 if cut else 0), scale * 2.0**cut))
        (left, low, one), (right, high, other) = sides
        return atom(arith.muli(left, right), one * other, low * high)

    def compared(self, op: Any) -> Any:
        """A comparison; with a constant, the exact one of integers that it amounts to."""
        predicate = ir.IntegerAttr(op.attributes["predicate"]).value
        left, right = op.operands
        if predicate not in PREDICATES:
            raise Refusal("E1211", "a comparison for NaN has no integer form", op)
        if self.forms[left].is_constant:
            left, right, predicate = right, left, SWAPPED.get(predicate, predicate)
        code = self.code(left.type)
        if self.forms[left].is_constant:
            scale = float(max(np.max(np.abs(self.forms[v].constant)) for v in (left, right))) / 2.0**30 or 1.0
            return arith.cmpi(PREDICATES[predicate], self.wide(left, scale)[0], self.wide(right, scale)[0])
        value, _ = self.wide(left)
        if not self.forms[right].is_constant:
            return arith.cmpi(PREDICATES[predicate], value, self.wide(right)[0])
        bound = np.clip(snapped(self.forms[right].constant / self.scale(left)), -FAR, FAR)
        whole = {2: np.floor, 3: np.ceil, 4: np.ceil, 5: np.floor}.get(predicate, _whole)(bound)
        return arith.cmpi(PREDICATES[predicate], value, code.number(whole))

    def chosen(self, op: Any, real: list[Any]) -> None:
        """select, max, min and abs, in the scale of their class."""
        result = op.results[0]
        scale = self.scale(result)
        sides = [self.wide(v, scale) for v in real]
        limit = max(side[1] for side in sides)
        match op.name:
            case "arith.select":
                made = arith.select(self.known(op.operands[0]), sides[0][0], sides[1][0])
            case "arith.maximumf":
                made = arith.maxsi(sides[0][0], sides[1][0])
            case "arith.minimumf":
                made = arith.minsi(sides[0][0], sides[1][0])
            case _:
                made = mlir_math.absi(sides[0][0])
        self.set(result, atom(made, scale, limit))

    def rounded(self, op: Any) -> Affine:
        """floor, ceil, trunc and round: whole numbers in the scale 1."""
        form, type = self.forms[op.operands[0]], op.results[0].type
        how = {"math.floor": "floor", "math.ceil": "floor", "math.trunc": "zero", "math.roundeven": "even"}[op.name]
        sign = -1.0 if op.name == "math.ceil" else 1.0
        return self.integer(type, form.times(sign), 1.0, how).times(sign)

    def cut_off(self, op: Any) -> Any:
        """A real to an integer: towards zero, within the type."""
        type = op.results[0].type
        code, bits = self.code(type), width(type)
        made = self.arithmetic.at(code, self.forms[op.operands[0]], 1.0, "zero")
        value = code.wide(made.value)
        if made.limit >= 1 << (bits - 1):
            value = code.clamped(value, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        return code.cast(value, bits)

    # ------------------------------------------------------------ data in motion

    def plain(self, value: Any) -> tuple[Atom, float]:
        """A real value as an integer in one scale for all elements."""
        form, scale = self.forms[value], self.scale(value)
        one = uniform(scale)
        if one is None:
            one = float(np.max(scale))
        return self.arithmetic.at(self.code(value.type), form, one), one

    def moved(self, op: Any) -> None:
        operand, result = op.operands[0], op.results[0]
        form = self.forms[operand]
        if form.is_constant:
            self.forms[result] = form.moved(lambda v: v, lambda a: moved(op, a))
            return
        made, scale = self.plain(operand)
        self.set(result, atom(recreated(op, [made.value], [width(made.value.type)]), scale, made.limit))

    def joined(self, op: Any) -> None:
        """A concatenation, all parts in one scale and width."""
        scale = float(np.max(self.scale(op.results[0])))
        parts = [self.wide(v, scale) for v in op.operands]
        made = recreated(op, [value for value, _ in parts], [64])
        self.set(op.results[0], atom(made, scale, max(limit for _, limit in parts)))

    def generic(self, op: Any) -> None:
        """A reduction: its region in integers, accumulators in 64 bits."""
        outputs = len(op.results)
        inputs, inits = list(op.operands)[:-outputs], list(op.operands)[-outputs:]
        block = op.regions[0].blocks[0]
        taken = [self.plain(v)[0] if is_real(v.type) else None for v in inputs]
        most = max((t.limit for t in taken if t), default=0)
        started = [self._start(v, r, most) if is_real(v.type) else None for v, r in zip(inits, op.results, strict=True)]
        new = [t.value if t else self.known(v) for t, v in zip(taken, inputs, strict=True)]
        new += [s[0] if s else self.known(v) for s, v in zip(started, inits, strict=True)]
        made = _generic(op, new, outputs)
        body = made.regions[0].blocks.append(*[v.type.element_type for v in new])
        limits = [t.limit if t else 0 for t in taken] + [s[1] if s else 0 for s in started]
        for argument, fresh, limit in zip(block.arguments, body.arguments, limits, strict=True):
            if is_real(argument.type):
                self.forms[argument] = atom(fresh, self._one(argument), limit)
            else:
                self.values[argument] = fresh
        *operations, last = (o.operation for o in block.operations)
        for argument, given in zip(list(block.arguments)[-outputs:], last.operands, strict=True):
            if is_real(argument.type):
                self.sums[given] = self.forms[argument].terms[0][0]
        with ir.InsertionPoint(body):
            self.run(operations)
            given = [self.wide(v, self._one(v)) if is_real(v.type) else (self.known(v), 0) for v in last.operands]
            ir.Operation.create("linalg.yield", operands=[value for value, _ in given])
        rounds = _iterations(op)
        for result, fresh, (_, limit), begin in zip(op.results, made.results, given, started, strict=True):
            if begin is None:
                self.values[result] = fresh
                continue
            reach = begin[1] + rounds * max(limit - begin[1], 0)
            if reach.bit_length() > LONG:
                raise Refusal("E1213", "a sum needs more than 62 bits", op, "give the states fewer bits")
            self.set(result, atom(fresh, self._one(result), reach))

    def _start(self, init: Any, result: Any, most: int) -> tuple[Any, int]:
        """The initial value of a reduction; an infinite one is as far out as anything that comes."""
        form = self.forms[init]
        bound = uniform(form.constant) if form.is_constant else 0.0
        if bound is None or math.isfinite(bound):
            return self.wide(init, self._one(result))
        return self.code(init.type).number(math.copysign(float(most), bound)), most

    def _one(self, value: Any) -> float:
        return float(np.max(self.scale(value)))

    # ------------------------------------------------------------ draws

    def drawn(self, op: Any) -> None:
        """A uniform number as its 24-bit integer."""
        type = ir.RankedTensorType.get(extents(op.results[0].type), ir.IntegerType.get_signless(32))
        attributes = {name: op.attributes[name] for name in op.attributes}
        made = ir.Operation.create(op.name, results=[type], attributes=attributes)
        self.set(op.results[0], atom(made.results[0], DRAWN, (1 << 24) - 1))


def recreated(op: Any, operands: list[Any], widths: list[int]) -> Any:
    """A movement of data on integers of a width."""
    type, element = op.results[0].type, ir.IntegerType.get_signless(widths[0])
    made = ir.RankedTensorType.get(extents(type), element) if isinstance(type, ir.RankedTensorType) else element
    attributes = {name: op.attributes[name] for name in op.attributes}
    return ir.Operation.create(op.name, results=[made], operands=operands, attributes=attributes).results[0]


def _generic(op: Any, operands: list[Any], outputs: int) -> Any:
    results = [v.type for v in operands[-outputs:]]
    attributes = {name: op.attributes[name] for name in op.attributes}
    return ir.Operation.create(op.name, results=results, operands=operands, attributes=attributes, regions=1)


def _iterations(op: Any) -> int:
    """The number of points of a loop nest."""
    counts: dict[int, int] = {}
    maps = [ir.AffineMapAttr(a).value for a in ir.ArrayAttr(op.attributes["indexing_maps"])]
    for affine, operand in zip(maps, op.operands, strict=True):
        for expression, extent in zip(affine.results, extents(operand.type), strict=True):
            if isinstance(expression, ir.AffineDimExpr):
                counts[expression.position] = extent
    return math.prod(counts.values())


def _whole(bound: Any) -> Any:
    """A bound for equality: one that is no whole number is equal to nothing in range."""
    return np.where(bound == np.rint(bound), bound, FAR)
