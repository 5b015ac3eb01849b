"""Which real values share a scale: a reading of the whole program before any integer is chosen.

Values that one op compares, selects between, or keeps in one state must be in the same unit: they are of one
*class*.  Additions and constant factors ask for nothing, since a factor can change the unit on the way: they are
read as affine forms.  A value is *cut* where something else than these uses it: there its form becomes an
integer in the scale of its class.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.analysis.moves import moved
from spikec.analysis.ranges import Ranges, analyse
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.functions import MOVES, argument_roles, result_roles, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.passes.quantize.affine import LINEAR, Affine, atom, constant, linear

Key = tuple[str, Any]  # ("state", name), or (entry or population, value)

JOINED = frozenset({"arith.select", "arith.maximumf", "arith.minimumf", "math.absf", "arith.cmpf"})
ROUNDED = frozenset({"math.floor", "math.ceil", "math.trunc", "math.roundeven"})


def is_real(type: Any) -> bool:
    """Whether a scalar or tensor type has real elements."""
    return isinstance(getattr(type, "element_type", type), ir.FloatType)


def extents(type: Any) -> tuple[int, ...]:
    return tuple(type.shape)


@dataclass
class Population:
    """An update, its population and program, and the forms of its operands."""

    view: Any
    program: Any
    update: Any
    ports: list[Affine] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.view.sym_name)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.view.shape)


class Classes:
    """Forms of all real values over original values, the cuts among them, and the classes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.symbols = program.symbols()
        self.forms: dict[Key, Affine] = {}
        self.cuts: set[Key] = set()
        self.populations: dict[str, Population] = {}
        self.compared: list[tuple[Key, float]] = []  # variables and the constants that they are compared with
        self.plain: list[Key] = []  # values that need one scale for all their elements
        self._parent: dict[Key, Key] = {}
        self._written = self._writers()
        for entry in ("init", "step", "finish"):
            if entry in self.symbols:
                self._block(entry, self.symbols[entry].regions[0].blocks[0])

    @cached_property
    def ranges(self) -> Ranges:
        """The intervals of the real program."""
        return analyse(self.program)

    # ------------------------------------------------------------ classes

    def root(self, key: Key) -> Key:
        """The representative of a key's class."""
        while key in self._parent:
            key = self._parent[key]
        return key

    def members(self) -> dict[Key, list[Key]]:
        """All keys by class, in the order in which they were met."""
        found: dict[Key, list[Key]] = {}
        for key in dict.fromkeys([*self.forms, *(("state", s.sym_name) for s in self.program.ops(snn.State))]):
            found.setdefault(self.root(key), []).append(key)
        return found

    def _join(self, keys: Iterable[Key]) -> None:
        first, *others = [self.root(key) for key in keys]
        for other in others:
            if self.root(other) != self.root(first):
                self._parent[self.root(other)] = self.root(first)

    # ------------------------------------------------------------ constants

    def _writers(self) -> set[str]:
        """States that something writes."""
        found: set[str] = set()
        for view in self.program.ops(snn.Population):
            found |= {*view.states, *(name for name in (view.event, view.out) if name)}
        for entry in ("init", "step"):
            if entry in self.symbols:
                for op in self.symbols[entry].regions[0].blocks[0].operations:
                    if op.operation.name == snn.Write.name():
                        found.add(snn.Write(op.operation).to)
        return found

    def fixed(self, state: str) -> Affine | None:
        """The constant that a state always is, or None where something writes it."""
        view = snn.State(self.symbols[state])
        if state in self._written or view.init is None or not is_real(view.type):
            return None
        return self.value(view.init, extents(view.type))

    def value(self, attribute: Any, shape: tuple[int, ...]) -> Affine:
        """A number or a constant of the store as a form.  Raises Refusal without its data."""
        name = symbol_of(attribute)
        if name is None:
            return constant(float(attribute.value))
        if name not in self.program.constants:
            raise Refusal("E0802", f"the constants have no array '{name}'")
        array: Array = self.program.constants[name].astype(np.float64).reshape(shape)
        return constant(array)

    # ------------------------------------------------------------ reading

    def form(self, owner: str, value: Any) -> Affine:
        return self.forms[owner, value]

    def _known(self, owner: str, value: Any) -> bool:
        """Whether a value is real and no constant."""
        return is_real(value.type) and not self.forms[owner, value].is_constant

    def _cut(self, owner: str, values: Iterable[Any]) -> list[Key]:
        """Marks variables as cut and gives their keys."""
        keys = [(owner, v) for v in values if self._known(owner, v)]
        self.cuts.update(keys)
        return keys

    def _set(self, owner: str, value: Any, form: Affine | None = None) -> None:
        """A value's form; by default it stands for itself."""
        if is_real(value.type):
            self.forms[owner, value] = atom(value, 1.0) if form is None else form

    def _block(self, owner: str, block: Any) -> None:
        for argument in block.arguments:
            if (owner, argument) not in self.forms:
                self._set(owner, argument)
        for op in block.operations:
            self._read(owner, op.operation)

    def _read(self, owner: str, op: Any) -> None:
        name = op.name
        if name == "arith.constant":
            if is_real(op.results[0].type):
                self._set(owner, op.results[0], constant(number_of(op)))
            return
        real = [v for v in op.operands if is_real(v.type)]
        if name in LINEAR:
            form = linear(name, [self.form(owner, v) for v in real])
            if form is None:
                self._cut(owner, real)
            self._set(owner, op.results[0], form)
        elif name in JOINED:
            keys = self._cut(owner, real)
            self._set(owner, op.results[0])
            if is_real(op.results[0].type):
                keys.append((owner, op.results[0]))
            if name == "arith.cmpf":
                bounds = [self.form(owner, v).constant for v in real if (owner, v) not in keys]
                self.compared += [(key, float(np.max(np.abs(b)))) for key in keys for b in bounds]
            if keys:
                self._join(keys)
        elif name == "tensor.concat":
            self._set(owner, op.results[0])
            if real:
                self._join([*self._cut(owner, real), (owner, op.results[0])])
                self.plain.append((owner, op.results[0]))
        elif name in MOVES:
            self._moved(owner, op)
        elif name in ROUNDED or name == "arith.fptosi":
            self._cut(owner, real)
            self._set(owner, op.results[0])
        elif name == "linalg.generic":
            self._generic(owner, op)
        elif name.startswith("math.") and real:
            self._function(owner, op)
        else:
            self._ours(owner, op)

    def _moved(self, owner: str, op: Any) -> None:
        """A movement of data; as an atom of its own here, as a moved form in the translation."""
        result = op.results[0]
        if not is_real(result.type):
            return
        form = self.form(owner, op.operands[0])
        self._set(owner, result, form.moved(lambda v: v, lambda a: moved(op, a)) if form.is_constant else None)
        if not form.is_constant:
            self.plain += self._cut(owner, [op.operands[0]])
            self._join([(owner, op.operands[0]), (owner, result)])

    def _function(self, owner: str, op: Any) -> None:
        """exp and its like: a number for a constant, else a value of its own."""
        form = self.form(owner, op.operands[0])
        if not form.is_constant:
            self._cut(owner, op.operands)
            self._set(owner, op.results[0])
            return
        value = scalars.evaluate(op, [np.asarray(form.constant, np.float32)])
        assert value is not None
        self._set(owner, op.results[0], constant(value.astype(np.float64) if value.ndim else float(value)))

    def _generic(self, owner: str, op: Any) -> None:
        """A reduction: its operands, its region's arguments and its result are of one class where they are compared."""
        outputs = len(op.results)
        inputs, inits = list(op.operands)[:-outputs], list(op.operands)[-outputs:]
        block = op.regions[0].blocks[0]
        self.plain += self._cut(owner, [v for v in (*inputs, *inits) if is_real(v.type)])
        self._block(owner, block)
        last = list(block.operations)[-1].operation
        for operand, argument in zip(op.operands, block.arguments, strict=True):
            if self._known(owner, operand):
                self._join([(owner, operand), (owner, argument)])
        arguments = list(block.arguments)[-outputs:]
        for result, argument, given in zip(op.results, arguments, last.operands, strict=True):
            self._set(owner, result)
            if is_real(result.type):
                self._cut(owner, [given])
                self._join([(owner, result), (owner, argument), (owner, given)])

    # ------------------------------------------------------------ ops of the dialect

    def _ours(self, owner: str, op: Any) -> None:
        match snn.DIALECT.view(op):
            case snn.Propagate() as view:
                self.plain += self._cut(owner, [op.operands[0]])
                if is_real(op.results[0].type):
                    arrived = atom(op.results[0], 1.0)
                    self._set(owner, view.operation.results[0], self.form(owner, op.operands[1]).plus(arrived))
            case snn.Update() as view:
                self._update(owner, view)
            case snn.Read() as view:
                result = op.results[0]
                fixed = self.fixed(view.of)
                self._set(owner, result, fixed)
                if is_real(result.type) and fixed is None:
                    self._join([("state", view.of), (owner, result)])
            case snn.Write() as view:
                if is_real(op.operands[0].type):
                    self._join([("state", view.to), *self._cut(owner, [op.operands[0]])])
            case _:
                if op.name in ("func.return", "linalg.yield"):
                    self._cut(owner, [v for v in op.operands if is_real(v.type)])
                else:
                    for result in op.results:
                        self._set(owner, result)

    def _update(self, owner: str, view: Any) -> None:
        op = view.operation
        declared = snn.Population(self.symbols[view.population])
        program = self.symbols[declared.neuron]
        population = Population(declared, program, op)
        name = population.name
        population.ports = [self.form(owner, v) if is_real(v.type) else Affine() for v in op.operands]
        self.populations[name] = population
        block = program.regions[0].blocks[0]
        ports, states, params = iter(population.ports), iter(declared.states), iter(declared.params)
        for (role, _), argument in zip(argument_roles(program), block.arguments, strict=True):
            state = next(states) if "state" in role else None
            port = next(ports) if "port" in role else None
            if not is_real(argument.type):
                if role == "param":
                    next(params)
                continue
            if role == "param":
                value = snn.Param(self.symbols[next(params)]).value
                self._set(name, argument, self.value(value, population.shape))
            elif state is not None:
                self._set(name, argument)
                self._join([("state", state), (name, argument)])
            elif port is not None:
                self._set(name, argument, port if port.is_constant else None)
        self._block(name, block)
        self._results(owner, population, block)

    def _results(self, owner: str, population: Population, block: Any) -> None:
        view, name = population.view, population.name
        given = list(list(block.operations)[-1].operation.operands)
        states = iter(view.states)
        shown = []
        for (role, _), value in zip(result_roles(population.program), given, strict=True):
            state = next(states) if role == "state" else view.event if role == "event" else view.out
            keys = [(name, value)] if is_real(value.type) else []
            if is_real(value.type) and self.forms[name, value].is_constant:
                keys = []
            if state is not None and is_real(value.type):
                self._join([("state", state), *keys])
            if role in ("event", "out"):
                shown.append((value, state))
        for result, (value, state) in zip(population.update.results, shown[:1], strict=False):
            self._set(owner, result)
            if is_real(result.type):
                self._join([(owner, result), *([("state", state)] if state else []), (name, value)])


def number_of(op: Any) -> float | Array:
    """The value of a real `arith.constant`: splats as one number."""
    attribute = op.attributes["value"]
    if isinstance(attribute, ir.DenseElementsAttr):
        attribute = attribute.get_splat_value()
    return float(attribute.value)
