"""What one step costs on a target, before anything is built: operations, bytes, cycles and energy of each stage.

The model counts what the ops of a stage do at assumed rates of events, and multiplies by the constants of `cost_model`:

- a propagate walks `rate * sources` events; each adds one row of its table (all targets of a dense one, the average
  row of a csr one), and multiplies where the events carry values;
- an update does the operations of its program for each element; elementary functions count what their lists hold;
- bytes are what the ops read and write: weights with their indices, states and other buffers, lists of events;
- energy is that of arithmetic and memory alone (`ENERGY`, `NEAR`, `DRAM`): no instruction is fetched, nothing
  leaks, so it compares networks and schedules and does not predict a meter.

Cycles, by target:

- cpu: one core with vectors of 512 bits.  Costs of loops over resident data, fitted to measurements by
  `benchmarks/estimate.py`, which also shows how far off they are.
- ptx: each stage is one kernel; it costs a launch and the time its bytes take at the bandwidth of the memory.
- fpga: each stage is a process with `LANES` adders.  Its targets lie in groups of that many; an event is added to
  one group a cycle, and the program passes over all groups in two.  With E events that reach G groups it takes
  G * (E + 2) cycles; a sum cannot be added to again within `HAZARD` cycles, so that G counts at least so much.
  Stages work on different steps at once: the slowest decides the rate of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from spikec.analysis.cost_model import ASSUMED, DRAM, GPU_BYTES, LAUNCH, NEAR, ON_CHIP
from spikec.analysis.costs import Cost, Counts, Network
from spikec.dialects.functions import symbol_of
from spikec.dialects.mlir import ir
from spikec.dialects.notes import Table
from spikec.dialects.program import Program


@dataclass
class Row(Counts):
    """One stage in one step; `energy` is in nJ."""

    cycles: float = 0.0
    energy: float = 0.0
    stage: str = ""


SUMMED = tuple(field.name for field in fields(Counts))
NUMBERS = (*SUMMED, "cycles", "energy")
COLUMNS = (
    "stage",
    "events",
    "synaptic events",
    "additions",
    "multiplications",
    "updates",
    "weights, bytes",
    "state, bytes",
    "lists, bytes",
    "cycles",
    "energy, nJ",
)


@dataclass(frozen=True)
class Estimate:
    """The stages of `@step` in order."""

    target: str
    rows: tuple[Row, ...]

    @property
    def total(self) -> Row:
        """All stages together; on an fpga they run at once, so that the slowest gives the cycles."""
        sums = {name: sum(getattr(row, name) for row in self.rows) for name in NUMBERS}
        if self.target == "fpga":
            sums["cycles"] = max((row.cycles for row in self.rows), default=0.0)
        return Row(**sums, stage="all")

    def table(self, title: str) -> Table:
        """The stages and their sum, rounded for people."""
        rows = (*self.rows, self.total)
        return Table(
            title, COLUMNS, tuple((row.stage, *(rounded(getattr(row, name)) for name in NUMBERS)) for row in rows)
        )


def rounded(value: float) -> float | int:
    """A number for people: three digits, and all of whole numbers and of those from 100 on."""
    return round(value) if value >= 100 or value == round(value) else float(f"{value:.3g}")


def tables(program: Program, target: str, rates: Mapping[str, float] | float | None = None) -> tuple[Table, ...]:
    """What a report shows of a program at level `step`; nothing for a target without a model."""
    if _name(target) not in TARGETS:
        return ()
    made = estimate(program, target, ASSUMED if rates is None else rates)
    if isinstance(rates, Mapping):
        said = "at the rates given"
    else:
        said = (
            f"{'assumed ' if rates is None else ''}{ASSUMED if rates is None else rates:g} events per neuron and step"
        )
    return (made.table(f"estimate for {made.target}, one step, {said}"),)


def _name(target: str) -> str:
    """The word that a target's text begins with."""
    return target.partition("{")[0].partition(":")[0]


def estimate(program: Program, target: str, rates: Mapping[str, float] | float = ASSUMED) -> Estimate:
    """The cost of one step of a program at level `step`.

    `rates` are events per element and step: one number, or numbers by the name of a population (`hidden`), an input
    (`x`), a buffer, or the counter of a projection, for its sources; `*` stands for all others.  Sources that are
    real numbers count as all active unless named.  Raises ValueError for a target that has no model.
    """
    name = _name(target)
    if name not in TARGETS:
        raise ValueError(f"no estimate for the target '{target}'")
    with program.module.context:
        network = Network(program, rates)
        lengths = blocks(network.symbols.get("run"))
        return Estimate(name, tuple(_row(network, name, stage, lengths.get(stage, 1)) for stage in network.order()))


def _row(network: Network, target: str, stage: str, block: int) -> Row:
    costs = network.stage(stage)
    sums = {key: sum(getattr(cost, key) for cost in costs) for key in SUMMED}
    cycles, energy = TARGETS[target](costs), energy_of(network, target, costs, block)
    return Row(**sums, cycles=cycles, energy=energy, stage=stage.removeprefix("stage."))


def energy_of(network: Network, target: str, costs: list[Cost], block: int) -> float:
    """nJ of ops of a stage that runs `block` steps at a time.

    What a step of a block reads of a table off the chip is fetched at most once a block.
    """
    chip = ON_CHIP[target]
    near, state = _per_byte(min(network.constants, chip), chip), _per_byte(network.resident, chip)
    total = 0.0
    for cost in costs:
        fetched = min(cost.weights, cost.table / block) if network.constants > chip else 0.0
        total += cost.picojoules + (cost.state + cost.lists) * state
        total += fetched * DRAM + (cost.weights - fetched) * near
    return total / 1000


def _per_byte(size: float, chip: float) -> float:
    """pJ per byte of a memory of so many bytes."""
    if size > chip:
        return DRAM
    return next((energy for limit, energy in NEAR if size <= limit), NEAR[-1][1])


def blocks(run: Any) -> dict[str, int]:
    """How many steps each stage runs at a time: the longest stride of the loops around its call."""
    found: dict[str, int] = {}

    def visit(block: Any, steps: int, constants: dict[Any, int]) -> None:
        for wrapped in block.operations:
            op = wrapped.operation
            if op.name == "arith.constant":
                constants[ir.Value(op.results[0])] = int(ir.IntegerAttr(op.attributes["value"]).value)
            elif op.name == "func.call":
                found[str(symbol_of(op.attributes["callee"]))] = steps
            elif op.name == "scf.for":
                stride = constants.get(ir.Value(op.operands[2]), 1)
                visit(op.regions[0].blocks[0], max(steps, stride), constants)

    if run is not None:
        visit(run.regions[0].blocks[0], 1, {})
    return found


def _cpu(costs: list[Cost]) -> float:
    return sum(cost.cpu for cost in costs)


def _ptx(costs: list[Cost]) -> float:
    return LAUNCH + sum(cost.weights + cost.state + cost.lists for cost in costs) / GPU_BYTES


def _fpga(costs: list[Cost]) -> float:
    """Fills and copies of sums happen while the program passes over them."""
    return sum(cost.lanes for cost in costs if cost.events or cost.updates or cost.additions)


TARGETS: Mapping[str, Callable[[list[Cost]], float]] = {"cpu": _cpu, "ptx": _ptx, "fpga": _fpga}
"""The models of cycles by the name of a target."""
