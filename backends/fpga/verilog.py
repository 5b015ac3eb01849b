"""Circuits of level `rtl` as Verilog-2005: one operation a line, every wire sized, each with its place in the source.

No expression is nested: what a part of a larger expression means in Verilog depends on the sizes and signs around it.
"""

from __future__ import annotations

from typing import Any

from spikec.backends.fpga.names import Names, names, parts, serves
from spikec.dialects import rtl
from spikec.dialects.memory_content import words
from spikec.dialects.mlir import ir
from spikec.dialects.netlist import module_of
from spikec.dialects.program import Program
from spikec.dialects.refusal import span_of

_BINARY: dict[type, str] = {rtl.Add: "+", rtl.Sub: "-", rtl.Mul: "*", rtl.And: "&", rtl.Or: "|", rtl.Xor: "^"}
_REDUCE = {"and": "&", "or": "|", "xor": "^"}
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def emit(program: Program) -> dict[str, bytes]:
    """The files by name: MODULE.v for each module, MODULE.MEMORY.hex for what each memory holds at the start."""
    files: dict[str, bytes] = {}
    named, symbols = names(program), program.symbols()
    for symbol, function in symbols.items():
        files |= _Module(program, function, named[symbol], named).files()
    return files


def text(program: Program) -> bytes:
    """All modules as one text, with what memories hold in it."""
    named = names(program)
    modules = (_Module(program, one, named[symbol], named, alone=True) for symbol, one in program.symbols().items())
    return b"\n".join(data for module in modules for data in module.files().values())


def literal(value: int, width: int) -> str:
    """A sized number: decimal while it is readable."""
    return f"{width}'d{value}" if width <= 32 else f"{width}'h{value:x}"


def content_file(module: str, memory: str) -> str:
    """The name of the file with a memory's words."""
    return f"{module}.{memory}.hex"


