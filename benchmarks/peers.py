"""Who is measured: each peer, the packages of its environment, and how it is called.

A peer takes part in every network whose folder has its script; see `protocol.py`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path


class Unavailable(Exception):
    """Why a peer cannot be measured here."""


@dataclass(frozen=True)
class Peer:
    """`script` is the NAME of its scripts `with_NAME.py`.

    `installs` are the arguments of consecutive calls of pip, which fill an environment of its own; a peer without
    any runs in the environment of the benchmark.  `options` are given to `prepare`; `needs` is an outside program.
    """

    name: str
    script: str
    installs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    needs: str | None = None

    def python(self, cache: Path) -> Path:
        """The interpreter of this peer; makes its environment on the first call.  Raises Unavailable."""
        if self.needs and shutil.which(self.needs) is None:
            raise Unavailable(f"it needs {self.needs}")
        if not self.installs:
            return Path(sys.executable)
        folder = cache / f"{self.script}-environment"
        done = folder / "installed.txt"
        wanted = "\n".join(self.installs)
        if not done.is_file() or done.read_text() != wanted:
            self._install(folder)
            done.write_text(wanted)
        return folder / "bin" / "python"

    def _install(self, folder: Path) -> None:
        print(f"  making the environment of {self.script}: {'; '.join(self.installs)}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        for arguments in self.installs:
            command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *arguments.split()]
            if subprocess.run(command).returncode:
                raise Unavailable(f"pip could not install {arguments}")


BRIAN2 = ("brian2==2.9.0 numpy<2.4 setuptools",)
# torch first and alone: named again, it is kept when the others are resolved.
TORCH = "torch==2.13.0 numpy==2.4.6"
SNNTORCH = (TORCH, f"{TORCH} snntorch==1.0.0 nir==1.0.8")
# SpikingJelly's own list of dependencies would bring graphics, audio and a dashboard along.
SPIKINGJELLY = (TORCH, f"{TORCH} loguru==0.7.3 nir==1.0.8", "--no-deps spikingjelly==2.0.0")

PEERS = (
    Peer("spikec", "spikec"),
    Peer("brian2", "brian2", BRIAN2, (), "g++"),
    Peer("brian2-float32", "brian2", BRIAN2, ("--float32",), "g++"),
    Peer("snntorch", "snntorch", SNNTORCH),
    Peer("spikingjelly", "spikingjelly", SPIKINGJELLY),
)
