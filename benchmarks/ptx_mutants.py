"""How many wrong kernels the PTX executor tells from right ones.

    python benchmarks/ptx_mutants.py [--each N] [--seed N]

The compiler makes two kernels of a small integer network, one that updates neurons and one that scatters what spikes
bring.  One instruction of the text is changed, by one of four operators: another comparison, another constant or
offset, an operand dropped or two swapped, another operation on the same types.  The mutant runs on the executor, and is
caught where a result differs from the CPU's or the executor finds an error.  The data have potentials at the threshold,
weights at both ends of rows, rows that are empty and rows longer than a warp, two samples, a run longer than a
graph of launches, and one in pieces.

Prints the mutants that nobody caught, with their lines.  The exit status is 1 where fewer than 90 % are caught.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
from spikec import driver
from spikec.backends.ptx.module import GpuModule
from spikec.compilation import Compilation, Options
from spikec.runtime.devices.emulated import EmulatedDevice
from spikec.runtime.executor import ExecutionError
from spikec.runtime.gpu import GpuEngine
from spikec.runtime.interface import Interface
from spikec.runtime.run import Executable

NEURONS, STEPS, SAMPLES = 300, 70, 2
MODEL = f"""model Mutated {{
  step 1 ms
  neuron N {{
    in I
    var V = 0
    V := 0.75 * V + I
    spike when V >= 1 {{ V := V - 1 }}
  }}
  param w : real[{NEURONS}, {NEURONS}] = load("w.npz", "w")
  input x : real[{NEURONS}] in [0, 1]
  a = N[{NEURONS}](x)
  proj p : a -> a.I {{ connect all; weight w; delay 1 ms }}
  output y = a
  probe a.V
}}
"""
PIPELINE = 'sparsify,quantize{{weights=8,state=12,scale=pow2,calibrate="{}"}}'
ENOUGH = 0.9
RESUMES = 1 << 22
"""Of all threads of a launch: a hundred times what a right kernel takes."""
Array = npt.NDArray[np.generic]


# ---------------------------------------------------------------- the network


@dataclass(frozen=True)
class Network:
    """The PTX text with what its host needs, the input, and what the CPU gives for it."""

    text: str
    module: GpuModule
    interface: Interface
    x: Array
    wanted: list[Array]

    @property
    def kernels(self) -> tuple[str, str]:
        """The one that updates, and the one that scatters."""
        update, scatter = (kernel.name for kernel in self.module.launches.step)
        return update, scatter

    def caught(self, text: str) -> str:
        """What tells a text from the right one; empty where nothing does."""
        device = EmulatedDevice(races=True, poison=True, limit=RESUMES)
        try:
            engine = GpuEngine(device, text, self.module.launches, self.module.constants, self.interface)
            found = results(Executable(engine, "ptx"), self.x)
        except ExecutionError as error:
            return str(error).splitlines()[0]
        same = all(np.array_equal(a, b) for a, b in zip(found, self.wanted, strict=True))
        return "" if same else "other results"


def network() -> Network:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model.snn"
        model.write_text(MODEL)
        np.savez(folder / "w.npz", w=weights(rng))
        numbers = rng.integers(0, 9, (SAMPLES, STEPS, NEURONS)) * (rng.random((SAMPLES, STEPS, NEURONS)) < 0.5)
        x: Array = (numbers / 8).astype(np.float32)
        np.savez(folder / "x.npz", x=x[0])
        pipeline = PIPELINE.format(folder / "x.npz")
        ptx = driver.emit(
            Compilation(model, Options(target="ptx{sums=atomic,launch=graph}", pipeline=pipeline)), ["ptx"]
        )
        cpu = driver.executable(Compilation(model, Options(target="cpu", pipeline=pipeline), fresh=True))
    crosses(cpu, x)
    text, interface = ptx.files["ptx"].decode(), Interface.of(ptx.programs["snn"])
    return Network(text, ptx.module, interface, x, results(cpu, x))


def weights(rng: np.random.Generator) -> Array:
    """Eighths: some rows are empty, some longer than a warp, some end at the first and at the last neuron."""
    w = np.where(rng.random((NEURONS, NEURONS)) < 0.1, rng.integers(-4, 5, (NEURONS, NEURONS)) / 8, 0)
    w[::50] = 0
    w[1::50, [0, -1]] = 0.5
    w[2::50, :100] = 0.125
    return w.astype(np.float32)


def crosses(cpu: Executable, x: Array) -> None:
    """Makes sure that potentials reach the threshold exactly, and the number before it."""
    run = cpu.run({"x": x}, batch=SAMPLES).real()
    v, spikes, (scale,) = run.probes["a.V"], run.outputs["y"], {probe.scale for probe in cpu.interface.probes}
    assert (v[spikes] == 0).any() and (v[~spikes] == 1 - scale).any(), "no potential is at the threshold"


def results(executable: Executable, x: Array) -> list[Array]:
    """All that runs give: two samples side by side, and some steps of the second one in pieces."""
    both = executable.run({"x": x}, batch=SAMPLES)
    pieces = executable.run({"x": x[1, :8]}, progress=lambda steps: None)
    return [
        array
        for run in (both, pieces)
        for array in (run.outputs["y"], run.probes["a.V"], np.array([run.counts["a"], run.synaptic_events]))
    ]


# ---------------------------------------------------------------- mutants


@dataclass(frozen=True)
class Mutant:
    """A changed instruction: the number of its line in the text, from 0, and the line as it is then."""

    line: int
    text: str


@dataclass(frozen=True)
class Instruction:
    """A line `opcode operands;` in three parts: what stands before the operands, these, and their kinds.

    The kind of an operand is the letters of its register, such as `%rd`, and empty for all else.
    """

    head: str
    opcode: str
    operands: tuple[str, ...]

    @staticmethod
    def of(line: str) -> Instruction | None:
        found = re.fullmatch(r"(\t(?:@!?%p\d+ )?)([a-z][\w.:]*)( \t?| )(.*);", line)
        if found is None or found[2].startswith(("bra", "ret")):
            return None
        operands = re.findall(r"\[[^]]*\]|\{[^}]*\}|[^,\s]+", found[4])
        return Instruction(found[1], found[2], tuple(operands))

    def __str__(self) -> str:
        return f"{self.head}{self.opcode} \t{', '.join(self.operands)};"

    def kind(self, k: int) -> str:
        found = re.fullmatch(r"(%[a-z]+)\d+", self.operands[k])
        return found[1] if found else ""

    def having(self, k: int, operand: str) -> Instruction:
        return replace(self, operands=(*self.operands[:k], operand, *self.operands[k + 1 :]))


def comparisons(one: Instruction) -> Iterator[Instruction]:
    """Another comparison."""
    name, _, rest = one.opcode.removeprefix("setp.").partition(".")
    if one.opcode.startswith("setp."):
        signs = ("eq", "ne", "lt", "le", "gt", "ge")
        yield from (replace(one, opcode=f"setp.{sign}.{rest}") for sign in signs if sign != name)


def constants(one: Instruction) -> Iterator[Instruction]:
    """Another constant, or another offset of an address."""
    for k, operand in enumerate(one.operands):
        if re.fullmatch(r"-?\d+", operand) and not one.opcode.startswith("ld.param"):
            yield from (one.having(k, str(int(operand) + change)) for change in (-1, 1))
        elif address := re.fullmatch(r"\[(%rd\d+)(?:\+(-?\d+))?\]", operand):
            size = int(re.findall(r"\d+", one.opcode)[-1]) // 8
            yield from (one.having(k, f"[{address[1]}+{int(address[2] or 0) + change}]") for change in (-size, size))


def operands(one: Instruction) -> Iterator[Instruction]:
    """Two operands swapped where their order matters, or one of them dropped."""
    ordered = one.opcode.startswith(("sub", "shl", "shr", "setp.l", "setp.g", "selp"))
    kinds = [one.kind(k) for k in range(len(one.operands))]
    if len(one.operands) < 3 or one.operands[0][0] != "%":
        return
    left, right = one.operands[1:3]
    if ordered and left != right:
        yield one.having(1, right).having(2, left)
    width = re.search(r"\.[bsu](\d+)$", one.opcode)
    if width and len(kinds) == 3 and kinds[0] == kinds[1] and not one.opcode.startswith("setp"):
        yield from (Instruction(one.head, f"mov.b{width[1]}", (one.operands[0], kept)) for kept in (left, right))


def operations(one: Instruction) -> Iterator[Instruction]:
    """Another operation on the same types."""
    for name, others in OPERATIONS.items():
        if re.match(rf"{re.escape(name)}(?=\.|$)", one.opcode):
            yield from (replace(one, opcode=other + one.opcode[len(name) :]) for other in others)


OPERATIONS = {
    "add": ("sub",),
    "sub": ("add",),
    "mul.lo": ("add",),
    "and": ("or", "xor"),
    "or": ("and", "xor"),
    "not": ("neg",),
    "shl": ("shr",),
    "shr": ("shl",),
    "min": ("max",),
    "max": ("min",),
    "atom.global.add": ("atom.global.max", "atom.global.exch"),
    "vote.sync.ballot": ("match.any.sync",),
    "popc": ("clz",),
    "shfl.sync.bfly": ("shfl.sync.up", "shfl.sync.down"),
}
OPERATORS: tuple[Callable[[Instruction], Iterator[Instruction]], ...] = (comparisons, constants, operands, operations)


def candidates(text: str, kernel: str, operator: Callable[[Instruction], Iterator[Instruction]]) -> list[Mutant]:
    """All mutants of a kernel that an operator makes."""
    lines = text.split("\n")
    begin = next(number for number, line in enumerate(lines) if line.startswith(f".visible .entry {kernel}("))
    end = lines.index("}", begin)
    return [
        Mutant(number, str(mutant))
        for number in range(begin, end)
        if (one := Instruction.of(lines[number])) is not None
        for mutant in operator(one)
    ]


def drawn(network: Network, each: int, seed: int) -> list[Mutant]:
    """Up to `each` mutants of each kernel by each operator."""
    random = Random(seed)
    found = []
    for kernel in network.kernels:
        for operator in OPERATORS:
            all = candidates(network.text, kernel, operator)
            found += random.sample(all, min(each, len(all)))
    return found


def survivors(network: Network, mutants: list[Mutant]) -> Iterator[Mutant]:
    """Those that nobody catches."""
    for mutant in mutants:
        lines = network.text.split("\n")
        lines[mutant.line] = mutant.text
        if not network.caught("\n".join(lines)):
            yield mutant


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--each", type=int, default=12, help="mutants of each kernel by each operator")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    made = network()
    assert not made.caught(made.text)
    mutants = drawn(made, arguments.each, arguments.seed)
    left = 0
    for mutant in survivors(made, mutants):
        left += 1
        right = made.text.split("\n")[mutant.line].strip()
        print(f"line {mutant.line + 1}: {right}  ->  {mutant.text.strip()}", flush=True)
    caught = len(mutants) - left
    print(f"{caught} of {len(mutants)} mutants caught ({caught / len(mutants):.1%})")
    sys.exit(caught < ENOUGH * len(mutants))


if __name__ == "__main__":
    main()
