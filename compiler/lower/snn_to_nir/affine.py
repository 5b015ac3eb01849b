"""What a neuron's program computes, as affine forms of its state and its input.

    v1 = 0.9 v + 0.2 x + 0.05          a Form: coefficients of `v` and `x`, and a constant
    v1 > 1                             a Test
    select(v1 > 1, 0, v1)              a Piece: one form where the test holds, another where not

Coefficients are f64, one number or one per neuron.  Whatever depends on parameters alone is computed in the
program's own arithmetic, so a constant of the program is found again to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.dialects.constants import Array
from spikec.dialects.mlir import ir
from spikec.lower.snn_to_nir.refusal import NEURON, Refusal


@dataclass(frozen=True)
class Form:
    """sum of coefficient * symbol, plus a constant; `fixed` is the constant in the program's type."""

    const: Array
    coefs: dict[str, Array] = field(default_factory=dict)
    fixed: Array | None = None

    def of(self, symbol: str) -> Array:
        """The coefficient of a symbol."""
        return self.coefs.get(symbol, np.zeros(()))


@dataclass(frozen=True)
class Test:
    """greater > less, or >= where not `strict`."""

    greater: Form
    less: Form
    strict: bool


@dataclass(frozen=True)
class Piece:
    """`then` where the test holds, `other` where not."""

    test: Test
    then: Form
    other: Form


Value = Form | Test | Piece


def constant(value: Array) -> Form:
    """A form without symbols; `value` has the program's type."""
    return Form(np.asarray(value, dtype=np.float64), {}, np.asarray(value))


def symbol(name: str) -> Form:
    """The form of one state or input."""
    return Form(np.zeros(()), {name: np.ones(())})


def added(a: Form, b: Form) -> Form:
    """The sum of two forms."""
    return _sum(a, b, 1.0)


def evaluate(program: Any, arguments: Sequence[Value]) -> list[Value]:
    """The results of a program.  Raises Refusal at an op that leads out of the affine forms."""
    block = program.regions[0].blocks[0]
    known: dict[Any, Value] = dict(zip(block.arguments, arguments, strict=True))
    for operation in block.operations:
        op = operation.operation
        operands = [known[operand] for operand in op.operands]
        if op.name == "func.return":
            return operands
        known[op.results[0]] = _apply(op, operands)
    raise AssertionError("a program without return")


def _apply(op: Any, operands: list[Value]) -> Value:
    if op.name == "arith.constant":
        value = scalars.number(op.attributes["value"])
        if value is None:
            raise _refused(op)
        return constant(value)
    if op.name == "arith.select":
        return _select(op, operands)
    pieces = [operand for operand in operands if isinstance(operand, Piece)]
    if pieces:
        test = pieces[0].test
        return Piece(test, _form(op, _branch(operands, test, True)), _form(op, _branch(operands, test, False)))
    return _plain(op, operands)


def _form(op: Any, operands: list[Value]) -> Form:
    value = _plain(op, operands)
    if not isinstance(value, Form):
        raise Refusal(NEURON, "two conditions decide its state, where a neuron of NIR has its spike alone", op)
    return value


def _branch(operands: list[Value], test: Test, holds: bool) -> list[Value]:
    """The operands where the test holds, or where it does not."""
    return [
        operand
        if not isinstance(operand, Piece) or operand.test is not test
        else operand.then
        if holds
        else operand.other
        for operand in operands
    ]


def _select(op: Any, operands: list[Value]) -> Value:
    condition, then, other = operands
    if isinstance(condition, Form) and condition.fixed is not None:
        mask = condition.fixed
        if mask.ndim == 0:
            return then if mask else other
        if isinstance(then, Form) and isinstance(other, Form):
            return _where(mask, then, other)
    if isinstance(condition, Test):
        (then,) = _branch([then], condition, True)
        (other,) = _branch([other], condition, False)
        if isinstance(then, Form) and isinstance(other, Form):
            return Piece(condition, then, other)
    raise _refused(op)


def _where(mask: Array, then: Form, other: Form) -> Form:
    names = {**then.coefs, **other.coefs}
    fixed = None
    if then.fixed is not None and other.fixed is not None:
        fixed = np.where(mask, then.fixed, other.fixed)
    coefs = {name: np.where(mask, then.of(name), other.of(name)) for name in names}
    return Form(np.where(mask, then.const, other.const), coefs, fixed)


def _plain(op: Any, operands: list[Value]) -> Value:
    """An op on forms and tests."""
    if len(operands) == 1 and isinstance(operands[0], Test) and op.name in ("arith.uitofp", "arith.extui"):
        one = scalars.DTYPES[str(op.results[0].type)]
        return Piece(operands[0], constant(one(1)), constant(one(0)))
    forms = [operand for operand in operands if isinstance(operand, Form)]
    if len(forms) != len(operands):
        raise _refused(op)
    numbers = [form.fixed for form in forms if form.fixed is not None]
    if len(numbers) == len(forms):
        value = scalars.evaluate(op, numbers)
        if value is None:
            raise _refused(op)
        return constant(value)
    with np.errstate(all="ignore"):
        return _affine(op, forms)


def _affine(op: Any, forms: list[Form]) -> Value:
    match op.name, forms:
        case "arith.addf", [a, b]:
            return _sum(a, b, 1.0)
        case "arith.subf", [a, b]:
            return _sum(a, b, -1.0)
        case "arith.negf", [a]:
            return _scaled(a, np.asarray(-1.0))
        case "arith.mulf", [a, b] if a.fixed is not None or b.fixed is not None:
            return _scaled(b, a.const) if a.fixed is not None else _scaled(a, b.const)
        case "arith.divf", [a, b] if b.fixed is not None:
            coefs = {name: coef / b.const for name, coef in a.coefs.items()}
            return Form(a.const / b.const, coefs)
        case "arith.cmpf", [a, b]:
            # ogt, oge, olt, ole
            match ir.IntegerAttr(op.attributes["predicate"]).value:
                case 2 | 3 as predicate:
                    return Test(a, b, predicate == 2)
                case 4 | 5 as predicate:
                    return Test(b, a, predicate == 4)
    raise _refused(op)


def _sum(a: Form, b: Form, sign: float) -> Form:
    coefs = {name: a.of(name) + sign * b.of(name) for name in {**a.coefs, **b.coefs}}
    return Form(a.const + sign * b.const, coefs)


def _scaled(a: Form, factor: Array) -> Form:
    return Form(a.const * factor, {name: coef * factor for name, coef in a.coefs.items()})


def _refused(op: Any) -> Refusal:
    return Refusal(NEURON, f"its program has '{op.name}' where NIR's equations are linear", op)
