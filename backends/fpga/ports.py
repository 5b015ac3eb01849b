"""The ports of a circuit's top as they are emitted."""

from __future__ import annotations

from dataclasses import dataclass

from spikec.backends.fpga.names import names
from spikec.dialects.netlist import port_names
from spikec.dialects.program import Program


@dataclass(frozen=True)
class Port:
    """What a port is called in Verilog, and its bits."""

    name: str
    width: int

    @property
    def range(self) -> str:
        """The size in a declaration of Verilog."""
        return f"[{self.width - 1}:0] " if self.width > 1 else ""


@dataclass(frozen=True)
class Ports:
    """`inputs` and `outputs` by the names that the host knows; `module`, `clock` and `reset` are names in Verilog."""

    module: str
    clock: str
    reset: str
    inputs: dict[str, Port]
    outputs: dict[str, Port]

    @staticmethod
    def of(program: Program) -> Ports:
        """Those of the program's top."""
        top = str(program.attribute("model"))
        function, called = program.symbols()[top], names(program)[top]
        *_, last = [one.operation for one in function.regions[0].blocks[0].operations]
        sides = (function.regions[0].blocks[0].arguments, called.inputs), (last.operands, called.outputs)
        inputs, outputs = (
            {name: Port(port, value.type.width) for name, value, port in zip(known, values, emitted, strict=True)}
            for known, (values, emitted) in zip(port_names(function), sides, strict=True)
        )
        return Ports(called.module, called.clock, called.reset, inputs, outputs)

    @property
    def pins(self) -> int:
        """The bits of all ports."""
        return 2 + sum(port.width for port in (*self.inputs.values(), *self.outputs.values()))
