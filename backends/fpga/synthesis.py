"""From a circuit to a netlist of the cells of a family, by yosys."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from spikec.backends.fpga import rtlil, tools
from spikec.backends.fpga.devices import FAMILIES
from spikec.dialects.program import Program

_SYNTHESIS = {
    # Without pads: the circuit is a part of something larger, or nextpnr adds them.
    # Without wide tables of logic, which take twice as many of the small ones.
    "xilinx": "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf",
    "ecp5": "synth_ecp5 -nowidelut",
    "ice40": "synth_ice40",
    "gowin": "synth_gowin -noiopads -nowidelut",
}
_WRITE = {"json": "write_json -selected", "edif": "write_edif -pvector bra", "blif": "write_blif"}

KINDS = tuple(_WRITE)
"""The forms of a netlist."""


@dataclass(frozen=True)
class Netlist:
    """`files` by kind, and the number of cells of each type."""

    files: dict[str, bytes]
    cells: dict[str, int]


def commands(family: str, top: str, fast: bool = False) -> list[str]:
    """The commands of yosys that make a netlist of a circuit that was read; a `fast` one may be larger."""
    # Where a table of logic cannot be memory, small memories become registers.
    prepare = [] if FAMILIES[family].distributed else ["setattr -unset ram_style */m:*"]
    script = _SYNTHESIS[family].replace(" -nowidelut", "") if fast else _SYNTHESIS[family]
    return [f"hierarchy -check -top {top}", *prepare, f"{script} -top {top}"]


def synthesise(
    program: Program, family: str, kinds: Collection[str], more: str = "", top: str = "", fast: bool = False
) -> Netlist:
    """The netlist of a circuit in the wanted `kinds`; the same bytes for the same circuit and yosys.

    `more` is Verilog of a module around the circuit, which is then the `top`; a `fast` netlist may be larger.  Raises
    `MissingTool`, and CompileError (E1331) where yosys fails.
    """
    top = top or str(program.attribute("model"))
    with tools.folder() as place:
        tools.write({"circuit.il": rtlil.emit(program), "more.v": more.encode()}, place)
        read = ["read_rtlil circuit.il", *(["read_verilog more.v"] if more else [])]
        # The models of the family's cells are known to all that read json, and are many times as long as the netlist.
        written = [f"select {top}", *(f"{_WRITE[kind]} netlist.{kind}" for kind in kinds), "select -clear"]
        tools.yosys([*read, *commands(family, top, fast), *written, "tee -q -o cells.json stat -json"], place)
        found = json.loads((place / "cells.json").read_text())["design"]["num_cells_by_type"]
        return Netlist({kind: (place / f"netlist.{kind}").read_bytes() for kind in kinds}, found)
