"""From a network of normalised activations to one of spiking neurons.

One step of the first network becomes `steps` steps of the second, an inference.  A value v of the first is in the
second either known at once (an input, a constant, a state: these rest while an inference lasts), or a stream: numbers,
one in each step, that add up to v (neuron `bipolar`) or are v in the mean (`rate`).

- Projections, sums, products with constants and moves act on streams as they did on values.
- What is known at once enters streams in the first step of an inference (bipolar) or in each step (rate).
- An activation becomes a population.
- The largest of some values becomes a stream of differences: as far as it has grown since the step before.
- Other functions are computed in each step of what the streams have added up to so far; outputs too.
- A state changes in the last step of an inference.

Once the input of a bipolar neuron rests, it needs at most as many steps as it has levels, the first of them the one in
which the last input came.  So a network is done after 1 + (the sum of levels - 1 along the longest way) steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from spikec.analysis import scalars
from spikec.dialects import snn, structured
from spikec.dialects.functions import is_private
from spikec.dialects.mlir import arith, ir, tensor
from spikec.dialects.program import Program
from spikec.dialects.refusal import Refusal
from spikec.passes import structure
from spikec.passes.canonicalize.states import OF_ARRAYS, Fixed, Store, written
from spikec.passes.convert_ann import linearity, neurons
from spikec.passes.convert_ann.activations import Activation, layer_of


@dataclass(frozen=True)
class Layer:
    """The population that an activation became, and after how many steps of an inference it rests."""

    population: str
    activation: Activation
    rests_after: int


def settling(program: Program, activations: Sequence[Activation]) -> dict[Any, int]:
    """For each value of `@step`, after how many steps its stream has added up to it."""
    levels = {activation.value: activation.levels or 1 for activation in activations}
    found: dict[Any, int] = {}
    for operation in program.symbols()["step"].regions[0].blocks[0].operations:
        op = operation.operation
        reached = max((found.get(operand, 1) for operand in op.operands), default=1)
        for result in op.results:
            found[result] = reached + levels.get(result, 1) - 1
    return found


def refusals(program: Program, rate: bool) -> list[Refusal]:
    """What of a network has no form in spikes."""
    found = []
    states = {view.sym_name: view for view in program.ops(snn.State)}
    changing = written(program)
    for operation in program.symbols()["step"].regions[0].blocks[0].operations:
        op = operation.operation
        if op.name == snn.Update.name():
            text = f"the population '{snn.Update(op).population}' is no part of an ANN"
            found.append(Refusal("E1281", text, op, "convert a network of activations without neurons"))
        elif op.name == snn.Draw.name():
            found.append(Refusal("E1281", "a random number in each step is no part of an ANN", op))
        elif op.name == snn.Read.name() and snn.Read(op).of in changing:
            name = snn.Read(op).of
            if states[name].depth > 1:
                text = f"'{name}' is kept for {states[name].depth} steps, and inferences remember one"
                found.append(Refusal("E0901", text, op, "use prev(...), once or several times"))
            elif rate and _feeds_back(op):
                text = f"a network that remembers ('{name}') with rates"
                found.append(Refusal("E0901", text, op, "convert it with neuron=bipolar"))
    return found


def _feeds_back(read: Any) -> bool:
    """Whether something is weighed or activated that a state holds."""
    seen = [read.results[0]]
    for value in seen:
        for op in structure.users(value):
            if op.name in (snn.Propagate.name(), "arith.maximumf"):
                return True
            seen += [result for result in op.results if result not in seen]
    return False


class Spiking:
    """Rewrites one program, whose activations are normalised, in place."""

    def __init__(self, program: Program, activations: Sequence[Activation], rate: bool, steps: int) -> None:
        self.program = program
        self.rate = rate
        self.steps = steps
        self.symbols = program.symbols()
        self.fixed = Fixed(program)
        self.store = Store(program)
        self.before = next(op for op in self.symbols.values() if op.name == "func.func" and not is_private(op))
        self.block = self.symbols["step"].regions[0].blocks[0]
        self.activations = {activation.value: activation for activation in activations}
        self.inner = {op for activation in activations for op in activation.inner}
        self.rests = settling(program, activations)
        self.layers: list[Layer] = []
        self.programs: dict[str, str] = {}
        # Of values of the first network: their streams, what these add up to, and what is computed of that.
        self.streams: dict[Any, Any] = {}
        self.sums: dict[Any, Any] = {}
        self.finals: dict[Any, Any] = {}
        self.margins: dict[Any, Any] = {}
        self.gated: dict[Any, Any] = {}

    def run(self) -> list[Layer]:
        """The populations, in order."""
        operations = [operation.operation for operation in self.block.operations]
        *ops, last = operations
        self._clocks()
        with ir.InsertionPoint(last):
            replaced = [op for op in ops if self._op(op)]
            with last.location:
                for place, value in enumerate(list(last.operands)):
                    last.operands[place] = self._full(value)
        for op in reversed(replaced):
            assert not any(structure.users(result) for result in op.results), op.name
            op.erase()
        return self.layers

    # ------------------------------------------------------------ time

    def _clocks(self) -> None:
        """The clock counts inferences; `fresh`, `last` and `done` say where in one a step is."""
        index = ir.RankedTensorType.get([], ir.IntegerType.get_signless(64))

        def whole(number: int) -> Any:
            return structured.splat(number, index)

        for block in structure.entry_blocks(self.symbols):
            for operation in list(block.operations):
                op = operation.operation
                if op.name == snn.Clock.name():
                    with ir.InsertionPoint(op), op.location:
                        steps = snn.Clock.build(results=[index]).result
                        op.results[0].replace_all_uses_with(arith.floordivsi(steps, whole(self.steps)))
                    op.erase()
        with ir.InsertionPoint.at_block_begin(self.block), ir.Location.unknown():
            place = arith.remsi(snn.Clock.build(results=[index]).result, whole(self.steps))
            equal = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 0)
            self.fresh = arith.cmpi(equal, place, whole(0))
            self.last = arith.cmpi(equal, place, whole(self.steps - 1))
            self.done = arith.addi(place, whole(1))

    def _spread(self, scalar: Any, shape: Sequence[int]) -> Any:
        """A tensor of one repeated value of rank 0."""
        type = ir.RankedTensorType.get(list(shape), scalar.type.element_type)
        return tensor.splat(type, tensor.extract(scalar, []), []) if len(shape) else scalar

    # ------------------------------------------------------------ ops

    def _op(self, op: Any) -> bool:
        """Puts new ops at the end for one of the first network; whether it is done with then."""
        if op in self.inner:
            return True
        with op.location:
            if op.name == snn.Write.name():
                return self._write(op)
            value = op.results[0] if len(op.results) == 1 else None
            if value in self.activations:
                self._population(self.activations[value])
            elif op.name == snn.Propagate.name() and not self._is_final(op):
                self._propagate(op)
            elif not any(self._moves(operand) for operand in op.operands):
                return False
            elif self._is_final(op):
                self._function(op)
            elif linearity.is_margin(op, self.fixed):
                self.margins[value] = self._cloned(op, self._sum)
            elif linearity.is_largest(op):
                self._differences(op)
            elif any(operand in self.margins for operand in op.operands):
                self._function(op)
            elif op.name in OF_ARRAYS and len(op.operands) == 1:
                self.streams[value] = self._moved(op)
            elif self._is_linear(op):
                self.streams[value] = self._cloned(op, self._addend(op))
            else:
                self._function(op)
        return True

    def _moves(self, value: Any) -> bool:
        """Whether a value is more than what is known at once."""
        return value in self.streams or value in self.finals or value in self.margins

    def _is_final(self, op: Any) -> bool:
        return any(operand in self.finals for operand in op.operands)

    def _is_linear(self, op: Any) -> bool:
        if op.name in ("arith.addf", "arith.subf", "arith.negf") or linearity.is_move(op) or linearity.is_sum(op):
            return True
        factor = {"arith.mulf": (0, 1), "arith.divf": (1,)}.get(op.name, ())
        return any(self.fixed.array(op.operands[place]) is not None for place in factor)

    def _addend(self, op: Any) -> Callable[[Any], Any]:
        """How an operand enters a linear op: factors as they are, addends as streams."""
        if op.name in ("arith.mulf", "arith.divf"):
            return lambda value: self._stream(value) if value in self.streams else value
        if op.name == "linalg.generic":
            return lambda value: value if self.fixed.array(value) is not None else self._stream(value)
        return self._stream

    def _cloned(self, op: Any, operand: Callable[[Any], Any]) -> Any:
        """The result of the same op on other operands."""
        return self._clones(op, operand)[0]

    @staticmethod
    def _clones(op: Any, operand: Callable[[Any], Any]) -> list[Any]:
        operands = [operand(value) for value in op.operands]
        clone = op.clone().operation
        for place, value in enumerate(operands):
            clone.operands[place] = value
        return list(clone.results)

    def _moved(self, op: Any) -> Any:
        """A stream in another shape; events stay as narrow as they are."""
        (value,), type = op.operands, op.results[0].type
        stream = self.streams[value]
        moved = ir.RankedTensorType.get(type.shape, stream.type.element_type)
        attributes = {named: op.attributes[named] for named in op.attributes}
        return ir.Operation.create(op.name, results=[moved], operands=[stream], attributes=attributes).results[0]

    def _propagate(self, op: Any) -> None:
        events, init = op.operands
        source = self.streams[events] if events in self.streams else self._gated(events)
        start = init if linearity.is_zero(init) else self._stream(init)
        built = snn.Propagate.build(source, start, results=[init.type], synapses=snn.Propagate(op).synapses)
        self.streams[op.results[0]] = built.result

    def _function(self, op: Any) -> None:
        """A function of values: computed of what they are by now."""
        for old, new in zip(op.results, self._clones(op, self._full), strict=True):
            self.finals[old] = new

    def _differences(self, op: Any) -> None:
        """By how much the largest of some sums has grown in this step."""
        value = op.results[0]
        now = self._cloned(op, self._fixed_or_sum)
        name, before = self._remembered("largest", now.type)
        snn.Write.build(now, to=name)
        self.streams[value] = arith.subf(now, before)
        self.sums[value] = now

    def _write(self, op: Any) -> bool:
        """A state that `@step` changes keeps its value until the last step of an inference."""
        name, value = snn.Write(op).to, op.operands[0]
        before = snn.Read.build(results=[value.type], of=name, delay=1).result
        after = self._full(value)
        snn.Write.build(arith.select(self._spread(self.last, value.type.shape), after, before), to=name)
        return True

    # ------------------------------------------------------------ values in another form

    def _stream(self, value: Any) -> Any:
        """A value as a stream of its own type."""
        if value not in self.streams:
            return self._gated(value)
        stream = self.streams[value]
        if stream.type == value.type:
            return stream
        narrow = stream.type.element_type
        return arith.uitofp(value.type, stream) if narrow.width == 1 else arith.sitofp(value.type, stream)

    def _gated(self, value: Any) -> Any:
        """What is known at once, as a stream."""
        if self.rate or linearity.is_zero(value) or not isinstance(value.type, ir.RankedTensorType):
            return value
        if value not in self.gated:
            zero = structured.splat(0, value.type)
            self.gated[value] = arith.select(self._spread(self.fresh, value.type.shape), value, zero)
        return self.gated[value]

    def _sum(self, value: Any) -> Any:
        """What a stream has added up to in this inference; of what is no stream the margin that it has, or itself."""
        if value in self.margins or value not in self.streams:
            return self.margins.get(value, value)
        if value not in self.sums:
            op = structure.defining(value)
            if linearity.is_move(op) or (op.name in ("arith.mulf", "arith.divf") and self._is_linear(op)):
                self.sums[value] = self._cloned(op, self._fixed_or_sum)
            else:
                self.sums[value] = self._accumulated(self._stream(value), value)
        return self.sums[value]

    def _fixed_or_sum(self, value: Any) -> Any:
        return value if self.fixed.array(value) is not None else self._sum(value)

    def _accumulated(self, stream: Any, value: Any) -> Any:
        name, before = self._remembered(f"{layer_of(value)}.total", stream.type)
        total = arith.addf(before, stream)
        snn.Write.build(total, to=name)
        return total

    def _remembered(self, wished: str, type: Any) -> tuple[str, Any]:
        """A new state, and what it got one step before: zero in the first step of an inference."""
        name = self.store.fresh(wished)
        self._state(name, type)
        before = snn.Read.build(results=[type], of=name, delay=1).result
        zero = structured.splat(0, type)
        return name, arith.select(self._spread(self.fresh, type.shape), zero, before)

    def _full(self, value: Any) -> Any:
        """What a value is as far as is known by now."""
        if value in self.finals:
            return self.finals[value]
        if not self._moves(value):
            return value
        total = self._sum(value)
        if not self.rate:
            return total
        done = arith.sitofp(ir.RankedTensorType.get([], value.type.element_type), self.done)
        return arith.divf(total, self._spread(done, value.type.shape))

    def _state(self, name: str, type: Any) -> None:
        """Declares a state that begins with zeros."""
        zero = scalars.attribute(np.asarray(0), type.element_type)
        with ir.InsertionPoint(self.before):
            snn.State.build(sym_name=name, type=type, init=zero, depth=1)

    # ------------------------------------------------------------ populations

    def _population(self, activation: Activation) -> None:
        if activation.base in self.finals:
            text = "an activation of what is no sum of activations"
            help = "between activations stand weights, sums, moves and the largest of some values"
            raise Refusal("E1282", text, structure.defining(activation.value), help)
        type = activation.value.type
        element, shape = type.element_type, list(type.shape)
        taken = activation.name in self.symbols
        name = self.store.fresh(f"{activation.name}.neurons" if taken else activation.name)
        neuron = self._neuron(element, activation.levels)
        states = ["V"] if self.rate else ["V", "sent"]
        event = ir.IntegerType.get_signless(1 if self.rate else 2)
        whole = ir.IntegerType.get_signless(32)
        self._state(f"{name}.V", type)
        if not self.rate:
            self._state(f"{name}.sent", ir.RankedTensorType.get(shape, whole))
        emitted = ir.RankedTensorType.get(shape, event)
        self._state(f"{name}.spike", emitted)
        with ir.InsertionPoint(self.before):
            snn.Population.build(
                sym_name=name,
                neuron=neuron,
                shape=shape,
                states=[f"{name}.{state}" for state in states],
                params=[],
                event=f"{name}.spike",
            )
        fresh = arith.uitofp(ir.RankedTensorType.get([], element), self.fresh)
        ports = [self._stream(activation.base), self._spread(fresh, shape)]
        self.streams[activation.value] = snn.Update.build(*ports, results=[emitted], population=name).results[0]
        self.layers.append(Layer(name, activation, self.rests[activation.value]))

    def _neuron(self, element: Any, levels: int | None) -> str:
        """The program of the neurons, one for all populations of so many levels."""
        wished = "IF" if self.rate else f"BIF{levels}"
        if wished not in self.programs:
            self.programs[wished] = self.store.fresh(wished)
            with ir.InsertionPoint.at_block_begin(self.program.module.body), ir.Location.unknown():
                if self.rate:
                    neurons.rate(self.programs[wished], element)
                else:
                    assert levels is not None
                    neurons.bipolar(self.programs[wished], element, levels)
        return self.programs[wished]
