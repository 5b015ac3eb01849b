"""Integrates a neuron's equations `V' = f` over one step.

Where f is linear in the states, with constant coefficients, the step is exact: with x' = A x + u and u
constant over the step, x(t + dt) = expm(A dt) x(t) + Q u, Q = integral of expm(A s) ds from 0 to dt
(Rotter and Diesmann 1999, Biol. Cybern. 81:381).  Both matrices are computed with 50 digits and rounded
once.  Everything else needs a solver that the model names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.dialects.diagnostics import Span
from spikec.frontend import syntax
from spikec.frontend.emitter import Emitter
from spikec.frontend.matrix_exponential import propagators
from spikec.frontend.units import Dimension, describe
from spikec.frontend.values import Mistake, Value, as_array, number, to_float

SOLVERS = ("euler", "exponential_euler", "heun", "rk4")
CONSTANT, INPUT = "=const", "=input"  # keys of a linear form beside the states' names

# A linear form: state name -> coefficient, CONSTANT -> constant part, INPUT -> part known at run time.
Linear = dict[str, Value]


@dataclass
class System:
    """The equations of one neuron, in textual order.

    `evaluate(node, states)` gives the value of an expression with the states at other values;
    `definition(name)` the expression of a local that depends on the states, or None.
    """

    names: list[str]
    equations: dict[str, syntax.Expr]
    spans: dict[str, Span]
    evaluate: Callable[[syntax.Expr, Mapping[str, Value]], Value]
    definition: Callable[[str], syntax.Expr | None]
    emitter: Emitter
    dt: Value

    def mentions(self, node: syntax.Expr) -> bool:
        """Does the expression depend on a state of the system, directly or through a local?"""
        for name in names_in(node):
            if name in self.names:
                return True
            local = self.definition(name)
            if local is not None and self.mentions(local):
                return True
        return False

    # ------------------------------------------------------------ linear forms

    def linear(self, node: syntax.Expr) -> Linear | None:
        """`node` as a linear form of the states, or None where it is not one."""
        if not self.mentions(node):
            value = self.evaluate(node, {})
            return {CONSTANT if value.is_const else INPUT: value}
        match node:
            case syntax.Name() if node.id in self.names:
                return {node.id: number(Fraction(1))}
            case syntax.Name():
                local = self.definition(node.id)
                assert local is not None
                return self.linear(local)
            case syntax.Unary(op="-"):
                form = self.linear(node.operand)
                return None if form is None else {k: self.emitter.negate(v, node.span) for k, v in form.items()}
            case syntax.Binary(op="+" | "-"):
                return self._sum(node)
            case syntax.Binary(op="*" | "/"):
                return self._scaled(node)
            case _:
                return None

    def _sum(self, node: syntax.Binary) -> Linear | None:
        left, right = self.linear(node.left), self.linear(node.right)
        if left is None or right is None:
            return None
        for key, value in right.items():
            term = self.emitter.negate(value, node.span) if node.op == "-" else value
            left[key] = self.emitter.binary("+", left[key], term, node.span) if key in left else term
        return left

    def _scaled(self, node: syntax.Binary) -> Linear | None:
        form_side, factor_side = node.left, node.right
        if self.mentions(factor_side):
            if node.op == "/" or self.mentions(form_side):
                return None
            form_side, factor_side = factor_side, form_side
        form = self.linear(form_side)
        if form is None:
            return None
        factor = self.evaluate(factor_side, {})
        scaled: Linear = {}
        for key, value in form.items():
            product = self.emitter.binary(node.op, value, factor, node.span)
            if key not in (CONSTANT, INPUT) or product.is_const == (key == CONSTANT):
                scaled[key] = product
            else:
                scaled[INPUT] = (
                    self.emitter.binary("+", scaled[INPUT], product, node.span) if INPUT in scaled else product
                )
        return scaled


def names_in(node: syntax.Node | tuple[Any, ...]) -> set[str]:
    """All names that an expression or a statement mentions."""
    found: set[str] = set()
    stack: list[object] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, syntax.Name):
            found.add(item.id)
        elif isinstance(item, tuple):
            stack.extend(item)
        elif isinstance(item, syntax.Node):
            stack.extend(getattr(item, slot) for slot in type(item).__dataclass_fields__ if slot != "span")
    return found


# ---------------------------------------------------------------- exact integration


def integrate_exactly(system: System, states: Mapping[str, Value], frozen: frozenset[str]) -> dict[str, Value]:
    """The states after one step; those in `frozen` keep their value.  Raises E0503 where it cannot be exact."""
    forms: dict[str, Linear] = {}
    for name in system.names:
        form = system.linear(system.equations[name])
        if form is None:
            raise Mistake(
                "E0503",
                system.spans[name],
                f"the equation of '{name}' is not linear in the states, so it has no exact solution",
                f"name a solver, as in 'solver exponential_euler'; there are {', '.join(SOLVERS)}",
            )
        for key, part in form.items():
            term = part.dim * states[key].dim if key in states else part.dim
            _check_dimension(system, name, states[name], term)
        forms[name] = {} if name in frozen else form
    if any(not v.is_const for form in forms.values() for k, v in form.items() if k not in (CONSTANT, INPUT)):
        return _integrate_variable(system, forms, states)
    propagator, forcing = _propagators(system, forms)
    return {
        name: _combine(system, name, forms, states, propagator, forcing) for name in system.names if name not in frozen
    }


def _check_dimension(system: System, name: str, state: Value, found: Dimension) -> None:
    wanted = state.dim / system.dt.dim
    if found != wanted:
        message = f"the equation of '{name}' has dimension {describe(wanted)}, and a term of it {describe(found)}"
        help = f"divide the right side by a time, as in '(E - {name}) / tau'" if found == state.dim else None
        raise Mistake("E0404", system.spans[name], message, help)


def _combine(
    system: System,
    name: str,
    forms: Mapping[str, Linear],
    states: Mapping[str, Value],
    propagator: Mapping[tuple[str, str], Value],
    forcing: Mapping[tuple[str, str], Value],
) -> Value:
    """P[name, :] x, then Q[name, :] u of the inputs, then the constants as one number, in this order."""
    emitter, span = system.emitter, system.spans[name]
    total: Value | None = None
    constant = number(Fraction(0))
    terms = [(propagator.get((name, other)), states[other]) for other in system.names]
    terms += [(forcing.get((name, other)), forms[other][INPUT]) for other in system.names if INPUT in forms[other]]
    for factor, value in terms:
        if factor is None:
            continue
        # Erasing the dimensions here: `_propagators` works on SI numbers.
        plain = value.with_dim(number(0).dim)
        one = not factor.is_array and factor.const == 1
        term = plain if one else emitter.binary("*", factor, plain, span)
        total = term if total is None else emitter.binary("+", total, term, span)
    for other in system.names:
        factor = forcing.get((name, other))
        if factor is not None and CONSTANT in forms[other]:
            part = emitter.binary("*", factor, forms[other][CONSTANT].with_dim(number(0).dim), span)
            constant = emitter.binary("+", constant, part, span)
    if total is None:
        total = constant
    elif constant.is_array or constant.const != 0:
        total = emitter.binary("+", total, constant, span)
    return total.with_dim(states[name].dim)


def _propagators(
    system: System, forms: Mapping[str, Linear]
) -> tuple[dict[tuple[str, str], Value], dict[tuple[str, str], Value]]:
    """expm(A dt) and its integral as constants, zero entries left out; arrays where a coefficient is one."""
    names = system.names
    coefficients = {(a, b): as_array(forms[a][b]).astype(np.float64) for a in names for b in names if b in forms[a]}
    size = max((c.size for c in coefficients.values()), default=1)
    matrices = np.zeros((size, len(names), len(names)))
    for (a, b), values in coefficients.items():
        matrices[:, names.index(a), names.index(b)] = values.reshape(-1)
    if not np.all(np.isfinite(matrices)):
        raise Mistake("E0304", system.spans[names[0]], "a coefficient of the equations is not finite")
    shape = next((c.shape for c in coefficients.values() if c.size == size and c.shape != ()), ())
    unique, inverse = np.unique(matrices, axis=0, return_inverse=True)
    dt = to_float(system.dt.scalar)
    exact = system.dt.const if shape == () else None
    duration = exact if isinstance(exact, Fraction) else dt
    results = [propagators(tuple(map(tuple, matrix.tolist())), duration) for matrix in unique]
    tables = []
    for which in (0, 1):
        stacked = np.stack([result[which] for result in results])[inverse.reshape(-1)]
        table: dict[tuple[str, str], Value] = {}
        for i, a in enumerate(names):
            for j, b in enumerate(names):
                entry: Array = stacked[:, i, j]
                if np.any(entry != 0):
                    table[a, b] = number(entry.reshape(shape)) if shape else number(float(entry[0]))
        tables.append(table)
    return tables[0], tables[1]


def _integrate_variable(system: System, forms: Mapping[str, Linear], states: Mapping[str, Value]) -> dict[str, Value]:
    """Uncoupled equations whose coefficient is known at run time only: exact as x' = a x + b over the step."""
    for name, form in forms.items():
        coupled = [other for other in system.names if other in form and other != name]
        if coupled:
            raise Mistake(
                "E0503",
                system.spans[name],
                f"'{name}' is coupled to '{coupled[0]}' with coefficients that change from step to step",
                f"name a solver; there are {', '.join(SOLVERS)}",
            )
    return {
        name: _exponential(system, name, form.get(name), _inhomogeneous(system, name, form), states[name])
        for name, form in forms.items()
        if form
    }


