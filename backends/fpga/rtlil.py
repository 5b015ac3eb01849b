"""Circuits of level `rtl` as RTLIL, the text that yosys reads without a front end: the cells and nets themselves."""

from __future__ import annotations

from typing import Any

from spikec.backends.fpga.names import Names, names, parts, serves
from spikec.dialects import rtl
from spikec.dialects.memory_content import words
from spikec.dialects.mlir import ir
from spikec.dialects.netlist import module_of
from spikec.dialects.program import Program
from spikec.dialects.refusal import span_of

_CELLS: dict[type, str] = {
    rtl.Add: "$add",
    rtl.Sub: "$sub",
    rtl.Mul: "$mul",
    rtl.And: "$and",
    rtl.Or: "$or",
    rtl.Xor: "$xor",
    rtl.Shl: "$shl",
    rtl.Shru: "$shr",
    rtl.Shrs: "$sshr",
}
_COMPARE = {"eq": "$eq", "ne": "$ne", "lt": "$lt", "le": "$le", "gt": "$gt", "ge": "$ge"}


def emit(program: Program) -> bytes:
    """One text with all modules; memories carry their content."""
    named, lines = names(program), []
    for symbol, function in program.symbols().items():
        lines += ["attribute \\top 1"] if symbol == program.attribute("model") else []
        lines += _Module(program, function, named[symbol], named).lines()
    return "\n".join([*lines, ""]).encode()


def _bits(value: int, width: int) -> str:
    return f"{width}'{value:0{width}b}"


