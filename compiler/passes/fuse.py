"""Scaling and batch norm go into weights and biases.

    %a = "snn.propagate"(%x, %zero) {synapses = @w}                  %a = "snn.propagate"(%x, %zero) {synapses = @w}
    %b = arith.mulf %a, %gain : tensor<4xf32>              -->       %c = arith.addf %a, %shift : tensor<4xf32>
    %c = arith.addf %b, %shift : tensor<4xf32>

with the weights of @w times the gain of their target.  What is fused:

- a gain of what arrives, per target or (convolutions) per channel: (W x + b) g + c is (g W) x + (g b + c);
- a gain of a source that leads to projections alone: W (s x) is (W s) x;
- the scaling of an average pooling, which is one of these;
- a gain with which a neuron's program takes a port, such as dt in V += dt * I;
- sums of constants: one bias is left.

Two linear maps in a row stay two.  This is not exact for reals: a product is rounded at compile time that was
rounded after the sum.  Factors that are powers of two change nothing but the range.  A gain stays where a weight
would overflow or vanish.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from spikec.analysis import scalars
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.functions import argument_roles, symbol_of
from spikec.dialects.mlir import arith, ir
from spikec.dialects.notes import Cell, Table
from spikec.dialects.program import Program
from spikec.passes import structure
from spikec.passes.canonicalize import Canonicalize, identities
from spikec.passes.gains import REALS, Gains, inverse


@dataclass(frozen=True)
class Fuse:
    """Folds scaling, batch norm and input gains into weights and biases; changes the rounding of reals."""

    name: ClassVar[str] = "fuse"
    level: ClassVar[str] = "snn"

    def run(self, program: Program) -> Program:
        result = Canonicalize().run(program)
        rows: list[tuple[Cell, ...]] = []
        while True:
            with result.module.context, ir.Location.unknown():
                gains = Gains(result)
                changed = _step(gains)
            if not changed:
                break
            rows += gains.rows
            result = Canonicalize().run(result)
        columns = ("projection", "gain per", "least factor", "largest factor")
        return result.noted(Table("Gains in weights", columns, tuple(rows))) if rows else result


def _step(gains: Gains) -> bool:
    """One round over all rules; whether anything changed.  Constants that it makes are known to the next round."""
    if "step" not in gains.symbols:
        return False
    block = gains.symbols["step"].regions[0].blocks[0]
    changed = False
    for op in [operation.operation for operation in block.operations]:
        if op.name == snn.Update.name():
            changed |= _port_gains(gains, op)
        elif len(op.results) == 1 and structure.users(op.results[0]):
            changed |= _gain_of_arrivals(gains, op) or _gain_of_sources(gains, op) or _biases(gains, op)
    return changed


def _gain_of_arrivals(gains: Gains, op: Any) -> bool:
    found = gains.of(op)
    if found is None:
        return False
    value, factor = found
    if gains.fixed.array(value) is not None or not gains.takes(value, factor):
        return False
    op.results[0].replace_all_uses_with(gains.scaled(value, factor, op))
    return True


def _gain_of_sources(gains: Gains, op: Any) -> bool:
    found = gains.of(op)
    if found is None:
        return False
    value, factor = found
    users = structure.users(op.results[0])
    if not all(_takes_sources(gains, user, op.results[0], factor) for user in users):
        return False
    for user in users:
        gains.reweigh(user, factor, "source")
        user.operands[0] = value
    return True


def _takes_sources(gains: Gains, user: Any, events: Any, factor: Array) -> bool:
    if user.name != snn.Propagate.name() or user.operands[0] != events or user.operands[1] == events:
        return False
    view = snn.Synapses(gains.symbols[snn.Propagate(user).synapses])
    return gains.weights(view, factor, "source") is not None


# ---------------------------------------------------------------- biases


def _biases(gains: Gains, op: Any) -> bool:
    """Makes one constant of those of a sum, and none of zeros."""
    if op.name not in ("arith.addf", "arith.subf") or _is_inner(op) or not _is_real(op.results[0]):
        return False
    terms = list(_terms(op, 1.0))
    arrays = [(gains.fixed.array(value), sign) for value, sign in terms]
    known = [(array, sign) for array, sign in arrays if array is not None]
    others = [term for term, (array, _) in zip(terms, arrays, strict=True) if array is None]
    if not others or not known:
        return False
    with np.errstate(all="ignore"):
        total = np.asarray(sum(sign * array.astype(np.float64) for array, sign in known))
        bias = total.astype(known[0][0].dtype)
    if (len(known) == 1 and np.any(bias)) or not np.all(np.isfinite(bias)):
        return False
    like = next(value for value, _ in terms if gains.fixed.array(value) is not None)
    if np.any(bias):
        others.append((gains.constant(like, bias, op), 1.0))
    with ir.InsertionPoint(op), op.location:
        op.results[0].replace_all_uses_with(_sum(others))
    return True


def _is_real(value: Any) -> bool:
    return str(getattr(value.type, "element_type", "")) in REALS


def _is_inner(op: Any) -> bool:
    """Whether an op is a part of a larger sum."""
    users = structure.users(op.results[0])
    return len(users) == 1 and users[0].name in ("arith.addf", "arith.subf")


def _terms(op: Any, sign: float) -> Iterator[tuple[Any, float]]:
    """The terms of a sum in order, each with its sign."""
    for place, value in enumerate(op.operands):
        own = -sign if place and op.name == "arith.subf" else sign
        inner = structure.defining(value)
        is_sum = inner is not None and inner.name in ("arith.addf", "arith.subf")
        if is_sum and len(structure.users(value)) == 1:
            yield from _terms(inner, own)
        else:
            yield value, own


def _sum(terms: list[tuple[Any, float]]) -> Any:
    (value, sign), *rest = terms
    result = value if sign > 0 else arith.negf(value)
    for value, sign in rest:
        result = arith.addf(result, value) if sign > 0 else arith.subf(result, value)
    return result


# ---------------------------------------------------------------- ports


def _port_gains(gains: Gains, op: Any) -> bool:
    """Moves the gains of a population's ports into what arrives there."""
    population = snn.Population(gains.symbols[snn.Update(op).population])
    roles = argument_roles(gains.symbols[population.neuron])
    ports = [place for place, (role, _) in enumerate(roles) if "port" in role]
    changed = False
    for operand, place in enumerate(ports):
        if roles[place][0] != "port":
            continue
        found = _port_gain(gains, population, place)
        if found is None or not gains.takes(op.operands[operand], found):
            continue
        op.operands[operand] = gains.scaled(op.operands[operand], found, op)
        _drop_gain(_own_program(gains, population), place)
        changed = True
    return changed


