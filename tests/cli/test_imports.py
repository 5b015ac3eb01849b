"""What is loaded when: nothing heavy for help, and neither MLIR nor the parser for a network that is in the cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("lark", "llvmlite", "matplotlib", "mlir", "mpmath", "networkx", "numpy", "rich", "safetensors", "sklearn")
REPORT = """
import sys
from spikec.cli import main
try:
    status = main({argv!r})
except SystemExit as stop:
    status = stop.code
print("loaded:", *[name for name in {heavy!r} if name in sys.modules])
sys.exit(status)
"""


def loaded(*argv: str) -> set[str]:
    """Which of HEAVY a command loads in a process of its own, and whether it loads what only writing needs."""
    code = REPORT.format(argv=list(argv), heavy=(*HEAVY, "tempfile"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_importing_spikec_loads_nothing() -> None:
    code = f"import sys, spikec; spikec.CompileError; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("argv", [["--help"], ["run", "--help"], ["--version"], ["explain", "E0101"]])
def test_help_loads_nothing(argv: list[str]) -> None:
    code = REPORT.format(argv=argv, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1].split()[1:] == []


@pytest.mark.parametrize("pipeline", [[], ["--pipeline", "narrow,schedule{block=1}"]])
def test_a_network_in_the_cache_needs_no_compiler(pipeline: list[str]) -> None:
    run = ["run", "net.snn", "--input", "x.npy", *pipeline]
    assert {"lark", "mlir"} <= loaded(*run)
    assert not {"lark", "mlir", "mpmath", "networkx", "tempfile"} & loaded(*run)


def test_a_command_starts_no_threads_of_numpy() -> None:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("this system does not tell the number of threads")
    code = "import sys; sys.argv = ['spikec', 'targets']; from spikec.cli import main; main(); import numpy\n"
    code += f"print(*[line for line in open('{status}') if line.startswith('Threads')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["Threads:", "1"]


def test_an_artifact_needs_no_compiler(c_compiler: None) -> None:
    loaded("compile", "net.snn", "-o", "build")
    assert not {"lark", "mlir", "mpmath", "networkx"} & loaded("run", "build", "--input", "x.npy")
