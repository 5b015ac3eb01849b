"""A program as PTX on the emulated device: compiled once, run in schedules that seeds permute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikec.backends.ptx import codegen
from spikec.backends.ptx.module import GpuModule
from spikec.backends.ptx.target import PtxTarget
from spikec.dialects.program import Program
from spikec.lower import snn_to_step, step_to_gpu
from spikec.runtime.devices.emulated import EmulatedDevice
from spikec.runtime.gpu import GpuEngine, Shape
from spikec.runtime.interface import Interface
from spikec.runtime.run import Executable, Run

from tests.programs.engines import Array

SEEDS = (0, 1, 2)
SHAPES: tuple[Shape, ...] = ("graph", "persistent")


@dataclass(frozen=True)
class Emulated:
    """The PTX text of a program with what its host needs."""

    text: str
    module: GpuModule
    interface: Interface
    seed: int = 0

    @staticmethod
    def of(program: Program, target: str = "ptx", seed: int = 0) -> Emulated:
        """Of a program at level `snn`."""
        return Emulated.of_steps(snn_to_step.lower(program, seed), Interface.of(program), target, seed)

    @staticmethod
    def of_steps(program: Program, interface: Interface, target: str = "ptx", seed: int = 0) -> Emulated:
        """Of a program at level `step`."""
        chosen = PtxTarget.parse(target)
        module = step_to_gpu.lower(program, chosen)
        return Emulated(codegen.ptx(module.llvm, chosen.chip), module, interface, seed)

    def engine(self, schedule: int = 0, races: bool = False, shape: Shape = "auto") -> GpuEngine:
        """On a device of its own, whose fresh memory holds a pattern.

        A "persistent" kernel needs all its blocks at once; where a program has none, or too many blocks, it is a graph.
        """
        kernel = self.module.launches.persistent
        resident = max(1, kernel.grid) if kernel and shape == "persistent" else 1
        device = EmulatedDevice(seed=schedule, races=races, poison=True, resident=max(resident, 64))
        return GpuEngine(device, self.text, self.module.launches, self.module.constants, self.interface, shape)

    def executable(self, schedule: int = 0, races: bool = False, shape: Shape = "auto") -> Executable:
        return Executable(self.engine(schedule, races, shape), "ptx", self.seed)

    def runs(self, inputs: Mapping[str, Array], steps: int, checked: Shape = "graph", **options: Any) -> dict[str, Run]:
        """One run for each of `SEEDS`: the first, of shape `checked`, looks for races, the others have the other shape."""
        first, *others = SEEDS
        (other,) = (shape for shape in SHAPES if shape != checked)
        made = {first: self.executable(first, True, checked)}
        made |= {schedule: self.executable(schedule, False, other) for schedule in others}
        return {f"ptx, schedule {seed}": one.run(inputs, steps=steps, **options) for seed, one in made.items()}
