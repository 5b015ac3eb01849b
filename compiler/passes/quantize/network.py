"""The whole program in integers: a new module with new states, synapses, programs and entry points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from spikec.dialects import connectors, snn
from spikec.dialects.constants import Array, Constants
from spikec.dialects.functions import argument_marks, argument_roles, result_marks, result_roles, signature, symbol_of
from spikec.dialects.mlir import arith, func, ir
from spikec.dialects.program import Program
from spikec.passes.quantize.affine import Affine, Atom, Number, atom, same
from spikec.passes.quantize.arithmetic import Arithmetic, Code, snapped, width
from spikec.passes.quantize.classes import Classes, Population, extents, is_real
from spikec.passes.quantize.refusal import Refusal
from spikec.passes.quantize.scales import Scales, Weights
from spikec.passes.quantize.translate import Block

F64 = "f64"


class Network:
    """Makes the integer program of a real one."""

    def __init__(
        self,
        program: Program,
        classes: Classes,
        scales: Scales,
        weights: dict[str, Weights],
        arithmetic: Arithmetic,
        input_bits: dict[str, int],
        acc: int | None,
        powers: bool,
    ) -> None:
        self.program = program
        self.classes = classes
        self.scales = scales
        self.weights = weights
        self.arithmetic = arithmetic
        self.input_bits = input_bits
        self.acc = acc
        self.powers = powers
        self.symbols = program.symbols()
        self.names = set(self.symbols)
        self.constants = Constants()
        self.module = ir.Module.create(program.module.operation.location)
        self._arrays: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def run(self) -> Program:
        for name in self.program.module.operation.attributes:
            if name.startswith("snn."):
                self.module.operation.attributes[name] = self.program.module.operation.attributes[name]
        with ir.InsertionPoint(self.module.body):
            for op in self.program.module.body.operations:
                with op.operation.location:
                    self._declare(op.operation)
        for entry in ("init", "step", "finish"):
            if entry in self.symbols:
                with ir.InsertionPoint(self.module.body), self.symbols[entry].location:
                    _Entry(self, entry).build()
        return replace(self.program, module=self.module, constants=self.constants)

    # ------------------------------------------------------------ names and constants

    def fresh(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self.names:
            name, number = f"{wanted}.{number}", number + 1
        self.names.add(name)
        return name

    def constant(self, wanted: str, values: Array) -> str:
        """A constant with these values: an earlier one, or a new one before everything else."""
        key = (str(values.dtype), values.shape, values.tobytes())
        if key not in self._arrays:
            name = self.fresh(wanted)
            with ir.InsertionPoint.at_block_begin(self.module.body):
                snn.Constant.build(
                    sym_name=name, type=tensor_type(values), digest=self.constants.add(name, np.ascontiguousarray(values))
                )
            self._arrays[key] = name
        return self._arrays[key]

    def kept(self, name: str) -> str:
        """A constant of the old program, in the new one."""
        if name not in self.constants and name in self.program.constants:
            self.constants.add(name, self.program.constants[name])
            with ir.InsertionPoint.at_block_begin(self.module.body):
                self.symbols[name].clone()
        return name

    # ------------------------------------------------------------ declarations

    def _declare(self, op: Any) -> None:
        match snn.DIALECT.view(op):
            case snn.State() as view:
                self._state(view)
            case snn.Synapses() as view:
                self._synapses(view)
            case snn.Probe():
                op.clone()
            case snn.Constant() | snn.Param() | snn.Population():
                return
            case _ if op.name == "func.func" and self._is_filter(op):
                op.clone()

    def _is_filter(self, op: Any) -> bool:
        views = self.program.ops(snn.Synapses)
        names = {name for view in views for name in connectors.functions_of(view, self.program.symbols())}
        return ir.StringAttr(op.attributes["sym_name"]).value in names

    def _state(self, view: snn.State) -> None:
        init = view.init
        if not is_real(view.type):
            if init is not None and symbol_of(init) is not None:
                self.kept(str(symbol_of(init)))
            view.operation.clone()
            return
        if self.classes.fixed(view.sym_name) is not None:
            if any(probe.of == view.sym_name for probe in self.program.ops(snn.Probe)):
                raise Refusal("E1211", f"'{view.sym_name}' is recorded and never changes", view.operation)
            return  # a constant of the programs now
        bits, scale = self.scales.bits(view.sym_name), self.scales.of(("state", view.sym_name))
        type = ir.RankedTensorType.get(extents(view.type), storage(bits))
        snn.State.build(
            sym_name=view.sym_name,
            type=type,
            depth=view.depth,
            scale=self.scale_attribute(view.sym_name, scale),
            bits=bits,
            init=None if init is None else self._initial(view, scale, bits),
            unit=view.unit,
        )

    def _initial(self, view: snn.State, scale: Number, bits: int) -> Any:
        form = self.classes.value(view.init, extents(view.type))
        low, high = limits(bits)
        values = np.clip(np.rint(snapped(form.constant / scale)), low, high)
        element = storage(bits)
        if not np.ndim(values):
            return ir.IntegerAttr.get(element, int(values))
        array = np.broadcast_to(values, extents(view.type)).astype(f"int{element.width}")
        return ir.FlatSymbolRefAttr.get(self.constant(f"{view.sym_name}.init", array))

    def scale_attribute(self, name: str, scale: Number) -> Any:
        if not np.ndim(scale):
            return ir.FloatAttr.get(ir.F64Type.get(), float(scale))
        return ir.FlatSymbolRefAttr.get(self.constant(f"{name}.scale", np.asarray(scale, np.float64)))

    def _synapses(self, view: snn.Synapses) -> None:
        for name in ("sources", "targets"):
            if name in view.connect:
                self.kept(str(symbol_of(view.connect[name])))
        if view.sym_name not in self.weights:
            if symbol_of(view.weight) is not None:
                self.kept(str(symbol_of(view.weight)))
            view.operation.clone()
            return
        made = self.weights[view.sym_name].integers
        if symbol_of(view.weight) is None:
            element = storage(made.values.dtype.itemsize * 8)
            weight: Any = ir.IntegerAttr.get(element, int(made.values.reshape(-1)[0]))
        else:
            weight = ir.FlatSymbolRefAttr.get(self.constant(f"{symbol_of(view.weight)}.q", made.values))
        scale: Number = float(made.scale) if made.scale.ndim == 0 else made.scale
        snn.Synapses.build(
            sym_name=view.sym_name,
            pre=view.pre,
            post=view.post,
            connect=view.connect,
            weight=weight,
            scale=self.scale_attribute(view.sym_name, scale),
            code=snn.POW2 if self.powers else None,
        )


class _Entry(Block):
    """One entry point."""

    def __init__(self, network: Network, entry: str) -> None:
        super().__init__(network.classes, network.scales, network.arithmetic, entry, self._array)
        self.network = network
        self.function = network.symbols[entry]

    def build(self) -> None:
        type = signature(self.function)
        inputs = [self._input_type(n, t) for n, t in enumerate(type.inputs)]
        made = func.FuncOp(self.owner, ir.FunctionType.get(inputs, []))
        block = made.add_entry_block()
        old = self.function.regions[0].blocks[0]
        with ir.InsertionPoint(block):
            for number, (argument, fresh) in enumerate(zip(old.arguments, block.arguments, strict=True)):
                if is_real(argument.type):
                    name = self._name(number)
                    limit = 1 << (self.network.input_bits[name] - 1)
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

    def _input_type(self, number: int, type: Any) -> Any:
        if not is_real(type):
            return type
        return ir.RankedTensorType.get(extents(type), storage(self.network.input_bits[self._name(number)]))

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
        bits = self._accumulator(limit + (chained.limit if chained else 0), view)
        if chained is None or width(chained.value.type) != bits:
            chained = None
            code = Code(extents(result.type), self._unreachable)
            start = code.number(0, bits)
        else:
            start = chained.value
        into = snn.Propagate.build(source, start, results=[start.type], synapses=view.synapses).results[0]
        arrived = Atom(into, limit + (chained.limit if chained else 0))
        form = Affine() if chained else self.forms[init]
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
        """The integer that earlier propagates gathered, where this one can go on in the same scale."""
        form = self.forms[init]
        if len(form.terms) != 1 or np.any(form.constant) or len(list(init.uses)) != 1:
            return None
        made, other = form.terms[0]
        if isinstance(made.value, ir.BlockArgument) or made.value.owner.name != snn.Propagate.name():
            return None
        return made if np.shape(other) == np.shape(scale) and same(other, scale) else None

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
        made = _Neuron(self, population, self._port_bits(population, view))
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


class _Neuron(Block):
    """The program of one population, and the population with its parameters."""

    def __init__(self, entry: _Entry, population: Population, port_bits: int) -> None:
        super().__init__(entry.classes, entry.scales, entry.arithmetic, population.name, self._array)
        self.entry = entry
        self.network = entry.network
        self.population = population
        self.port_bits = port_bits  # of every port: an update has operands of one type
        self.operands: list[Any] = []  # of the update: one for each port
        self.params: list[str] = []
        self.shown: list[Any] = []  # types of the event and `out`
        self._marks: list[dict[str, Any]] = []
        self._block: Any = None
        self._constants: dict[str, Any] = {}

    def build(self) -> None:
        view, old = self.population.view, self.population.program
        name = ir.StringAttr(old.attributes["sym_name"]).value
        wanted = name if name.startswith(f"{view.sym_name}.") else f"{view.sym_name}.{name}"
        made = func.FuncOp(self.network.fresh(f"{wanted}.q"), ir.FunctionType.get([], []), visibility="private")
        self._block = made.operation.regions[0].blocks.append()
        block = old.regions[0].blocks[0]
        with ir.InsertionPoint(self._block):
            self._arguments(block)
            *operations, last = (op.operation for op in block.operations)
            self.run(operations)
            with last.location:
                results = self._results(list(last.operands))
                func.ReturnOp(results)
        inputs = [a.type for a in self._block.arguments]
        made.operation.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(inputs, [r.type for r in results]))
        set_marks(made.operation, "arg_attrs", self._marks)
        set_marks(made.operation, "res_attrs", [dict(m) for m in result_marks(old)])
        snn.Population.build(
            sym_name=view.sym_name,
            neuron=made.name.value,
            shape=view.shape,
            states=view.states,
            params=self.params,
            event=view.event,
            out=view.out,
        )

    def _argument(self, type: Any, marks: dict[str, Any]) -> Any:
        self._marks.append(marks)
        return self._block.add_argument(type, ir.Location.current)

    def _arguments(self, block: Any) -> None:
        view = self.population.view
        ports = iter(zip(self.population.update.operands, self.population.ports, strict=True))
        states, params = iter(view.states), iter(view.params)
        roles, marks = argument_roles(self.population.program), argument_marks(self.population.program)
        for argument, (role, name), mark in zip(block.arguments, roles, marks, strict=True):
            state = next(states) if "state" in role else None
            operand = next(ports)[0] if "port" in role else None
            if not is_real(argument.type):
                self._integer(argument, role, operand, params, mark)
                continue
            if role == "param":
                next(params)
                self.forms[argument] = self.classes.forms[self.owner, argument]
                continue
            form = Affine()
            if state is not None:
                form = self._state(state, argument.type)
            if operand is not None:
                form = self._port(name_of_port(mark), operand, state, form)
            self.set(argument, form)

    def _integer(self, argument: Any, role: str, operand: Any, params: Iterator[str], mark: dict[str, Any]) -> None:
        """An argument that was no real stays as it is."""
        if role == "param":
            self.params.append(self._kept(next(params)))
        if operand is None:
            self.values[argument] = self._argument(argument.type, mark)
            return
        value = self.entry.known(operand)
        self.operands.append(value)
        fresh = self._argument(ir.IntegerType.get_signless(self.port_bits), mark)
        self.values[argument] = self.code(argument.type).cast(fresh, width(argument.type))

    def _kept(self, param: str) -> str:
        if param not in self._constants:
            op = self.network.symbols[param]
            constant = symbol_of(snn.Param(op).value)
            if constant is not None:
                self.network.kept(constant)
            if not any(o.operation.name == snn.Param.name() and snn.Param(o.operation).sym_name == param for o in self.network.module.body.operations):
                with ir.InsertionPoint.at_block_begin(self.network.module.body):
                    op.clone()
            self._constants[param] = param
        return param

    def _state(self, state: str, type: Any) -> Affine:
        bits = self.scales.bits(state)
        fresh = self._argument(storage(bits), {snn.STATE: ir.StringAttr.get(self._short(state))})
        return atom(fresh, self._scalar(self.scales.of(("state", state))), 1 << (bits - 1))

    def _short(self, state: str) -> str:
        """The name of a state in its program."""
        view, roles = self.population.view, argument_roles(self.population.program)
        names = [name for role, name in roles if "state" in role]
        return names[list(view.states).index(state)]

    def _scalar(self, scale: Number) -> Number:
        return scale

    def _port(self, name: str, operand: Any, state: str | None, kept: Affine) -> Affine:
        """The integers that arrive at a port, each a port of its own; a port that is a state adds them to it."""
        form = self.entry.forms[operand]
        if state is not None:
            form, present = self._without_state(form, state)
            kept = kept if present else Affine()
        total = Affine((), form.constant).plus(kept)
        for number, (arrived, coefficient) in enumerate(form.terms):
            label = name if len(form.terms) == 1 else f"{name}.{number}"
            fresh = self._argument(ir.IntegerType.get_signless(self.port_bits), {snn.PORT: ir.StringAttr.get(label)})
            self.operands.append(arrived.value)
            total = total.plus(atom(fresh, coefficient, arrived.limit))
        return total

    def _without_state(self, form: Affine, state: str) -> tuple[Affine, bool]:
        """A port's form without the state's own value at the start of the step, and whether it was there."""
        for arrived, coefficient in form.terms:
            op = arrived.value.owner
            if isinstance(arrived.value, ir.BlockArgument) or op.name != snn.Read.name():
                continue
            read = snn.Read(op.operation)
            if read.of == state and read.delay == 1 and same(coefficient, self.scales.of(("state", state))):
                return form.without(arrived), True
        return form, False

    def _results(self, given: list[Any]) -> list[Any]:
        view = self.population.view
        states = iter(view.states)
        results = []
        for (role, _), value in zip(result_roles(self.population.program), given, strict=True):
            state = next(states) if role == "state" else view.event if role == "event" else view.out
            results.append(self._result(role, value, state))
            if role != "state":
                self.shown.append(results[-1].type)
        return results

    def _result(self, role: str, value: Any, state: str | None) -> Any:
        if not is_real(value.type):
            return self.known(value)
        if state is not None:
            bits, scale = self.scales.bits(state), self.scales.of(("state", state))
        else:
            bits, scale = self.scales.state_bits, self.scale(value)
        made = self.arithmetic.at(self.code(value.type), self.forms[value], scale)
        return store(self.code(value.type), made, bits, state or f"{self.owner}.{role}")

    def ours(self, op: Any) -> None:
        raise Refusal("E1211", f"'{op.name}' has no integer form", op)

    def _array(self, shape: tuple[int, ...] | None, values: Array) -> Any:
        """An array as a parameter of the population, of the narrowest type."""
        full = np.ascontiguousarray(np.broadcast_to(values, self.population.shape))
        bits = max(int(np.max(np.abs(full))).bit_length() + 1, 8)
        element = storage(bits)
        constant = self.network.constant(f"{self.owner}.array", full.astype(f"int{element.width}"))
        if constant not in self._constants:
            name = self.network.fresh(f"{self.owner}.k{len(self.params)}")
            with ir.InsertionPoint.at_block_begin(self.network.module.body):
                snn.Param.build(sym_name=name, value=ir.FlatSymbolRefAttr.get(constant))
            self.params.append(name)
            self._constants[constant] = self._argument(element, {snn.PARAM: ir.StringAttr.get(name)})
        return Code(None, self._nested).cast(self._constants[constant], 64)

    def _nested(self, values: Array) -> Any:
        raise AssertionError(values)


def store(code: Code, made: Atom, bits: int, state: str) -> Any:
    """An integer as a state keeps it; one that may be too great saturates."""
    low, high = limits(bits)
    have = width(made.value.type)
    if isinstance(made.value, ir.BlockArgument) and have == storage(bits).width and made.limit <= high + 1:
        return made.value
    value = code.wide(made.value)
    if made.limit > high:
        value = code.clamped(value, low, high, state)
    return code.cast(value, storage(bits).width)


def storage(bits: int) -> Any:
    """The integer type that holds a signed number of so many bits."""
    return ir.IntegerType.get_signless(next(w for w in (8, 16, 32, 64) if bits <= w))


def limits(bits: int) -> tuple[int, int]:
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def tensor_type(array: Array) -> Any:
    kind = {"f": ir.F64Type.get}.get(array.dtype.kind)
    element = kind() if kind else ir.IntegerType.get_signless(8 * array.dtype.itemsize)
    return ir.RankedTensorType.get(array.shape, element)


def f64(value: float) -> Any:
    return ir.FloatAttr.get(ir.F64Type.get(), value)


def set_marks(function: Any, which: str, marks: list[dict[str, Any]]) -> None:
    if marks:
        function.attributes[which] = ir.ArrayAttr.get([ir.DictAttr.get(m) for m in marks])


def name_of_port(mark: dict[str, Any]) -> str:
    return str(ir.StringAttr(mark[snn.PORT]).value)


__all__ = ["Network", "arith"]