def _inhomogeneous(system: System, name: str, form: Linear) -> Value | None:
    parts = [form[key] for key in (INPUT, CONSTANT) if key in form]
    if len(parts) == 2:
        return system.emitter.binary("+", parts[0], parts[1], system.spans[name])
    return parts[0] if parts else None


def _exponential(system: System, name: str, a: Value | None, b: Value | None, x: Value) -> Value:
    """x(t + dt) of x' = a x + b: x + (x + b / a) expm1(a dt), or x + b dt where a is zero."""
    emitter, span, dt = system.emitter, system.spans[name], system.dt
    straight = x if b is None else emitter.binary("+", x, emitter.binary("*", b, dt, span), span)
    if a is None or (a.is_const and not a.is_array and a.const == 0):
        return straight
    growth = emitter.function("expm1", emitter.binary("*", a, dt, span), span)
    base = x if b is None else emitter.binary("+", x, emitter.binary("/", b, a, span), span)
    curved = emitter.binary("+", x, emitter.binary("*", base, growth, span), span)
    if a.is_const and not a.is_array:
        return curved
    zero = emitter.binary("==", a, number(0, a.dim), span)
    return emitter.select(zero, straight, curved, span)


# ---------------------------------------------------------------- named solvers


def integrate_with(
    solver: str, system: System, states: Mapping[str, Value], frozen: frozenset[str]
) -> dict[str, Value]:
    """The states after one step of the named solver; those in `frozen` keep their value."""
    free = [name for name in system.names if name not in frozen]
    match solver:
        case "euler":
            slopes = _slopes(system, states, free)
            return {n: _moved(system, states[n], slopes[n], system.dt, n) for n in free}
        case "heun":
            return _heun(system, states, free)
        case "rk4":
            return _rk4(system, states, free)
        case _:
            return {name: _exponential_euler(system, name, states) for name in free}


