"""Equal populations become one.

    %u = "snn.update"(%x) {population = @a} ...               %u = "snn.update"(%x) {population = @a} ...
    %v = "snn.update"(%x) {population = @b} ...      -->      %y = arith.xori %u, %u ...
    %y = arith.xori %u, %v ...

where @a and @b have equal programs, shapes, parameters and first values, and equal values arrive.  The partition of
populations is refined until it is stable, beginning with all that may be equal in one class, so populations that
feed each other in the same way are found equal too: equal first values and equal steps give equal values forever.

Exact for all outputs and probes.  Projections from merged populations to one port stay what they are.  The events
of merged populations are reported once, under the name that is left, and so are the weight additions that led to
them.  Random connections are equal only if they are drawn from one path and seed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from spikec.analysis.liveness import owned
from spikec.dialects import snn
from spikec.dialects.functions import argument_roles, symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Cell, Table
from spikec.dialects.program import Program
from spikec.passes import structure
from spikec.passes.canonicalize import Canonicalize

Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Merge:
    """Makes one population of those that always do the same; exact, and events are then reported once."""

    name: ClassVar[str] = "merge"
    level: ClassVar[str] = "snn"

    def run(self, program: Program) -> Program:
        result = Canonicalize().run(program)
        rows: list[Row] = []
        with result.module.context, ir.Location.unknown():
            for kept, others in _Partition(result).equal():
                rows += [_unite(result, kept, other) for other in others]
            if rows:
                _remove_unused_projections(result)
        if not rows:
            return result
        return Canonicalize().run(result).noted(Table("Merged", ("population", "into", "size"), tuple(rows)))


class _Partition:
    """Populations and written states in classes; equal classes mean equal values as far as is known."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.symbols = program.symbols()
        self.populations = {view.sym_name: view for view in program.ops(snn.Population)}
        self.states = {view.sym_name: view for view in program.ops(snn.State)}
        self.places = {
            state: (view.sym_name, place)
            for view in self.populations.values()
            for place, state in enumerate(owned(view))
        }
        # What has a next value: populations that are updated, and states that are written.
        self.cells = dict(self._cells())
        self.classes: dict[str, Hashable] = {}
        self.starts: dict[str, Hashable] = {}
        self.starts = self._starts()
        self.classes = {name: self._first(name) for name in self.cells}
        while self._refine():
            pass

    def equal(self) -> Iterator[tuple[snn.Population, list[snn.Population]]]:
        """Each population that stays with those that it stands for: the first to be updated stays."""
        classes: dict[Hashable, list[snn.Population]] = {}
        for name in self.cells:
            if name in self.populations:
                classes.setdefault(self.classes[name], []).append(self.populations[name])
        for kept, *others in classes.values():
            if others:
                yield kept, others

    def _cells(self) -> Iterator[tuple[str, Any]]:
        """In the order of the step, so that the first of a class comes before all users of the others."""
        for op in _ops(self.symbols, "step"):
            if op.name == snn.Update.name():
                yield snn.Update(op).population, op
            elif op.name == snn.Write.name():
                yield snn.Write(op).to, op

    def _refine(self) -> bool:
        """Splits classes by what arrives; whether any was split."""
        numbers = _Numbers(self, "step")
        found: dict[str, Hashable] = {}
        keys: dict[Hashable, int] = {}
        for name, op in self.cells.items():
            arriving = tuple(numbers.of(operand) for operand in op.operands)
            found[name] = keys.setdefault((self.classes[name], arriving), len(keys))
        split = len(set(found.values())) > len(set(self.classes.values()))
        self.classes = found
        return split

    def _first(self, name: str) -> Hashable:
        """What must be equal from the start."""
        if name not in self.populations:
            return ("state", self._state(name))
        view = self.populations[name]
        neuron = self.symbols[view.neuron]
        return (
            "population",
            structure.of_function(neuron),
            tuple(argument_roles(neuron)),
            tuple(view.shape),
            tuple(self._content(snn.Param(self.symbols[param]).value) for param in view.params),
            tuple(self._state(state) for state in owned(view)),
            (view.event is None, view.out is None),
        )

    def _state(self, name: str) -> Hashable:
        """A state's attributes and first value; a longer history has the same values as far as both reach."""
        op = self.states[name].operation
        skipped = frozenset({"sym_name", "depth", "init", "scale"})
        contents = tuple(self._content(op.attributes[which]) for which in ("init", "scale") if which in op.attributes)
        return structure.attributes(op, skipped), contents, self.starts.get(name)

    def _starts(self) -> dict[str, Hashable]:
        """What `@init` writes."""
        numbers = _Numbers(self, "init")
        ops = (op for op in _ops(self.symbols, "init") if op.name == snn.Write.name())
        return {snn.Write(op).to: numbers.of(op.operands[0]) for op in ops}

    def _content(self, attribute: Any) -> Hashable:
        """A number, or the digest and type of the constant or the code of the function that is named."""
        name = symbol_of(attribute)
        if name is None:
            return (attribute,)
        if self.symbols[name].name == "func.func":
            return structure.of_function(self.symbols[name])
        constant = snn.Constant(self.symbols[name])
        skipped = frozenset({"sym_name", "draw"})
        drawn = () if constant.draw is None else structure.of_function(self.symbols[constant.draw])
        return structure.attributes(constant.operation, skipped), drawn

    def synapses(self, synapses: str) -> Hashable:
        """What makes two projections equal."""
        op = self.symbols[synapses]
        view = snn.Synapses(op)
        connect = dict(view.connect)
        named = {which: connect.pop(which) for which in ("filter", "p", "sources", "targets") if which in connect}
        recipe = tuple((which, self._content(attribute)) for which, attribute in sorted(named.items()))
        rest = structure.attributes(op, frozenset({"sym_name", "connect", "weight", "scale", "delay"}))
        scale = None if view.scale is None else self._content(view.scale)
        delay = None if view.delay is None else structure.of_function(self.symbols[view.delay])
        return rest, tuple(sorted(connect.items())), recipe, self._content(view.weight), scale, delay

    def old(self, state: str) -> Hashable:
        """The class of a state as it was in earlier steps."""
        if state in self.places:
            population, place = self.places[state]
            return (self.classes.get(population, population), place)
        if state in self.cells:
            return self.classes.get(state, state)
        return ("fixed", self._state(state))


