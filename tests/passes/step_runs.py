"""Random networks at level `step`, before and after a change, run on both engines."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import spikec
from spikec.backends.cpu.target import CpuTarget
from spikec.dialects.program import Program
from spikec.dialects.verify import verify
from spikec.lower import snn_to_step, step_to_cpu
from spikec.runtime.interface import Interface
from spikec.runtime.reference.engine import StepEngine
from spikec.runtime.run import Executable

from tests.programs.engines import differences
from tests.programs.generator import Case, write_case

Change = Callable[[Program], Program]


def random_networks(count: int, first: int = 0) -> Iterator[tuple[Case, Program]]:
    """Random models with their inputs, and the program at level `snn`."""
    for seed in range(first, first + count):
        case = write_case(Random(seed))
        with tempfile.TemporaryDirectory() as folder:
            yield case, spikec.load(case.write(Path(folder)))


def reference(program: Program, interface: Interface) -> Executable:
    return Executable(StepEngine(program, interface), "reference")


def cpu(program: Program, interface: Interface) -> Executable:
    target = CpuTarget.parse("cpu")
    return Executable(target.load(step_to_cpu.lower(program, target), program.constants, interface), "cpu")


def assert_same_runs(case: Case, network: Program, change: Change) -> Program:
    """Runs a network as it is on the reference and changed on both engines; the changed program."""
    interface, before = Interface.of(network), snn_to_step.lower(network)
    text = before.text()
    changed = change(before)
    verify(changed, "the change")
    assert before.text() == text, "the program that a pass is given stays as it is"
    engines = {
        "before": reference(before, interface),
        "changed": reference(changed, interface),
        "changed, cpu": cpu(changed, interface),
    }
    assert not differences({name: e.run(case.inputs, steps=case.steps) for name, e in engines.items()}), case
    return changed
