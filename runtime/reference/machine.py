"""Level `step`: the ops of the dialect over buffers with slots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from spikec.dialects import powers, random, step
from spikec.dialects.constants import Array
from spikec.dialects.convolution import Convolution
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.propagations import Propagation, propagations
from spikec.runtime.reference import synapses
from spikec.runtime.reference.arithmetic import SCALAR
from spikec.runtime.reference.blocks import Function, Instruction, Lower, Scope, Slots, elementwise, program
from spikec.runtime.reference.elements import dtype, number, shape, size, stored, width
from spikec.runtime.reference.nests import Access, Nest, affine_map
from spikec.runtime.reference.recorder import Recorder
from spikec.runtime.reference.synapses import Synapses

HOST = ("input", "output")


class Machine:
    """The buffers of a network, and its entries, which run on them.

    Buffers are arrays (slots, elements).  Those of the host have one slot per step from `first` on.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._symbols = program.symbols()
        self.buffers = {buffer.sym_name: buffer for buffer in program.ops(step.Buffer)}
        self._arrays: dict[str, Array] = {name: self._start(buffer) for name, buffer in self.buffers.items()}
        self._tables = {table.sym_name: self._synapses(table) for table in program.ops(step.Table)}
        self._functions: dict[str, Function] = {}
        self.recorder: Recorder | None = None
        self.first = self.seed = self.sample = 0
        self._ops: dict[str, Lower] = {**self.control(), **self.table()}

    def control(self) -> dict[str, Lower]:
        """The upstream ops of entries."""
        scalars = ("arith.constant", "arith.addi", "arith.minsi")
        return {**{name: elementwise(SCALAR[name]) for name in scalars}, "func.call": self._call, "scf.for": _for}

    def table(self) -> dict[str, Lower]:
        """The ops of the dialect that stand in stages."""
        return {
            step.Fill.name(): self._fill,
            step.Copy.name(): self._copy,
            step.Propagate.name(): self._propagate,
            step.Sweep.name(): self._propagate,
            step.Update.name(): self._update,
            step.Map.name(): self._map,
            step.Draw.name(): self._draw,
            step.Clock.name(): self._clock,
            step.Tally.name(): self._tally,
            step.Record.name(): self._record,
        }

    def reset(self, seed: int, sample: int) -> None:
        self.first, self.seed, self.sample = 0, seed, sample
        self._arrays = {name: self._start(buffer) for name, buffer in self.buffers.items()}
        self.run("init", 0)

    def has(self, function: str) -> bool:
        return function in self._symbols

    def run(self, function: str, *steps: int) -> None:
        """Calls an entry or a stage, if there is one of that name."""
        if function not in self._functions and function in self._symbols:
            self._functions[function] = Function(self._symbols[function], self._ops)
        if function in self._functions:
            self._functions[function](*(np.asarray(t, np.int64) for t in steps))

    def attach(self, name: str, slices: Array) -> None:
        """Gives a buffer of the host its array: one flat slice for each step from `first` on."""
        self._arrays[name] = slices

    def value(self, name: str, step: int) -> Array:
        """The flat elements of a buffer in the slot of a step, as a view."""
        array = self._arrays[name]
        view: Array = array[step - self.first if self.buffers[name].kind in HOST else step % len(array)]
        return view

    def _start(self, buffer: Any) -> Array:
        """What a buffer holds before the start; the slot of step -1 has `init`."""
        slots = np.zeros((buffer.slots, size(buffer.type)), dtype(buffer.type))
        if buffer.kind == "constant":
            slots[:] = stored(self._program.constants[buffer.sym_name], buffer.type).reshape(-1)
        elif buffer.init is not None:
            slots[-1] = self._value(buffer.init, buffer.type)
        return slots

    def _value(self, attribute: Any, type: Any) -> Array:
        if isinstance(attribute, ir.FlatSymbolRefAttr):
            return stored(self._program.constants[attribute.value], type).reshape(-1)
        return number(attribute)

    def _synapses(self, table: Any) -> Synapses:
        arrays = {
            name: self._arrays[ir.FlatSymbolRefAttr(reference).value][0] for name, reference in table.arrays.items()
        }
        weight, coded = arrays["w"] if "w" in arrays else number(table.weight), table.code is not None
        if coded and "w" not in arrays:
            weight = powers.encode(weight)
        match table.format:
            case "dense":
                return synapses.Dense(table.post, weight.reshape(table.pre, table.post), coded)
            case "csr":
                column = arrays["col"].view(f"uint{table.index}").astype(np.int64)
                return synapses.Rows(arrays["row"], column, weight, coded)
            case "bitmap":
                bits = arrays["bits"].view("<u2").reshape(table.pre, -1, 1) >> np.arange(16, dtype=np.uint16)
                return synapses.Rows(arrays["row"], np.nonzero(bits.reshape(table.pre, -1) & 1)[1], weight, coded)
            case "procedural":
                p, key = ir.FloatAttr(table.connect["p"]).value, (table.key[0], table.key[1])
                return synapses.Procedural(table.post, p, key, self._filter(table), weight, coded)
            case "block":
                first = arrays["col"].view(f"uint{table.index}").astype(np.int64) * table.block
                targets = (first[:, np.newaxis] + np.arange(table.block)).reshape(-1)
                return synapses.Rows(arrays["row"] * table.block, targets, weight, coded)
            case "conv":
                return synapses.Kernels(Convolution.of(table.connect), weight, coded)
            case _:
                return synapses.Rows(np.arange(table.pre + 1), np.arange(table.pre), weight, coded)

    def _filter(self, table: step.Table) -> synapses.Keep | None:
        """The condition on the pairs of a procedural table."""
        if "filter" not in table.connect:
            return None
        function = program(self._symbols[ir.FlatSymbolRefAttr(table.connect["filter"]).value])
        return lambda source, target: function(source, target)[0]

    def _call(self, op: Any, scope: Scope) -> Instruction:
        callee, operands = ir.FlatSymbolRefAttr(op.attributes["callee"]).value, scope.slots(op.operands)
        return lambda slots: self.run(callee, *(int(slots[operand]) for operand in operands))

    def _fill(self, op: Any, scope: Scope) -> Instruction:
        fill, t = step.Fill(op), scope.slot(op.operands[0])
        into, value = fill.into, number(fill.value)

        def run(slots: Slots) -> None:
            self.value(into, slots[t])[:] = value

        return run

    def _copy(self, op: Any, scope: Scope) -> Instruction:
        copy, t = step.Copy(op), scope.slot(op.operands[0])
        source, delay, into = copy.from_, copy.delay, copy.into
        taken, put = slice(copy.low, copy.low + copy.size), slice(copy.to, copy.to + copy.size)

        def run(slots: Slots) -> None:
            self.value(into, slots[t])[put] = self.value(source, slots[t] - delay)[taken]

        return run

    def _propagate(self, op: Any, scope: Scope) -> Instruction:
        each, t = propagations(step.DIALECT.view(op)), scope.slot(op.operands[0])
        # In the order in which they act.
        acts = [self._propagation(one, sooner) for sooner in range(each[0].rounds) for one in each]

        def run(slots: Slots) -> None:
            for act in acts:
                act(slots[t])

        return run

    def _propagation(self, one: Propagation, sooner: int) -> Callable[[Any], None]:
        """One round of a propagation, as a function of the step."""
        declared, table = step.Table(self._symbols[one.table]), self._tables[one.table]
        source, delay, into, tally = one.from_, one.delay - sooner, one.into, one.tally
        taken, bits = slice(one.low, one.low + declared.pre), width(self.buffers[into].type)
        if one.part is not None:
            assert isinstance(table, synapses.Rows)
            table = synapses.Part(table, one.part - sooner, declared.parts)

        def act(t: Any) -> None:
            events = self.value(source, t - delay)[taken]
            self.value(tally, t)[0] += synapses.propagate(table, events, self.value(into, t), bits)

        return act

    def _update(self, op: Any, scope: Scope) -> Instruction:
        update, t = step.Update(op), scope.slot(op.operands[0])
        function, count = program(self._symbols[update.program]), update.size
        arguments = list(zip(update.args, update.delays, strict=True))
        targets = [r.value if isinstance(r, ir.FlatSymbolRefAttr) else None for r in update.results_]

        def run(slots: Slots) -> None:
            # Copies, since a program may return an argument, which is a view of a buffer written here.
            values = [np.array(v) for v in function(*[self._argument(a, slots[t] - d, count) for a, d in arguments])]
            for target, value in zip(targets, values, strict=True):
                if target is not None:
                    self.value(target, slots[t])[:count] = value

        return run

    def _argument(self, attribute: Any, t: int, count: int) -> Array:
        """A buffer, of which one element is broadcast, a number, or the index."""
        if isinstance(attribute, ir.UnitAttr):
            return np.arange(count)
        if not isinstance(attribute, ir.FlatSymbolRefAttr):
            return number(attribute)
        value = self.value(attribute.value, t)
        return value if len(value) == 1 else value[:count]

    def _map(self, op: Any, scope: Scope) -> Instruction:
        map, t = step.Map(op), scope.slot(op.operands[0])
        loops = len(map.extents)
        nest = Nest(
            tuple(map.extents),
            tuple(map.iterators),
            tuple(Access.of(affine_map(m, loops)) for m in map.maps),
            tuple(Access.of(affine_map(m, loops)) for m in map.result_maps),
        )
        function, arguments, results = program(self._symbols[map.program]), map.args, map.results_
        delays = map.delays

        def run(slots: Slots) -> None:
            inputs = [self._shaped(a, slots[t] - delay) for a, delay in zip(arguments, delays, strict=True)]
            nest.run(inputs, [self._shaped(result, slots[t]) for result in results], function)

        return run

    def _shaped(self, name: str, t: int) -> Array:
        return self.value(name, t).reshape(shape(self.buffers[name].type))

    def _draw(self, op: Any, scope: Scope) -> Instruction:
        draw, t = step.Draw(op), scope.slot(op.operands[0])
        into, source = draw.into, (draw.seed, draw.path)
        integral = dtype(self.buffers[into].type).kind == "i"
        draw_numbers = random.integers if integral else random.uniform

        def run(slots: Slots) -> None:
            value = self.value(into, slots[t])
            key = random.key(self.seed, *source)
            value[:] = draw_numbers(key, np.arange(len(value)), int(slots[t]), self.sample)

        return run

    def _clock(self, op: Any, scope: Scope) -> Instruction:
        into, t = step.Clock(op).into, scope.slot(op.operands[0])

        def run(slots: Slots) -> None:
            self.value(into, slots[t])[0] = slots[t]

        return run

    def _tally(self, op: Any, scope: Scope) -> Instruction:
        tally, t = step.Tally(op), scope.slot(op.operands[0])
        of, into = tally.of, tally.into

        def run(slots: Slots) -> None:
            self.value(into, slots[t])[0] += np.count_nonzero(self.value(of, slots[t]))

        return run

    def _record(self, op: Any, scope: Scope) -> Instruction:
        into, t = step.Record(op).into, scope.slot(op.operands[0])
        probe = self.buffers[into]
        key, of, low, high = into.removeprefix("probe."), probe.of, probe.low, probe.high

        def run(slots: Slots) -> None:
            if self.recorder is not None:
                self.recorder.probe(key, self.value(of, slots[t])[low:high], int(slots[t]))

        return run


def _for(op: Any, scope: Scope) -> Instruction:
    """`scf.for` without values carried from one iteration to the next."""
    begin, end, stride = scope.slots(op.operands)
    body = scope.block(op.regions[0].blocks[0])

    def run(slots: Slots) -> None:
        for t in range(int(slots[begin]), int(slots[end]), int(slots[stride])):
            body.run(slots, [np.asarray(t, np.int64)])

    return run
