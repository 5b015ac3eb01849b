"""Runs yosys from its Python package, in a process of its own: an error of yosys ends the process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from spikec.backends.fpga import rtlil, verilog
from spikec.dialects.program import Program

_SCRIPT = """
import sys
from pyosys import libyosys as yosys
design = yosys.Design()
for command in sys.stdin.read().splitlines():
    yosys.run_pass(command, design)
"""


def run(commands: Sequence[str], folder: Path) -> str:
    """The log of commands that all succeed; raises AssertionError with its end otherwise."""
    text = "\n".join(commands)
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], cwd=folder, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, "\n".join([*done.stdout.splitlines()[-30:], done.stderr])
    return done.stdout


def write(program: Program, folder: Path) -> tuple[list[str], str]:
    """Both forms of a circuit as files: the Verilog ones and the RTLIL one."""
    files = verilog.emit(program)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "circuit.il").write_bytes(rtlil.emit(program))
    return [name for name in files if name.endswith(".v")], "circuit.il"


def equivalence(top: str, sources: Sequence[str], text: str) -> list[str]:
    """The commands that prove Verilog and RTLIL of a module to be the same circuit."""
    # Memories become registers as they are: `memory` would narrow those of one side, and nothing would have a partner.
    flat = [f"hierarchy -check -top {top}", "proc", "flatten", "memory_collect", "memory_map", "opt_clean"]
    return [
        "design -reset",
        f"read_verilog {' '.join(sources)}",
        *flat,
        "design -stash gold",
        f"read_rtlil {text}",
        *flat,
        "design -stash gate",
        f"design -copy-from gold -as gold {top}",
        f"design -copy-from gate -as gate {top}",
        "equiv_make gold gate both",
        "hierarchy -top both",
        "equiv_simple -undef",
        "equiv_induct -undef",
        "equiv_status -assert",
    ]
