"""The program of one population in integers, and the population with its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from spikec.dialects import snn
from spikec.dialects.constants import Array
from spikec.dialects.functions import argument_marks, argument_roles, result_marks, result_roles
from spikec.dialects.mlir import func, ir
from spikec.passes.quantize.affine import Affine, atom, same
from spikec.passes.quantize.arithmetic import width
from spikec.passes.quantize.classes import Population, is_real
from spikec.passes.quantize.storage import name_of_port, set_marks, storage, store
from spikec.passes.quantize.translate import Block

if TYPE_CHECKING:
    from spikec.passes.quantize.entry import Entry


class Neuron(Block):
    """The program of one population, and the population with its parameters."""

    def __init__(self, entry: Entry, population: Population, port_bits: int) -> None:
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
        made.operation.attributes["function_type"] = ir.TypeAttr.get(
            ir.FunctionType.get(inputs, [r.type for r in results])
        )
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
            hidden=view.hidden,
        )

    def _argument(self, type: Any, marks: dict[str, Any]) -> Any:
        self._marks.append(marks)
        return self._block.add_argument(type, ir.Location.current)

    def _arguments(self, block: Any) -> None:
        view = self.population.view
        ports = iter(zip(self.population.update.operands, self.population.ports, strict=True))
        states, params = iter(view.states), iter(view.params)
        roles, marks = argument_roles(self.population.program), argument_marks(self.population.program)
        for argument, (role, _), mark in zip(block.arguments, roles, marks, strict=True):
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
                form = self._state(state)
            if operand is not None:
                form = self._port(name_of_port(mark), operand, state, form)
            self.set(argument, form)

    def _integer(self, argument: Any, role: str, operand: Any, params: Iterator[str], mark: dict[str, Any]) -> None:
        """An argument that was no real stays as it is."""
        if role == "param":
            self.params.append(next(params))
            self.network.kept_param(self.params[-1])
        if operand is None:
            self.values[argument] = self._argument(argument.type, mark)
            return
        value = self.entry.known(operand)
        self.operands.append(value)
        fresh = self._argument(ir.IntegerType.get_signless(self.port_bits), mark)
        self.values[argument] = self.code(argument.type).cast(fresh, width(argument.type))

    def _state(self, state: str) -> Affine:
        bits = self.scales.bits(state)
        fresh = self._argument(storage(bits), {snn.STATE: ir.StringAttr.get(self._short(state))})
        return atom(fresh, self.scales.of(("state", state)), 1 << (bits - 1))

    def _short(self, state: str) -> str:
        """The name of a state in its program."""
        view, roles = self.population.view, argument_roles(self.population.program)
        names = [name for role, name in roles if "state" in role]
        return names[list(view.states).index(state)]

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
        return self.code(element).cast(self._constants[constant], 64)
