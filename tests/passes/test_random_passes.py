"""Random programs through lossless passes in random order and random schedules: valid IR, and the same bits.

100 programs by default, 1000 with SPIKEC_FULL=1; each tenth is compiled for the CPU too.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import spikec
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects.program import Program
from spikec.dialects.verify import problems
from spikec.lower import snn_to_step, step_to_cpu
from spikec.passes.canonicalize import Canonicalize
from spikec.passes.merge import Merge
from spikec.passes.narrow import Narrow
from spikec.passes.remove_dead import RemoveDead
from spikec.passes.schedule import Schedule, blocks
from spikec.runtime.interface import Interface
from spikec.runtime.run import Executable

from tests.passes.schedules import Runner, random_schedule, stretches
from tests.programs.engines import differences
from tests.programs.generator import Case, write_case

PROGRAMS = 1000 if os.environ.get("SPIKEC_FULL") == "1" else 100
COMPILED = 10  # one in so many
LOSSLESS: tuple[Any, ...] = (Canonicalize(), Merge(), Narrow(), RemoveDead())
SHARES = 10
COUNTS = ("emitted", "synaptic")


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
    order = random.choices(LOSSLESS, k=random.randrange(5))
    changed = network
    for one in order:
        changed = one.run(changed)
        assert problems(changed) == [], f"{order}\n{case}"
    interface, plain = Interface.of(network), snn_to_step.lower(network, 0)
    other, lowered = Interface.of(changed), snn_to_step.lower(changed, 0)
    inputs = {
        name: array
        if len(array) == case.steps and array.ndim > 1
        else np.broadcast_to(array, (case.steps, *array.shape))
        for name, array in case.inputs.items()
    }
    block, mode = random.choice((0, 0, 1, 2, 3, 5, 8, 50)), random.choice(("auto", "auto", "event", "dense"))
    schedules = {
        f"block={block}, mode={mode}": Schedule(block=block, mode=mode).run(lowered),
        "random": random_schedule(lowered, random.randrange(1 << 30)),
    }
    lengths = stretches(random, case.steps)
    wanted = Runner(plain, interface).run(inputs, [case.steps])
    for name, program in schedules.items():
        assert problems(program) == [], f"{name}\n{case}"
        found = Runner(program, other).run(inputs, lengths)
        kept = [key for key in wanted if not gone(key, order, found)]
        different = [key for key in kept if _total(key, wanted[key]) != _total(key, found[key])]
        assert not different, f"{order}, {name}: {different} in stretches of {lengths}\n{case}\n{program.text()}"
    if compiled:
        runs = {"plain": _cpu(lowered, other)} | {n: _cpu(p, other) for n, p in schedules.items()}
        runs = {name: net.run(case.inputs, steps=case.steps) for name, net in runs.items()}
        if not removes(order):
            runs = {"before": _cpu(plain, interface).run(case.inputs, steps=case.steps), **runs}
        assert not differences(runs), case


def gone(key: str, order: Sequence[Any], found: Mapping[str, Any]) -> bool:
    """Whether passes may have changed what a run shows: counts, with their populations; states that nobody asks for."""
    if key.startswith("state ") and order:
        return key not in found
    return removes(order) and key.startswith(COUNTS)


def removes(order: Sequence[Any]) -> bool:
    """Whether populations may be gone, and with them their counts."""
    return any(isinstance(one, Merge | RemoveDead) for one in order)


def _total(key: str, array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """Counts of all stretches together, everything else bit by bit, one NaN being as good as another."""
    if key.startswith(COUNTS):
        return bytes(str(array.sum()), "ascii")
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return np.ascontiguousarray(array).tobytes()


def _cpu(program: Program, interface: Interface) -> Executable:
    target = CpuTarget.parse("cpu")
    return Executable(target.load(step_to_cpu.lower(program, target), program.constants, interface), "cpu", 0)
