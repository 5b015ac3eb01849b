"""The machine code of a cubin, as NVIDIA's nvdisasm prints it: the inner loops of each kernel, counted.

A loop is what can be gone through again and again from one instruction on.  Of those that touch memory, an inner loop
has none within it.  Where a loop adds to memory, each of its atomic additions is one synaptic event of a thread; where
it adds reals in a register, each addition is; where it adds integers there, as addresses are too, each load is.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from spikec.backends.ptx import toolkit

ATOMICS = ("RED", "REDG", "ATOM", "ATOMG", "REDS", "ATOMS")
SUMS = ("FADD", "DADD")
LOADS = ("LDG",)


@dataclass(frozen=True, slots=True)
class Loop:
    """One way through an inner loop: its instructions, and how many add atomically, add reals, or load from memory."""

    instructions: int
    atomics: int
    sums: int
    loads: int

    @property
    def events(self) -> int:
        """How many synaptic events a thread handles on this way."""
        return self.atomics or self.sums or self.loads

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
_LINE = re.compile(r"^(\.L_\w+):|^\s*/\*[0-9a-f]+\*/\s+(@!?U?P\w+\s+)?([A-Z][\w.]*)([^;]*);", re.MULTILINE)
_LABEL = re.compile(r"`\((\.L_\w+)\)")


def parse(text: str) -> dict[str, Kernel]:
    """The kernels of what nvdisasm prints."""
    parts = _SECTION.split(text)[1:]
    return {name: _kernel(code) for name, code in zip(parts[::2], parts[1::2], strict=True)}


def _kernel(code: str) -> Kernel:
    lines = _LINE.findall(code)
    opcodes = [opcode for label, _, opcode, _ in lines if not label]
    bodies = _loops(_after(lines))
    loops = {first: _loop([opcodes[n] for n in sorted(body)]) for first, body in bodies.items()}
    touching = [first for first in sorted(loops) if loops[first].events]
    inner = [one for one in touching if not any(bodies[other] < bodies[one] for other in touching)]
    used = [opcode for opcode in opcodes if opcode != "NOP"]
    return Kernel(len(used), tuple(loops[first] for first in inner))


def _after(lines: list[tuple[str, str, str, str]]) -> list[list[int]]:
    """The instructions that may follow each one."""
    labels: dict[str, int] = {}
    code: list[tuple[str, str, str]] = []
    for label, predicate, opcode, operands in lines:
        if label:
            labels[label] = len(code)
        else:
            code.append((predicate, opcode.partition(".")[0], operands))
    after = []
    for n, (predicate, name, operands) in enumerate(code):
        ends = name in ("BRA", "EXIT", "RET") and not predicate and "," not in operands
        found = [] if ends or n + 1 == len(code) else [n + 1]
        if name == "BRA" and (target := _LABEL.search(operands)):
            found.append(labels[target[1]])
        after.append(found)
    return after


def _loops(after: list[list[int]]) -> dict[int, set[int]]:
    """The instructions of each loop by its first one; what branches back to where no way leads from is no loop."""
    before: dict[int, list[int]] = {n: [] for n in range(len(after))}
    for n, targets in enumerate(after):
        for target in targets:
            before[target].append(n)
    loops: dict[int, set[int]] = {}
    for n, targets in enumerate(after):
        for first in targets:
            body = {first}
            pending = [n] if first < n else []
            while pending:
                one = pending.pop()
                if one not in body:
                    body.add(one)
                    pending += before[one]
            if len(body) > 1 and (first == 0 or 0 not in body):
                loops.setdefault(first, set()).update(body)
    return loops


def _loop(opcodes: list[str]) -> Loop:
    """Loads that wait for other blocks are none of synapses."""
    names = [opcode.partition(".")[0] for opcode in opcodes if "LDG.E.STRONG" not in opcode]
    atomics, sums, loads = (sum(name in kind for name in names) for kind in (ATOMICS, SUMS, LOADS))
    return Loop(len(opcodes), atomics, sums if loads else 0, loads)
