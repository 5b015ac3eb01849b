"""The machine code of a cubin, as NVIDIA's nvdisasm prints it: the inner loops of each kernel, counted.

A loop is what lies between a label and the last branch back to it; an inner loop has none within it.  Where a loop
adds to memory, each of its atomic additions is one synaptic event of a thread; where it adds in a register, each of its
loads from memory is.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spikec.backends.ptx import toolkit

ATOMICS = ("RED", "REDG", "ATOM", "ATOMG", "REDS", "ATOMS")
LOADS = ("LDG",)


@dataclass(frozen=True, slots=True)
class Loop:
    """One way through an inner loop: its instructions, and how many of them add atomically or load from memory."""

    instructions: int
    atomics: int
    loads: int

    @property
    def events(self) -> int:
        """How many synaptic events a thread handles on this way."""
        return self.atomics or self.loads

    @property
    def per_event(self) -> float:
        return self.instructions / self.events


@dataclass(frozen=True, slots=True)
class Kernel:
    """The number of instructions of a kernel, and its inner loops that touch memory, in the order of the code."""

    instructions: int
    loops: tuple[Loop, ...]


def kernels(cubin: bytes) -> dict[str, Kernel]:
    """The kernels of a cubin by name.  Raises `MissingTool` where there is no nvdisasm."""
    nvdisasm = toolkit.needed("nvdisasm", "to count instructions")
    with tempfile.TemporaryDirectory(prefix="spikec-") as folder:
        (Path(folder) / "net.cubin").write_bytes(cubin)
        done = toolkit.run(nvdisasm, ["--print-code", "net.cubin"], Path(folder))
        done.check_returncode()
        return parse(done.stdout)


_SECTION = re.compile(r"^\s*\.section\s+\.text\.([^,\s]+)", re.MULTILINE)
_LINE = re.compile(r"^(\.L_\w+):|^\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)([^;]*);", re.MULTILINE)
_LABEL = re.compile(r"`\((\.L_\w+)\)")


def parse(text: str) -> dict[str, Kernel]:
    """The kernels of what nvdisasm prints."""
    parts = _SECTION.split(text)[1:]
    return {name: _kernel(code) for name, code in zip(parts[::2], parts[1::2], strict=True)}


def _kernel(code: str) -> Kernel:
    opcodes: list[str] = []
    labels: dict[str, int] = {}
    branches: list[tuple[int, str]] = []
    for label, opcode, operands in _LINE.findall(code):
        if label:
            labels[label] = len(opcodes)
            continue
        if opcode.startswith("BRA") and (target := _LABEL.search(operands)):
            branches.append((len(opcodes), target[1]))
        opcodes.append(opcode)
    ways = sorted({(labels[target], at + 1) for at, target in branches if labels.get(target, at) < at})
    loops = (_loop(opcodes[begin:end]) for begin, end in _innermost(ways))
    used = [opcode for opcode in opcodes if opcode != "NOP"]
    return Kernel(len(used), tuple(loop for loop in loops if loop.events))


def _innermost(ways: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The stretches that no other lies within; branches back to one label are one loop."""
    last = dict(ways)  # sorted: the last branch of each label
    for begin, end in last.items():
        if not any((begin, end) != other and begin <= other[0] and other[1] <= end for other in last.items()):
            yield begin, end


def _loop(opcodes: list[str]) -> Loop:
    names = [opcode.partition(".")[0] for opcode in opcodes]
    return Loop(len(opcodes), sum(name in ATOMICS for name in names), sum(name in LOADS for name in names))
