"""Builds circuits of level `rtl` from Python.

    design = Design("counter")
    with design:
        top = design.module("counter")
        step = top.input("step", 1)
        count = top.reg("count", 8, init=0)
        count.next((count + 1).named("sum"), enable=step)
        top.output("count", count)
        top.output("full", count.eq(255))
    program = design.program()

Inside of `with design` ops are made at MLIR's current location: `with op.location:` gives them the place of an op of
another level.  A number stands for a constant as wide as the other operand.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from spikec.dialects import rtl
from spikec.dialects.constants import Array, Constants
from spikec.dialects.diagnostics import InternalError
from spikec.dialects.mlir import context, func, ir
from spikec.dialects.netlist import port_names
from spikec.dialects.program import Program
from spikec.dialects.verify import verify


class Signal:
    """A value of `width` bits; operators are unsigned unless their name says `s`."""

    def __init__(self, module: Module, value: Any) -> None:
        self.module, self.value = module, value
        self.width: int = value.type.width

    def named(self, name: str) -> Signal:
        """The same value, called `name` in Verilog; not for inputs and outputs of instances, which have names."""
        self.value.owner.attributes["name"] = ir.StringAttr.get(name)
        return self

    def __add__(self, other: Signal | int) -> Signal:
        return self._binary(rtl.Add, other)

    def __sub__(self, other: Signal | int) -> Signal:
        return self._binary(rtl.Sub, other)

    def __mul__(self, other: Signal | int) -> Signal:
        return self._binary(rtl.Mul, other)

    def __and__(self, other: Signal | int) -> Signal:
        return self._binary(rtl.And, other)

    def __or__(self, other: Signal | int) -> Signal:
        return self._binary(rtl.Or, other)

    def __xor__(self, other: Signal | int) -> Signal:
        return self._binary(rtl.Xor, other)

    def __invert__(self) -> Signal:
        return self.module.logic(rtl.Not, self.width, self)

    def __neg__(self) -> Signal:
        return self.module.constant(0, self.width) - self

    def __lshift__(self, amount: Signal | int) -> Signal:
        return self._shift(rtl.Shl, amount)

    def shru(self, amount: Signal | int) -> Signal:
        return self._shift(rtl.Shru, amount)

    def shrs(self, amount: Signal | int) -> Signal:
        return self._shift(rtl.Shrs, amount)

    def eq(self, other: Signal | int) -> Signal:
        return self._compare("eq", other)

    def ne(self, other: Signal | int) -> Signal:
        return self._compare("ne", other)

    def ult(self, other: Signal | int) -> Signal:
        return self._compare("ult", other)

    def ule(self, other: Signal | int) -> Signal:
        return self._compare("ule", other)

    def uge(self, other: Signal | int) -> Signal:
        return self._compare("uge", other)

    def ugt(self, other: Signal | int) -> Signal:
        return self._compare("ugt", other)

    def slt(self, other: Signal | int) -> Signal:
        return self._compare("slt", other)

    def sle(self, other: Signal | int) -> Signal:
        return self._compare("sle", other)

    def sge(self, other: Signal | int) -> Signal:
        return self._compare("sge", other)

    def sgt(self, other: Signal | int) -> Signal:
        return self._compare("sgt", other)

    def any(self) -> Signal:
        return self.module.logic(rtl.Reduce, 1, self, kind="or")

    def all(self) -> Signal:
        return self.module.logic(rtl.Reduce, 1, self, kind="and")

    def parity(self) -> Signal:
        return self.module.logic(rtl.Reduce, 1, self, kind="xor")

    def zext(self, width: int) -> Signal:
        return self if width == self.width else self.module.logic(rtl.Zext, width, self)

    def sext(self, width: int) -> Signal:
        return self if width == self.width else self.module.logic(rtl.Sext, width, self)

    def __getitem__(self, place: int | slice) -> Signal:
        """Bit k, or bits low to high - 1 as `[low:high]`, counted from the least significant."""
        if isinstance(place, slice):
            low, high, _ = place.indices(self.width)
        else:
            low = range(self.width)[place]
            high = low + 1
        return self if high - low == self.width else self.module.logic(rtl.Extract, high - low, self, low=low)

    def _binary(self, op: type[Any], other: Signal | int) -> Signal:
        return self.module.logic(op, self.width, self, self.module.signal(other, self.width))

    def _shift(self, op: type[Any], amount: Signal | int) -> Signal:
        width = max(1, amount.bit_length()) if isinstance(amount, int) else amount.width
        return self.module.logic(op, self.width, self, self.module.signal(amount, width))

    def _compare(self, predicate: str, other: Signal | int) -> Signal:
        return self.module.logic(rtl.Cmp, 1, self, self.module.signal(other, self.width), predicate=predicate)


class Wire(Signal):
    """A value whose driver comes later."""

    def drive(self, value: Signal | int) -> None:
        self.module.effect(rtl.Connect, self, self.module.signal(value, self.width))


class Register(Signal):
    """A register; its `next` value is given once."""

    def next(self, value: Signal | int, enable: Signal | None = None) -> None:
        more = [] if enable is None else [enable]
        self.module.effect(rtl.Connect, self, self.module.signal(value, self.width), *more)


class Memory:
    """A memory of `depth` words of `width` bits; numbers as addresses and data are constants."""

    def __init__(self, module: Module, handle: Any) -> None:
        self.module, self.handle = module, handle
        self.depth: int = handle.type.shape[0]
        self.width: int = handle.type.element_type.width
        self.address_width = max(1, (self.depth - 1).bit_length())

    def read(self, address: Signal | int, name: str | None = None, enable: Signal | None = None) -> Signal:
        """The word at an address, one cycle later."""
        return self._read(address, name, [] if enable is None else [enable])

    def look(self, address: Signal | int, name: str | None = None) -> Signal:
        """The word at an address, in the same cycle."""
        return self._read(address, name, [], async_=True)

    def write(self, address: Signal | int, data: Signal | int, enable: Signal) -> None:
        """Writes the parts of the word whose bits of `enable` are 1."""
        signal = self.module.signal
        where, what = signal(address, self.address_width), signal(data, self.width)
        self.module.effect(rtl.Write, self.handle, where, what, enable)

    def _read(self, address: Signal | int, name: str | None, more: list[Signal], **marks: bool) -> Signal:
        where = self.module.signal(address, self.address_width)
        return self.module.logic(rtl.Read, self.width, self.handle, where, *more, name=name, **marks)


class Module:
    """One module: its ports, and what makes ops in it.  `inputs` are their widths."""

    def __init__(self, design: Design, name: str) -> None:
        self.name = name
        self._design = design
        with ir.InsertionPoint(design.body):
            self._function = func.FuncOp(name, ([], []))
        self._block = self._function.regions[0].blocks.append()
        self.inputs: dict[str, int] = {}
        self._outputs: dict[str, Signal] = {}

    def input(self, name: str, width: int) -> Signal:
        if name in self.inputs:
            raise ValueError(f"two inputs named '{name}'")
        self.inputs[name] = width
        return Signal(self, self._block.add_argument(rtl.bits(width), ir.Location.current))

    def output(self, name: str, value: Signal) -> None:
        if name in self._outputs:
            raise ValueError(f"two outputs named '{name}'")
        self._outputs[name] = value

    def constant(self, value: int, width: int) -> Signal:
        """The low bits of a number, negative ones in two's complement; raises ValueError where it does not fit."""
        if not -(1 << (width - 1)) <= value < (1 << width):
            raise ValueError(f"{value} does not fit {width} bits")
        return self.logic(rtl.Constant, width, value=rtl.word(value, width))

    def signal(self, value: Signal | int, width: int) -> Signal:
        """A signal, or a number as a constant."""
        return value if isinstance(value, Signal) else self.constant(value, width)

    def mux(self, condition: Signal, when_true: Signal | int, when_false: Signal | int) -> Signal:
        """One of two values, of which at most one is a number."""
        sides = [when_true, when_false]
        width = next(side.width for side in sides if isinstance(side, Signal))
        return self.logic(rtl.Mux, width, condition, *(self.signal(side, width) for side in sides))

    def concat(self, *parts: Signal) -> Signal:
        """The parts side by side, the first one most significant."""
        joined = list(parts)
        while len(joined) > 1:  # in pairs: half as many, twice as wide
            pairs = [joined[k : k + 2] for k in range(0, len(joined), 2)]
            joined = [self.logic(rtl.Concat, sum(s.width for s in p), *p) if len(p) > 1 else p[0] for p in pairs]
        return joined[0]

    def wire(self, name: str, width: int) -> Wire:
        return Wire(self, self.logic(rtl.Wire, width, name=name).value)

    def reg(self, name: str, width: int, init: int | None = None) -> Register:
        """A register; without `init` it starts as 0 and no reset changes it."""
        start = None if init is None else rtl.word(init, width)
        return Register(self, self.logic(rtl.Reg, width, name=name, init=start).value)

    def mem(
        self,
        name: str,
        depth: int,
        width: int,
        content: Array | None = None,
        style: str = "auto",
        exclusive: bool = False,
    ) -> Memory:
        """A memory; `content` are integers [rows] or [rows, lanes], lane 0 least significant.  See `rtl.Mem`."""
        key = f"{self.name}.{name}" if content is not None else None
        digest = self._design.constants.add(key, content) if key is not None and content is not None else None
        type = ir.MemRefType.get([depth], rtl.bits(width))
        with self._end():
            op = rtl.Mem.build(results=[type], name=name, content=key, digest=digest, style=style, exclusive=exclusive)
        return Memory(self, op.result)

    def instance(self, module: Module, name: str, inputs: Mapping[str, Signal]) -> dict[str, Signal]:
        """A copy of a module that is complete; inputs and outputs by the names of its ports."""
        module.close()
        names, results = port_names(module._function.operation)
        if set(inputs) != set(names):
            raise ValueError(f"inputs {sorted(inputs)} for a module with {sorted(names)}")
        with self._end():
            op = func.CallOp(module._function, [inputs[port].value for port in names]).operation
        op.attributes[rtl.NAME] = ir.StringAttr.get(name)
        return {port: Signal(self, value) for port, value in zip(results, op.results, strict=True)}

    def logic(self, op: type[Any], width: int, *operands: Any, **attributes: Any) -> Signal:
        """The result of an op on signals and handles of memories."""
        with self._end():
            made = op.build(*map(_value, operands), results=[rtl.bits(width)], **attributes)
        return Signal(self, made.result)

    def effect(self, op: type[Any], *operands: Any) -> None:
        """An op without results."""
        with self._end():
            op.build(*map(_value, operands))

    def close(self) -> None:
        """Ends the module with its ports; nothing can be added then."""
        operations = self._block.operations
        if len(operations) and operations[len(operations) - 1].operation.name == "func.return":
            return
        with self._end():
            func.ReturnOp([signal.value for signal in self._outputs.values()])
        types = [[value.type for value in self._block.arguments], [s.value.type for s in self._outputs.values()]]
        attributes = self._function.operation.attributes
        attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(*types))
        for key, names in (("arg_attrs", list(self.inputs)), ("res_attrs", list(self._outputs))):
            marks = [ir.DictAttr.get({rtl.NAME: ir.StringAttr.get(name)}) for name in names]
            attributes[key] = ir.ArrayAttr.get(marks)

    def _end(self) -> Any:
        return ir.InsertionPoint(self._block)


def _value(operand: Any) -> Any:
    return operand.value if isinstance(operand, Signal) else operand


class Design:
    """A circuit under construction; `model` names the module at the top."""

    def __init__(self, model: str) -> None:
        self.constants = Constants()
        self._context = context()
        with self._context, ir.Location.unknown():
            self._module = ir.Module.create()
            self._module.operation.attributes[rtl.MODEL] = ir.StringAttr.get(model)
        self.body = self._module.body
        self._modules: dict[str, Module] = {}
        self._program: Program | None = None
        self._entered = ExitStack()

    def __enter__(self) -> Design:
        self._entered.enter_context(self._context)
        self._entered.enter_context(ir.Location.unknown())
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._entered.close()

    def module(self, name: str) -> Module:
        """A new module."""
        if name in self._modules:
            raise InternalError(f"two modules named '{name}'", "rtl")
        self._program = None
        self._modules[name] = Module(self, name)
        return self._modules[name]

    def program(self) -> Program:
        """The circuit as a program, verified."""
        if self._program is None:
            with self._context, ir.Location.unknown():
                for module in self._modules.values():
                    module.close()
            self._program = Program(self._module, self.constants)
            verify(self._program, "rtl")
        return self._program
