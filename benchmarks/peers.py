"""Who is measured: each peer, the packages of its environment, and how it is called.

A network is a folder here; a peer takes part in it with a script `with_NAME.py` that knows two actions:
`prepare FOLDER` builds whatever can be built ahead, `run FOLDER` runs once and prints one JSON object with
`cpu_seconds`, of the step loop alone, and `spikes`, by population.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """`script` is the NAME of its scripts; `requirements` are installed into an environment of its own, and a peer
    without any runs in the environment of the benchmark; `options` are given to `prepare`."""

    name: str
    script: str
    requirements: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    needs: str | None = None

    def python(self, cache: Path) -> Path:
        """The interpreter of this peer; makes its environment on the first call."""
        if not self.requirements:
            return Path(sys.executable)
        folder = cache / f"{self.script}-environment"
        python = folder / "bin" / "python"
        done = folder / "installed.txt"
        wanted = "\n".join(self.requirements)
        if not done.is_file() or done.read_text() != wanted:
            print(f"installing {', '.join(self.requirements)}", file=sys.stderr)
            venv.create(folder, clear=True, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *self.requirements], check=True)
            done.write_text(wanted)
        return python

    def missing(self) -> str | None:
        """The outside program that this peer needs and this machine lacks."""
        return self.needs if self.needs and shutil.which(self.needs) is None else None


BRIAN2 = ("brian2==2.9.0", "numpy<2.4", "setuptools")
PEERS = (
    Peer("spikec", "spikec"),
    Peer("brian2", "brian2", BRIAN2, (), "g++"),
    Peer("brian2-float32", "brian2", BRIAN2, ("--float32",), "g++"),
)