def _slopes(system: System, states: Mapping[str, Value], free: list[str]) -> dict[str, Value]:
    slopes = {name: system.evaluate(system.equations[name], states) for name in free}
    for name, slope in slopes.items():
        _check_dimension(system, name, states[name], slope.dim)
    return slopes


def _moved(system: System, x: Value, slope: Value, h: Value, name: str) -> Value:
    span = system.spans[name]
    return system.emitter.binary("+", x, system.emitter.binary("*", h, slope, span), span)


def _heun(system: System, states: Mapping[str, Value], free: list[str]) -> dict[str, Value]:
    """x + dt/2 (k1 + k2), k2 at x + dt k1."""
    emitter, dt = system.emitter, system.dt
    first = _slopes(system, states, free)
    second = _slopes(system, {**states, **{n: _moved(system, states[n], first[n], dt, n) for n in free}}, free)
    half = number(Fraction(dt.scalar) / 2, dt.dim)
    sums = {n: emitter.binary("+", first[n], second[n], system.spans[n]) for n in free}
    return {n: _moved(system, states[n], sums[n], half, n) for n in free}


def _rk4(system: System, states: Mapping[str, Value], free: list[str]) -> dict[str, Value]:
    """x + dt/6 (k1 + 2 k2 + 2 k3 + k4)."""
    emitter, dt = system.emitter, system.dt
    half = number(Fraction(dt.scalar) / 2, dt.dim)
    sixth = number(Fraction(dt.scalar) / 6, dt.dim)
    k1 = _slopes(system, states, free)
    k2 = _slopes(system, {**states, **{n: _moved(system, states[n], k1[n], half, n) for n in free}}, free)
    k3 = _slopes(system, {**states, **{n: _moved(system, states[n], k2[n], half, n) for n in free}}, free)
    k4 = _slopes(system, {**states, **{n: _moved(system, states[n], k3[n], dt, n) for n in free}}, free)
    moved = {}
    for n in free:
        span = system.spans[n]
        middle = emitter.binary("*", number(2), emitter.binary("+", k2[n], k3[n], span), span)
        total = emitter.binary("+", emitter.binary("+", k1[n], middle, span), k4[n], span)
        moved[n] = _moved(system, states[n], total, sixth, n)
    return moved


def _exponential_euler(system: System, name: str, states: Mapping[str, Value]) -> Value:
    """Exact in `name` with all other states held at their value (conditionally linear)."""
    alone = System(
        [name],
        system.equations,
        system.spans,
        lambda node, moved: system.evaluate(node, {**states, **moved}),
        system.definition,
        system.emitter,
        system.dt,
    )
    form = alone.linear(system.equations[name])
    if form is None:
        raise Mistake(
            "E0503",
            system.spans[name],
            f"the equation of '{name}' is not linear in '{name}', as exponential_euler needs",
            "use 'solver rk4', 'heun' or 'euler'",
        )
    for key, part in form.items():
        _check_dimension(system, name, states[name], part.dim * states[key].dim if key in states else part.dim)
    return _exponential(alone, name, form.get(name), _inhomogeneous(alone, name, form), states[name])
