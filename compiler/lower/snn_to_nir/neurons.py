"""Which of NIR's six neurons a program is, and with which parameters.

With the forward Euler step of length dt that the profile nir-euler takes, the neurons of NIR are

    LIF, LI           v1 = v + dt / tau (v_leak - v + r x)
    IF, I             v1 = v + dt r x
    CubaLIF, CubaLI   i1 = i + dt / tau_syn (w_in x - i);  v1 = v + dt / tau_mem (v_leak - v + r i1)

and those that spike do so where v1 > v_threshold, and take v_reset there.  A program of this form, however it is
written, is solved for the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.dialects.constants import Array
from spikec.lower.snn_to_nir import parameters
from spikec.lower.snn_to_nir.affine import Form, Piece, Test, Value
from spikec.lower.snn_to_nir.refusal import NEURON, Refusal

SPIKING = {"LI": "LIF", "I": "IF", "CubaLI": "CubaLIF"}
INPUT = "the input"  # the symbol of what arrives


@dataclass(frozen=True)
class Neuron:
    """A primitive and its parameters, each one number or one per neuron; `lowered` if v >= was made v >.

    `membrane` is the state that holds v.
    """

    type: str
    fields: dict[str, Array]
    membrane: str
    lowered: bool = False


@dataclass(frozen=True)
class Program:
    """The values of a program: each state after the step, and what it sends."""

    states: dict[str, Value]
    event: Value | None
    out: Value | None
    dt: float
    real: Any


def recognise(program: Program) -> Neuron:
    """The neuron that computes the same.  Raises Refusal with what NIR has no word for."""
    current, membrane = _roles(program)
    test = None if program.event is None else _spike(program.event)
    update, reset = _update(program, membrane, test)
    if test is None and not _same(program.out, update, program.real):
        raise Refusal(NEURON, f"'out' is not the potential '{membrane}'", help="NIR's neurons give spikes or v")
    kind, fields = _subthreshold(program, membrane, update, current)
    if test is None:
        return Neuron(kind, fields, membrane)
    threshold, lowered = _threshold(program, test, update)
    fields |= {"v_threshold": threshold, "v_reset": _reset(program, reset, update, test, threshold)}
    return Neuron(SPIKING[kind], fields, membrane, lowered)


def _roles(program: Program) -> tuple[str | None, str]:
    """The names of the synaptic current, if there is one, and of the membrane potential."""
    names = list(program.states)
    if not names:
        raise Refusal(NEURON, "it has no state", help="NIR's neurons have a membrane potential")
    if len(names) > 2:
        raise Refusal(
            NEURON, f"it has {len(names)} states ({', '.join(names)})", help="NIR's neurons have v and a current"
        )
    if len(names) == 1:
        return None, names[0]
    # The current knows nothing of the potential.
    for current, membrane in (names, names[::-1]):
        value = program.states[current]
        if isinstance(value, Form) and not np.any(value.of(membrane)):
            return current, membrane
    raise Refusal(NEURON, f"'{names[0]}' and '{names[1]}' act on each other")


def _spike(event: Value) -> Test:
    if isinstance(event, Test):
        return event
    if isinstance(event, Piece) and _is(event.then, 1.0) and _is(event.other, 0.0):
        return event.test
    raise Refusal(NEURON, "it sends something else than one spike", help="a neuron of NIR sends 0 or 1 in a step")


def _is(form: Form, number: float) -> bool:
    return form.fixed is not None and bool(np.all(form.const == number))


def _update(program: Program, membrane: str, test: Test | None) -> tuple[Form, Form | None]:
    """The potential before the reset, and after it where the neuron spikes."""
    value = program.states[membrane]
    if isinstance(value, Form):
        if test is not None:
            raise Refusal(NEURON, f"'{membrane}' is not reset by a spike", help=_READER.format("reset=none"))
        return value, None
    if isinstance(value, Piece) and value.test is test:
        return value.other, value.then
    raise Refusal(NEURON, f"'{membrane}' depends on a condition that is not its spike")


_READER = "NIR has no word for it; a reader would need --semantics nir-euler,{}"


def _subthreshold(program: Program, membrane: str, update: Form, current: str | None) -> tuple[str, dict[str, Array]]:
    dt, real = program.dt, program.real
    keeps, leak = 1.0 - update.of(membrane), update.const
    if current is not None:
        return "CubaLI", _filtered(program, membrane, update, current)
    gain = update.of(INPUT)
    if not np.any(keeps):
        if np.any(leak):
            raise Refusal(NEURON, f"'{membrane}' grows without input", help="NIR's I and IF have no bias")
        return "I", {"r": parameters.factor(gain, dt, real)}
    _decays(keeps, membrane)
    fields = {"tau": parameters.quotient(keeps, dt, real), "r": gain / keeps, "v_leak": leak / keeps}
    return "LI", fields | {name: parameters.plain(fields[name], real) for name in ("r", "v_leak")}


def _filtered(program: Program, membrane: str, update: Form, current: str) -> dict[str, Array]:
    """The parameters of CubaLI: a current between input and potential."""
    dt, real = program.dt, program.real
    keeps, leak = 1.0 - update.of(membrane), update.const
    form = program.states[current]
    assert isinstance(form, Form)
    fades = 1.0 - form.of(current)
    if np.any(form.const):
        raise Refusal(NEURON, f"'{current}' grows without input", help="a current of NIR decays to zero")
    _decays(fades, current)
    _decays(keeps, membrane)
    gain = form.of(INPUT)
    if np.any(gain == 0.0):
        raise Refusal(NEURON, f"'{current}' takes no input")
    seen = update.of(INPUT) / gain
    if not _close(update.of(current), seen * form.of(current), real):
        old = not np.any(update.of(INPUT))
        what = "the current as it was before the step" if old else "another mixture of input and current than NIR's"
        help = _READER.format("cuba_order=old") if old else None
        raise Refusal(NEURON, f"'{membrane}' sees {what}", help=help)
    return {
        "tau_syn": parameters.quotient(fades, dt, real),
        "tau_mem": parameters.quotient(keeps, dt, real),
        "r": parameters.plain(seen / keeps, real),
        "v_leak": parameters.plain(leak / keeps, real),
        "w_in": parameters.plain(gain / fades, real),
    }


def _decays(share: Array, state: str) -> None:
    """`share` is what a state loses in a step."""
    if not np.all(share > 0.0):
        raise Refusal(NEURON, f"'{state}' does not decay", help="a time constant of NIR is positive")


def _threshold(program: Program, test: Test, update: Form) -> tuple[Array, bool]:
    greater, less = test.greater, test.less
    names = {**greater.coefs, **less.coefs, **update.coefs}
    tested = {name: greater.of(name) - less.of(name) for name in names}
    if not all(_close(tested[name], update.of(name), program.real) for name in names):
        raise Refusal(NEURON, "its spike is not decided by the potential that this step computed")
    if greater is update and less.fixed is not None:
        threshold = less.const
    else:
        threshold = update.const - (greater.const - less.const)
    threshold = parameters.plain(threshold, program.real)
    if test.strict:
        return threshold, False
    return before(threshold, program.real), True


def before(threshold: Array, real: Any) -> Array:
    """The next smaller normal numbers: v >= threshold is v > these, subnormals being zero."""
    tiny = np.finfo(real).smallest_normal
    least = np.nextafter(threshold.astype(real), real(-np.inf))
    least = np.where(np.abs(least) < tiny, np.where(threshold > 0, 0.0, -tiny), least)
    return parameters.plain(least.astype(np.float64), real)


def _reset(program: Program, reset: Form | None, update: Form, test: Test, threshold: Array) -> Array:
    assert reset is not None
    if reset.fixed is not None or not any(np.any(coef) for coef in reset.coefs.values()):
        return parameters.plain(reset.const, program.real)
    names = {**reset.coefs, **update.coefs}
    if all(_close(reset.of(name), update.of(name), program.real) for name in names):
        lost = update.const - reset.const
        if np.allclose(lost, parameters.plain(threshold, program.real), rtol=1e-6):
            message = "a spike takes the threshold off its potential (soft reset)"
            raise Refusal(NEURON, message, help=_READER.format("reset=subtract"))
    raise Refusal(NEURON, "a spike does not set its potential to a fixed value", help="NIR has a hard reset to v_reset")


def _same(value: Value | None, form: Form, real: Any) -> bool:
    if not isinstance(value, Form):
        return False
    names = {**value.coefs, **form.coefs}
    return _close(value.const, form.const, real) and all(_close(value.of(n), form.of(n), real) for n in names)


def _close(a: Array, b: Array, real: Any) -> bool:
    """Equal up to the rounding of constants."""
    return bool(np.all(np.abs(a - b) <= 8 * np.finfo(real).eps * np.maximum(np.abs(a), np.abs(b))))
