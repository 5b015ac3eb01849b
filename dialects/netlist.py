"""A circuit of the `rtl` level without its hierarchy: cells between numbered nets, in an order to compute them in.

`elaborate` copies each module to where it is instantiated.  Interpreter, simulator and verifier walk the result; what
is emitted for hardware keeps the hierarchy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from spikec.dialects import memory_content, rtl
from spikec.dialects.constants import Array
from spikec.dialects.definition import Op
from spikec.dialects.functions import argument_marks, result_marks
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program


@dataclass(frozen=True, slots=True)
class Cell:
    """An op without state: `view` says which, `output` and `inputs` are nets, `memory` is what a read reads."""

    view: Op
    inputs: tuple[int, ...]
    output: int
    path: str
    memory: int | None = None


@dataclass(slots=True)
class Register:
    """Net `output` becomes net `value` at the end of each cycle in which net `enable` is 1."""

    path: str
    output: int
    init: int
    resets: bool
    value: int = -1
    enable: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    path: str
    depth: int
    width: int
    array: Array | None
    style: str
    exclusive: bool

    def words(self) -> list[int]:
        """What it holds at the start."""
        return memory_content.words(self.array, self.depth, self.width)


@dataclass(frozen=True, slots=True)
class ReadPort:
    """Net `output` becomes the word at an address at the end of each cycle in which net `enable` is 1."""

    memory: int
    address: int
    enable: int | None
    output: int
    path: str


@dataclass(frozen=True, slots=True)
class WritePort:
    memory: int
    address: int
    data: int
    enable: int


@dataclass(slots=True)
class Netlist:
    """`widths` are the bits of each net; `cells` come after the cells that they depend on."""

    widths: list[int] = field(default_factory=list)
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    reads: list[ReadPort] = field(default_factory=list)
    writes: list[WritePort] = field(default_factory=list)

    def net(self, width: int) -> int:
        """A new net."""
        self.widths.append(width)
        return len(self.widths) - 1


class CombinationalLoop(Exception):
    """A value that depends on itself within one cycle; `cells` are the hops, each an input of the next."""

    def __init__(self, cells: list[Cell]) -> None:
        super().__init__("a combinational loop")
        self.cells = cells


def port_names(function: Any) -> tuple[list[str], list[str]]:
    """The names of the inputs and of the outputs of a module."""
    marks = (argument_marks(function), result_marks(function))
    inputs, outputs = ([str(ir.StringAttr(each[rtl.NAME]).value) for each in side] for side in marks)
    return inputs, outputs


def module_of(instance: Any) -> str:
    """Which module an instance is a copy of."""
    return str(ir.FlatSymbolRefAttr(instance.attributes["callee"]).value)


def instance_name(instance: Any) -> str:
    return str(ir.StringAttr(instance.attributes[rtl.NAME]).value)


def elaborate(program: Program, top: str | None = None) -> Netlist:
    """The circuit below one module, by default the program's top.  Raises `CombinationalLoop`."""
    symbols = program.symbols()
    function = symbols[top or program.attribute("model")]
    made = _Elaboration(program, symbols)
    names, results = port_names(function)
    made.netlist.inputs = {
        name: made.netlist.net(argument.type.width)
        for name, argument in zip(names, function.regions[0].blocks[0].arguments, strict=True)
    }
    outputs = made.module(function, list(made.netlist.inputs.values()), "")
    made.netlist.outputs = dict(zip(results, outputs, strict=True))
    made.netlist.cells = list(_ordered(made.netlist.cells))
    return made.netlist


class _Elaboration:
    def __init__(self, program: Program, symbols: dict[str, Any]) -> None:
        self.netlist = Netlist()
        self._program = program
        self._symbols = symbols

    def module(self, function: Any, inputs: list[int], path: str) -> list[int]:
        """Adds one copy of a module; `inputs` are nets, and so is what it returns."""
        return _Copy(self, path).fill(function.regions[0].blocks[0], inputs)

    def memory(self, view: rtl.Mem, path: str) -> int:
        depth, width = view.operation.result.type.shape[0], view.operation.result.type.element_type.width
        array = self._program.constants[view.content] if view.content is not None else None
        self.netlist.memories.append(Memory(path, depth, width, array, view.style, view.exclusive))
        return len(self.netlist.memories) - 1

    def function(self, name: str) -> Any:
        return self._symbols[name]


