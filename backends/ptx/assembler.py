"""PTX text to the machine code of one chip, by NVIDIA's ptxas, and what it tells about each kernel."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from spikec.backends.ptx import toolkit
from spikec.dialects.diagnostics import InternalError, MissingTool


@dataclass(frozen=True, slots=True)
class Resources:
    """What a thread of a kernel takes: registers; bytes of stack, of registers spilled to memory and read back.

    `shared` is static shared memory, bytes of a block.
    """

    registers: int
    stack: int
    spilled: int
    shared: int


@dataclass(frozen=True, slots=True)
class Assembled:
    """The machine code as an ELF file, and the resources of each kernel by its name."""

    cubin: bytes
    kernels: dict[str, Resources]


def assemble(text: str, chip: str) -> Assembled:
    """Assembles PTX for a chip; the same bytes for the same text and ptxas.

    Raises `MissingTool` where there is no ptxas, or one that does not know the chip, `InternalError` where it refuses
    the text.
    """
    ptxas = toolkit.needed("ptxas", "for a cubin")
    with tempfile.TemporaryDirectory(prefix="spikec-") as folder:
        place = Path(folder)
        (place / "net.ptx").write_text(text)
        done = toolkit.run(ptxas, ["-v", "-arch", chip, "-o", "net.cubin", "net.ptx"], place)
        if done.returncode != 0:
            raise _refusal(ptxas, chip, done.stdout + done.stderr, text)
        return Assembled((place / "net.cubin").read_bytes(), resources(done.stdout + done.stderr))


def _refusal(ptxas: str, chip: str, said: str, text: str) -> Exception:
    """A ptxas that is too old or too new for the chip is the user's to mend; the rest is a mistake in the text."""
    if "gpu-name" in said or "Unsupported .version" in said:
        older = " (CUDA 12 has the last one for it: pip install nvidia-cuda-nvcc-cu12)" if chip == "sm_70" else ""
        return MissingTool(f"{ptxas}, release {toolkit.version(ptxas)}, makes no code for {chip}{older}")
    last = "\n".join(line for line in said.splitlines()[-6:] if line.strip())
    return InternalError(f"ptxas refuses the generated code: {last}", "ptxas", text)


_ENTRY = re.compile(r"Compiling entry function '([^']+)'")
_NUMBERS = {
    "registers": re.compile(r"Used (\d+) registers"),
    "stack": re.compile(r"(\d+) bytes stack frame"),
    "shared": re.compile(r"(\d+) bytes smem"),
    "stores": re.compile(r"(\d+) bytes spill stores"),
    "loads": re.compile(r"(\d+) bytes spill loads"),
}


def resources(said: str) -> dict[str, Resources]:
    """The resources of each kernel, from what `ptxas -v` prints."""
    found = {}
    for part in said.split("ptxas info    : Compiling")[1:]:
        entry = _ENTRY.match("Compiling" + part)
        if entry is None:
            continue
        number = {name: int(match[1]) if (match := pattern.search(part)) else 0 for name, pattern in _NUMBERS.items()}
        spilled = number["stores"] + number["loads"]
        found[entry[1]] = Resources(number["registers"], number["stack"], spilled, number["shared"])
    return found
