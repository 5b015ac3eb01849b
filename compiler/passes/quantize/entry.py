"""One entry point in integers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.analysis.chains import repeated
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.functions import argument_marks, result_marks, signature
from spikec.dialects.mlir import func, ir
from spikec.dialects.refusal import Refusal
from spikec.passes.quantize.affine import Affine, Atom, Number, atom, same
from spikec.passes.quantize.arithmetic import Code, width
from spikec.passes.quantize.classes import Population, extents, is_real
from spikec.passes.quantize.neuron import Neuron
from spikec.passes.quantize.scales import is_propagate
from spikec.passes.quantize.storage import f64, limits, set_marks, storage, store, tensor_type
from spikec.passes.quantize.translate import Block

if TYPE_CHECKING:
    from spikec.passes.quantize.network import Network


class Entry(Block):
    """One entry point."""

    def __init__(self, network: Network, entry: str) -> None:
        super().__init__(network.classes, network.scales, network.arithmetic, entry, self._array)
        self.network = network
        self.function = network.symbols[entry]
        self._repeated = repeated(network.symbols)
        self._counted: dict[Any, dict[str, int]] = {}  # of gathered integers: the projections and their limits

    def build(self) -> None:
        type = signature(self.function)
        inputs = [self._input_type(t) for t in type.inputs]
        made = func.FuncOp(self.owner, ir.FunctionType.get(inputs, []))
        block = made.add_entry_block()
        old = self.function.regions[0].blocks[0]
        with ir.InsertionPoint(block):
            for number, (argument, fresh) in enumerate(zip(old.arguments, block.arguments, strict=True)):
                if is_real(argument.type):
                    name = self._name(number)
                    limit = 1 << (self.scales.state_bits - 1)
                    self.set(argument, atom(fresh, self.scales.inputs[name], limit))
                else:
                    self.values[argument] = fresh
            *operations, last = (op.operation for op in old.operations)
            self.run(operations)
            with last.location:
                results = [self._output(v) for v in last.operands]
                func.ReturnOp([value for value, _ in results])
        types = ir.FunctionType.get(inputs, [value.type for value, _ in results])
        made.operation.attributes["function_type"] = ir.TypeAttr.get(types)
        marks = [dict(m) for m in argument_marks(self.function)]
        for number, argument in enumerate(old.arguments):
            if is_real(argument.type):
                marks[number][snn.SCALE] = f64(self.scales.inputs[self._name(number)])
        set_marks(made.operation, "arg_attrs", marks)
        shown = [dict(m) for m in result_marks(self.function)]
        for mark, (_, scale) in zip(shown, results, strict=True):
            if scale is not None:
                mark[snn.SCALE] = f64(scale)
        set_marks(made.operation, "res_attrs", shown)

    def _name(self, number: int) -> str:
        return str(ir.StringAttr(argument_marks(self.function)[number][snn.NAME]).value)

    def _input_type(self, type: Any) -> Any:
        if not is_real(type):
            return type
        return ir.RankedTensorType.get(extents(type), storage(self.scales.state_bits))

    def _output(self, value: Any) -> tuple[Any, float | None]:
        """An output and its scale: the integer as it is where the value is one times a number."""
        if not is_real(value.type):
            return self.known(value), None
        form = self.forms[value]
        code = self.code(value.type)
        if len(form.terms) == 1 and not np.any(form.constant) and not np.ndim(form.terms[0][1]):
            made, scale = form.terms[0]
            if scale > 0:
                return code.cast(made.value, max(width(made.value.type), 8)), float(scale)
        if form.is_constant:
            scale = float(np.max(np.abs(form.constant))) / 32767 or 1.0
        else:
            scale = float(np.max(self.scale(value)))
        integer = self.arithmetic.at(code, form, scale)
        bits = storage(integer.limit.bit_length() + 1).width
        return code.cast(code.wide(integer.value), bits), scale

    def _array(self, shape: tuple[int, ...] | None, values: Array) -> Any:
        """An array as a state that never changes."""
        if shape is None:
            raise Refusal("E1211", "a reduction over values with a scale per channel has no integer form")
        full = np.ascontiguousarray(np.broadcast_to(values, shape)).astype(np.int64)
        constant = self.network.constant("array", full)
        name = f"{constant}.value"
        type = tensor_type(full)
        if name not in self.network.names:
            self.network.names.add(name)
            with ir.InsertionPoint(self._outer()):
                snn.State.build(sym_name=name, type=type, init=ir.FlatSymbolRefAttr.get(constant), depth=1)
        return snn.Read.build(results=[type], of=name, delay=1).results[0]

    def _outer(self) -> Any:
        """The entry point that is being built: declarations go before it."""
        return list(self.network.module.body.operations)[-1]

    # ------------------------------------------------------------ ops of the dialect

    def copied(self, op: Any) -> None:
        match snn.DIALECT.view(op):
            case snn.Update() as view:
                self._update(view)
            case _:
                super().copied(op)

    def ours(self, op: Any) -> None:
        match snn.DIALECT.view(op):
            case snn.Propagate() as view:
                self._propagate(view)
            case snn.Update() as view:
                self._update(view)
            case snn.Read() as view:
                self._read(view)
            case snn.Write() as view:
                self._write(view)
            case snn.Draw():
                self.drawn(op)
            case _:
                super().ours(op)

    def _read(self, view: snn.Read) -> None:
        result = view.operation.results[0]
        bits = self.scales.bits(view.of)
        type = ir.RankedTensorType.get(extents(result.type), storage(bits))
        made = snn.Read.build(results=[type], of=view.of, delay=view.delay).results[0]
        self.set(result, atom(made, self.scales.of(("state", view.of)), 1 << (bits - 1)))

    def _write(self, view: snn.Write) -> None:
        value = view.operation.operands[0]
        bits, scale = self.scales.bits(view.to), self.scales.of(("state", view.to))
        snn.Write.build(self.stored(value, scale, bits, view.to), to=view.to)

    def stored(self, value: Any, scale: Number, bits: int, state: str) -> Any:
        """A value as a state keeps it: within its bits, in its type."""
        made = self.arithmetic.at(self.code(value.type), self.forms[value], scale)
        return store(self.code(value.type), made, bits, state)

    def _propagate(self, view: snn.Propagate) -> None:
        op, result = view.operation, view.operation.results[0]
        events, init = op.operands
        weights = self.network.weights[view.synapses]
        if is_real(events.type):
            source, event_limit = self._graded(events)
        else:
            source, event_limit = self.known(events), self.limit(events)
        limit = weights.limit * max(event_limit, 1)
        scale = self.scales.arrivals(result)
        chained = self._chained(init, scale)
        counted = self._counted.get(chained.value, {}) if chained else {}
        # Where delays differ, the first propagate of a chain counts all of the projection's synapses.
        again = op in self._repeated and counted.get(view.synapses, -1) >= limit
        added = 0 if again else limit
        bits = self._accumulator(added + (chained.limit if chained else 0), view)
        if chained is None or width(chained.value.type) != bits:
            chained, counted, added = None, {}, limit
            code = Code(extents(result.type), self._unreachable)
            start = code.number(0, bits)
        else:
            start = chained.value
        made = snn.Propagate.build(source, start, results=[start.type], synapses=view.synapses, delay=view.delay)
        arrived = Atom(made.results[0], added + (chained.limit if chained else 0))
        self._counted[arrived.value] = {**counted, view.synapses: limit}
        form = self.forms[init].without(chained) if chained else self.forms[init]
        self.set(result, form.plus(Affine(((arrived, scale),))))

    def _graded(self, events: Any) -> tuple[Any, int]:
        """Real events as integers of at most the bits of a state, and their greatest magnitude."""
        made, _ = self.plain(events)
        bits = self.scales.state_bits
        low, high = limits(bits)
        if made.limit <= high + 1:
            return made.value, made.limit
        code = self.code(events.type)
        name = f"events of {snn.Propagate(next(iter(events.uses)).owner).synapses}" if self._sole(events) else "events"
        return code.cast(code.clamped(code.wide(made.value), low, high, name), storage(bits).width), high + 1

    def _sole(self, events: Any) -> bool:
        """Whether one propagate is all that uses some events."""
        users = [use.owner.name for use in events.uses]
        return users == [snn.Propagate.name()]

    def _unreachable(self, values: Array) -> Any:
        raise AssertionError(values)

    def _chained(self, init: Any, scale: Number) -> Atom | None:
        """The integer that earlier propagates of the chain gathered, where this one can go on in the same scale."""
        if len(list(init.uses)) != 1:
            return None
        for made, other in reversed(self.forms[init].terms):
            if is_propagate(made.value) and np.shape(other) == np.shape(scale) and same(other, scale):
                return made
        return None

    def _accumulator(self, limit: int, view: snn.Propagate) -> int:
        """The width in which arrivals are summed: exact in the worst case."""
        needed = limit.bit_length() + 1
        asked = self.network.acc
        if asked is not None and needed > asked:
            message = f"the arrivals of '{view.synapses}' need {needed} bits in the worst case, acc is {asked}"
            raise Refusal("E1212", message, view.operation, f"write acc={needed}, or fewer bits for the weights")
        if needed > 64:
            raise Refusal("E1213", f"the arrivals of '{view.synapses}' need {needed} bits", view.operation)
        return int(storage(max(needed, min(asked or 32, 32))).width)

    def _update(self, view: snn.Update) -> None:
        population = self.classes.populations[snn.Population(self.network.symbols[view.population]).sym_name]
        made = Neuron(self, population, self._port_bits(population, view))
        with ir.InsertionPoint(self._outer()), view.operation.location:
            made.build()
        code = Code(population.shape, self._unreachable)
        operands = [code.cast(value, made.port_bits) for value in made.operands]
        emitted = [ir.RankedTensorType.get(population.shape, t) for t in made.shown[:1]]
        fresh = snn.Update.build(*operands, results=emitted, population=view.population)
        for result, new in zip(view.operation.results, fresh.results, strict=True):
            if is_real(result.type):
                bits = width(new.type)
                self.set(result, atom(new, self.scale(result), 1 << (bits - 1)))
            else:
                self.values[result] = new

    def _port_bits(self, population: Population, view: snn.Update) -> int:
        """The width of the ports of an update, which have one type."""
        values = [a.value for v in view.operation.operands if is_real(v.type) for a, _ in self.forms[v].terms]
        values += [self.known(v) for v in view.operation.operands if not is_real(v.type)]
        return max((width(v.type) for v in values), default=0)
