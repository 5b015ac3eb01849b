"""Outside tools for circuits: yosys, nextpnr and the packers of bitstreams.

Each is a wheel of `spikec[fpga]` or a program on the PATH, and runs as a process of its own in a folder of its own: an
error ends that process alone, and nothing is left behind.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from spikec.dialects.diagnostics import CompileError, Diagnostic, MissingTool

REMEDY = "pip install 'spikec[fpga]'"
HELP = {
    "E1331": "--emit verilog and --emit rtlil need no tool; `spikec explain E1331` says more",
    "E1332": "a larger device, fewer lanes or fewer bits of weights and states",
}
_LINES = 4  # of what a tool said last
_SCRIPT = "commands.ys"
_PYOSYS = f"""
from pyosys import libyosys
libyosys.run_pass("script {_SCRIPT}", libyosys.Design())
"""

log = logging.getLogger("spikec.tools")
"""Says at level INFO which tool begins to work, and at DEBUG what it said."""


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for the files of a tool, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="spikec-") as name:
        yield Path(name)


def find(tool: str) -> list[str] | None:
    """The command that starts a tool, or None: its wheel, as the one that is tested, goes before the PATH."""
    wheels = importlib.metadata.entry_points(group="console_scripts", name=f"yowasp-{tool}")
    for wheel in wheels:
        return [sys.executable, "-c", f"from {wheel.module} import {wheel.attr}; {wheel.attr}()"]
    path = shutil.which(tool)
    return [path] if path else None


def yosys(commands: Sequence[str], place: Path) -> str:
    """What yosys says about commands in a folder.  Raises `MissingTool`, and CompileError where one fails."""
    (place / _SCRIPT).write_text("\n".join([*commands, ""]))
    native = importlib.util.find_spec("pyosys") is not None  # four times as fast as the other wheel
    command = [sys.executable, "-c", _PYOSYS] if native else [*_needed("yosys"), "-s", _SCRIPT]
    return _run("yosys", command, place)


def run(tool: str, arguments: Sequence[str], place: Path) -> str:
    """What a tool says about files of a folder.  Raises `MissingTool`, and CompileError where it fails."""
    return _run(tool, [*_needed(tool), *arguments], place)


def _needed(tool: str) -> list[str]:
    found = find(tool)
    if found is None:
        raise MissingTool(f"{tool} is needed, and is neither installed here nor on the PATH; {REMEDY}")
    return found


def _run(tool: str, command: Sequence[str], place: Path) -> str:
    log.info("%s", tool)
    done = subprocess.run(
        command, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    said = done.stdout.decode(errors="replace")
    log.debug("%s", said)
    if done.returncode != 0:
        raise _failure(tool, said)
    return said


_FULL = re.compile(r"no BELs remaining|Failed to expand region|legal placement|Unable to (place|find)|utili[sz]ation")
"""How nextpnr says that a device is too small."""


def _failure(tool: str, said: str) -> CompileError:
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line]
    code = "E1332" if tool.startswith("nextpnr") and any(map(_FULL.search, errors)) else "E1331"
    message = f"{tool} finds no place for the circuit" if code == "E1332" else f"{tool} fails"
    return error(code, f"{message}; its last words:\n" + "\n".join(f"  {line}" for line in lines[-_LINES:]), HELP[code])


def error(code: str, message: str, help: str) -> CompileError:
    """An error about a circuit as a whole."""
    return CompileError([Diagnostic(code, "error", message, help=help)])


def write(files: Mapping[str, bytes], place: Path) -> None:
    """Puts files into a folder."""
    for name, data in files.items():
        (place / name).write_bytes(data)