class _Copy:
    """One copy of a module: which net each of its values is, which memory each handle."""

    def __init__(self, circuit: _Elaboration, path: str) -> None:
        self._circuit, self._netlist, self._path = circuit, circuit.netlist, path
        self._nets: dict[Any, int] = {}
        self._memories: dict[Any, int] = {}
        self._registers: dict[Any, Register] = {}
        self._wires: dict[Any, rtl.Wire] = {}

    def fill(self, block: Any, inputs: list[int]) -> list[int]:
        self._nets.update(zip(block.arguments, inputs, strict=True))
        *operations, last = [one.operation for one in block.operations]
        for op in operations:
            self._add(rtl.DIALECT.view(op), op)
        return [self._nets[value] for value in last.operands]

    def _add(self, view: Op | None, op: Any) -> None:
        nets = [self._nets.get(operand, -1) for operand in op.operands]
        netlist = self._netlist
        if view is None:
            instance = f"{self._path}{instance_name(op)}."
            outputs = self._circuit.module(self._circuit.function(module_of(op)), nets, instance)
            self._nets.update(zip(op.results, outputs, strict=True))
        match view:
            case rtl.Wire():
                self._wires[op.result] = view
                self._output(op)
            case rtl.Reg():
                register = Register(self._name(view), self._output(op), view.init or 0, view.init is not None)
                self._registers[op.result] = register
                netlist.registers.append(register)
            case rtl.Connect():
                self._connect(op.operands[0], nets[1], nets[2] if len(nets) > 2 else None)
            case rtl.Mem():
                self._memories[op.result] = self._circuit.memory(view, self._name(view))
            case rtl.Read() if not view.async_:
                enable = nets[2] if len(nets) > 2 else None
                memory = self._memories[op.operands[0]]
                netlist.reads.append(ReadPort(memory, nets[1], enable, self._output(op), self._name(view)))
            case rtl.Read():
                self._cell(view, op, (nets[1],), self._memories[op.operands[0]])
            case rtl.Write():
                netlist.writes.append(WritePort(self._memories[op.operands[0]], nets[1], nets[2], nets[3]))
            case Op():
                self._cell(view, op, tuple(nets))

    def _connect(self, target: Any, value: int, enable: int | None) -> None:
        if target in self._registers:
            register = self._registers[target]
            register.value, register.enable = value, enable
        else:
            wire = self._wires[target]
            self._netlist.cells.append(Cell(wire, (value,), self._nets[target], self._name(wire)))

    def _cell(self, view: Op, op: Any, inputs: tuple[int, ...], memory: int | None = None) -> None:
        self._netlist.cells.append(Cell(view, inputs, self._output(op), self._name(view), memory))

    def _output(self, op: Any) -> int:
        net = self._netlist.net(op.result.type.width)
        self._nets[op.result] = net
        return net

    def _name(self, view: Any) -> str:
        return f"{self._path}{view.name_ or view.mnemonic}"


def _ordered(cells: list[Cell]) -> Iterator[Cell]:
    """The cells, each after those whose outputs it uses.  Raises `CombinationalLoop`."""
    by_output = {cell.output: cell for cell in cells}
    done: set[int] = set()
    for root in cells:
        path: dict[int, Iterator[int]] = {} if root.output in done else {root.output: iter(root.inputs)}
        while path:
            net, waiting = next(reversed(path.items()))
            needed = next((one for one in waiting if one in by_output and one not in done), None)
            if needed is None:
                del path[net]
                done.add(net)
                yield by_output[net]
            elif needed in path:
                nets = list(path)
                raise CombinationalLoop([by_output[one] for one in nets[nets.index(needed) :]][::-1])
            else:
                path[needed] = iter(by_output[needed].inputs)
