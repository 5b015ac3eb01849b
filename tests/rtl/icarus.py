"""Runs emitted Verilog in Icarus Verilog."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from spikec.backends.fpga import verilog
from spikec.dialects.netlist import elaborate
from spikec.dialects.program import Program

Stimulus = list[tuple[bool, dict[str, int]]]


def available() -> bool:
    return shutil.which("iverilog") is not None and shutil.which("vvp") is not None


def run(program: Program, stimulus: Stimulus, folder: Path) -> list[dict[str, int]]:
    """The outputs of each cycle, before its end."""
    for name, data in verilog.emit(program).items():
        (folder / name).write_bytes(data)
    net = elaborate(program)
    inputs = {name: net.widths[index] for name, index in net.inputs.items()}
    outputs = {name: net.widths[index] for name, index in net.outputs.items()}
    rows = []
    for reset, values in stimulus:
        row = int(reset)
        for name, width in inputs.items():
            row = row << width | values[name]
        rows.append(f"{row:x}\n")
    (folder / "stimulus.hex").write_text("".join(rows))
    (folder / "bench.v").write_text(_bench(program.attribute("model"), inputs, outputs, len(rows)))
    sources = sorted(path.name for path in folder.glob("*.v"))
    subprocess.run(
        ["iverilog", "-g2005", "-Wall", "-Wno-timescale", "-o", "bench.vvp", *sources], cwd=folder, check=True
    )
    done = subprocess.run(["vvp", "-n", "bench.vvp"], cwd=folder, check=True, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("= ")]
    return [dict(zip(outputs, (int(v, 16) for v in line[1:]), strict=True)) for line in lines]


def _bench(top: str, inputs: dict[str, int], outputs: dict[str, int], count: int) -> str:
    total = 1 + sum(inputs.values())
    pins = [f".{name}({name})" for name in ("clk", *inputs, *outputs)]
    return "\n".join(
        [
            "module bench;",
            "  reg clk = 0;",
            f"  reg [{total - 1}:0] rows [0:{count - 1}];",
            "  reg rst;",
            *(f"  reg [{width - 1}:0] {name};" for name, width in inputs.items()),
            *(f"  wire [{width - 1}:0] {name};" for name, width in outputs.items()),
            f"  {top} core (.rst(rst), {', '.join(pins)});",
            "  integer t;",
            "  initial begin",
            '    $readmemh("stimulus.hex", rows);',
            f"    for (t = 0; t < {count}; t = t + 1) begin",
            f"      {{rst, {', '.join(inputs)}}} = rows[t];",
            "      #1;",
            f'      $display("= {" ".join("%h" for _ in outputs)}", {", ".join(outputs)});',
            "      clk = 1; #1 clk = 0; #1;",
            "    end",
            "    $finish;",
            "  end",
            "endmodule",
            "",
        ]
    )