class _Module:
    """One module; what its memories hold is a part of the text where it stands `alone`."""

    def __init__(
        self, program: Program, function: Any, names: Names, others: dict[str, Names], alone: bool = False
    ) -> None:
        self._program, self._names, self._others, self._alone = program, names, others, alone
        self._block = function.regions[0].blocks[0]
        *self._ops, self._return = [one.operation for one in self._block.operations]
        self._lines: list[str] = []
        self._contents: dict[str, bytes] = {}
        self._sliced = {value for op in self._ops if _slices(op) for value in op.operands}

    def files(self) -> dict[str, bytes]:
        for op in self._ops:
            self._op(rtl.DIALECT.view(op), op)
        for op in self._ops:
            if isinstance(rtl.DIALECT.view(op), rtl.Mem):
                self._writes(op.result)
        for value, name in zip(self._return.operands, self._names.outputs, strict=True):
            if self._names[value] != name or self._is_literal(value):
                self._line(f"assign {name} = {self._of(value)};")
        text = "\n".join([*self._head(), *self._lines, "endmodule", ""])
        return {f"{self._names.module}.v": text.encode(), **self._contents}

    def _head(self) -> list[str]:
        ports = [f"input  wire {self._names.clock}", f"input  wire {self._names.reset}"]
        ports += [f"input  wire {_range(value)}{self._names[value]}" for value in self._block.arguments]
        for value, name in zip(self._return.operands, self._names.outputs, strict=True):
            owned = self._names[value] == name and self._registered(value)
            ports.append(f"output {'reg ' if owned else 'wire'} {_range(value)}{name}")
        return [f"module {self._names.module} (", *(f"  {port}," for port in ports[:-1]), f"  {ports[-1]}", ");"]

    # ------------------------------------------------------------ ops

    def _op(self, view: Any, op: Any) -> None:
        match view:
            case rtl.Constant():
                if not self._is_literal(op.result):
                    self._assign(op, literal(view.value, op.result.type.width))
            case rtl.Wire():
                self._declare("wire", op)
            case rtl.Reg():
                self._declare("reg", op)
                self._line(f"initial {self._of(op.result)} = {literal(view.init or 0, op.result.type.width)};")
            case rtl.Connect():
                self._connect(op)
            case rtl.Mem():
                self._mem(view, op)
            case rtl.Read() if not view.async_:
                self._read(op)
            case rtl.Write():
                pass  # all writes of a memory stand together
            case None:
                self._instance(op)
            case rtl.Concat() if serves(op.result):
                pass  # a part of another
            case _:
                self._assign(op, self._expression(view, op))

    def _expression(self, view: Any, op: Any) -> str:
        operands = [self._of(value) for value in op.operands]
        width = op.result.type.width
        if type(view) in _BINARY:
            return f"{operands[0]} {_BINARY[type(view)]} {operands[1]}"
        match view:
            case rtl.Not():
                return f"~{operands[0]}"
            case rtl.Reduce():
                return f"{_REDUCE[view.kind]}{operands[0]}"
            case rtl.Shl():
                return f"{operands[0]} << {operands[1]}"
            case rtl.Shru():
                return f"{operands[0]} >> {operands[1]}"
            case rtl.Shrs():
                return f"$signed({operands[0]}) >>> {operands[1]}"
            case rtl.Cmp():
                sides = [f"$signed({one})" for one in operands] if view.predicate.startswith("s") else operands
                return f"{sides[0]} {_COMPARE[view.predicate[-2:]]} {sides[1]}"
            case rtl.Mux():
                return f"{operands[0]} ? {operands[1]} : {operands[2]}"
            case rtl.Concat():
                return f"{{{', '.join(self._of(value) for value in parts(op))}}}"
            case rtl.Extract():
                return self._part(op.operands[0], view.low, width)
            case rtl.Zext():
                more = width - op.operands[0].type.width
                return f"{{{literal(0, more)}, {operands[0]}}}" if more else operands[0]
            case rtl.Sext():
                size = op.operands[0].type.width
                sign = self._part(op.operands[0], size - 1, 1)
                return f"{{{{{width - size}{{{sign}}}}}, {operands[0]}}}" if width > size else operands[0]
        return f"{self._names[op.operands[0]]}[{operands[1]}]"

    def _connect(self, op: Any) -> None:
        target, value, *enable = op.operands
        name, line = self._names[target], f"{self._names[target]} <= {self._of(value)};"
        view = rtl.DIALECT.view(target.owner)
        if isinstance(view, rtl.Wire):
            self._line(f"assign {name} = {self._of(value)};", op)
            return
        if enable:
            line = f"if ({self._of(enable[0])}) {line}"
        if isinstance(view, rtl.Reg) and view.init is not None:
            line = f"if ({self._names.reset}) {name} <= {literal(view.init, target.type.width)}; else {line}"
        self._line(f"always @(posedge {self._names.clock}) {line}", op)

    def _mem(self, view: rtl.Mem, op: Any) -> None:
        name, type = self._names[op.result], op.result.type
        kind = "ram" if self._writing(op.result) else "rom"
        attribute = f'(* {kind}_style = "{view.style}" *) ' if view.style != "auto" else ""
        attribute += "(* no_rw_check *) " if view.exclusive else ""
        self._line(f"{attribute}reg {_range(op.result)}{name} [0:{type.shape[0] - 1}];", op)
        depth, width = type.shape[0], type.element_type.width
        array = self._program.constants[view.content] if view.content is not None else None
        # A loop over the words would do for zeros, but takes yosys minutes where there are ten thousand.
        lines = self._content(name, list(words(array, depth, width)), width)
        self._lines += _simulated(lines) if view.style == "huge" else lines

    def _content(self, name: str, rows: list[int], width: int) -> list[str]:
        """What gives a memory its words at the start."""
        if self._alone:
            # In one block they would take yosys twenty times as long.
            return [f"  initial {name}[{place}] = {width}'h{row:x};" for place, row in enumerate(rows)]
        file, digits = content_file(self._names.module, name), -(-width // 4)
        self._contents[file] = "".join(f"{row:0{digits}x}\n" for row in rows).encode()
        return [f'  initial $readmemh("{file}", {name});']

    def _read(self, op: Any) -> None:
        memory, address, *enable = op.operands
        name = self._names[op.result]
        self._declare("reg", op)
        # Undefined in hardware until the first read, so that the register can be the memory's own.
        self._lines += _simulated([f"  initial {name} = {literal(0, op.result.type.width)};"])
        when = f"if ({self._of(enable[0])}) " if enable else ""
        word = f"{self._names[memory]}[{self._of(address)}]"
        self._line(f"always @(posedge {self._names.clock}) {when}{name} <= {word};", op)

    def _writing(self, memory: Any) -> list[Any]:
        return [op for op in self._ops if op.name == rtl.Write.name() and op.operands[0] == memory]

    def _writes(self, memory: Any) -> None:
        """One block for all writes of a memory: the last one wins."""
        writing = self._writing(memory)
        if not writing:
            return
        self._line(f"always @(posedge {self._names.clock}) begin")
        for op in writing:
            _, address, data, enable = op.operands
            count = enable.type.width
            size = data.type.width // count
            place = f"{self._names[memory]}[{self._of(address)}]"
            if count == 1:
                self._line(f"  if ({self._of(enable)}) {place} <= {self._of(data)};", op)
            for k in range(count) if count > 1 else ():
                bits = f"[{size * k + size - 1}:{size * k}]"
                self._line(f"  if ({self._of(enable)}[{k}]) {place}{bits} <= {self._of(data)}{bits};", op)
        self._line("end")

    def _instance(self, op: Any) -> None:
        inner = self._others[module_of(op)]
        for value in op.results:
            if self._names[value] not in self._names.ports:
                self._line(f"wire {_range(value)}{self._names[value]};", op)
        pins = [(inner.clock, self._names.clock), (inner.reset, self._names.reset)]
        pins += [(name, self._of(value)) for name, value in zip(inner.inputs, op.operands, strict=True)]
        pins += [(name, self._names[value]) for name, value in zip(inner.outputs, op.results, strict=True)]
        self._line(f"{inner.module} {self._names.instances[op]} (", op)
        for index, (pin, net) in enumerate(pins):
            self._line(f"  .{pin}({net}){',' if index < len(pins) - 1 else ''}")
        self._line(");")

    # ------------------------------------------------------------ values

    def _registered(self, value: Any) -> bool:
        """Whether a value is assigned by an `always` block."""
        view = rtl.DIALECT.view(value.owner)
        return isinstance(view, rtl.Reg) or (isinstance(view, rtl.Read) and not view.async_)

    def _is_literal(self, value: Any) -> bool:
        """Whether a value is written as a number wherever it is used."""
        constant = not isinstance(value, ir.BlockArgument) and value.owner.name == rtl.Constant.name()
        return constant and value not in self._sliced and rtl.Constant(value.owner).name_ is None

    def _of(self, value: Any) -> str:
        if self._is_literal(value):
            return literal(rtl.Constant(value.owner).value, value.type.width)
        return self._names[value]

    def _part(self, value: Any, low: int, width: int) -> str:
        """Bits of a value; one of a single bit cannot be selected from."""
        if width == value.type.width:
            return self._names[value]
        return f"{self._names[value]}[{low}]" if width == 1 else f"{self._names[value]}[{low + width - 1}:{low}]"

    def _assign(self, op: Any, expression: str) -> None:
        name = self._names[op.result]
        what = "assign " if name in self._names.ports else f"wire {_range(op.result)}"
        self._line(f"{what}{name} = {expression};", op)

    def _declare(self, kind: str, op: Any) -> None:
        name = self._names[op.result]
        if name not in self._names.ports:
            self._line(f"{kind} {_range(op.result)}{name};", op)

    def _line(self, text: str, op: Any = None) -> None:
        span = span_of(op)
        self._lines.append(f"  {text}" + (f"  // {span.file}:{span.line}:{span.column}" if span else ""))


def _simulated(lines: list[str]) -> list[str]:
    """Lines that hardware has not."""
    return ["`ifndef SYNTHESIS", *lines, "`endif"]


def _slices(op: Any) -> bool:
    """Whether an op is written with a selection of bits from its operands."""
    masked = op.name == rtl.Write.name() and op.operands[3].type.width > 1
    return masked or op.name in (rtl.Extract.name(), rtl.Sext.name())


def _range(value: Any) -> str:
    """The size of a value, or of a memory's words."""
    width = getattr(value.type, "element_type", value.type).width
    return f"[{width - 1}:0] " if width > 1 else ""
