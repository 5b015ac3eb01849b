"""How many wrong kernels the executor tells from right ones: one instruction changed, drawn by a seed.

Four operators: another opcode, another number, another register, an instruction left out.  The data have
values at the threshold, words at the ends of rows, empty rows and blocks that are not full.
"""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from spikec.runtime.executor import ExecutionError, Machine

from .texts import Array, emitted

MUTANTS = 60
"""Of each of the two kernels."""
SEEDS = (0, 1)
OTHERS = [
    ("add.", "sub."), ("sub.", "add."), ("mul.rn", "add.rn"), ("mul.wide.u32", "mul.wide.s32"), ("setp.ge", "setp.gt"),
    ("setp.lt", "setp.le"), ("setp.eq", "setp.ne"), ("setp.ne", "setp.eq"), ("and.b32", "or.b32"), ("shr.", "shl."),
    ("shl.b32", "shr.b32"), ("selp.f32", "selp.b32"), ("popc", "clz"), (".ftz", ""), ("atom.global.add", "atom.global.max"),
    ("%tid.x", "%laneid"), ("%ctaid.x", "%tid.x"), ("lanemask_lt", "lanemask_le"), ("@%p", "@!%p"), ("ballot", "any"),
    ("mad.lo", "mad.hi"), ("shr.s32", "shr.u32"),
]  # fmt: skip


def lif(text: str, seed: int) -> list[Array]:
    """Potentials, and the spikes in order."""
    n = 300
    rng = np.random.default_rng(3)
    v = rng.normal(0, 1, n).astype(np.float32)
    current = rng.normal(0, 1, n).astype(np.float32)
    v[:40], current[:40] = 0.5, np.repeat([0.25, 0.5, 0.75, 1e-40], 10)  # at the threshold, and below what is kept
    v[40:44], current[40:44] = 0, -1e-40
    machine = Machine(seed=seed, races=True, limit=100_000)
    a, i, count = (machine.allocate(4 * n), machine.allocate(4 * n), machine.allocate(4))
    spikes = machine.allocate(4 * n)
    machine.write(a, v)
    machine.write(i, current)
    kernel = machine.load(text).kernels["lif"]
    machine.launch(kernel, (3, 1, 1), (128, 1, 1), arguments=[a, i, count, spikes, n, 0.5, 0.75])
    total = machine.read(count, np.uint32, 1)
    listed = machine.read(spikes, np.uint32, min(int(total[0]), n))
    return [machine.read(a, np.uint32, n), total, np.sort(listed)]


def scatter(text: str, seed: int) -> list[Array]:
    """Sums of the weights."""
    rng = np.random.default_rng(4)
    lengths = np.array([0, 1, 31, 32, 33, 64, 65, 0, 100, 7])
    rows = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint32)
    target = rng.integers(0, 50, rows[-1]).astype(np.uint32)
    weight = rng.integers(-30000, 30000, rows[-1])
    packed = (target | weight.astype(np.uint32) << np.uint32(16)).astype(np.uint32)
    arrays = [np.array([9], np.uint32), rng.permutation(10).astype(np.uint32), rows, packed, np.zeros(50, np.uint32)]
    machine = Machine(seed=seed, races=True, limit=100_000)
    addresses = []
    for array in arrays:
        addresses.append(machine.allocate(array.nbytes))
        machine.write(addresses[-1], array)
    machine.launch(machine.load(text).kernels["scatter"], (2, 1, 1), (128, 1, 1), arguments=addresses)
    return [machine.read(addresses[-1], np.uint32, 50)]


def mutated(text: str, rng: random.Random) -> str:
    """One instruction changed."""
    lines = text.split("\n")
    body = [k for k, line in enumerate(lines) if line.startswith("\t") and line.endswith(";") and ".reg" not in line]
    while True:
        k = rng.choice(body)
        line = lines[k]
        match rng.randrange(4):
            case 0:
                fitting = [(old, new) for old, new in OTHERS if old in line and old != new]
                changed = line.replace(*rng.choice(fitting), 1) if fitting else line
            case 1:
                numbers = list(re.finditer(r"(?<![%\w.\]])(?:-?\d+)(?![\w.])", line))
                found = rng.choice(numbers) if numbers else None
                step = rng.choice([-1, 1])
                changed = f"{line[: found.start()]}{int(found[0]) + step}{line[found.end() :]}" if found else line
            case 2:
                registers = list(re.finditer(r"%(?:rd|r|p)\d+", line))[1:]
                changed = line
                if registers:
                    found = rng.choice(registers)
                    prefix = found[0].rstrip("0123456789")
                    others = sorted(set(re.findall(rf"{prefix}\d+\b", text)) - {found[0]})
                    changed = line[: found.start()] + rng.choice(others) + line[found.end() :]
            case _:
                changed = ""
        if changed != line:
            return "\n".join([*lines[:k], changed, *lines[k + 1 :]])


@pytest.mark.parametrize("run", [lif, scatter], ids=["lif", "scatter"])
def test_nine_of_ten_wrong_kernels_are_found(run: object) -> None:
    assert callable(run)
    text = emitted(run.__name__)
    expected = [run(text, seed) for seed in SEEDS]
    rng = random.Random(1)
    mutants = {mutated(text, rng) for _ in range(MUTANTS)}
    survivors = []
    for mutant in sorted(mutants):
        try:
            results = [run(mutant, seed) for seed in SEEDS]
        except (ExecutionError, MemoryError):
            continue
        if all(np.array_equal(a, b) for x, y in zip(results, expected, strict=True) for a, b in zip(x, y, strict=True)):
            changed = [f"{a} -> {b}" for a, b in zip(text.split("\n"), mutant.split("\n"), strict=True) if a != b]
            survivors += changed
    assert len(survivors) <= len(mutants) // 10, "\n".join(survivors)