class _Module:
    def __init__(self, program: Program, function: Any, names: Names, others: dict[str, Names]) -> None:
        self._program, self._names, self._others = program, names, others
        self._block = function.regions[0].blocks[0]
        *self._ops, self._return = [one.operation for one in self._block.operations]
        self._lines: list[str] = []
        self._count = 0
        self._writes: dict[Any, int] = {}

    def lines(self) -> list[str]:
        self._lines.append(f"module \\{self._names.module}")
        self._ports()
        for op in self._ops:
            self._op(rtl.DIALECT.view(op), op)
        for value, name in zip(self._return.operands, self._names.outputs, strict=True):
            if self._names[value] != name:
                self._line(f"connect \\{name} {self._of(value)}")
        return [*self._lines, "end"]

    def _ports(self) -> None:
        names = self._names
        outside = {name: value for value, name in zip(self._return.operands, names.outputs, strict=True)}
        ports = [(names.clock, 1, "input"), (names.reset, 1, "input")]
        ports += [(names[value], value.type.width, "input") for value in self._block.arguments]
        ports += [(name, value.type.width, "output") for name, value in outside.items()]
        for index, (name, width, side) in enumerate(ports, 1):
            if name in names.ports:
                self._marks(outside[name].owner)
            self._line(f"wire width {width} {side} {index} \\{name}")

    # ------------------------------------------------------------ ops

    def _op(self, view: Any, op: Any) -> None:
        for value in op.results:
            if isinstance(view, rtl.Mem | rtl.Constant) or self._names[value] in self._names.ports or serves(value):
                continue
            self._marks(op)
            self._line(f"wire width {value.type.width} \\{self._names[value]}")
        match view:
            case rtl.Constant():
                if self._names[op.result] in self._names.ports:
                    self._alias(op, self._of(op.result))
            case rtl.Wire() | rtl.Reg():
                pass
            case rtl.Connect():
                self._connect(op)
            case rtl.Mem():
                self._mem(view, op)
            case rtl.Read():
                self._read(view, op)
            case rtl.Write():
                self._write(op)
            case None:
                self._instance(op)
            case rtl.Concat():
                if not serves(op.result):
                    self._alias(op, f"{{ {' '.join(self._of(value) for value in parts(op))} }}")
            case rtl.Extract():
                high = view.low + op.result.type.width - 1
                self._alias(op, self._part(op.operands[0], high, view.low))
            case rtl.Zext() | rtl.Sext():
                value, width = op.operands[0], op.operands[0].type.width
                more = op.result.type.width - width
                bit = self._part(value, width - 1, width - 1) if isinstance(view, rtl.Sext) else "1'0"
                self._alias(op, f"{{ {f'{bit} ' * more}{self._of(value)} }}")
            case rtl.Mux():
                condition, yes, no = (self._of(value) for value in op.operands)
                pins = {"A": no, "B": yes, "S": condition, "Y": self._of(op.result)}
                self._cell("$mux", {"WIDTH": str(op.result.type.width)}, pins, op)
            case _:
                self._logic(view, op)

    def _logic(self, view: Any, op: Any) -> None:
        kind, signed = _CELLS.get(type(view), "$not"), isinstance(view, rtl.Shrs)
        if isinstance(view, rtl.Cmp):
            kind, signed = _COMPARE[view.predicate[-2:]], view.predicate.startswith("s")
        elif isinstance(view, rtl.Reduce):
            kind = f"$reduce_{view.kind}"
        parameters: dict[str, str] = {}
        pins = {"Y": self._of(op.result)}
        for pin, value in zip("AB", op.operands, strict=False):
            # The amount of a shift has no sign.
            parameters |= {
                f"{pin}_SIGNED": str(int(signed and (pin == "A" or isinstance(view, rtl.Cmp)))),
                f"{pin}_WIDTH": str(value.type.width),
            }
            pins[pin] = self._of(value)
        self._cell(kind, {**parameters, "Y_WIDTH": str(op.result.type.width)}, pins, op)

    def _connect(self, op: Any) -> None:
        target, value, *enable = op.operands
        view: Any = rtl.DIALECT.view(target.owner)
        if isinstance(view, rtl.Wire):
            self._line(f"connect {self._of(target)} {self._of(value)}")
            return
        width = target.type.width
        resets = view.init is not None
        parameters = {"WIDTH": str(width), "CLK_POLARITY": "1'1"}
        pins = {"CLK": f"\\{self._names.clock}", "D": self._of(value), "Q": self._of(target)}
        if resets:
            parameters |= {"SRST_POLARITY": "1'1", "SRST_VALUE": _bits(view.init, width)}
            pins["SRST"] = f"\\{self._names.reset}"
        if enable:
            parameters["EN_POLARITY"] = "1'1"
            pins["EN"] = self._of(enable[0])
        self._cell(f"${'s' if resets else ''}dff{'e' if enable else ''}", parameters, pins, op)

    # ------------------------------------------------------------ memories

    def _mem(self, view: rtl.Mem, op: Any) -> None:
        name, type = self._names[op.result], op.result.type
        depth, width = type.shape[0], type.element_type.width
        if view.style != "auto":
            written = any(o.name == rtl.Write.name() and o.operands[0] == op.result for o in self._ops)
            self._line(f'attribute \\{"ram" if written else "rom"}_style "{view.style}"')
        self._marks(op)
        self._line(f"memory width {width} size {depth} \\{name}")
        if view.style == "huge":
            return
        array = self._program.constants[view.content] if view.content is not None else None
        data = "".join(f"{word:0{width}b}" for word in reversed(words(array, depth, width)))
        parameters = {
            "MEMID": f'"\\\\{name}"',
            "ABITS": "32",
            "WIDTH": str(width),
            "WORDS": str(depth),
            "PRIORITY": "0",
        }
        pins = {"ADDR": "0", "DATA": f"{depth * width}'{data}", "EN": _bits((1 << width) - 1, width)}
        self._cell("$meminit_v2", parameters, pins, op)

    def _port(self, op: Any, clocked: bool) -> tuple[dict[str, str], dict[str, str]]:
        memory, address = op.operands[0], op.operands[1]
        parameters = {
            "MEMID": f'"\\\\{self._names[memory]}"',
            "ABITS": str(address.type.width),
            "WIDTH": str(memory.type.element_type.width),
            "CLK_ENABLE": f"1'{int(clocked)}",
            "CLK_POLARITY": "1'1",
        }
        return parameters, {"CLK": f"\\{self._names.clock}" if clocked else "1'x", "ADDR": self._of(address)}

    def _read(self, view: rtl.Read, op: Any) -> None:
        parameters, pins = self._port(op, not view.async_)
        width = op.result.type.width
        # One bit for each write port of the memory, as many as yosys counts.
        ports = max(1, sum(o.name == rtl.Write.name() and o.operands[0] == op.operands[0] for o in self._ops))
        exclusive = not view.async_ and rtl.Mem(op.operands[0].owner).exclusive
        parameters["TRANSPARENCY_MASK"] = _bits(0, ports)
        parameters["COLLISION_X_MASK"] = _bits((1 << ports) - 1 if exclusive else 0, ports)
        parameters |= {"CE_OVER_SRST": "1'0", **dict.fromkeys(("ARST_VALUE", "SRST_VALUE", "INIT_VALUE"), f"{width}'x")}
        enable = self._of(op.operands[2]) if len(op.operands) > 2 else "1'1"
        pins |= {"EN": enable, "DATA": self._of(op.result), "ARST": "1'0", "SRST": "1'0"}
        self._cell("$memrd_v2", parameters, pins, op)

    def _write(self, op: Any) -> None:
        memory, _, data, enable = op.operands
        port = self._writes.get(memory, 0)
        self._writes[memory] = port + 1
        parameters, pins = self._port(op, True)
        # A later write wins over those before it.
        parameters |= {"PORTID": str(port), "PRIORITY_MASK": _bits((1 << port) - 1, max(1, port))}
        count = enable.type.width
        size = data.type.width // count
        bits = [self._part(enable, k, k) for k in reversed(range(count)) for _ in range(size)]
        pins |= {"DATA": self._of(data), "EN": f"{{ {' '.join(bits)} }}"}
        self._cell("$memwr_v2", parameters, pins, op)

    def _instance(self, op: Any) -> None:
        inner = self._others[module_of(op)]
        pins = {inner.clock: f"\\{self._names.clock}", inner.reset: f"\\{self._names.reset}"}
        pins |= {name: self._of(value) for name, value in zip(inner.inputs, op.operands, strict=True)}
        pins |= {name: self._of(value) for name, value in zip(inner.outputs, op.results, strict=True)}
        self._marks(op)
        self._line(f"cell \\{inner.module} \\{self._names.instances[op]}")
        self._lines += [f"    connect \\{pin} {net}" for pin, net in pins.items()]
        self._line("end")

    # ------------------------------------------------------------ text

    def _of(self, value: Any) -> str:
        view = None if isinstance(value, ir.BlockArgument) else rtl.DIALECT.view(value.owner)
        return _bits(view.value, value.type.width) if isinstance(view, rtl.Constant) else f"\\{self._names[value]}"

    def _part(self, value: Any, high: int, low: int) -> str:
        """Bits of a value, which may be a constant."""
        text = self._of(value)
        if text.startswith("\\"):
            return text if high - low + 1 == value.type.width else f"{text} [{high}:{low}]"
        digits = text.partition("'")[2]
        return f"{high - low + 1}'{digits[len(digits) - 1 - high : len(digits) - low]}"

    def _alias(self, op: Any, what: str) -> None:
        self._line(f"connect \\{self._names[op.result]} {what}")

    def _cell(self, kind: str, parameters: dict[str, str], pins: dict[str, str], op: Any) -> None:
        self._count += 1
        self._marks(op, state=False)
        self._line(f"cell {kind} {kind}${self._count}")
        self._lines += [f"    parameter \\{name} {value}" for name, value in parameters.items()]
        self._lines += [f"    connect \\{pin} {net}" for pin, net in pins.items()]
        self._line("end")

    def _marks(self, op: Any, state: bool = True) -> None:
        """The place in the source, and what a register starts as."""
        span = span_of(op)
        if span:
            self._line(f'attribute \\src "{span.file}:{span.line}.{span.column}"')
        view = rtl.DIALECT.view(op)
        if state and isinstance(view, rtl.Reg):
            self._line(f"attribute \\init {_bits(view.init or 0, op.result.type.width)}")

    def _line(self, text: str) -> None:
        self._lines.append(f"  {text}")
