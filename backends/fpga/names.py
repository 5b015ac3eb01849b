"""The names that a module's ports, values and memories have in what is emitted, the same in every format."""

from __future__ import annotations

import re
from typing import Any

from spikec.dialects import rtl
from spikec.dialects.mlir import ir
from spikec.dialects.netlist import instance_name, module_of, port_names
from spikec.dialects.program import Program

_WORDS = """
always and assign automatic begin bit buf bufif0 bufif1 byte case casex casez cell cmos config const context continue
cover deassign default defparam design disable do edge else end endcase endconfig endfunction endgenerate endmodule
endprimitive endspecify endtable endtask enum event export extends extern final first_match for force foreach forever
fork forkjoin function generate genvar global highz0 highz1 if iff ifnone import incdir include initial inout input
inside instance int integer interface join large let liblist library local localparam logic longint macromodule
matches medium modport module nand negedge new nmos nor noshowcancelled not notif0 notif1 null or output package
packed parameter pmos posedge primitive priority program property protected pull0 pull1 pulldown pullup rand randc ref
reg release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 scalared sequence shortint shortreal
showcancelled signed small solve specify specparam static string strong strong0 strong1 struct super supply0 supply1
table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg
type typedef union unique unsigned use uwire var vectored virtual void wait wait_order wand weak weak0 weak1 while
wildcard wire with within wor xnor xor
"""
_KEYWORDS = frozenset(_WORDS.split())
"""The keywords of Verilog and SystemVerilog."""

_LONG = 30
"""Names of so many characters get no longer."""


class Taken:
    """Identifiers of one scope, each used once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def name(self, wanted: str) -> str:
        """A Verilog identifier like the wanted text that nothing else has."""
        base = re.sub(r"[^A-Za-z0-9_]", "_", wanted)
        if not base or base[0].isdigit() or base in _KEYWORDS:
            base = f"_{base}"
        name, number = base, self._next.get(base, 0)
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._next[base] = number
        self._taken.add(name)
        return name


def parts(op: Any) -> list[Any]:
    """The values that a concatenation puts side by side, through those that serve it alone."""
    return [one for value in op.operands for one in (parts(value.owner) if serves(value) else [value])]


def serves(value: Any) -> bool:
    """Whether a value is a concatenation without a name whose one use is in another: it is written there."""
    if isinstance(value, ir.BlockArgument) or value.owner.name != rtl.Concat.name() or "name" in value.owner.attributes:
        return False
    uses = [use.owner for use in value.uses]
    return len(uses) == 1 and uses[0].name == rtl.Concat.name()


class Names:
    """One module, called `module`: `inputs` and `outputs` in order; values, memories and instances by what makes them.

    A value that is an output is called as its port (`ports`), and an output that is nothing but an input or another
    output has a name that no value has.  Values without a name are called after what they are made of or drive.
    """

    def __init__(self, module: str, function: Any, symbols: dict[str, Any]) -> None:
        self.module = module
        self._taken, self._symbols = Taken(), symbols
        self.clock, self.reset = self._taken.name(rtl.CLOCK), self._taken.name(rtl.RESET)
        block = function.regions[0].blocks[0]
        *operations, last = [one.operation for one in block.operations]
        inputs, outputs = port_names(function)
        self.inputs = [self._taken.name(name) for name in inputs]
        self.outputs = [self._taken.name(name) for name in outputs]
        self._values: dict[Any, str] = dict(zip(block.arguments, self.inputs, strict=True))
        self.ports: set[str] = set()
        for value, name in zip(last.operands, self.outputs, strict=True):
            if value not in self._values:
                self._values[value] = name
                self.ports.add(name)
        self.instances: dict[Any, str] = {}
        self._next: dict[Any, Any] = {
            op.operands[1]: rtl.DIALECT.view(op.operands[0].owner) for op in operations if op.name == rtl.Connect.name()
        }
        for op in operations:
            self._op(op)

    def __getitem__(self, value: Any) -> str:
        return self._values[value]

    def _op(self, op: Any) -> None:
        view: Any = rtl.DIALECT.view(op)
        if view is None:
            self.instances[op] = self._taken.name(instance_name(op))
            hints = [f"{instance_name(op)}_{port}" for port in port_names(self._symbols[module_of(op)])[1]]
        else:
            hints = [self._hint(view, op) for _ in op.results]
        for value, hint in zip(op.results, hints, strict=True):
            if value not in self._values:
                self._values[value] = self._taken.name(hint)

    def _hint(self, view: Any, op: Any) -> str:
        """What the one result of an op is to be called."""
        if view.name_ is not None:
            return str(view.name_)
        if op.result in self._next:
            return f"{self._next[op.result].name_ or 'wire'}_next"
        base = self[op.operands[0]] if len(op.operands) else ""
        match view:
            case rtl.Read():
                return f"{base}_word"
            case rtl.Extract() if len(base) < _LONG:
                high = view.low + op.result.type.width - 1
                return f"{base}_{high}_{view.low}" if high > view.low else f"{base}_{high}"
            case rtl.Zext() | rtl.Sext() if len(base) < _LONG:
                return f"{base}_wide"
            case rtl.Not() if len(base) < _LONG:
                return f"not_{base}"
        return str(view.mnemonic)


def names(program: Program) -> dict[str, Names]:
    """The names of each module by its symbol; the top is called as it is."""
    taken, symbols = Taken(), program.symbols()
    top = program.attribute("model")
    called = {name: taken.name(name) for name in sorted(symbols, key=lambda name: name != top)}
    return {name: Names(called[name], function, symbols) for name, function in symbols.items()}
