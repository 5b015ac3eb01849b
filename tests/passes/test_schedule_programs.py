"""Random programs under random schedules: the same spikes, states, outputs and counts, bit for bit.

100 programs by default, 1000 with SPIKEC_FULL=1; each tenth is compiled for the CPU too.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from random import Random

import numpy as np
import pytest
import spikec
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.lower import snn_to_step, step_to_cpu
from spikec.passes.schedule import Schedule, blocks
from spikec.runtime.interface import Interface
from spikec.runtime.run import Executable

from tests.passes.schedules import Runner, random_schedule, stretches
from tests.programs.engines import differences
from tests.programs.generator import Case, write_case

PROGRAMS = 1000 if os.environ.get("SPIKEC_FULL") == "1" else 100
COMPILED = 10  # one in so many
SHARES = 10


@pytest.mark.parametrize("share", range(SHARES))
def test_every_schedule_gives_the_same(share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # What fits the first cache of these tiny networks, so that automatic blocks are not always one step.
    monkeypatch.setattr(blocks, "WEIGHTS", 100)
    for number in range(share * PROGRAMS // SHARES, (share + 1) * PROGRAMS // SHARES):
        random = Random(number)
        compare(write_case(random), random, number % COMPILED == 0)


def compare(case: Case, random: Random, compiled: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        network = spikec.load(case.write(Path(folder)))
    interface, plain = Interface.of(network), snn_to_step.lower(network, 0)
    inputs = {
        name: array
        if len(array) == case.steps and array.ndim > 1
        else np.broadcast_to(array, (case.steps, *array.shape))
        for name, array in case.inputs.items()
    }
    block, mode = random.choice((0, 0, 1, 2, 3, 5, 8, 50)), random.choice(("auto", "auto", "event", "dense"))
    schedules = {
        f"block={block}, mode={mode}": Schedule(block=block, mode=mode).run(plain),
        "random": random_schedule(plain, random.randrange(1 << 30)),
    }
    lengths = stretches(random, case.steps)
    wanted = Runner(plain, interface).run(inputs, [case.steps])
    for name, program in schedules.items():
        assert problems(program) == [], f"{name}\n{case}"
        found = Runner(program, interface).run(inputs, lengths)
        different = [key for key in wanted if _total(key, wanted[key]) != _total(key, found[key])]
        assert not different, f"{name}: {different} in stretches of {lengths}\n{case}\n{program.text()}"
    if compiled:
        runs = {"plain": _cpu(plain, interface)} | {n: _cpu(p, interface) for n, p in schedules.items()}
        assert not differences({name: net.run(case.inputs, steps=case.steps) for name, net in runs.items()}), case


def _total(key: str, array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """Counts of all stretches together, everything else bit by bit, one NaN being as good as another."""
    if key.startswith(("emitted", "synaptic")):
        return bytes(str(array.sum()), "ascii")
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return np.ascontiguousarray(array).tobytes()


def _cpu(program: Program, interface: Interface) -> Executable:
    target = CpuTarget.parse("cpu")
    return Executable(target.load(step_to_cpu.lower(program, target), program.constants, interface), "cpu", 0)
