"""The README of an artifact: what its files are, and the commands for simulators, yosys and the vendors' tools."""

from __future__ import annotations

from collections.abc import Iterator

from spikec.backends.fpga import placement, synthesis, testbench
from spikec.backends.fpga.devices import Device
from spikec.backends.fpga.ports import Ports

NAME = "README.md"
_BENCH = f"{testbench.FOLDER}/bench.v"


def text(device: Device, clock: float, ports: Ports) -> str:
    """The page for a circuit on a device, with a clock in Hz."""
    return "\n".join([*_files(ports), *_simulation(), *_yosys(device, ports), *_rest(device, clock, ports)])


def _block(kind: str, *lines: str) -> Iterator[str]:
    yield from (f"```{kind}", *lines, "```", "")


def _files(ports: Ports) -> Iterator[str]:
    yield f"# {ports.module}"
    yield ""
    yield f"`*.v` is the circuit. Its top is `{ports.module}`; `manifest.json` says what each port is for. `*.hex` is"
    yield "what memories hold at the start: tools look for it in the folder in which they run, which is this one in all"
    yield f"that follows. `{_BENCH}` compares what the circuit does with what the compiler's interpreter computed."
    yield ""


def _simulation() -> Iterator[str]:
    yield "The bench ends with PASS, or with FAIL and an exit status that is not 0:"
    yield ""
    yield from _block(
        "sh", f"iverilog -o {testbench.FOLDER}/bench.vvp {_BENCH} *.v", f"vvp -n {testbench.FOLDER}/bench.vvp"
    )
    folder = f"{testbench.FOLDER}/verilated"
    yield from _block("sh", f"verilator --binary -Mdir {folder} --top-module bench {_BENCH} *.v", f"{folder}/Vbench")


def _yosys(device: Device, ports: Ports) -> Iterator[str]:
    commands = ["read_verilog *.v", *synthesis.commands(device.family, ports.module), "write_json netlist.json", "stat"]
    yield f"A netlist for {device.family}, by yosys:"
    yield ""
    yield from _block("sh", f"yosys -p '{'; '.join(commands)}'")


def _rest(device: Device, clock: float, ports: Ports) -> Iterator[str]:
    match device.family:
        case "xilinx":
            yield f"Vivado; PART is {device.name} with its package and speed, such as xc7a35tcpg236-1:"
            yield ""
            yield from _block("sh", "vivado -mode batch -source build.tcl")
            yield "where `build.tcl` is"
            yield ""
            yield from _block("tcl", *_vivado(clock, ports))
            yield "`-mode out_of_context` leaves the ports without pads, for a circuit that is a part of a larger one."
            yield "In a project, add `*.v` as sources and `*.hex` as memory initialization files."
        case "gowin":
            yield "Gowin EDA, in `gw_sh`; DEVICE and PART are those of your board:"
            yield ""
            yield from _block("tcl", *_gowin(ports))
        case _:
            yield "A bitstream, with pins that the router chooses (with a file of constraints, leave out the option"
            yield "that ends with `allow-unconstrained`); wheels call the tools `yowasp-nextpnr-...`, `yowasp-...pack`:"
            yield ""
            yield from _block("sh", *placement.commands(device, clock))
    yield ""


def _vivado(clock: float, ports: Ports) -> Iterator[str]:
    yield "read_verilog [glob *.v]"
    yield f"synth_design -top {ports.module} -part PART -mode out_of_context"
    yield f"create_clock -period {1e9 / clock:.3f} [get_ports {ports.clock}]"
    yield "opt_design"
    yield "place_design"
    yield "route_design"
    yield "report_utilization"
    yield "report_timing_summary"


def _gowin(ports: Ports) -> Iterator[str]:
    yield "set_device -name DEVICE PART"
    yield "foreach file [glob *.v] { add_file $file }"
    yield f"set_option -top_module {ports.module}"
    yield "run all"
