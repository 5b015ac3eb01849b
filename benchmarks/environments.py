"""Who is measured: each peer, the packages of its environment, and how its script is called.

A peer takes part in the networks that its script names; see `protocol.py`.
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
    """`script` is the NAME of its script `peers/with_NAME.py`.

    `installs` are the arguments of consecutive calls of pip, which fill an environment of its own; a peer without
    any runs in the environment of the benchmark.  `options` are given to `prepare`; `needs` is an outside program.
    """

    name: str
    script: str
    installs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    needs: str | None = None

    @property
    def path(self) -> Path:
        return Path(__file__).resolve().parent / "peers" / f"with_{self.script}.py"

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
NEST = ("nest-simulator==3.10.0 numpy==2.4.6",)
# torch first and alone: named again, it is kept when the others are resolved.
TORCH = "torch==2.13.0 numpy==2.4.6"
SNNTORCH = (TORCH, f"{TORCH} snntorch==1.0.0 nir==1.0.8")
# SpikingJelly's own list of dependencies would bring graphics, audio and a dashboard along.
SPIKINGJELLY = (TORCH, f"{TORCH} loguru==0.7.3 nir==1.0.8", "--no-deps spikingjelly==2.0.0")
SINABS = (TORCH, f"{TORCH} sinabs==3.1.3")
NORSE = (TORCH, f"{TORCH} norse==1.1.0")
JAX = ("jax==0.10.2 numpy==2.4.6",)
# Layer by layer, each over all steps.
MULTI_STEP = ("--multi-step",)

OURS = Peer("spikec", "spikec")
FAST = Peer("spikec-fast-math", "spikec", options=("--fast-math",))
HANDWRITTEN = Peer("c", "c", needs="gcc")
# What a loop by hand may do and the language does not: four cells draw from one counter.
SHARED = Peer("c-shared-counters", "c", options=("--shared-counters",), needs="gcc")
PEERS = (
    OURS,
    FAST,
    HANDWRITTEN,
    SHARED,
    Peer("brian2", "brian2", BRIAN2, (), "g++"),
    Peer("brian2-float32", "brian2", BRIAN2, ("--float32",), "g++"),
    Peer("nest", "nest", NEST),
    Peer("snntorch", "snntorch", SNNTORCH),
    Peer("spikingjelly", "spikingjelly", SPIKINGJELLY),
    Peer("spikingjelly-multi", "spikingjelly", SPIKINGJELLY, MULTI_STEP),
    Peer("sinabs", "sinabs", SINABS),
    Peer("sinabs-multi", "sinabs", SINABS, MULTI_STEP),
    Peer("norse", "norse", NORSE),
    Peer("torch", "torch", (TORCH,)),
    Peer("torch-multi", "torch", (TORCH,), MULTI_STEP),
    Peer("jax", "jax", JAX),
    Peer("jax-multi", "jax", JAX, MULTI_STEP),
)
