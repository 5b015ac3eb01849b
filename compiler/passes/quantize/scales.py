"""The scale of every class of values.

A state of a population of `state` bits gets the range that it needs, on a grid that suits what arrives: its scale
is that of the weights times a power of two, so that arrivals are added by a shift.  Other values get the finest
scale among what they are made of, so that nothing is lost; states outside populations (sums over a run) too, in
`acc` bits.  A scale is one number, or one per element where the weights have one per channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from spikec.dialects import connectors, snn
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.functions import argument_roles, symbol_of
from spikec.dialects.mlir import ir
from spikec.passes.quantize.affine import Affine, Number, uniform
from spikec.passes.quantize.arithmetic import snapped
from spikec.passes.quantize.classes import Classes, Key, Population, extents, is_real
from spikec.passes.quantize.functions import FUNCTIONS, scale_of
from spikec.passes.quantize.weights import Quantized

DRAWN = 2.0**-24  # the unit of a uniform number
UNKNOWN = 2.0**-16  # of a value that is made of nothing with a scale
GUARD = 2.0**-8  # of a finest unit, where other parts are no multiples of it
MOST = 1e30  # is taken for the greatest size that anything has
STEPS = 4.0  # worst-case steps that the range of an unbounded state is made for


@dataclass(frozen=True)
class Weights:
    """The weights of one projection: integers, their scale, and the greatest sum that can reach a target in a step."""

    integers: Quantized
    limit: int

    def scale(self, view: snn.Synapses) -> Number:
        """The scale: a number, or an array over the flat targets."""
        one = uniform(self.integers.scale)
        if one is not None:
            return one
        if ir.StringAttr(view.connect["kind"]).value == "conv":
            shape = Convolution.of(view.connect).output
            channels = self.integers.scale.reshape(-1, *[1] * (len(shape) - 1))
            spread: Array = np.broadcast_to(channels, shape).reshape(-1)
            return spread
        return self.integers.scale.reshape(-1)


@dataclass
class Scales:
    """`ranges` gives the greatest magnitude of a state, `values` that of a value of `@step`; None: it is not known."""

    classes: Classes
    weights: Mapping[str, Weights]
    inputs: Mapping[str, float]
    ranges: Callable[[str], float | None]
    values: Callable[[Any], float | None]
    state_bits: int
    acc_bits: int
    _found: dict[Key, Number] = field(default_factory=dict)
    _open: set[Key] = field(default_factory=set)
    _members: dict[Key, list[Key]] = field(default_factory=dict)
    _owned: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._members = self.classes.members()
        for population in self.classes.populations.values():
            view = population.view
            self._owned |= {*view.states, *(name for name in (view.event, view.out) if name)}

    def of(self, key: Key) -> Number:
        """The scale of a key's class."""
        root = self.classes.root(key)
        if root not in self._found:
            self._open.add(root)
            self._found[root] = self._decided(root)
            self._open.discard(root)
        return self._found[root]

    def bits(self, state: str) -> int:
        """The bits of a state."""
        states = self._states(self.classes.root(("state", state)))
        return self.state_bits if any(name in self._owned for name in states) else self.acc_bits

    def arrivals(self, result: Any) -> Number:
        """The scale of what one propagate adds, over the result's elements."""
        op = result.owner
        view = snn.Synapses(self.classes.symbols[snn.Propagate(op.operation).synapses])
        scale = self.weights[view.sym_name].scale(view)
        if is_real(op.operands[0].type):
            events = self.of(("step", op.operands[0]))
            scale = scale * (float(np.max(events)) if np.ndim(events) else events)
        return scale.reshape(extents(result.type)) if isinstance(scale, np.ndarray) and scale.ndim else float(scale)

    # ------------------------------------------------------------ decisions

    def _states(self, root: Key) -> list[str]:
        return [name for kind, name in self._members.get(root, []) if kind == "state"]

    def _decided(self, root: Key) -> Number:
        states = self._states(root)
        owned = [name for name in states if name in self._owned]
        units = list(self._units(root, ports_alone=bool(owned))) or list(self._units(root, ports_alone=False))
        finest = self._finest(root, units, guarded=not owned)
        if not states:
            return UNKNOWN if finest is None else self._coarser(root, finest)
        bits = self.bits(states[0])
        known = [self.ranges(name) for name in states]
        bounds = [r for r in known if r is not None]
        reach = max(bounds, default=0.0) if len(bounds) == len(known) else max(self._guess(root), *bounds, 0.0)
        least = reach / (2.0 ** (bits - 1) - 1)
        if finest is None:
            return 2.0 ** math.ceil(math.log2(least)) if least > 0 else UNKNOWN
        smallest = float(np.min(finest))
        integrates = len(bounds) < len(known) and not self._bounds(root)
        if owned and integrates and smallest >= least:
            return finest  # nothing tells where it ends: all its bits for what it has gathered
        if owned:
            return _plain(finest * _power(smallest, least))
        return _plain(finest if smallest >= least else finest * _power(smallest, least))

    def _finest(self, root: Key, units: list[Number], guarded: bool) -> Number | None:
        """The finest of some units, or finer where they are not multiples of it."""
        if not units:
            return None
        finest = units[0]
        for unit in units:
            finest = np.minimum(finest, unit)
        if any(self.classes.root(key) == root for key in self.classes.plain):
            finest = float(np.min(finest))
        if guarded and any(np.any((ratio := snapped(unit / finest)) != np.rint(ratio)) for unit in units):
            finest = finest * GUARD
        return _plain(finest)

    def _coarser(self, root: Key, finest: Number) -> Number:
        """A scale in which graded events fit into the bits of a state."""
        events = [key for key in self.classes.plain if self.classes.root(key) == root and key[0] == "step"]
        reach = max((self.values(value) or 0.0 for _, value in events), default=0.0)
        least = reach / (2.0 ** (self.state_bits - 1) - 1)
        smallest = float(np.min(finest))
        return finest if smallest >= least else _plain(finest * _power(smallest, least))

    def _guess(self, root: Key) -> float:
        """The range of a state that nothing bounds: some worst-case steps from where it starts or is compared."""
        sizes = self._bounds(root)
        drive = 0.0
        for name in self._states(root):
            sizes.append(self._initial(name))
        for owner, form in self._forms(root):
            for _, (atom, coefficient) in self._expanded(owner, form):
                drive = max(drive, self._worst(owner, atom.value) * float(np.max(np.abs(coefficient))))
        return STEPS * min(max([drive, *sizes, 2.0**-10]), MOST)

    def _bounds(self, root: Key) -> list[float]:
        """The constants that values of a class are compared with, such as thresholds."""
        return [size for key, size in self.classes.compared if self.classes.root(key) == root]

    def _initial(self, state: str) -> float:
        view = snn.State(self.classes.symbols[state])
        if view.init is None:
            return 0.0
        return float(np.max(np.abs(self.classes.value(view.init, extents(view.type)).constant)))

    def _worst(self, owner: str, value: Any) -> float:
        """The greatest that a stream or a propagate of plain spikes can be in one step; 0 for other values."""
        if not is_propagate(value) or is_real(value.owner.operands[0].type):
            return (self.values(value) or 0.0) if owner == "step" else 0.0
        weights = self.weights[snn.Propagate(value.owner.operation).synapses]
        return weights.limit * float(np.max(weights.integers.scale))

    def _forms(self, root: Key) -> Iterator[tuple[str, Affine]]:
        """The owner and form of each variable of a class."""
        for key in self._members.get(root, []):
            if key[0] != "state" and key in self.classes.forms:
                yield str(key[0]), self.classes.forms[key]

    def _expanded(self, owner: str, form: Affine) -> Iterator[tuple[str, tuple[Any, Number]]]:
        """The terms of a form, those of ports replaced by what arrives there."""
        for atom, coefficient in form.terms:
            port = self._port(owner, atom.value)
            if port is None:
                yield "", (atom, coefficient)
                continue
            for arrived, factor in port.terms:
                yield "step", (arrived, factor * coefficient)

    def _port(self, owner: str, value: Any) -> Affine | None:
        """The form of the operand behind a port, for an argument of the program of the population `owner`."""
        population = self.classes.populations.get(owner)
        if population is None or not isinstance(value, ir.BlockArgument):
            return None
        number = port_number(population, value)
        return None if number is None else population.ports[number]

    def _units(self, root: Key, ports_alone: bool) -> Iterator[Number]:
        """The units of what the values of a class are made of."""
        for owner, form in self._forms(root):
            for place, (atom, coefficient) in self._expanded(owner, form):
                if ports_alone and place != "step":
                    continue
                unit = self._unit(place or owner, atom.value, root)
                if unit is not None and np.any(np.abs(coefficient) * unit > 0):
                    yield _nonzero(np.abs(coefficient) * unit)

    def _unit(self, owner: str, value: Any, root: Key) -> Number | None:
        """The scale in which a value comes; None for one of the class itself, or where it is being decided."""
        if is_propagate(value):
            return self._arriving(value)
        if isinstance(value, ir.BlockArgument):
            found = self.inputs_of(value)
            if found is not None:
                return found
        elif value.owner.name in (
            "arith.uitofp",
            "arith.sitofp",
            "math.floor",
            "math.ceil",
            "math.trunc",
            "math.roundeven",
        ):
            return 1.0
        elif value.owner.name == snn.Draw.name():
            return DRAWN
        elif value.owner.name in FUNCTIONS:
            low, high = self.classes.ranges.within(owner, value)
            return scale_of(float(max(abs(low), abs(high))))
        elif value.owner.name == "arith.mulf":
            left, right = (self._unit_of_class((owner, v), root) for v in value.owner.operands)
            return None if left is None or right is None else left * right
        return self._unit_of_class((owner, value), root)

    def _arriving(self, value: Any) -> Number | None:
        events = value.owner.operands[0]
        if is_real(events.type) and self.classes.root(("step", events)) in self._open:
            return None
        return self.arrivals(value)

    def _unit_of_class(self, key: Key, root: Key) -> Number | None:
        other = self.classes.root(key)
        return None if other == root or other in self._open else self.of(key)

    def inputs_of(self, argument: Any) -> float | None:
        """The scale of an input, for an argument of `@step`."""
        step = self.classes.symbols["step"]
        if argument.owner != step.regions[0].blocks[0]:
            return None
        marks = ir.ArrayAttr(step.attributes["arg_attrs"])[argument.arg_number]
        return self.inputs.get(ir.StringAttr(ir.DictAttr(marks)[snn.NAME]).value)


