"""What a circuit takes of its device, as outside tools measured it."""

from __future__ import annotations

from spikec.backends.fpga.cells import Resources
from spikec.backends.fpga.devices import Device
from spikec.backends.fpga.placement import Placed
from spikec.dialects.notes import Cell, Table

NAMES = {
    "luts": "LUT as logic",
    "memory_luts": "LUT as memory",
    "ffs": "registers",
    "blocks": "blocks of memory",
    "dsps": "DSP",
}


def netlist(device: Device, used: Resources, predicted: Resources | None = None) -> Table:
    """The cells of a netlist against those of a device, and against what was predicted, where that is known."""
    columns = ("resource", "used", *(["predicted"] if predicted else []), "there", "percent")
    rows: list[tuple[Cell, ...]] = []
    for name, title in NAMES.items():
        here, there = getattr(used, name), getattr(device, name)
        expected = [getattr(predicted, name)] if predicted else []
        rows.append((title, here, *expected, there, _percent(here, there)))
    return Table(f"netlist for {device.family} {device.name}", columns, tuple(rows))


def placed(device: Device, found: Placed, clock: float) -> Table:
    """What nextpnr used of each kind of cell, and how fast the circuit is."""
    title = f"placed on {device.family} {device.name}" + (", its ports in series" if found.serial else "")
    rows: list[tuple[Cell, ...]] = [
        (kind, used, found.there[kind], _percent(used, found.there[kind])) for kind, used in found.used.items() if used
    ]
    if found.frequency is not None:
        rows.append(("MHz", round(found.frequency / 1e6, 1), clock / 1e6, _percent(found.frequency, clock)))
    return Table(title, ("cells", "used", "there or asked", "percent"), tuple(rows))


def _percent(used: float, there: float) -> float | None:
    return round(100 * used / there, 1) if there else None
