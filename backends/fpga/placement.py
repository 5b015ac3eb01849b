"""From a netlist to a bitstream, by nextpnr and the packer of the family."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikec.backends.fpga import serial, tools
from spikec.backends.fpga.cells import Resources
from spikec.backends.fpga.devices import Device
from spikec.backends.fpga.ports import Ports
from spikec.backends.fpga.synthesis import Netlist, synthesise
from spikec.dialects.program import Program

FAMILIES = ("ecp5", "ice40")
"""Those that there is a free router for in a wheel."""
ATTEMPTS = ((1, False), (1, True), (2, True))
"""The place to begin with, and whether the netlist is the fast one, one after the other until the clock is reached."""
HOPELESS = 0.8
"""A share of the clock below which nothing else is tried."""

_PINS = {"CABGA381": 197, "cm121": 92, "cm225": 178, "ct256": 206, "sg48": 39, "tq144": 95}
"""The pins of each package that a design may use, at the smallest device in it."""
_PLACE = {
    "ecp5": ("--textcfg", "placed.config", "--lpf-allow-unconstrained"),
    "ice40": ("--asc", "placed.config", "--pcf-allow-unconstrained"),
}
_PACK = {"ecp5": "ecppack", "ice40": "icepack"}


@dataclass(frozen=True)
class Placed:
    """`frequency` in Hz that the slowest path allows, None without one; cells `used` and `there` as nextpnr has them.

    `serial`: the ports did not fit the package, and `serial.verilog` is around the circuit.
    """

    bitstream: bytes
    frequency: float | None
    used: Mapping[str, int]
    there: Mapping[str, int]
    serial: bool


def place(program: Program, netlist: Netlist, device: Device, clock: float) -> Placed:
    """Places and routes a circuit, with its `netlist` as json, for a clock (Hz); the same bytes for the same tools.

    Pins are chosen by the router; a clock that is just missed is tried again, with a faster netlist if that fits.
    Raises `MissingTool`; CompileError where a tool fails (E1331), the device is too small (E1332) or the clock is not
    reached (E1333).
    """
    if short := Resources.of(device.family, netlist.cells).short(device):
        message = f"the circuit does not fit {device.family} {device.name}: {'; '.join(short)}"
        raise tools.error("E1332", message, tools.HELP["E1332"])
    ports = Ports.of(program)
    wide = ports.pins > _PINS[device.package]
    shell = (serial.verilog(ports), serial.name(ports)) if wide else ("", "")
    slow: list[float] = []
    with tools.folder() as folder:
        for seed, fast in ATTEMPTS:
            if wide or fast:
                netlist = synthesise(program, device.family, ("json",), *shell, fast)
            if slow and Resources.of(device.family, netlist.cells).short(device):
                break
            tools.write({"netlist.json": netlist.files["json"]}, folder)
            router, packer = _arguments(device, clock, seed)
            tools.run(router[0], [*router[1:], "--timing-allow-fail", "--report", "report.json"], folder)
            report = json.loads((folder / "report.json").read_text())
            frequency = _frequency(report)
            if frequency is None or frequency >= clock:
                break
            slow.append(frequency)
            if frequency < HOPELESS * clock:
                break
        if frequency is not None and frequency < clock:
            raise _too_slow(max(slow), clock, device)
        tools.run(packer[0], packer[1:], folder)
        used, there = ({kind: one[key] for kind, one in report["utilization"].items()} for key in ("used", "available"))
        return Placed((folder / "bitstream").read_bytes(), frequency, used, there, wide)


def commands(device: Device, clock: float) -> list[str]:
    """The commands that make `bitstream` of `netlist.json`."""
    return [" ".join(command) for command in _arguments(device, clock)]


def _arguments(device: Device, clock: float, seed: int = 1) -> tuple[list[str], list[str]]:
    """The router and the packer."""
    family = device.family
    router = [f"nextpnr-{family}", *device.flags, "--package", device.package, "--freq", f"{clock / 1e6:g}"]
    router += ["--seed", f"{seed}", "--json", "netlist.json", *_PLACE[family]]
    return router, [_PACK[family], "placed.config", "bitstream"]


def _frequency(report: Mapping[str, Any]) -> float | None:
    return min((float(clock["achieved"]) * 1e6 for clock in report["fmax"].values()), default=None)


def _too_slow(frequency: float, clock: float, device: Device) -> Exception:
    reached, asked = frequency / 1e6, clock / 1e6
    message = f"on {device.family} {device.name} the circuit reaches {reached:.1f} MHz, and {asked:g} MHz are asked"
    help = f"clock={int(reached)}MHz in the braces of --target gives a bitstream for this clock"
    return tools.error("E1333", f"{message}: it misses a period by {1e3 / reached - 1e3 / asked:.2f} ns", help)
