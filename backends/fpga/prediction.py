"""What a circuit is expected to take of its device, in cells and in cycles, before any tool has seen it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from spikec.backends.fpga.area import Area
from spikec.backends.fpga.cells import Resources
from spikec.backends.fpga.devices import Device
from spikec.backends.fpga.report import NAMES
from spikec.dialects.notes import Cell, Table

REST = "queues of outputs"
"""What belongs to no core."""


@dataclass(frozen=True)
class PredictedCore:
    """A core of `groups` groups of `lanes`, with its encoders and queues; alone it takes `cycles` for a step."""

    name: str
    lanes: int
    groups: int
    cycles: float
    area: Area


@dataclass(frozen=True)
class Prediction:
    """`cycles` of a sample of `steps` steps at `clock` (Hz), with events of the share `activity` of all sources."""

    device: Device
    cores: tuple[PredictedCore, ...]
    rest: Area
    cycles: int
    steps: int
    clock: float
    activity: float

    @property
    def total(self) -> Resources:
        """What the whole circuit takes."""
        areas = [*(core.area for core in self.cores), self.rest]
        return Resources(
            **{one.name: sum(getattr(area.resources, one.name) for area in areas) for one in fields(Resources)}
        )

    @property
    def latency(self) -> float:
        """The seconds of a sample."""
        return self.cycles / self.clock

    @property
    def bottleneck(self) -> PredictedCore | None:
        """The core that the others wait for."""
        return max(self.cores, key=lambda core: core.cycles, default=None)

    def tables(self) -> tuple[Table, ...]:
        """The figures for a report: of each core, of the device, of time."""
        columns = ("core", "lanes", "groups", "cycles of a step", *NAMES.values(), "bits of memory")
        rows: list[tuple[Cell, ...]] = [
            (one.name, one.lanes, one.groups, round(one.cycles, 1), *_figures(one.area)) for one in self.cores
        ]
        if any(_figures(self.rest)):
            rows.append((REST, None, None, None, *_figures(self.rest)))
        return Table("cores (predicted)", columns, tuple(rows)), self._device(), self._time()

    def _device(self) -> Table:
        total = self.total
        rows = []
        for name, title in NAMES.items():
            used, there = getattr(total, name), getattr(self.device, name)
            rows.append((title, used, there, round(100 * used / there, 1) if there else None))
        title = f"{self.device.family} {self.device.name} (predicted)"
        return Table(title, ("resource", "used", "there", "percent"), tuple(rows))

    def _time(self) -> Table:
        slowest = self.bottleneck
        rows: tuple[tuple[Cell, ...], ...] = (
            ("cycles of a step", round(self.cycles / self.steps, 1)),
            ("microseconds of a step", round(1e6 * self.latency / self.steps, 2)),
            ("microseconds of a sample", round(1e6 * self.latency, 1)),
            ("the others wait for", slowest.name if slowest else None),
        )
        title = f"{self.steps} steps at {self.clock / 1e6:g} MHz, {self.activity:g} of the sources active (predicted)"
        return Table(title, ("figure", "value"), rows)


def _figures(area: Area) -> tuple[Cell, ...]:
    return (*(getattr(area.resources, name) for name in NAMES), area.bits)
