"""A module around a circuit with more ports than its package has pins: the ports bit by bit, through six pins."""

from __future__ import annotations

from spikec.backends.fpga.ports import Ports

PINS = 6


def name(ports: Ports) -> str:
    """What the module is called."""
    return f"{ports.module}_serial"


def verilog(ports: Ports) -> str:
    """The module.

    While `shift` is 1, a bit of `in` goes in with each clock, and a bit of `out` comes out.  In the cycle after one
    with `step` the circuit sees what went in, for this cycle alone, and what it answers then is what comes out next,
    its lowest bit at once.  In all other cycles its inputs are 0.  Inputs and outputs lie side by side in the order of
    the circuit's ports, the first port lowest; the highest bit goes in first.
    """
    inputs, outputs = list(ports.inputs.values()), list(ports.outputs.values())
    into, out = (sum(port.width for port in side) for side in (inputs, outputs))
    pins = [f".{ports.clock}(clk)", f".{ports.reset}(rst)"]
    for side, bus in ((inputs, "given"), (outputs, "found")):
        low = 0
        for port in side:
            pins.append(f".{port.name}({bus}[{low + port.width - 1}:{low}])")
            low += port.width
    return f"""\
module {name(ports)} (
  input  wire clk,
  input  wire rst,
  input  wire shift,
  input  wire step,
  input  wire in,
  output wire out
);
  reg [{into}:0] inputs;
  reg [{out}:0] outputs;
  reg stepping = 1'b0;
  wire [{into - 1}:0] given = inputs[{into - 1}:0] & {{{into}{{stepping}}}};
  wire [{out - 1}:0] found;
  always @(posedge clk) begin
    stepping <= step;
    if (shift) inputs <= {{inputs[{into - 1}:0], in}};
    if (stepping) outputs <= {{1'b0, found}};
    else if (shift) outputs <= outputs >> 1;
  end
  assign out = outputs[0];
  {ports.module} circuit (
    {f",{chr(10)}    ".join(pins)}
  );
endmodule
"""