def is_propagate(value: Any) -> bool:
    return not isinstance(value, ir.BlockArgument) and value.owner.name == snn.Propagate.name()


def port_number(population: Population, argument: Any) -> int | None:
    """The number of the port that an argument of a population's program is."""
    block = population.program.regions[0].blocks[0]
    if argument.owner != block:
        return None
    roles = [role for role, _ in argument_roles(population.program)]
    if "port" not in roles[argument.arg_number]:
        return None
    return sum("port" in role for role in roles[: argument.arg_number])


def _power(unit: float, least: float) -> float:
    """The power of two 2^-f, the smallest with unit * 2^-f >= least."""
    return 2.0 ** -math.floor(math.log2(unit) - math.log2(least)) if least > 0 else 1.0


def _nonzero(unit: Number) -> Number:
    """A unit whose zeros (elements that nothing reaches) are replaced by the greatest element."""
    return np.where(np.asarray(unit) > 0, unit, np.max(unit)) if np.ndim(unit) else unit


def _plain(number: Any) -> Number:
    if np.ndim(number):
        one = uniform(number)
        return np.asarray(number, np.float64) if one is None else one
    return float(number)


def greatest_sum(view: snn.Synapses, values: Array, symbols: dict[str, Any]) -> int:
    """The greatest magnitude that one step of plain spikes can add to one target, from integer weights."""
    kind = ir.StringAttr(view.connect["kind"]).value
    sizes = np.abs(values.astype(np.int64))
    if kind == "conv":
        if symbol_of(view.weight) is None:
            shape = Convolution.of(view.connect)
            return int(sizes.max()) * math.prod(shape.weights[1:])
        return int(sizes.reshape(sizes.shape[0], -1).sum(axis=1).max())
    if kind == "one_to_one":
        return int(sizes.max())
    if kind == "table":
        return int(sizes.max(initial=0)) * connectors.rows_of_table(view, symbols)
    most = connectors.most_for_target(view)
    if symbol_of(view.weight) is None:
        return int(sizes.max()) * most
    largest = int(sizes.max()) * most
    if "repeat" in view.connect:
        return largest
    return min(largest, int(sizes.reshape(view.pre, view.post).sum(axis=0).max()))
