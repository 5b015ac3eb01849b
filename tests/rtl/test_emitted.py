"""Verilog and RTLIL: the same circuit by yosys' proof, in memories and cells that each family has."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from spikec.backends.fpga import rtlil, verilog
from spikec.dialects.mlir import ir
from spikec.dialects.program import Program
from spikec.dialects.rtl_builder import Design

from tests.rtl import yosys
from tests.rtl.cores import Layer, layer
from tests.rtl.netlists import NARROW, circuit

pytest.importorskip("pyosys", reason="pyosys is not installed (pip install 'spikec[fpga]')")
FULL = os.environ.get("SPIKEC_FULL") == "1"
SHAPE = Layer(np.random.default_rng(1).integers(-60, 90, (64, 8)).astype(np.int8), lanes=2, bits=8)


@pytest.mark.parametrize("seed", range(12 if FULL else 4))
def test_both_forms_are_proved_equal(seed: int, tmp_path: Path) -> None:
    sources, text = yosys.write(circuit(seed, count=20, widths=NARROW), tmp_path)
    yosys.run(yosys.equivalence("top", sources, text), tmp_path)


def test_the_proof_fails_where_they_differ(tmp_path: Path) -> None:
    program = layer(Layer(SHAPE.weights[:2, :4], lanes=1, bits=8))
    sources, text = yosys.write(program, tmp_path)
    yosys.run(yosys.equivalence("layer", sources, text), tmp_path)
    file = tmp_path / text
    file.write_text(file.read_text().replace("cell $gt ", "cell $ge ", 1))
    with pytest.raises(AssertionError, match="unproven"):
        yosys.run(yosys.equivalence("layer", sources, text), tmp_path)


def cells(commands: list[str], folder: Path) -> dict[str, int]:
    """The cells that a synthesis leaves, by their type."""
    log = yosys.run([*commands, "tee -q -o cells.txt stat"], folder)
    assert log
    rows = re.findall(r"^ +(\d+) +(?:[\d.eE+-]+ +)?(\$?\w+)$", (folder / "cells.txt").read_text(), re.MULTILINE)
    return {name: int(count) for count, name in rows}


FAMILIES = {
    "ecp5": ("synth_ecp5 -run coarse:map_ffram", "DP16KD", "TRELLIS_DPR16X4"),
    "xilinx": ("synth_xilinx -family xc7 -run prepare:map_ffram", "RAMB18E1", "RAM32M"),
    "ice40": ("synth_ice40 -run coarse:map_ffram", "SB_RAM40_4K", ""),
}


@pytest.mark.parametrize(("synthesis", "block", "distributed"), FAMILIES.values(), ids=list(FAMILIES))
def test_memories_become_those_of_the_family(synthesis: str, block: str, distributed: str, tmp_path: Path) -> None:
    # An ice40 has no memory that is read at once.
    sources, _ = yosys.write(layer(replace(SHAPE, style="distributed" if distributed else "auto")), tmp_path)
    made = cells([f"read_verilog {' '.join(sources)}", "hierarchy -top layer", "proc", synthesis], tmp_path)
    assert made[block] == 1
    assert not distributed or made[distributed] > 0
    assert not [name for name in made if re.search("MULT|DSP|MAC16", name)]


def ram(exclusive: bool) -> Program:
    """A memory that is read and written."""
    design = Design("ram")
    with design:
        top = design.module("ram")
        memory = top.mem("words", 256, 16, style="block", exclusive=exclusive)
        memory.write(top.input("to", 8), top.input("data", 16), top.input("write", 2))
        top.output("word", memory.read(top.input("from", 8), enable=top.input("read", 1)))
    return design.program()


@pytest.mark.parametrize("form", ["verilog", "rtlil"])
def test_an_exclusive_memory_needs_no_logic_around_it(form: str, tmp_path: Path) -> None:
    logic = []
    for exclusive in (True, False):
        sources, text = yosys.write(ram(exclusive), tmp_path)
        files = text if form == "rtlil" else " ".join(sources)
        made = cells(
            [f"read_{form} {files}", "hierarchy -top ram", "proc", "synth_ecp5 -run coarse:map_gates"], tmp_path
        )
        assert made["DP16KD"] == 1, made
        logic.append(made["cells"])
    assert logic[0] <= 2 < 10 < logic[1]


def test_the_files_are_the_same_each_time() -> None:
    first, second = layer(SHAPE), layer(SHAPE)
    assert verilog.emit(first) == verilog.emit(second)
    assert rtlil.emit(first) == rtlil.emit(second)
    again = Program.parse(first.text(locations=True), first.constants)
    assert verilog.emit(again) == verilog.emit(first)


def test_verilog_is_one_operation_a_line_with_sizes_and_places() -> None:
    design = Design("net")
    with design, ir.Location.file("net.snn", 4, 5):
        top = design.module("net")
        a, b = top.input("a", 4), top.input("b", 4)
        total = (a.sext(6) - b.zext(6)).named("total")
        top.output("reg", total.shrs(2))
        top.output("less", total.slt(-3))
        top.output("same", a)
    text = verilog.emit(design.program())["net.v"].decode()
    assert [re.sub(r"  // net.snn:4:5$", "", line.strip()) for line in text.splitlines()] == [
        "module net (",
        "input  wire clk,",
        "input  wire rst,",
        "input  wire [3:0] a,",
        "input  wire [3:0] b,",
        "output wire [5:0] _reg,",
        "output wire less,",
        "output wire [3:0] same",
        ");",
        "wire [5:0] a_wide = {{2{a[3]}}, a};",
        "wire [5:0] b_wide = {2'd0, b};",
        "wire [5:0] total = a_wide - b_wide;",
        "assign _reg = $signed(total) >>> 2'd2;",
        "assign less = $signed(total) < $signed(6'd61);",
        "assign same = a;",
        "endmodule",
    ]
    assert text.count("// net.snn:4:5") == 5