def _port_gain(gains: Gains, population: snn.Population, place: int) -> Array | None:
    """The factor of a port that its program only multiplies by a constant, one number or one per neuron."""
    neuron = gains.symbols[population.neuron]
    argument = neuron.regions[0].blocks[0].arguments[place]
    user = _only_user(argument)
    if user is None or user.name not in ("arith.mulf", "arith.divf"):
        return None
    at = 1 if user.operands[0] == argument else 0
    if (user.name == "arith.divf" and at == 0) or user.operands[at] == argument:
        return None
    number = _known(gains, population, user.operands[at])
    if number is None:
        return None
    factor = inverse(number) if user.name == "arith.divf" else number.astype(np.float64)
    return factor if np.all(np.isfinite(factor)) else None


def _only_user(value: Any) -> Any:
    users = structure.users(value)
    return users[0] if len(users) == 1 else None


def _known(gains: Gains, population: snn.Population, value: Any) -> Array | None:
    """The number of a constant of a program, or the array of a parameter in the population's shape."""
    if not isinstance(value, ir.BlockArgument):
        return identities.number(value)
    roles = argument_roles(gains.symbols[population.neuron])
    if roles[value.arg_number][0] != "param":
        return None
    position = sum(role == "param" for role, _ in roles[: value.arg_number])
    attribute = snn.Param(gains.symbols[population.params[position]]).value
    constant = symbol_of(attribute)
    if constant is None:
        return scalars.number(attribute)
    array = gains.program.constants.get(constant)
    return None if array is None else array.reshape(tuple(population.shape))


def _own_program(gains: Gains, population: snn.Population) -> Any:
    """The program of a population, which no other population uses."""
    neuron = gains.symbols[population.neuron]
    if sum(other.neuron == population.neuron for other in gains.program.ops(snn.Population)) == 1:
        return neuron
    name = gains.store.fresh(f"{population.neuron}.{population.sym_name}")
    clone = neuron.clone(ip=ir.InsertionPoint(neuron)).operation
    clone.attributes["sym_name"] = ir.StringAttr.get(name)
    population.operation.attributes["neuron"] = ir.FlatSymbolRefAttr.get(name)
    gains.symbols[name] = clone
    return clone


def _drop_gain(neuron: Any, place: int) -> None:
    argument = neuron.regions[0].blocks[0].arguments[place]
    (user,) = structure.users(argument)
    user.results[0].replace_all_uses_with(argument)
    user.erase()