class _Numbers:
    """The values of an entry point, numbered so that equal numbers mean equal values under a partition."""

    def __init__(self, partition: _Partition, entry: str) -> None:
        self._partition = partition
        self._numbers: dict[Any, Hashable] = {}
        known: dict[Hashable, int] = {}
        for op in _ops(partition.symbols, entry):
            key = self._key(op)
            for place, result in enumerate(op.results):
                self._numbers[result] = known.setdefault((key, place), len(known))

    def of(self, value: Any) -> Hashable:
        """An argument is its own number."""
        return self._numbers.get(value, (value,))

    def _key(self, op: Any) -> Hashable:
        if op.name == snn.Update.name():
            population = snn.Update(op).population
            return ("update", self._partition.classes.get(population, population))
        if op.name == snn.Read.name():
            return ("read", self._partition.old(snn.Read(op).of), snn.Read(op).delay, op.results[0].type)
        if op.name == snn.Propagate.name():
            synapses = self._partition.synapses(snn.Propagate(op).synapses)
            delay = snn.Propagate(op).delay
            return ("propagate", synapses, delay, *(self.of(operand) for operand in op.operands), op.results[0].type)
        return structure.of_op(op, self.of)


def _ops(symbols: dict[str, Any], entry: str) -> Iterator[Any]:
    if entry in symbols:
        for operation in symbols[entry].regions[0].blocks[0].operations:
            yield operation.operation


# ---------------------------------------------------------------- making them one


def _unite(program: Program, kept: snn.Population, other: snn.Population) -> Row:
    """Lets all that sees `other` see `kept`."""
    symbols = program.symbols()
    states = dict(zip(owned(other), owned(kept), strict=True))
    updates = {snn.Update(op).population: op for op in _ops(symbols, "step") if op.name == snn.Update.name()}
    mine, its = updates[kept.sym_name], updates[other.sym_name]
    for result, same in zip(its.results, mine.results, strict=True):
        result.replace_all_uses_with(same)
    cone = _cone(its)
    its.erase()
    _erase_unused(cone)
    for block in structure.entry_blocks(symbols):
        for op in [operation.operation for operation in block.operations]:
            if op.name == snn.Read.name() and snn.Read(op).of in states:
                op.attributes["of"] = ir.FlatSymbolRefAttr.get(states[snn.Read(op).of])
            elif op.name == snn.Write.name() and snn.Write(op).to in states:
                op.erase()
    for probe in program.ops(snn.Probe):
        if probe.of in states:
            probe.operation.attributes["of"] = ir.FlatSymbolRefAttr.get(states[probe.of])
    row: Row = (other.sym_name, kept.sym_name, math.prod(other.shape))
    other.operation.erase()
    for old, new in states.items():
        depth = max(snn.State(symbols[name]).depth for name in (old, new))
        symbols[new].attributes["depth"] = snn.State.fields["depth"].encode(depth)
        symbols[old].erase()
    return row


def _cone(op: Any) -> list[Any]:
    """The ops that lead to an op without an update between, the last first."""
    found = {op}
    cone = []
    for operation in reversed(list(op.block.operations)):
        one = operation.operation
        if one.name != snn.Update.name() and any(user in found for r in one.results for user in structure.users(r)):
            found.add(one)
            cone.append(one)
    return cone


def _erase_unused(ops: list[Any]) -> None:
    """Removes what led to nothing but a population that is gone, projections too."""
    for op in ops:
        if not any(structure.users(result) for result in op.results):
            op.erase()


def _remove_unused_projections(program: Program) -> None:
    used = structure.used_synapses(program)
    for view in list(program.ops(snn.Synapses)):
        if view.sym_name not in used:
            view.operation.erase()
