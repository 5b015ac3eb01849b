"""The files that the FPGA target makes."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from spikec.backends.fpga import placement, readme, report, rtlil, synthesis, testbench, verilog
from spikec.backends.fpga.cells import Resources
from spikec.backends.fpga.module import FpgaModule
from spikec.backends.fpga.ports import Ports
from spikec.dialects.diagnostics import UsageError
from spikec.dialects.program import Program
from spikec.runtime.interface import Interface

if TYPE_CHECKING:
    from spikec.backends.fpga.target import FpgaTarget

_VENDORS = {"xilinx": "Vivado", "gowin": "Gowin EDA"}


def emit(target: FpgaTarget, module: FpgaModule, kinds: Collection[str]) -> dict[str, bytes]:
    """See `FpgaTarget.emit`; what the tools tell of the circuit goes to `module.measured`."""
    for kind in kinds:
        if kind not in target.kinds:
            raise UsageError(f"the target {target.name} makes no '{kind}' (there is {', '.join(target.kinds)})")
    if "bitstream" in kinds and target.family in _VENDORS:
        tool = _VENDORS[target.family]
        raise UsageError(
            f"{tool} makes bitstreams for {target.family}, of the Verilog or of --emit edif; "
            "there is bitstream for ecp5 and ice40"
        )
    program = module.circuit.design.program()
    made: dict[str, bytes] = {}
    for kind in kinds:
        match kind:
            case "mlir":
                made[kind] = module.mlir.encode()
            case "verilog":
                made[kind] = verilog.text(program)
            case "rtlil":
                made[kind] = rtlil.emit(program)
    rest = [kind for kind in kinds if kind not in made]
    return {**made, **_by_tools(target, module, program, rest)} if rest else made


def _by_tools(target: FpgaTarget, module: FpgaModule, program: Program, kinds: Collection[str]) -> dict[str, bytes]:
    """Netlists and the bitstream."""
    forms = {kind for kind in kinds if kind in synthesis.KINDS}
    wanted = forms | {"json"} if "bitstream" in kinds else forms
    netlist = synthesis.synthesise(program, target.family, sorted(wanted))
    made = {kind: netlist.files[kind] for kind in forms}
    used = Resources.of(target.family, netlist.cells)
    predicted = module.prediction.total if module.prediction else None
    module.measured.append(report.netlist(target.device, used, predicted))
    if "bitstream" in kinds:
        placed = placement.place(program, netlist, target.device, target.clock)
        module.measured.append(report.placed(target.device, placed, target.clock))
        made["bitstream"] = placed.bitstream
    return made


def artifact(target: FpgaTarget, module: FpgaModule, interface: Interface) -> dict[str, bytes]:
    """See `FpgaTarget.artifact`: the modules with their memories, the bench with its words, and how to use them."""
    program = module.circuit.design.program()
    modules, ports = verilog.emit(program), Ports.of(program)
    samples = testbench.drawn(interface, module.circuit, target.activity)
    vectors = testbench.computed(module.program, interface, module.circuit, samples, seed=module.seed)
    bench = testbench.files(module.circuit, ports, vectors)
    return {**modules, **bench, readme.NAME: readme.text(target.device, target.clock, ports).encode()}
